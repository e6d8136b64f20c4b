"""Rule: what crosses between the process that keeps and a worker is data of declared types, both ways, never code.

A worker reads what strangers send: what it says must not make the other run anything. MessagePack (`msgspec`); rows
are the JSON lines that they will be; tasks go whole, with their checks' parameters; secrets are references.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypeVar

import msgspec

from probe.core.config.plan import check_from_json, params_to_json
from probe.core.content.check_kind import Kinds
from probe.core.model.task import CheckSpec, Task, VantagePoint
from probe.core.model.value import replace
from probe.core.nodes.values import Changes, Learning, Sighting
from probe.core.records.codec import encode_any
from probe.core.records.origin import OriginStanding, OriginVersion
from probe.core.records.rows import SlotRecord
from probe.core.vantage.health import AnchorRound, LineHistory

MALFORMED = (msgspec.DecodeError, UnicodeError, RecursionError)


# --- orders: to a worker ------------------------------------------------------------------------------


class Order(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What may be sent to a worker."""


class Measure(Order, frozen=True):
    """One slot: its number, the task's id, when it was due (RFC 3339)."""

    slot: int
    task: str
    scheduled_at: str


class Cancel(Order, frozen=True):
    """Measure this slot no further; nothing more is reported of it."""

    slot: int


class Settings(Order, frozen=True, kw_only=True):
    """What holds for every slot from now on. `definitions`: those in force; of others nothing need be kept."""

    agent: str
    config_digest: str
    allow: tuple[str, ...]
    lines: tuple[VantagePoint, ...]
    definitions: frozenset[str]
    log_level: str


class Tasks(Order, frozen=True, kw_only=True):
    """These are yours, as they stand here; those named in `gone` no longer are."""

    tasks: tuple[Task, ...] = ()
    gone: tuple[str, ...] = ()


class Seed(Order, frozen=True, kw_only=True):
    """What others learned of your tasks' objects; it replaces what you knew of them. `spent`: customer -> bytes today.

    `histories`: (customer, key, versions), oldest first. `standings`: (customer, origin, how it answered).
    """

    histories: tuple[tuple[str, str, tuple[OriginVersion, ...]], ...] = ()
    standings: tuple[tuple[str, str, OriginStanding], ...] = ()
    nodes: tuple[Sighting, ...] = ()
    learning: tuple[Learning, ...] = ()
    spent: tuple[tuple[str, int], ...] = ()


class Lines(Order, frozen=True, kw_only=True):
    """What the anchors said of every line that is watched; others are not."""

    histories: tuple[tuple[str, int, LineHistory], ...]


class RoundsMade(Order, frozen=True, kw_only=True):
    """Another round of a line's anchors, made by somebody else."""

    vantage_point: str
    ip_version: int
    rounds: tuple[AnchorRound, ...]


class Begin(Order, frozen=True):
    """All that is needed has been sent: answer `Ready`."""


class Stop(Order, frozen=True):
    """Report what has not been reported, then end."""


AnyOrder = Measure | Cancel | Settings | Tasks | Seed | Lines | RoundsMade | Begin | Stop
_ORDERS_OUT = msgspec.msgpack.Encoder(enc_hook=params_to_json)
_ORDERS_IN = msgspec.msgpack.Decoder(list[AnyOrder])


def orders_out(orders: Sequence[AnyOrder]) -> bytes:
    """As they cross the socket."""
    return _ORDERS_OUT.encode(orders)


def orders_in(frame: bytes) -> list[AnyOrder]:
    """Read orders; the parameters of tasks' checks are still plain values (`TaskReader`). Raises MALFORMED."""
    return _ORDERS_IN.decode(frame)


T = TypeVar("T", bound=Hashable)


class TaskReader:
    """Tasks as a plan has them: their checks' parameters read, what they have in common held once."""

    def __init__(self, kinds: Kinds) -> None:
        """`kinds` is the table of checks."""
        self._kinds = kinds
        self._checks: dict[bytes, CheckSpec] = {}
        self._common: dict[Any, Any] = {}

    def read(self, task: Task) -> Task:
        """The task of a `Tasks`."""
        once = self._once
        return replace(
            task,
            vantage_point=once(task.vantage_point),
            deadlines=once(task.deadlines),
            limits=once(task.limits),
            tls=once(task.tls),
            cdn_suffixes=once(task.cdn_suffixes),
            cdn_prefixes=once(task.cdn_prefixes),
            exclusions=once(task.exclusions),
            carrier_prefixes=once(task.carrier_prefixes),
            checks=tuple(map(self._check, task.checks)),
        )

    def forget(self) -> None:
        """What older tasks had in common: a configuration came into force."""
        self._checks.clear()
        self._common.clear()

    def _once(self, value: T) -> T:
        first: T = self._common.setdefault(value, value)
        return first

    def _check(self, check: CheckSpec) -> CheckSpec:
        key = msgspec.msgpack.encode(check)
        if key not in self._checks:
            self._checks[key] = check_from_json(check, self._kinds)
        return self._checks[key]


# --- reports: from a worker ---------------------------------------------------------------------------


class Report(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a worker may send."""


class Ready(Report, frozen=True):
    """It measures from now on."""


class Done(Report, frozen=True):
    """A slot's row as `codec.encode` gave it, what was learned with it, and its packed bundle if it is not well."""

    slot: int
    line: bytes
    nodes: Changes | None = None
    bundle: bytes | None = None


class Failed(Report, frozen=True):
    """A defect of ours: the slot has no row. `message` as the log has it."""

    slot: int
    message: str


class Version(Report, frozen=True):
    """A version of an origin's object that was seen."""

    customer: str
    url: str
    version: OriginVersion


class Standing(Report, frozen=True):
    """How an origin answered so far."""

    customer: str
    origin: str
    standing: OriginStanding


class Learned(Report, frozen=True):
    """Nodes that were learned and not reported before the end."""

    nodes: Changes


class AnchorCheckRequested(Report, frozen=True):
    """A slot waits for longer than it should: have the anchors asked."""

    vantage_point: str
    ip_version: int


class RoundsSeen(Report, frozen=True):
    """Rounds of a line's anchors, from a slot that failed."""

    vantage_point: str
    ip_version: int
    rounds: tuple[AnchorRound, ...]


class Beat(Report, frozen=True):
    """It lives. `lag_us`: the greatest lag of its loop in the last minute; `rss_kb`: resident memory."""

    lag_us: int
    rss_kb: int


AnyReport = Ready | Done | Failed | Version | Standing | Learned | AnchorCheckRequested | RoundsSeen | Beat
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[AnyReport])
_ROW = msgspec.json.Decoder(SlotRecord)
_FROM_JSON = msgspec.json.Decoder(list[AnyReport])


def reports_out(reports: Sequence[AnyReport]) -> bytes:
    """As they cross the socket; text that is no Unicode as the store would write it."""
    try:
        return _ENCODER.encode(reports)
    except UnicodeEncodeError:
        return _ENCODER.encode(_FROM_JSON.decode(encode_any(reports)))


def row_in(line: bytes) -> SlotRecord:
    """The row of a `Done`. Raises MALFORMED."""
    return _ROW.decode(line)


def reports_in(frame: bytes) -> list[AnyReport]:
    """Read reports. Raises MALFORMED for anything else."""
    return _DECODER.decode(frame)
