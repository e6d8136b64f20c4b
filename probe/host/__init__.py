"""The host that measures: its clocks, disk, event loop and service manager.

In: the operating system. Out: times (`clock.Clock`: nanoseconds, monotonic, and one wall-clock sample), how late our
own loop was (`loop_lag.LoopLag`) and how long the host slept (`suspension.Suspensions`), both in microseconds for
each slot's record, free space (`disk.DiskWatch`), why nobody measured before (`last_run.LastRun`), notifications to
systemd (`systemd.Notifier`), and files that survive a power cut (`files`). `gc.settle` keeps garbage collection out
of slots. `posting`: what this host posts to whom the operator named.
"""
