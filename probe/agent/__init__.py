"""The running agent: its parts put together, started, reloaded and ended.

In: a configuration that was read (`probe.settings`). `daemon.serve` opens the store and runs until a signal,
`parts.build` puts the parts together and starts none of them, `agent.Agent` connects schedule, measuring and store
(`row_sink.RowSink`; with several processes `probe.workers.worker_pool.WorkerPool`) and runs them, `background` runs the
companions, `reload` and `resume` take over a new configuration and the last run's state, `watchdog` and `shutdown` care
for the service manager and the end. Out: rows and events (`events.EventWriter`) in the store, and the live state
(`live.Live`) for whoever asks over `probe.control`.
"""
