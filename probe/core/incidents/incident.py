"""Rule: an incident is one piece of trouble of one domain, or of one vantage point, however many rows show it.

`Incident` is what the stream's events, the API, the page, metrics and calls say of it. Each event of it gives it whole
as it was then, with a `revision` that is one more than the last; what was not seen is None. Lists are bounded: sets
that grow keep their first members, `rows` counts all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from probe.core.model.times import utc_text_us
from probe.core.model.value import Value
from probe.core.records.verdict import Fault, Outcome

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_NAMES = 100  # nodes, paths, vantage points of one incident
MOST_ROWS = 20  # rows and evidence: the first half, and the newest


class Kind(StrEnum):
    """What is in trouble."""

    DOMAIN = "domain"
    VANTAGE_POINT = "vantage_point"


class Stage(StrEnum):
    """What an event of an incident says."""

    OPENED = "opened"
    CHANGED = "changed"
    CLOSED = "closed"


class Ending(StrEnum):
    """Why it is closed: everybody who saw it saw it well for a while; or nobody looks, or can look, any more."""

    WELL = "well"
    UNKNOWN = "unknown"


class Incident(Value, frozen=True, kw_only=True):
    """One piece of trouble. Times in microseconds since the epoch, of due times of rows.

    `id`: 16 hex digits, of its subject and begin. `agents`: whose rows show it. `customer`, `domain`: of a domain's
    trouble; `vantage_point`: of a vantage point's own. It began after `well_before_us`, at the latest at
    `first_failing_us`; was confirmed at `confirmed_us`; was seen until `last_failing_us`. `closed_us`: None while it is
    open; then `well_after_us` is when the last of those who saw it saw it well, and `ending` says whether anybody did.
    `outcome`: the gravest seen; `fault`: the most frequent of the rows with it, as the first of `faults` and `reasons`
    are, which give the number of rows. `looking`: how many vantage points look at the domain. `keys`: rows as
    customer/seq. `excluded`: the newest row that shows it lies in a declared exclusion; `exclusions`: the reasons
    declared. `summary`: the newest such row's verdict in words.
    """

    id: str
    revision: int
    kind: Kind
    agents: tuple[str, ...]
    customer: str | None
    domain: str | None
    vantage_point: str | None = None
    well_before_us: int | None = None
    first_failing_us: int
    confirmed_us: int
    last_failing_us: int
    well_after_us: int | None = None
    closed_us: int | None = None
    ending: Ending | None = None
    outcome: Outcome
    fault: Fault
    faults: tuple[tuple[Fault, int], ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    vantage_points: tuple[str, ...] = ()
    looking: int = 0
    regions: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    rows: int = 0
    keys: tuple[str, ...] = ()
    evidence_ids: tuple[str, ...] = ()
    excluded: bool = False
    exclusions: tuple[str, ...] = ()
    summary: str | None = None

    @property
    def is_open(self) -> bool:
        """It goes on, as far as is known."""
        return self.closed_us is None

    @property
    def reason(self) -> str:
        """The first of them."""
        return self.reasons[0][0] if self.reasons else "unknown"


@dataclass(frozen=True, slots=True)
class Transition:
    """Something to tell. `customers`: whose streams it belongs into."""

    stage: Stage
    incident: Incident
    customers: tuple[str, ...]

    @property
    def event(self) -> str:
        """As the stream names it."""
        return f"incident.{self.stage}"


EVENTS = tuple(f"incident.{stage}" for stage in Stage)
_TIMES = tuple(name for name in Incident.__struct_fields__ if name.endswith("_us"))


def shown(incident: Incident) -> dict[str, Any]:
    """As JSON of records has it: times as RFC 3339 in UTC, under their names without `_us`."""
    made: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(incident).items():
        if name in _TIMES:
            made[name.removesuffix("_us")] = None if value is None else utc_text_us(value)
        else:
            made[name] = value
    return made


def from_shown(values: Mapping[str, Any]) -> Incident:
    """What `shown` gave; keys of later versions are passed over. Raises ValueError for what is none."""
    read = dict(values)
    for name in _TIMES:
        if (text := read.pop(name.removesuffix("_us"), None)) is not None:
            read[name] = time_us(text)
    try:
        return msgspec.convert(read, Incident)
    except msgspec.ValidationError as error:
        raise ValueError(f"this is no incident: {error}") from error


def detail_of(incident: Incident) -> dict[str, str]:
    """As the text values of an event: what is None, empty, false or 0 is left out, a list is a JSON array."""
    made = {}
    for name, value in shown(incident).items():
        if value is None or value is False or value in ("", [], 0):
            continue
        made[name] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return made


def from_detail(detail: Mapping[str, str]) -> Incident:
    """What `detail_of` wrote. Raises ValueError for what is none; keys of later versions are passed over."""
    values: dict[str, Any] = {"customer": None, "domain": None}
    for name, text in detail.items():
        values[name] = _read(text) if name in _WRITTEN else text
    return from_shown(values)


_WRITTEN = frozenset(
    name
    for name, of_type in Incident.__annotations__.items()
    if of_type in ("int", "bool") or of_type.startswith("tuple")
)


def _read(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ValueError(f"this is no incident: {text[:60]!r}") from None


def time_us(text: object) -> int:
    """RFC 3339 -> microseconds since the epoch. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("this is no incident: a time is no text")
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"this is no incident: {text[:60]!r} has no offset from UTC")
    moment = at - EPOCH
    return (moment.days * 86_400 + moment.seconds) * 1_000_000 + moment.microseconds
