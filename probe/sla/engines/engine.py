"""Rule: an engine adds whole numbers and selects rows, and decides nothing; so all engines give the same.

What an engine is asked, and the one that needs nothing but Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from probe.core.records.rows import State
from probe.core.sla.facts.histogram import Quantity, bucket_of
from probe.core.sla.facts.row import SERVED, FactRow, SlotLook
from probe.core.sla.grains import CountingRule, FactClass, Grain, Part, class_of, grain_of, grains_of, part_of
from probe.core.sla.periods import Span

OBJECT = "path"
DIMENSIONS = ("region", "carrier", "vantage_point", "address", OBJECT)
Group = tuple[str | None, ...]
Grains = dict[Group, Mapping[int, Grain]]
Parts = dict[str, dict[str | None, Part]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """About which facts: of one domain, due in a span, of these protocols. `excluded`: declared spans."""

    customer: str
    domain: str
    span: Span
    protocols: tuple[str, ...]
    excluded: tuple[Span, ...] = ()


class Engine(Protocol):
    """Takes facts and looks, then answers."""

    @property
    def version(self) -> str:
        """Its name and version, for the report's last lines."""
        ...

    def take(self, facts: Sequence[FactRow], looks: Sequence[SlotLook]) -> None:
        """Some more."""
        ...

    def settle(self) -> None:
        """No more follow: of two rows for one due time the first counts, and the other is forgotten."""
        ...

    def extent(self, customer: str, domain: str) -> Span | None:
        """From the first due time until behind the last; None: there is none."""
        ...

    def grains(self, asked: Question, rule: CountingRule, by: Sequence[str] = ()) -> Grains:
        """Sums of grains, for each group of these columns."""
        ...

    def parts(
        self, asked: Question, rule: CountingRule, by: Sequence[str], least: int, bounds: tuple[int, int]
    ) -> tuple[Mapping[int, Grain], Parts]:
        """Sums of grains of all together, and parts for each of these columns by itself (as `part_of` makes them)."""
        ...

    def failing(
        self, asked: Question, rule: CountingRule, within: Sequence[Span], most: int
    ) -> list[FactRow]:
        """The facts that count as errors, or say nothing, in these spans; in order, at most so many."""
        ...

    def facts(self, asked: Question) -> Iterable[FactRow]:
        """All, in order of due time."""
        ...

    def looks(self, asked: Question) -> Iterable[SlotLook]:
        """All, in order of due time."""
        ...

    def values(self, asked: Question, quantity: Quantity, by: Sequence[str]) -> dict[Group, dict[int, int]]:
        """Histograms of what requests tell of a quantity, for each group of these columns."""
        ...

    def troubled(self, asked: Question) -> Iterable[SlotLook]:
        """Those looks that are not well, and those next to them in their track (vantage point and task), in order."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class PlainEngine:
    """Lists and loops: for results that fit into memory, and what other engines are held against."""

    version = "python"

    def __init__(self) -> None:
        self._facts: list[FactRow] = []
        self._looks: list[SlotLook] = []

    def take(self, facts: Sequence[FactRow], looks: Sequence[SlotLook]) -> None:
        """Some more."""
        self._facts += facts
        self._looks += looks

    def settle(self) -> None:
        """Of two rows for one due time the first counts."""
        first: dict[tuple[str, str, str, int], int] = {}
        for fact in self._facts:
            key = fact.agent, fact.customer, fact.task, fact.scheduled_us
            first[key] = min(fact.seq, first.get(key, fact.seq))
        self._facts = [f for f in self._facts if first[f.agent, f.customer, f.task, f.scheduled_us] == f.seq]
        self._looks = [f for f in self._looks if first[f.agent, f.customer, f.task, f.scheduled_us] == f.seq]
        self._facts.sort(key=_order)
        self._looks.sort(key=lambda k: (k.scheduled_us, k.agent, k.seq))

    def extent(self, customer: str, domain: str) -> Span | None:
        """From the first due time until behind the last."""
        times = [f.scheduled_us for f in self._facts if (f.customer, f.domain) == (customer, domain)]
        return Span(min(times), max(times) + 1) if times else None

    def grains(self, asked: Question, rule: CountingRule, by: Sequence[str] = ()) -> Grains:
        """Sums of grains, for each group."""
        groups: dict[Group, list[FactRow]] = {}
        for row in self.facts(asked):
            groups.setdefault(tuple(getattr(row, name) for name in by), []).append(row)
        return {
            group: grains_of((row.fact for row in rows), rule, asked.excluded)
            for group, rows in groups.items()
        }

    def parts(
        self, asked: Question, rule: CountingRule, by: Sequence[str], least: int, bounds: tuple[int, int]
    ) -> tuple[Mapping[int, Grain], Parts]:
        """Sums of grains of all together, and parts for each of these columns by itself."""
        made: Parts = {
            name: {
                group[0]: part_of(grains, least, bounds)
                for group, grains in self.grains(asked, rule, (name,)).items()
            }
            for name in by
        }
        return whole(self.grains(asked, rule)), made

    def values(self, asked: Question, quantity: Quantity, by: Sequence[str]) -> dict[Group, dict[int, int]]:
        """Histograms of what requests tell of a quantity, for each group."""
        made: dict[Group, dict[int, int]] = {}
        for row in self.facts(asked):
            value = row.value_of(quantity)
            if value is not None:
                counts = made.setdefault(tuple(getattr(row, name) for name in by), {})
                bucket = bucket_of(value)
                counts[bucket] = counts.get(bucket, 0) + row.weight
        return made

    def troubled(self, asked: Question) -> list[SlotLook]:
        """Those looks that are not well, and the ones next to them."""
        tracks: dict[tuple[str, str], list[SlotLook]] = {}
        for row in self.looks(asked):
            tracks.setdefault((row.vantage_point, row.task), []).append(row)
        kept = [
            row
            for rows in tracks.values()
            for place, row in enumerate(rows)
            if not all(_is_well(near) for near in rows[max(0, place - 1) : place + 2])
        ]
        return sorted(kept, key=lambda k: (k.scheduled_us, k.agent, k.seq))

    def failing(
        self, asked: Question, rule: CountingRule, within: Sequence[Span], most: int
    ) -> list[FactRow]:
        """The facts that count as errors, or say nothing, in these spans."""
        numbers = {number for span in within for number in _numbers(span, rule.length_us)}
        found = [
            row
            for row in self.facts(asked)
            if grain_of(row.scheduled_us, rule.length_us) in numbers
            and class_of(row.fact, rule, asked.excluded) in (FactClass.ERROR, FactClass.UNKNOWN)
        ]
        return found[:most]

    def facts(self, asked: Question) -> list[FactRow]:
        """All, in order of due time."""
        return [row for row in self._facts if _is_asked(row, asked)]

    def looks(self, asked: Question) -> list[SlotLook]:
        """All, in order of due time."""
        return [row for row in self._looks if _is_asked(row, asked)]

    def close(self) -> None:
        """Nothing is left behind."""


def _order(row: FactRow) -> tuple[int, str, int, int]:
    return row.scheduled_us, row.agent, row.seq, row.number


def _is_well(row: SlotLook) -> bool:
    return row.state is State.MEASURED and row.outcome in SERVED


def _is_asked(row: FactRow | SlotLook, asked: Question) -> bool:
    return (
        (row.customer, row.domain) == (asked.customer, asked.domain)
        and asked.span.holds(row.scheduled_us)
        and row.protocol in asked.protocols
    )


def _numbers(span: Span, length_us: int) -> range:
    return range(span.from_us // length_us, -(-span.to_us // length_us))


def whole(grains: Grains) -> Mapping[int, Grain]:
    """Of a question without groups."""
    return grains.get((), {})
