"""The record of a slot: what was seen, what was judged, and the rows in which both are stored.

In: nothing; these are types. Facts of a connection (`transport`), of a response (`response`), of a look-up (`dns`)
and of a failure (`failure`) are joined in an `Observation`. Observations, the origin's versions (`origin`) and what
surrounds the slot (`surroundings`) make up the `Evidence`, of which the judge makes a `Verdict` (`verdict`). Out:
`SlotRecord` and `EventRecord` (`rows`), written and read as one line of JSON by `codec`.

All are frozen values. Wall-clock times are RFC 3339 strings in UTC (`2026-11-22T10:00:00.000000Z`); everything called
`_us` inside an observation is an offset in microseconds from the slot's `started_at`, measured on the monotonic
clock, unless its docstring says that it is a duration. What was not measured is None, never 0. docs/records.md lists
every field.
"""
