"""When a slot starts, on this host's clocks; which slot is due is decided in `probe.core.scheduling`.

In: tasks, ceilings, a `Clock`, and two callbacks: `on_slot` measures, `on_missed` records. `scheduler.Scheduler` gives
each due slot (`missed.Due`) to exactly one of them, to the latter with a reason; `pump.Pump` wakes it on the monotonic
clock; `missed.Reporter` reports missed slots in bounded portions. Out: the calls, a `scheduler.Tally`, and up to when
each customer's slots are complete. `jobs.Jobs` runs what recurs beside measuring, by APScheduler, and says when.
"""
