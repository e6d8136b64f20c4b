"""Rule: a single measurement by hand needs no configuration, stores nothing and may connect to any address.

The address policy guards a daemon against names that lead to internal addresses; who types an address means it.
"""

from __future__ import annotations

from probe import __version__
from probe.checks import CHECKS
from probe.core.model.task import Task
from probe.core.records.rows import SlotRecord
from probe.fetch.exchange import load
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.host.loop_lag import LoopLag, clock_state
from probe.measure.pipeline import HostProbe, Pipeline
from probe.net.netns import close_namespaces
from probe.resolver.resolver import Resolver
from probe.settings.secrets import reveal
from probe.watch.host_dates import HostDates

EVERYWHERE = ("0.0.0.0/0", "::/0")


def host_probe(agent: str, config_digest: str, lag: LoopLag) -> HostProbe:
    """The pipeline's view of this host."""

    def state() -> tuple[bool | None, int | None]:
        now = clock_state()
        return now.synchronised, now.max_error_us

    return HostProbe(
        agent=agent,
        agent_version=__version__,
        config_digest=lambda: config_digest,
        worst_lag_us=lag.worst_us,
        clock_state=state,
    )


async def measure_alone(task: Task) -> SlotRecord:
    """One slot of one task, now, with I/O of its own."""
    clock = SystemClock()
    lag = LoopLag(clock)
    dates = HostDates(clock)
    load(task.protocols)
    fetcher = HttpFetcher(clock, reveal, EVERYWHERE, dates.note)
    pipeline = Pipeline(
        kinds=CHECKS,
        resolver=Resolver(clock, EVERYWHERE),
        fetcher=fetcher,
        clock=clock,
        host=host_probe("trace", "", lag),
        dates=dates.lately,
    )
    await lag.start()
    try:
        return await pipeline.measure(task, rfc3339(clock.time_ns()))
    finally:
        await fetcher.close()
        await lag.stop()
        close_namespaces()
