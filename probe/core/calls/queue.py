"""Rule: each target is told of each incident once, in order, however long it could not be reached.

For every target a queue of its own: one that is down holds up no other. What piles up of one incident is told with its
newest state; that it opened is told before that it closed, and an Alertmanager hears of the end only a while after the
begin: within its group_wait it would tell nobody of either. An attempt that fails is followed by longer and longer
pauses. No clock and no I/O: `now_us` is wall time. Told twice is possible where an agent was killed between a delivery
and writing that down: every delivery has an id by which who receives it can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from probe.core.calls.target import Target, Via
from probe.core.incidents.incident import Incident, Kind, Stage, Transition
from probe.core.model.value import replace

SECOND_US = 1_000_000
PAUSE_MOST_US = 60 * SECOND_US
HOLD_US = 60 * SECOND_US  # twice Alertmanager's usual group_wait
REFUSED_MOST = 5  # attempts, where the target says that it wants none of it
GIVE_UP_US = 24 * 3600 * SECOND_US
REMEMBERED = 1000  # incidents that were told to their end
WAITING_MOST = 10_000  # of one target; beyond it the oldest go, and that is told
DELIVERED, FAILED = "call.delivered", "call.failed"


class Waiting(msgspec.Struct):
    """Something to tell a target."""

    stage: Stage
    incident: Incident
    customers: tuple[str, ...]
    since_us: int
    attempts: int = 0


class Open(msgspec.Struct):
    """An incident that a target knows to be open."""

    incident: Incident
    customers: tuple[str, ...]
    told_us: int
    repeat_us: int


class TargetState(msgspec.Struct):
    """`done`: incident -> revision, of those told to their end."""

    waiting: list[Waiting] = []
    open: dict[str, Open] = {}
    done: dict[str, int] = {}
    next_us: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """The next thing to send. `stage` None: an Alertmanager is told again of what is open."""

    target: Target
    stage: Stage | None
    incident: Incident
    attempt: int

    @property
    def id(self) -> str:
        """The same for every attempt."""
        return f"{self.incident.id}-{self.incident.revision}"


@dataclass(frozen=True, slots=True)
class Told:
    """What the streams of these customers are to say of an attempt."""

    event: str
    detail: dict[str, str]
    customers: tuple[str, ...]


_STATE = msgspec.json.Decoder(dict[str, TargetState])


class CallQueue:
    """What is still to be told, to whom. For one thread."""

    def __init__(self, targets: Iterable[Target] = ()) -> None:
        """Nothing waits yet."""
        self._targets: dict[str, Target] = {}
        self._states: dict[str, TargetState] = {}
        self.adopt(targets)

    def adopt(self, targets: Iterable[Target]) -> None:
        """Other targets; what waits for one that is there no more is dropped."""
        self._targets = {target.name: target for target in targets}
        self._states = {name: self._states.get(name, TargetState()) for name in self._targets}

    def state(self) -> bytes:
        """All of it, as JSON."""
        return msgspec.json.encode(self._states)

    def restore(self, state: bytes) -> None:
        """What `state` gave, for the targets that there are. Raises ValueError for what is none."""
        try:
            read = _STATE.decode(state)
        except msgspec.DecodeError as error:
            raise ValueError(f"this is no state of calls: {error}") from error
        self._states = {name: read.get(name, TargetState()) for name in self._targets}

    @property
    def names(self) -> tuple[str, ...]:
        """The targets."""
        return tuple(self._targets)

    def waiting(self) -> Mapping[str, int]:
        """Target -> how much it has not been told yet."""
        return {name: len(state.waiting) for name, state in self._states.items()}

    # --- what there is to tell ------------------------------------------------------------------------

    def put(self, told: Transition, now_us: int) -> list[Told]:
        """Something happened. What is known already is passed over."""
        failed = []
        for name, target in self._targets.items():
            if target.hears_of(told.customers):
                failed += self._put(target, self._states[name], told, now_us)
        return failed

    def _put(self, target: Target, state: TargetState, told: Transition, now_us: int) -> list[Told]:
        incident, stage = told.incident, told.stage
        mine = [each for each in state.waiting if each.incident.id == incident.id]
        known = state.open.get(incident.id)
        if (
            max(
                state.done.get(incident.id, 0),
                known.incident.revision if known else 0,
                *(each.incident.revision for each in mine),
            )
            >= incident.revision
        ):
            return []
        if known is None and not mine:
            if stage is Stage.CLOSED or (target.silent_in_exclusions and incident.excluded):
                return []  # it has never heard of it
            stage = Stage.OPENED
        if mine and stage is Stage.CHANGED and mine[-1].stage is not Stage.CLOSED:
            mine[-1].incident, mine[-1].customers = incident, told.customers
            return []
        state.waiting.append(Waiting(stage, incident, told.customers, now_us))
        if len(state.waiting) <= WAITING_MOST:
            return []
        return [_failed(target, state.waiting.pop(0), "too many wait", given_up=True)]

    # --- sending --------------------------------------------------------------------------------------

    def due(self, target: str, now_us: int) -> Delivery | None:
        """What is to be sent to a target now; None: nothing, or it is left alone for a while."""
        to, state = self._targets[target], self._states[target]
        if 0 < state.next_us - now_us <= PAUSE_MOST_US:  # more: the clock was set back
            return None
        held: set[str] = set()
        for each in state.waiting:
            if each.incident.id not in held:
                if not self._too_soon(to, state, each, now_us):
                    return Delivery(to, each.stage, each.incident, each.attempts + 1)
                held.add(each.incident.id)
        if to.via is Via.ALERTMANAGER:
            for known in state.open.values():
                if not 0 < known.repeat_us - now_us <= to.repeat_us:
                    return Delivery(to, None, known.incident, 1)
        return None

    @staticmethod
    def _too_soon(to: Target, state: TargetState, each: Waiting, now_us: int) -> bool:
        known = state.open.get(each.incident.id)
        ends = each.stage is Stage.CLOSED and to.via is Via.ALERTMANAGER
        return ends and known is not None and 0 <= now_us - known.told_us < HOLD_US

    def delivered(self, delivery: Delivery, now_us: int) -> list[Told]:
        """It was taken."""
        to, state, incident = delivery.target, self._states.get(delivery.target.name), delivery.incident
        if state is None:
            return []  # the target is gone meanwhile
        state.failures = state.next_us = 0
        each = _taken(state, delivery)
        if each is None:
            if incident.id in state.open:
                state.open[incident.id].repeat_us = now_us + to.repeat_us
            return []
        if each.stage is Stage.CLOSED:
            state.open.pop(incident.id, None)
            self._remember(state, incident)
        else:
            known = state.open.get(incident.id)
            told_us = now_us if known is None else known.told_us
            state.open[incident.id] = Open(incident, each.customers, told_us, now_us + to.repeat_us)
        detail = _detail(to, each.stage, incident)
        detail["attempts"] = str(delivery.attempt)
        detail["waited_s"] = str(max(0, now_us - each.since_us) // SECOND_US)
        return [Told(DELIVERED, detail, each.customers)]

    def was_delivered(self, target: str, incident: str, revision: int, stage: Stage, now_us: int) -> None:
        """A call of an earlier run, as the stream tells it."""
        for each in self._states[target].waiting if target in self._states else ():
            if each.incident.id == incident and each.stage is stage:
                told = replace(each.incident, revision=revision)
                self.delivered(Delivery(self._targets[target], stage, told, each.attempts + 1), now_us)
                return

    def failed(
        self, delivery: Delivery, now_us: int, error: str, *, refused: bool = False, pause_us: int = 0
    ) -> list[Told]:
        """It was not. `refused`: the target wants none of it, not only not now. `pause_us`: it asks for so long."""
        to, state = delivery.target, self._states.get(delivery.target.name)
        if state is None:
            return []
        state.failures += 1
        backoff_us: int = SECOND_US << min(state.failures - 1, 10)
        state.next_us = now_us + min(PAUSE_MOST_US, max(backoff_us, pause_us))
        each = next((w for w in state.waiting if _same(w, delivery)), None)
        if each is None:
            return []
        each.attempts += 1
        given_up = (refused and each.attempts >= REFUSED_MOST) or now_us - each.since_us > GIVE_UP_US
        if given_up:
            state.waiting.remove(each)
            if each.stage is Stage.CLOSED:
                state.open.pop(each.incident.id, None)
                self._remember(state, each.incident)
        return [_failed(to, each, error, given_up=given_up)] if given_up or each.attempts == 1 else []

    @staticmethod
    def _remember(state: TargetState, incident: Incident) -> None:
        state.done[incident.id] = incident.revision
        while len(state.done) > REMEMBERED:
            del state.done[next(iter(state.done))]


def _same(each: Waiting, delivery: Delivery) -> bool:
    return each.stage is delivery.stage and each.incident.id == delivery.incident.id


def _taken(state: TargetState, delivery: Delivery) -> Waiting | None:
    """What waited and is told now; where it grew meanwhile, what it grew by waits on."""
    for at, each in enumerate(state.waiting):
        if not _same(each, delivery):
            continue
        if each.incident.revision > delivery.incident.revision:
            state.waiting[at] = Waiting(Stage.CHANGED, each.incident, each.customers, each.since_us)
        else:
            del state.waiting[at]
        return each
    return None


def _failed(to: Target, each: Waiting, error: str, *, given_up: bool) -> Told:
    detail = _detail(to, each.stage, each.incident)
    detail |= {"attempts": str(each.attempts), "error": error, "given_up": "yes" if given_up else "no"}
    return Told(FAILED, detail, each.customers)


def _detail(to: Target, stage: Stage, incident: Incident) -> dict[str, str]:
    about = (incident.domain if incident.kind is Kind.DOMAIN else incident.vantage_point) or ""
    return {
        "target": to.name,
        "via": to.via.value,
        "incident": incident.id,
        "revision": str(incident.revision),
        "stage": stage.value,
        "about": about,
    }
