"""Rule: what an operator should act on is said in a sentence with what to do; what is merely a figure is not.

Of the agent itself, never of the CDN: a bad verdict is a result, not a trouble of ours. Each has a kind and values,
so that a page says it in its reader's language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from probe.core.model.times import epoch_s
from probe.core.results.live_state import LiveState

BEHIND_S = 900.0  # longer than any slot takes with all its confirmations
FREE_BYTES = 1 << 30
LATE_US = 5_000_000
LAG_US = 1_000_000

SENTENCES: Mapping[str, str] = {
    "stopping": "it is stopping: what runs is finished, nothing new begins",
    "starting": "it does not measure yet: it is starting",
    "unwritten": "results cannot be written: {problem}; {count} records wait",
    "interference": "{problem}. Find out who did it, then start the agent again",
    "lost": "{count} records were lost since the start for want of room; each loss is on record",
    "disk": "the disk of the results has {mib} MiB left: make room or set keep.size",
    "late": "slots begin {seconds} s late (99th percentile): more is asked of this host than it can do; see"
    " docs/performance.md",
    "stood_still": "its own loop stood still for {seconds} s within the last minute",
    "worker": "worker {number} does not measure: {problem}; it is begun again by itself",
    "line": "vantage point {name}: {problem}",
    "offline": "vantage point {name} is offline over IPv{version} since {since}",
    "behind": "results of {customer} are complete only up to {until}, {minutes} minutes ago",
    "clock": "the host's clock is not synchronised: every row says so; start an NTP client",
    "job": "{name} did not do all its work when it ran last: {problem}; it is tried again by itself",
    "configuration": "not in force: {problem}",
}
"""By kind; `{...}` are the values. `problem` is in the words of whoever met it."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One of them. `kind`: of `SENTENCES`."""

    kind: str
    values: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        """The sentence, in English."""
        return SENTENCES[self.kind].format(**dict(self.values))


def concerns(state: LiveState) -> tuple[Concern, ...]:
    """All of them; none where all is well."""
    return tuple(dict.fromkeys(_concerns(state)))


def _concern(kind: str, **values: object) -> Concern:
    return Concern(kind, tuple((name, str(value)) for name, value in values.items()))


def _concerns(state: LiveState) -> Iterator[Concern]:
    if state.stopping:
        yield _concern("stopping")
    elif not state.ready:
        yield _concern("starting")
    if state.queue.trouble is not None:
        yield _concern("unwritten", problem=state.queue.trouble, count=state.queue.queued)
    if state.trouble not in (None, state.queue.trouble):
        yield _concern("interference", problem=state.trouble)
    if state.queue.lost:
        yield _concern("lost", count=state.queue.lost)
    if state.disk.free_bytes is not None and state.disk.free_bytes < FREE_BYTES:
        yield _concern("disk", mib=state.disk.free_bytes // (1 << 20))
    if state.lateness.p99_us is not None and state.lateness.p99_us > LATE_US:
        yield _concern("late", seconds=f"{state.lateness.p99_us / 1e6:.1f}")
    if state.loop_lag_us is not None and state.loop_lag_us > LAG_US:
        yield _concern("stood_still", seconds=f"{state.loop_lag_us / 1e6:.1f}")
    for worker in state.workers:
        if not worker.measuring and worker.problem is not None:
            yield _concern("worker", number=worker.number, problem=worker.problem)
    yield from _lines(state)
    yield from _behind(state)
    if state.clock.synchronised is False:
        yield _concern("clock")
    for job in state.jobs:
        if job.problem is not None:
            yield _concern("job", name=f"{job.name} {job.subject}".strip(), problem=job.problem)
    for problem in state.config_problems:
        yield _concern("configuration", problem=problem)


def _lines(state: LiveState) -> Iterator[Concern]:
    for point in state.vantage_points:
        if point.problem is not None:  # of a line, whatever the IP version
            yield _concern("line", name=point.name, problem=point.problem)
        elif point.state == "offline":
            yield _concern("offline", name=point.name, version=point.ip_version, since=point.since)


def _behind(state: LiveState) -> Iterator[Concern]:
    """A slot that never ends would hold the watermark, and with it every evaluator, back."""
    now_s = epoch_s(state.at)
    for customer, until in state.complete_up_to.items():
        behind_s = now_s - epoch_s(until)
        if behind_s > BEHIND_S:
            yield _concern("behind", customer=customer, until=until, minutes=f"{behind_s / 60:.0f}")
