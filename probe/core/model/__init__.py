"""The values that say what is to be measured, and the types that everything else is built of.

In: nothing; these are types and their parsers. Out: `task.Task`, complete in itself: request, deadlines, limits,
resolvers, vantage point, checks. `value.Value` is the base of all records and `value.replace` copies one with
changes; `units` reads and prints durations, sizes and rates; `times` reads and prints moments; `addresses` says which
addresses may be connected to. What was seen and judged is in `probe.core.records`.
"""
