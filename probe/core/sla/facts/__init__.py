"""From rows of `slots`, `requests` and `events` to facts: what a contract counts, one a request or unmeasured slot.

In: the tables' rows of one stream, in the order of seq. Out: `FactRow`s for engines that add up, `SlotLook`s for
whoever follows one subject through time, and what the stream itself says is missing.
"""
