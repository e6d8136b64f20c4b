"""Rule: every line's anchors are asked regularly, on the monotonic clock, and a change of its state is reported once.

Theory of operation. The problem: when a slot fails, is it the peer or our own line? Only what was asked over the same
line around the same time can tell. A line is a vantage point over one IP version; its anchors are targets that are
someone else's. Deciding is in `core.vantage.health`; here is when to ask, and whom to notify.

- States of a line: unknown, online, offline, in its `LineHistory` of rounds. A round is one request to each anchor.
- Rounds have three sources: the line's own job (each has a phase and an interval; every 5 s while it is offline), a
  slot that waits long (`request_anchor_check`, at most every 10 s), and slots that failed, here or in a worker
  (`note_round`, `add_rounds`). All go the same way: into the history, then to `on_change`, then to `on_rounds`, by
  which the worker processes learn of them.
- A round says nothing where our own host lacked something, or where our own loop stood still meanwhile
  (`worst_lag_us`) and nobody was reached in time: then it is not taken in.
- `on_change` is called where the state differs from the one reported last, at most once a second a line; a change in
  between is reported when that second is over, unless the line has its reported state again by then. A line that is
  online from the start is not reported.
- Invariants: nobody is watched before `start` nor after `stop` (`health` is None); a line that a reload left as it was
  keeps its history; a round that a slot requested is not part of that slot's evidence.
- A defect in a round, or in a callback, is logged and ends nothing. What was slept through is not made up for.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from probe.core.model.task import Deadlines, VantagePoint
from probe.core.records.failure import Failure
from probe.core.records.observation import Observation
from probe.core.records.surroundings import LineState, VantageHealth
from probe.core.vantage.health import AnchorRound, LineHistory, health_during, late, rounds_of, stale_after_ns
from probe.core.verdict.corroboration import STALL_US
from probe.fetch.fetcher import Fetcher
from probe.host.clock import Clock, rfc3339
from probe.schedule.jobs import Job, Jobs
from probe.watch.anchors import AnchorRequest, ask_anchors

log = logging.getLogger("probe.anchors")

ROUND_AT_MOST_US = 5_000_000
OFFLINE_AGAIN_US = 5_000_000  # a line that is away is looked at this often at least: it is missed
REQUESTED_ROUND_US = 2_000_000  # a round that a waiting slot asked for: it must be over before the slot is
REQUEST_INTERVAL_S = 10.0
REPORT_INTERVAL_S = 1.0  # a line that comes and goes is reported once in this time at most

# host, vantage point, IP version, start (monotonic), limit -> an address
Lookup = Callable[[str, VantagePoint, int, int, int], Awaitable[str | Failure]]
OnChange = Callable[[VantagePoint, int, LineHistory], None]
# vantage point, IP version, rounds, who made them (None: the watch itself)
OnRounds = Callable[[str, int, tuple[AnchorRound, ...], object], None]


@dataclass(slots=True)
class _Line:
    vantage: VantagePoint
    ip_version: int
    history: LineHistory = field(default_factory=LineHistory)
    reported: LineState = LineState.UNKNOWN
    reported_at_s: float | None = None
    report_timer: asyncio.TimerHandle | None = None
    next_request_s: float = 0.0  # no slot's request is granted before this
    job: Job | None = None
    due_s: float = 0.0


class AnchorWatch:
    """Asks the anchors of all lines. `start`, then `stop`; `health` gives what their replies say of a line."""

    def __init__(
        self,
        jobs: Jobs,
        clock: Clock,
        fetcher: Fetcher,
        lookup: Lookup,
        lines: Iterable[tuple[VantagePoint, int]],
        on_change: OnChange,
        worst_lag_us: Callable[[int, int], int] = lambda since_ns, until_ns: 0,
    ) -> None:
        """`lines`: vantage points with the IP versions that are measured there; each is watched once.

        `on_change(vantage, ip_version, history)` is called on the loop when a line goes offline or comes back: at
        most once a second each. `worst_lag_us` gives how long our own loop stood still in a span (monotonic).
        """
        self._jobs = jobs
        self._clock = clock
        self._fetcher = fetcher
        self._lookup = lookup
        self._on_change = on_change
        self._worst_lag_us = worst_lag_us
        self._lines = {(vantage.name, version): _Line(vantage, version) for vantage, version in lines}
        self._requested: set[asyncio.Task[None]] = set()
        self._started = False
        self.on_rounds: list[OnRounds] = []  # called with every round

    async def start(self) -> None:
        """Begin the rounds: the first of each line within five seconds, spread by name."""
        if not self._started:
            self._started = True
            self._begin(self._lines)

    def replace(self, lines: Iterable[tuple[VantagePoint, int]]) -> None:
        """Watch these from now on. A line that is as it was goes on, with what is known of it; others begin anew."""
        before, wanted = self._lines, {(vantage.name, version): vantage for vantage, version in lines}
        kept = {key for key, line in before.items() if wanted.get(key) == line.vantage}
        for key in before.keys() - kept:
            if (report_timer := before[key].report_timer) is not None:
                report_timer.cancel()
            if (job := before[key].job) is not None:
                self._jobs.cancel(job)
        self._lines = {key: before[key] if key in kept else _Line(v, key[1]) for key, v in wanted.items()}
        if self._started:
            self._begin(wanted.keys() - kept)

    def _begin(self, keys: Iterable[tuple[str, int]]) -> None:
        for key in keys:
            line = self._lines[key]
            if line.vantage.anchors:
                line.due_s = asyncio.get_running_loop().time() + _phase_us(line) / 1e6
                subject = f"{line.vantage.name} IPv{line.ip_version}"
                work, delay_s = partial(self._watch, line), partial(_due_in_s, line)
                line.job = self._jobs.add("anchors", work, delay_s, subject=subject)

    async def stop(self) -> None:
        """End them; may be called again, or before `start`."""
        self._started = False
        requested = list(self._requested)
        for task in requested:
            task.cancel()
        for line in self._lines.values():
            if line.report_timer is not None:
                line.report_timer.cancel()
        await self._jobs.remove(*(line.job for line in self._lines.values() if line.job is not None))
        await asyncio.gather(*requested, return_exceptions=True)

    def health(self, vantage: VantagePoint, ip_version: int, start_ns: int) -> VantageHealth | None:
        """How the line was from `start_ns` (monotonic) until now. None: it is not watched, or not yet or no more."""
        line = self._lines.get((vantage.name, ip_version))
        if line is None or not self._started:
            return None
        return health_during(line.history, start_ns, self._clock.monotonic_ns(), stale_after_ns(vantage))

    def note_round(
        self, vantage: VantagePoint, ip_version: int, anchors: Sequence[Observation], started_ns: int
    ) -> None:
        """Take in what was seen of all its anchors, asked from `started_ns` (monotonic) until now."""
        self.add_rounds(
            vantage.name, ip_version, rounds_seen(anchors, started_ns, self._clock, self._worst_lag_us)
        )

    def add_rounds(
        self, vantage_point: str, ip_version: int, rounds: Sequence[AnchorRound], source: object = None
    ) -> None:
        """Take in rounds of a line's anchors. `source`: who made them, if it was not this watch's process."""
        line = self._lines.get((vantage_point, ip_version))
        if line is None or not self._started or not rounds:
            return
        for one in rounds:
            line.history = line.history.with_round(one)
        self._report(line)
        for on_rounds in self.on_rounds:
            on_rounds(vantage_point, ip_version, tuple(rounds), source)

    def histories(self) -> tuple[tuple[str, int, LineHistory], ...]:
        """What is known of each line: vantage point, IP version, history. Nothing while nobody watches."""
        if not self._started:
            return ()
        return tuple((*key, line.history) for key, line in self._lines.items())

    def request_anchor_check(self, vantage: VantagePoint, ip_version: int) -> None:
        """A slot waits for longer than it should: ask the anchors now, not when it has failed and all is well again.

        At most once in `REQUEST_INTERVAL_S`.
        """
        line = self._lines.get((vantage.name, ip_version))
        now_s = asyncio.get_running_loop().time()
        if line is None or not self._started or not vantage.anchors or now_s < line.next_request_s:
            return
        line.next_request_s = now_s + REQUEST_INTERVAL_S
        alone = contextvars.Context()  # an empty one: the slot collects the evidence of what runs in its own
        task = asyncio.get_running_loop().create_task(self._round(line, REQUESTED_ROUND_US), context=alone)
        self._requested.add(task)
        task.add_done_callback(self._requested_ended)

    def _requested_ended(self, task: asyncio.Task[None]) -> None:
        self._requested.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("anchors.defect", exc_info=task.exception())

    # --- the rounds -----------------------------------------------------------------------------------

    async def _watch(self, line: _Line) -> None:
        try:
            await self._round(line)
        except Exception as error:  # a defect of ours says nothing of the line
            log.error("anchors.defect", exc_info=error, extra={"fields": _named(line)})
        interval_us = line.vantage.anchor_interval_us
        offline = line.history.state is LineState.OFFLINE
        step_us = min(interval_us, OFFLINE_AGAIN_US) if offline else interval_us
        now_s = asyncio.get_running_loop().time()
        line.due_s = max(line.due_s + step_us / 1e6, now_s)  # what was slept through is not made up for

    async def _round(self, line: _Line, at_most_us: int = ROUND_AT_MOST_US) -> None:
        limit_us = min(line.vantage.anchor_interval_us, at_most_us)
        started_ns = self._clock.monotonic_ns()
        request = AnchorRequest(
            vantage=line.vantage,
            ip_version=line.ip_version,
            deadlines=Deadlines(
                total_us=limit_us, connect_us=limit_us, tls_us=limit_us, first_byte_us=limit_us
            ),
            slot_start_ns=started_ns,
            find=lambda host: self._lookup(host, line.vantage, line.ip_version, started_ns, limit_us),
            within_us=limit_us,
        )
        anchors = await ask_anchors(request, self._fetcher, self._clock)
        self.note_round(line.vantage, line.ip_version, anchors, started_ns)

    # --- reports ----------------------------------------------------------------------------------------

    def _report(self, line: _Line) -> None:
        """Report the state if it is another one than was reported last; that all is well at first is no news."""
        state = line.history.state
        if line.report_timer is not None or state in (line.reported, LineState.UNKNOWN):
            return
        if line.reported is LineState.UNKNOWN and state is LineState.ONLINE:
            line.reported = state
            return
        loop = asyncio.get_running_loop()
        if line.reported_at_s is not None and loop.time() - line.reported_at_s < REPORT_INTERVAL_S:
            line.report_timer = loop.call_at(line.reported_at_s + REPORT_INTERVAL_S, self._report_later, line)
            return
        line.reported, line.reported_at_s = state, loop.time()
        try:
            self._on_change(line.vantage, line.ip_version, line.history)
        except Exception as error:  # a callback that fails must not end the watch
            log.error("anchors.not_told", exc_info=error, extra={"fields": _named(line)})

    def _report_later(self, line: _Line) -> None:
        line.report_timer = None
        self._report(line)


def rounds_seen(
    anchors: Sequence[Observation], started_ns: int, clock: Clock, worst_lag_us: Callable[[int, int], int]
) -> tuple[AnchorRound, ...]:
    """The rounds that these observations were, asked from `started_ns` (monotonic) until now.

    Nothing where nobody was reached, or only late, while the loop that asked stood still (`worst_lag_us`).
    """
    ended_ns, wall_ns = clock.monotonic_ns(), clock.time_ns()
    made = rounds_of(
        anchors,
        started_ns=started_ns,
        ended_ns=ended_ns,
        started_at=rfc3339(wall_ns - (ended_ns - started_ns)),
        ended_at=rfc3339(wall_ns),
    )
    doubtful = late(anchors) or not made[-1].reached
    if doubtful and worst_lag_us(started_ns, ended_ns) >= STALL_US:
        return ()  # answers may have waited for us, not we for them
    return made


def _phase_us(line: _Line) -> int:
    """When the first round is due, microseconds from the start: the same for a name each time, spread over names."""
    digest = hashlib.sha256(f"anchors {line.vantage.name} {line.ip_version}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % min(line.vantage.anchor_interval_us, ROUND_AT_MOST_US)


def _due_in_s(line: _Line) -> float:
    return max(0.0, line.due_s - asyncio.get_running_loop().time())


def _named(line: _Line) -> dict[str, object]:
    return {"vantage_point": line.vantage.name, "ip_version": line.ip_version}
