"""The state of a vantage point: its line (`health`, `line_quality`), its host's clock (`clock_standing`), and whether
those whom it asks answer it as they answer anybody (`refusals`); the report of `vantage check` (`report`).

In: rounds of anchors, facts of the line, replies. Out: values of `core.records.surroundings` and reports for people.
Pure.
"""
