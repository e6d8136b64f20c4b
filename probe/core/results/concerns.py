"""Rule: what an operator should act on is said in a sentence with what to do; what is merely a figure is not.

Of the agent itself, never of the CDN: a bad verdict is a result, not a trouble of ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from probe.core.model.times import epoch_s
from probe.core.results.live_state import LiveState

BEHIND_S = 900.0  # longer than any slot takes with all its confirmations
FREE_BYTES = 1 << 30
LATE_US = 5_000_000
LAG_US = 1_000_000


def concerns(state: LiveState) -> tuple[str, ...]:
    """The sentences; none where all is well."""
    return tuple(_concerns(state))


def _concerns(state: LiveState) -> Iterator[str]:
    if state.stopping:
        yield "it is stopping: what runs is finished, nothing new begins"
    elif not state.ready:
        yield "it does not measure yet: it is starting"
    if state.queue.trouble is not None:
        yield f"results cannot be written: {state.queue.trouble}; {state.queue.queued} records wait"
    if state.trouble not in (None, state.queue.trouble):
        yield f"{state.trouble}. Find out who did it, then start the agent again"
    if state.queue.lost:
        yield f"{state.queue.lost} records were lost since the start for want of room; each loss is on record"
    if state.disk.free_bytes is not None and state.disk.free_bytes < FREE_BYTES:
        yield f"the disk of the results has {state.disk.free_bytes // (1 << 20)} MiB left: make room or set keep.size"
    if state.lateness.p99_us is not None and state.lateness.p99_us > LATE_US:
        yield (
            f"slots begin {state.lateness.p99_us / 1e6:.1f} s late (99th percentile):"
            " more is asked of this host than it can do; see docs/performance.md"
        )
    if state.loop_lag_us is not None and state.loop_lag_us > LAG_US:
        yield f"its own loop stood still for {state.loop_lag_us / 1e6:.1f} s within the last minute"
    for worker in state.workers:
        if not worker.measuring and worker.problem is not None:
            yield f"worker {worker.number} does not measure: {worker.problem}; it is begun again by itself"
    yield from _lines(state)
    yield from _behind(state)
    if state.clock.synchronised is False:
        yield "the host's clock is not synchronised: every row says so; start an NTP client"
    for job in state.jobs:
        if job.problem is not None:
            named = f"{job.name} {job.subject}".strip()
            yield f"{named} did not do all its work when it ran last: {job.problem}; it is tried again by itself"
    for problem in state.config_problems:
        yield f"not in force: {problem}"


def _lines(state: LiveState) -> Iterator[str]:
    found: dict[str, None] = {}
    for point in state.vantage_points:
        if point.problem is not None:
            found[f"vantage point {point.name}: {point.problem}"] = None
        elif point.state == "offline":
            found[f"vantage point {point.name} is offline over IPv{point.ip_version} since {point.since}"] = (
                None
            )
    yield from found


def _behind(state: LiveState) -> Iterator[str]:
    """A slot that never ends would hold the watermark, and with it every evaluator, back."""
    now_s = epoch_s(state.at)
    for customer, until in state.complete_up_to.items():
        behind_s = now_s - epoch_s(until)
        if behind_s > BEHIND_S:
            yield f"results of {customer} are complete only up to {until}, {behind_s / 60:.0f} minutes ago"
