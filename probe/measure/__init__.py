"""One due slot becomes one row: what is asked for it, of whom, in which order.

In: a `core.model.task.Task` and its due time; resolver, fetcher, clock and line health are passed in. `pipeline`
leads (`Pipeline.measure`), `slot.Slot` collects the observations, `origin` asks for the reference, `check_requests`
asks what checks want, `sweep`, `second_path` and `line_doubt` ask more before anybody is accused. Out: a
`core.records.rows.SlotRecord`, judged, and a `core.results.bundle.Bundle` where it is not well. `oneshot` does this
by hand, without configuration and store.
"""
