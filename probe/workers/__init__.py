"""Processes that measure for the agent, which alone schedules and stores (decision 0014).

In: orders (`messages.Measure`, `Tasks`, `Lines`, `Stop` and the others) over a channel of whole messages
(`channel.Channel`). `worker_pool.WorkerPool` shares the tasks among the workers, `seed.seed_of` reads what they are to
know; `supervisor.WorkerSupervisor` starts a process, hands it orders and starts it again; `process.main` and
`worker.Worker` are that process; `line_copies.LineCopies` is what it knows of lines from the others. Out: reports
(`messages.Done` with a row, `Failed`, `Version`, `Learned` and the others). Errors: `supervisor.WorkerLostError`,
`supervisor.SlotFailedError`.
"""
