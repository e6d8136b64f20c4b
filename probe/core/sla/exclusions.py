"""Time that a contract does not count: what was declared, whether the clause admits it, and which instants that leaves.

A declaration may come after measuring; whether it is in time is the clause's, and one that is refused is told with why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from probe.core.sla.periods import US, Span, union

MINUTE_US = 60 * US
DAY_MINUTES = 1_440


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """What a contract asks of a reason. `between`: minutes of the day in `time_zone`, what lies outside counts.

    `announced_before_us`: how long before its begin it has to be announced; None: it need not be. `unannounced`: it is
    admitted only if nobody announced it (a surge that was announced is no excuse).
    """

    announced_before_us: int | None = None
    between: tuple[int, int] | None = None
    time_zone: str = "UTC"
    unannounced: bool = False

    def __post_init__(self) -> None:
        if self.between is not None and not 0 <= self.between[0] < self.between[1] <= DAY_MINUTES:
            raise ValueError("the hours of a clause begin before they end, on one day: 00:00 to 08:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One declaration. `domains` None: all. Times in microseconds since the epoch."""

    span: Span
    reason: str
    source: str = ""
    domains: frozenset[str] | None = None
    declared_at_us: int | None = None
    announced_at_us: int | None = None


class Refusal(StrEnum):
    """Why a declaration is not admitted."""

    REASON = "reason_not_in_contract"
    NOT_ANNOUNCED = "not_announced"
    TOO_LATE = "announced_too_late"
    ANNOUNCED = "was_announced"
    HOURS = "outside_hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """`spans`: what is not counted, each instant once; `by`: which declaration admits what; `refused`: the others."""

    spans: tuple[Span, ...] = ()
    by: tuple[tuple[Declared, tuple[Span, ...]], ...] = ()
    refused: tuple[tuple[Declared, Refusal], ...] = ()


def exclusions(declared: Iterable[Declared], clauses: Mapping[str, Clause], domain: str) -> Exclusions:
    """What the declarations leave out for a domain. `clauses`: by reason, a closed list."""
    by: list[tuple[Declared, tuple[Span, ...]]] = []
    refused: list[tuple[Declared, Refusal]] = []
    for one in declared:
        if one.domains is not None and domain not in one.domains:
            continue
        clause = clauses.get(one.reason)
        why = Refusal.REASON if clause is None else _refusal(one, clause)
        if clause is None or why is not None:
            assert why is not None, "a reason that is not listed is refused"
            refused.append((one, why))
            continue
        spans = tuple(_in_hours(one.span, clause))
        if spans:
            by.append((one, spans))
        else:
            refused.append((one, Refusal.HOURS))
    return Exclusions(
        spans=union(span for _, spans in by for span in spans), by=tuple(by), refused=tuple(refused)
    )


def _refusal(declared: Declared, clause: Clause) -> Refusal | None:
    announced_us, begin_us = declared.announced_at_us, declared.span.from_us
    if clause.unannounced and announced_us is not None and announced_us < begin_us:
        return Refusal.ANNOUNCED
    if clause.announced_before_us is None:
        return None
    if announced_us is None:
        return Refusal.NOT_ANNOUNCED
    return None if announced_us + clause.announced_before_us <= begin_us else Refusal.TOO_LATE


def _in_hours(span: Span, clause: Clause) -> Iterator[Span]:
    """The parts that lie in the clause's hours, day by day of its zone: a day may have 23 or 25 hours."""
    if clause.between is None:
        yield span
        return
    zone = ZoneInfo(clause.time_zone)
    day = datetime.fromtimestamp(span.from_us // US, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while _us(day) < span.to_us:
        part = Span(*(_us(_at_minute(day, minute)) for minute in clause.between)).cut(span)
        if part is not None:
            yield part
        day = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)


def _at_minute(day: datetime, minute: int) -> datetime:
    """That time on the wall; 24:00 is the next day's begin."""
    naive = day.replace(tzinfo=None) + timedelta(minutes=minute)
    return naive.replace(tzinfo=day.tzinfo)


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))) // timedelta(microseconds=1)
