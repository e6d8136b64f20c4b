"""Rule: what only the living agent knows is one value, the same for the API, for `status` and for tests.

Answered over the control socket (`probe.control.server`) to `{"ask": "live"}`. Times are RFC 3339 UTC; what was not
measured is None, never 0. Counts are since the agent's start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from probe.core.incidents.incident import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCounts:
    """What became of every slot that was due: due = started + missed + waiting (`probe.schedule.scheduler.Tally`)."""

    tasks: int = 0
    running: int = 0
    waiting: int = 0
    due: int = 0
    started: int = 0
    finished: int = 0
    aborted: int = 0
    missed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late slots began, over the last `over_s` seconds: from when they were due to when they were begun."""

    slots: int = 0
    p50_us: int | None = None
    p99_us: int | None = None
    worst_us: int | None = None
    over_s: int = 0


NO_ANSWER = "the disk has not answered for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The store's queue.

    `trouble`: why the last attempt to write failed, in words, or that the one under way does not end; None: neither.
    """

    queued: int = 0
    written: int = 0
    shed: int = 0
    lost: int = 0
    trouble: str | None = None

    @property
    def unanswered(self) -> bool:
        """The disk stands still: whoever reads the results now may stand still with it."""
        return self.trouble is not None and self.trouble.startswith(NO_ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes that the results take, and bytes that are free for us where they lie."""

    store_bytes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """adjtimex(2): whether the kernel holds its clock for synchronised, its own bound on the error; steps seen."""

    synchronised: bool | None = None
    max_error_us: int | None = None
    steps: int = 0
    last_step_us: int | None = None
    last_step_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VantageState:
    """A vantage point over one IP version: `online`, `offline` or `unknown`, since when.

    `problem`: why its line is not there as configured, in words; None: it is.
    """

    name: str
    ip_version: int
    state: str
    since: str | None = None
    problem: str | None = None
    anchors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """`outcomes`: measured slots by outcome, over the last `over_s` seconds; `missed` over the same.

    `faults`: those that are not well, as `failed/cdn`. `last_at`: when the newest measured slot was due; `last_ok_at`:
    the newest that was ok. `certificate_until`: when the first of the certificates expires that edges showed lately.
    `origins_unanswering`: origins that never answered; `origin_answered_at`: the longest silent of the others last did.
    """

    name: str
    tasks: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    missed: int = 0
    last_at: str | None = None
    last_ok_at: str | None = None
    certificate_until: str | None = None
    origins_unanswering: int | None = None
    origin_answered_at: str | None = None
    over_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One of several worker processes (`limits.workers`). `starts`: how often it was begun; `slots`: rows from it.

    `loop_lag_us`: the greatest lag of its own loop within the last minute. `problem`: why it was lost last; None: it
    measures, or never began yet.
    """

    number: int
    pid: int | None = None
    measuring: bool = False
    starts: int = 0
    tasks: int = 0
    running: int = 0
    slots: int = 0
    loop_lag_us: int = 0
    rss_bytes: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Work that recurs beside measuring. `subject`: of what, where several jobs have one name.

    `last_at`: when its last run began (the one that goes on, where `running`); `took_us`: how long the last one took
    that has ended; `next_at`: None while it runs. `problem`: what did not work in the last run, in words.
    """

    name: str
    subject: str = ""
    running: bool = False
    runs: int = 0
    last_at: str | None = None
    took_us: int | None = None
    next_at: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StampState:
    """Time stamps by a third party. `stamped`, `failed`: since the agent's start or the last change of their settings.

    `waiting`: heads without one, as the last round found. `problem`: why the last round ended early; None: it did not.
    """

    url: str
    stamped: int = 0
    failed: int = 0
    waiting: int = 0
    last_at: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """Calls to one target. `delivered`, `failed`: attempts since the start; `problem`: why the last one failed."""

    target: str
    delivered: int = 0
    failed: int = 0
    waiting: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """One look at a running agent.

    `ready`: it measures. `trouble`: as in `queue`. `complete_up_to`: customer -> every slot due before has its row on
    the disk; a customer of whom that is not known yet is left out. `config_problems`: what keeps parts of the files on
    disk from being in force, as the last reload reported it. `workers`: empty where the agent's own process measures.
    `stamps`: None where none are asked for. `incidents`: those that go on.
    """

    agent: str
    agent_version: str
    pid: int
    started_at: str
    at: str
    config_digest: str
    ready: bool = False
    stopping: bool = False
    trouble: str | None = None
    complete_up_to: Mapping[str, str] = field(default_factory=dict)
    slots: SlotCounts = SlotCounts()
    lateness: Lateness = Lateness()
    loop_lag_us: int | None = None
    queue: Queue = Queue()
    disk: Disk = Disk()
    clock: ClockFacts = ClockFacts()
    vantage_points: tuple[VantageState, ...] = ()
    customers: tuple[CustomerState, ...] = ()
    config_problems: tuple[str, ...] = ()
    workers: tuple[WorkerState, ...] = ()
    jobs: tuple[JobState, ...] = ()
    stamps: StampState | None = None
    incidents: tuple[Incident, ...] = ()
    calls: tuple[CallState, ...] = ()


def to_json(state: LiveState) -> dict[str, object]:
    """As plain values: what the socket carries."""
    made = msgspec.to_builtins(state)
    assert isinstance(made, dict)
    return made


def from_json(answer: Mapping[str, object]) -> LiveState:
    """Read back; keys that a later version added are passed over. Raises ValueError for what is none."""
    try:
        return msgspec.convert(answer, LiveState)
    except msgspec.ValidationError as error:
        raise ValueError(f"this is no state of an agent: {error}") from error
