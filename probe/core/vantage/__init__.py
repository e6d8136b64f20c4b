"""The state of a vantage point's line: online or offline (`health`), and the report of `vantage check` (`report`).

In: rounds of anchors, facts of the line. Out: `core.records.surroundings.VantageHealth` and reports for people. Pure.
"""
