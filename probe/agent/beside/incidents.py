"""Rule: what rows come to is known a second later, on record, and told; measuring never waits for it.

Theory of operation. `Incidents` is shown every stored row and every event of a line, and feeds the pure tracker
(`core.incidents`). What that tells goes to two places: an event in the streams of those whom it concerns, and the queue
of calls (`core.calls`). A job does both every second, and the calls (`probe.calls`) have a job of their own.

Tracker and queue are written to `_incidents.json` together, when all that was told by then is in the streams, at once
after an event and else once a minute. A start reads the file and then feeds what the streams got since: what comes out
of that and is in a stream already is not put there again, and a call that a stream calls delivered is not made again.
Where the file is lost, damaged or long outdated, open incidents are read from the streams' events, then the last half
hour of rows is fed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from probe.agent.beside.set_clock import SetClock
from probe.core.calls.queue import DELIVERED, CallQueue, Told
from probe.core.calls.target import Target
from probe.core.config.load import Config
from probe.core.config.plan import Plan
from probe.core.incidents.incident import EVENTS, Incident, Kind, Stage, Transition, detail_of, from_detail
from probe.core.incidents.looks import AnyLook, Look, event_look_of, look_of
from probe.core.incidents.sentence import sentence
from probe.core.incidents.told import told
from probe.core.incidents.tracker import Tracker
from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.codec import decode
from probe.core.records.rows import EventRecord, SlotRecord
from probe.host.clock import Clock
from probe.host.files import write_whole
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.incidents")

FILE = "_incidents.json"
ROUND_S = 1.0
SAVE_EVERY_US = 60_000_000
REBUILD_US = 1_800_000_000
MOST_LINES = 200_000  # that are read at a start; where more came since, the file is as good as lost
EVENTS_READ = 2_000  # of incidents, of one stream, where the file is lost


class RecordEvent(Protocol):
    """Puts an event on record and into the log (`probe.agent.events.EventWriter.append`)."""

    def __call__(
        self, event: str, detail: dict[str, str], customers: Iterable[str] | None = None, level: int = ...
    ) -> Awaitable[None]:
        """`customers`: into whose streams; None: into all. Stored when it is done."""
        ...


class _Kept(msgspec.Struct):
    """The file. `seqs`: customer -> the last line that is in it."""

    agent: str
    tracker: msgspec.Raw
    calls: msgspec.Raw
    seqs: dict[str, int]


@dataclass(slots=True)
class _Since:
    """What the streams say that came after the file was written."""

    told: set[tuple[str, int]] = field(default_factory=set)
    delivered: list[EventRecord] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    looks: list[AnyLook] = field(default_factory=list)


class Incidents:
    """Incidents of one agent. For the event loop's thread; `begin`, then `run` every second."""

    def __init__(
        self,
        directory: Path,
        config: Callable[[], Config],
        plan: Callable[[], Plan],
        clock: Clock,
        record_event: RecordEvent,
    ) -> None:
        """Nothing is read before `begin`."""
        self._directory = directory
        self._config = config
        self._plan = plan
        self._clock = clock
        self._set_clock = SetClock(clock)
        self._record_event = record_event
        self._agent = config().agent.agent
        self._tracker = Tracker(config().agent.incidents.rules())
        self.queue = CallQueue(_targets(config()))
        self._digest = ""
        self._begun = False
        self._early: deque[AnyLook] = deque()  # shown before the streams were read
        self._waiting: deque[Transition] = deque()
        self._seqs: dict[str, int] = {}
        self._saved_us = 0
        self._news = False

    # --- what it is shown -----------------------------------------------------------------------------

    def row(self, row: SlotRecord) -> None:
        """A row has been stored. Raises nothing: a defect in here must not cost a slot."""
        try:
            self._see(look_of(row, self._tracker.rules.outcomes))
        except Exception as error:
            log.error("incidents.defect", exc_info=error)

    def event(self, event: str, detail: Mapping[str, str]) -> None:
        """Something happened to the agent."""
        try:
            at = utc_text_us(self._clock.time_ns() // 1000)
            look = event_look_of(_event_of(event, at, dict(detail), self._agent))
            if look is not None:
                self._see(look)
        except Exception as error:
            log.error("incidents.defect", exc_info=error)

    def _see(self, look: AnyLook) -> None:
        if not self._begun:
            self._early.append(look)
            return
        if not isinstance(look, Look):
            self._waiting += self._tracker.take(look)
        elif look.seq > self._seqs.get(look.customer, 0):
            self._seqs[look.customer] = look.seq
            self._waiting += self._tracker.feed(look)

    def open(self) -> list[Incident]:
        """Those that go on."""
        return self._tracker.open()

    def lately(self) -> list[Incident]:
        """Those that ended within the last hour or so."""
        return self._tracker.closed()

    # --- the job --------------------------------------------------------------------------------------

    async def run(self) -> str | None:
        """One round; what did not work, in words."""
        try:
            if not self._begun:
                await self._begin()
            self._adopt_configuration()
            if not self._set_clock.was_set():
                self._waiting += self._tracker.tick(self._clock.time_ns() // 1000)
            while self._waiting:
                await self._tell(self._waiting[0])
                self._waiting.popleft()
            now_us = self._clock.time_ns() // 1000
            if self._news or not 0 <= now_us - self._saved_us < SAVE_EVERY_US:
                self._news, self._saved_us = False, now_us
                text = self._file()
                await asyncio.to_thread(write_whole, self._directory / FILE, text, 0o600)
        except (StoreError, OSError) as error:
            log.error("incidents.failed", extra=fields(error=str(error)))
            return str(error)
        return None

    async def _tell(self, each: Transition) -> None:
        """On record first: what was told to somebody stands in the stream."""
        each = replace(each, customers=self._concerned(each))
        detail = {**detail_of(each.incident), "sentence": sentence(each.incident)}
        level = logging.INFO if each.stage is Stage.CLOSED else logging.WARNING
        await self._record_for(each.event, detail, each.customers, level)
        await self.put(each)

    async def _record_for(
        self, event: str, detail: dict[str, str], customers: tuple[str, ...], level: int
    ) -> None:
        """In the streams that go on: the last event of one that does not is that its customer was removed."""
        measured = {task.customer for task in self._plan().tasks}
        there = [customer for customer in customers if customer in measured]
        if there or not customers:
            await self._record_event(event, detail, there or None, level)

    def _concerned(self, each: Transition) -> tuple[str, ...]:
        """Of a vantage point: all who measure from it now."""
        if each.incident.kind is not Kind.VANTAGE_POINT:
            return each.customers
        point, tasks = each.incident.vantage_point, self._plan().tasks
        measured = {task.customer for task in tasks if task.vantage_point.name == point}
        return tuple(sorted(measured or each.customers))

    async def put(self, each: Transition) -> None:
        """Have it told to who is called."""
        self._news = True
        for one in self.queue.put(each, self._clock.time_ns() // 1000):
            await self.record(one)

    async def record(self, one: Told) -> None:
        """What became of a call."""
        self._news = True
        level = logging.INFO if one.event == DELIVERED else logging.WARNING
        await self._record_for(one.event, one.detail, one.customers, level)

    def _adopt_configuration(self) -> None:
        config = self._config()
        if config.digest == self._digest:
            return
        self._digest = config.digest
        self._tracker.rules = config.agent.incidents.rules()
        self.queue.adopt(_targets(config))
        tasks = self._plan().tasks
        self._waiting += self._tracker.keep([(self._agent, task.customer, task.id) for task in tasks])

    def _file(self) -> bytes:
        kept = _Kept(
            self._agent,
            msgspec.Raw(self._tracker.state()),
            msgspec.Raw(self.queue.state()),
            dict(self._seqs),
        )
        return msgspec.json.encode(kept) + b"\n"

    # --- a start --------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Raises StoreError, OSError; then it is tried again."""
        since = await asyncio.to_thread(self._read)
        made: list[Transition] = []
        for look in since.looks:
            if isinstance(look, Look):
                self._seqs[look.customer] = max(look.seq, self._seqs.get(look.customer, 0))
            made += self._tracker.take(look)
        for each in since.transitions:
            self._tracker.adopt(each.incident, each.customers)
        for each in made:
            if (each.incident.id, each.incident.revision) not in since.told:
                self._waiting.append(each)
        for each in since.transitions:  # on record, and perhaps not told yet
            await self.put(each)
        for event in since.delivered:
            self._was_delivered(event.detail)
        self._begun = True
        while self._early:
            self._see(self._early.popleft())

    def _was_delivered(self, detail: Mapping[str, str]) -> None:
        now_us, stage = self._clock.time_ns() // 1000, detail.get("stage", "")
        if stage in tuple(Stage) and detail.get("revision", "").isdigit():
            target, incident = detail.get("target", ""), detail.get("incident", "")
            self.queue.was_delivered(target, incident, int(detail["revision"]), Stage(stage), now_us)

    def _read(self) -> _Since:
        """In a thread: the file, and what the streams got since."""
        since = _Since()
        kept = self._kept()
        try:
            reader = Reader.open(self._directory, self._agent)
        except StoreError:
            return since  # nothing was ever stored
        with reader:
            behind = (
                sum(head - kept.seqs.get(name, 0) for name, head in reader.heads().items()) if kept else 0
            )
            if behind > MOST_LINES:
                log.warning("incidents.state_outdated", extra=fields(file=FILE, lines=behind))
                self._tracker, kept = Tracker(self._tracker.rules), None
            if kept is not None:
                self._seqs = kept.seqs
                for record in reader.follow(kept.seqs):
                    self._note(record, since)
                return since
            for customer in reader.heads():
                lines = reader.last_events(customer, (*EVENTS, DELIVERED), EVENTS_READ)
                events = [each for line in lines if isinstance(each := decode(line.text), EventRecord)]
                for incident in told(events):
                    self._tracker.adopt(incident, (customer,))
                    since.told.add((incident.id, incident.revision))
                    if incident.is_open:
                        since.transitions.append(Transition(Stage.OPENED, incident, (customer,)))
                since.delivered += [event for event in events if event.event == DELIVERED]
            since.transitions, known = [], since.transitions
            last_us = self._clock.time_ns() // 1000 - REBUILD_US
            for record in reader.iterate(since=utc_text_us(last_us), newest_first=False):
                self._note(record, since)
            since.transitions = known
        return since

    def _note(self, record: SlotRecord | EventRecord, since: _Since) -> None:
        seq = record.seq or 0
        self._seqs[record.customer] = max(seq, self._seqs.get(record.customer, 0))
        if isinstance(record, SlotRecord):
            since.looks.append(look_of(record, self._tracker.rules.outcomes))
        elif record.event in EVENTS:
            try:
                incident = from_detail(record.detail)
            except ValueError:
                return
            since.told.add((incident.id, incident.revision))
            stage = Stage(record.event.removeprefix("incident."))
            since.transitions.append(Transition(stage, incident, (record.customer,)))
        elif record.event == DELIVERED:
            since.delivered.append(record)
        elif (look := event_look_of(record)) is not None:
            since.looks.append(look)

    def _kept(self) -> _Kept | None:
        """None where there is none, it is damaged, or of another agent."""
        try:
            kept = msgspec.json.decode((self._directory / FILE).read_bytes(), type=_Kept)
            if kept.agent != self._agent:
                return None
            self._tracker = Tracker.restored(self._tracker.rules, bytes(kept.tracker))
            self.queue.restore(bytes(kept.calls))
            return kept
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.error("incidents.state_damaged", extra=fields(file=FILE, error=str(error)))
            return None


def _targets(config: Config) -> list[Target]:
    return [call.target() for call in config.agent.calls]


def _event_of(event: str, at: str, detail: dict[str, str], agent: str) -> EventRecord:
    """As it is stored, but for what nobody asks for here."""
    return EventRecord(
        schema_version=1,
        kind="event",
        seq=None,
        customer="",
        at=at,
        event=event,
        detail=detail,
        agent=agent,
        agent_version="",
        config_digest="",
    )
