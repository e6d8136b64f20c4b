"""Rule: what comes from a worker is data and never code; only what we say to our own worker is pickled.

A worker reads what strangers send. Its reports are MessagePack into declared types (`msgspec`), rows among them as the
JSON lines that they will be. Orders go the other way, from the process that holds everything: they carry tasks whole,
with their checks' parameters, and secrets as references only (`SecretRef`).
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from probe.core.codec import encode_any
from probe.core.node_values import Changes, Learning, Sighting
from probe.core.records import OriginVersion, SlotRecord
from probe.core.task import Task, VantagePoint
from probe.core.vantage_health import AnchorRound, LineHistory

MALFORMED = (msgspec.DecodeError, UnicodeError, RecursionError)


# --- orders: to a worker ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for every slot from now on. `definitions`: those in force; of others nothing need be kept."""

    agent: str
    config_digest: str
    allow: tuple[str, ...]
    lines: tuple[VantagePoint, ...]
    definitions: frozenset[str]
    log_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """These are yours, as they stand here; those named in `gone` no longer are."""

    tasks: tuple[Task, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What others learned of your tasks' objects; it replaces what you knew of them. `spent`: customer -> bytes today.

    `histories`: (customer, key, versions), oldest first.
    """

    histories: tuple[tuple[str, str, tuple[OriginVersion, ...]], ...] = ()
    nodes: tuple[Sighting, ...] = ()
    learning: tuple[Learning, ...] = ()
    spent: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What the anchors said of every line that is watched; others are not."""

    histories: tuple[tuple[str, int, LineHistory], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Another round of a line's anchors, made by somebody else."""

    vantage_point: str
    ip_version: int
    rounds: tuple[AnchorRound, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """All that you need has been said: answer `Ready`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Say what you have not said, then end."""


Slot = tuple[int, str, str]  # its number, the task's id, when it was due (RFC 3339)
# A slot to measure, or the number of one to be cut off, or one of the above.
Order = Slot | int | Settings | Tasks | Seed | Lines | Heard | Begin | Stop


def orders_out(orders: Sequence[Order]) -> bytes:
    """As they cross the socket."""
    return pickle.dumps(orders, protocol=5)


def orders_in(frame: bytes) -> list[Order]:
    """What the parent said. Only for a worker: it trusts the process that started it."""
    orders: list[Order] = pickle.loads(frame)  # noqa: S301
    return orders


# --- reports: from a worker ---------------------------------------------------------------------------


class Report(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a worker may say."""


class Ready(Report, frozen=True):
    """It measures from now on."""


class Done(Report, frozen=True):
    """A slot's row as `codec.encode` gave it, what was learned with it, and its packed bundle if it is not well."""

    slot: int
    line: bytes
    nodes: Changes | None = None
    bundle: bytes | None = None


class Failed(Report, frozen=True):
    """A defect of ours: the slot has no row. `words` as the log has them."""

    slot: int
    words: str


class Version(Report, frozen=True):
    """A version of an origin's object that was seen."""

    customer: str
    url: str
    version: OriginVersion


class Learned(Report, frozen=True):
    """What is left to be told of nodes at the end."""

    nodes: Changes


class Worried(Report, frozen=True):
    """A slot waits for longer than it should: have the anchors asked."""

    vantage_point: str
    ip_version: int


class Saw(Report, frozen=True):
    """Rounds of a line's anchors, from a slot that failed."""

    vantage_point: str
    ip_version: int
    rounds: tuple[AnchorRound, ...]


class Beat(Report, frozen=True):
    """It lives. `lag_us`: the greatest lag of its loop in the last minute; `rss_kb`: resident memory."""

    lag_us: int
    rss_kb: int


AnyReport = Ready | Done | Failed | Version | Learned | Worried | Saw | Beat
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
    """What a worker said. Raises MALFORMED for anything else."""
    return _DECODER.decode(frame)
