"""Which slot is due, who may start it, and what it may use. Pure decisions, without a clock.

In: tasks (`core.model.task.Task`), ceilings, and the time as a number. Out: due slots in order (`agenda.Agenda` on
the times of `grid`), the next slot that there is room for (`admission.Admission`), the addresses to visit
(`edge_selection`), whether a request or a body may be spent (`rate_ceiling.Ceiling`, `bandwidth_budget.Budgets`),
which host (`shard.Shard`) and which worker (`worker_assignment`) measures a task, and up to when a stream is complete
(`open_slots.OpenSlots`).
"""
