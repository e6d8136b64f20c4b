"""Rule: whoever runs SQL is asked in the same words; it adds whole numbers and selects rows, and decides nothing.

What DuckDB and Spark have in common. Each says how it takes rows, runs a text, and keeps an answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.grains import CountingRule, Grain, Part
from probe.core.sla.periods import Span
from probe.sla.engines import beside_sql, sql
from probe.sla.engines.engine import OBJECT, Grains, Group, Parts, Question

COUNTED = (
    "weight", "first", "state", "outcome", "fault", "status_code", "failure_phase", "clock", "clock_max_error_us",
    "scheduled_us",
)  # fmt: skip


class SqlEngine(ABC):
    """An engine over two tables, `facts` and `looks`. `tables`: name -> column -> `int`, `bool` or `str`.

    `beside`: which of the columns `beside_sql.BESIDE` they have too. `same`: column -> the value of all rows in it.
    `within`: where all due times lie, if that is known.
    """

    beside: frozenset[str] = frozenset()
    same: Mapping[str, str] = {}
    within: Span | None = None

    dialect: ClassVar[str]
    version: str

    def __init__(self) -> None:
        self.tables = {"facts": _columns(FactRow), "looks": _columns(SlotLook)}

    @abstractmethod
    def take(self, facts: Sequence[FactRow], looks: Sequence[SlotLook]) -> None:
        """Some more."""

    @abstractmethod
    def take_tables(self, facts: Sequence[str], looks: Sequence[str]) -> None:
        """Parquet files beside what was taken; they are read where they lie. After `settle`, and once."""

    @abstractmethod
    def settle(self) -> None:
        """No more follow: of two rows for one due time the first counts, and the other is forgotten."""

    @abstractmethod
    def keep(self, name: str, text: str, given: Sequence[str] = ()) -> None:
        """The answer as a table of this session, in the place of another one of that name."""

    @abstractmethod
    def forget_table(self, name: str) -> None:
        """What `keep` made."""

    @abstractmethod
    def rows(self, text: str, given: Sequence[str] = ()) -> Iterator[Any]:
        """The answer to a text, whose marks are `given`."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing behind."""

    def narrow(self, span: Span | None) -> None:  # noqa: B027 - whoever has nothing to leave out does nothing
        """What is asked next lies in this span; None: anywhere. Other rows need not be in the tables then."""

    def extent(self, customer: str, domain: str) -> Span | None:
        """From the first due time until behind the last."""
        where, given = self._where_of(customer, domain)
        ((first, last),) = self.rows(sql.extent_text(where), given)
        return None if first is None else Span(first, last + 1)

    def grains(self, asked: Question, rule: CountingRule, by: Sequence[str] = ()) -> Grains:
        """Sums of grains, for each group."""
        where, given = self._where(asked)
        text = sql.grains_text(self.dialect, "facts", where, rule, asked.excluded, by)
        return self.ask_grains(text, given, len(by))

    def ask_grains(self, text: str, given: Sequence[str], columns: int) -> Grains:
        """What such a statement answers, by its first columns."""
        made: dict[Group, dict[int, Grain]] = {}
        for row in self.rows(text, given):
            grain = Grain(**dict(zip(sql.SUMS, row[columns + 1 :], strict=True)))
            made.setdefault(tuple(row[:columns]), {})[row[columns]] = grain
        return {**made}

    def parts(
        self, asked: Question, rule: CountingRule, by: Sequence[str], least: int, bounds: tuple[int, int]
    ) -> tuple[Mapping[int, Grain], Parts]:
        """Sums of grains of all together, and parts for each of these columns by itself: three passes over the facts.

        Objects are added up apart: with nodes and vantage points together there are as many sums as slots.
        """
        where, given = self._where(asked)
        places = [name for name in by if name != OBJECT]
        self.keep("others", *self._others(asked, rule, by))
        self.keep("places", self._sums(asked, rule, where, places), given)
        whole = self.ask_grains(sql.sums_text("places", ()), (), 0).get((), {})
        made = {name: self.ask_parts("places", name, least, bounds) for name in places}
        self.forget_table("places")
        if OBJECT in by:
            self.keep("objects", self._sums(asked, rule, where, [OBJECT]), given)
            made[OBJECT] = self.ask_parts("objects", OBJECT, least, bounds)
            self.forget_table("objects")
        self.forget_table("others")
        return whole, {name: made[name] for name in by}

    def _others(self, asked: Question, rule: CountingRule, by: Sequence[str]) -> tuple[str, list[str]]:
        where, given = self._where(asked)
        columns, marked = [*by, *COUNTED], sql.PLAIN in self.beside
        text = sql.others_text(where, rule, asked.excluded, columns, marked=marked)
        return text, _for_each_mark(text, given)

    def _sums(self, asked: Question, rule: CountingRule, where: str, by: Sequence[str]) -> str:
        """By way of the table `others`."""
        others = sql.grains_text(self.dialect, "others", "TRUE", rule, asked.excluded, by)
        return sql.two_sums_text(self.dialect, where, others, rule.length_us, by)

    def ask_parts(
        self, source: str, name: str, least: int, bounds: tuple[int, int]
    ) -> dict[str | None, Part]:
        """Parts of a table of sums by one of its columns."""
        troubled: dict[str | None, dict[int, Grain]] = {}
        rest: dict[str | None, Grain] = {}
        for value, number, *sums in self.rows(sql.part_text(source, name, least, bounds)):
            grain = Grain(**dict(zip(sql.SUMS, sums, strict=True)))
            if number is None:
                rest[value] = grain
            else:
                troubled.setdefault(value, {})[number] = grain
        return {
            value: Part(troubled=troubled.get(value, {}), rest=rest.get(value, Grain()))
            for value in {**troubled, **rest}
        }

    def values(self, asked: Question, quantity: Quantity, by: Sequence[str]) -> dict[Group, dict[int, int]]:
        """Histograms of what requests tell of a quantity, for each group of these columns."""
        where, given = self._where(asked)
        made: dict[Group, dict[int, int]] = {}
        text = sql.values_text(self.dialect, "facts", where, by, quantity, self.beside)
        for row in self.rows(text, _for_each_mark(text, given)):
            made.setdefault(tuple(row[: len(by)]), {})[row[len(by)]] = row[len(by) + 1]
        return made

    def troubled(self, asked: Question) -> Iterator[SlotLook]:
        """Those looks that are not well, and the ones next to them in their track."""
        where, given = self._where(asked)
        if beside_sql.NEAR in self.beside:
            where += f" AND {beside_sql.NEAR}"
            self.keep("named", sql.beside_trouble_text("looks", where), given)
        else:
            # Only times in which something is not well are looked at row by row, and the times beside them.
            ((apart_us,),) = self.rows(sql.apart_text(self.dialect, where), given)
            stretch_us = max(sql.STRETCH_US, 4 * (apart_us or 0))
            self.keep("bad_times", sql.bad_times_text(self.dialect, where, stretch_us), given)
            inside = sql.in_bad_times_text(self.dialect, stretch_us)
            self.keep("named", sql.beside_trouble_text(inside, where), given)
            self.forget_table("bad_times")
        names = list(self.tables["looks"])
        for row in self.rows(sql.named_text(names, where), given):
            yield msgspec.convert(dict(zip(names, row, strict=True)), SlotLook)
        self.forget_table("named")

    def failing(
        self, asked: Question, rule: CountingRule, within: Sequence[Span], most: int
    ) -> list[FactRow]:
        """The facts that count as errors, or say nothing, in these spans."""
        where, given = self._where(asked)
        where += f" AND {sql.failing_text(rule, asked.excluded, within)}"
        return list(self._selected("facts", FactRow, where, given, most))

    def facts(self, asked: Question) -> Iterator[FactRow]:
        """All, in order of due time."""
        yield from self._selected("facts", FactRow, *self._where(asked))

    def looks(self, asked: Question) -> Iterator[SlotLook]:
        """All, in order of due time."""
        yield from self._selected("looks", SlotLook, *self._where(asked))

    def _where(self, asked: Question) -> tuple[str, list[str]]:
        return self._where_of(asked.customer, asked.domain, asked.span, asked.protocols)

    def _where_of(
        self, customer: str, domain: str, span: Span | None = None, protocols: Sequence[str] = ()
    ) -> tuple[str, list[str]]:
        """A condition and what is given for its marks; what is known of all rows is not asked of each."""
        self.narrow(span)
        of = {"customer": customer, "domain": domain}
        names = [name for name, value in of.items() if self.same.get(name) != value]
        kinds = () if self.same.get("protocol") in protocols else protocols
        if span and self.within and span.from_us <= self.within.from_us and self.within.to_us <= span.to_us:
            span = None
        return sql.where_text(span, names, len(kinds)), [*(of[name] for name in names), *kinds]

    def _selected(
        self, table: str, kind: Any, where: str, given: Sequence[str], most: int | None = None
    ) -> Iterator[Any]:
        names = list(self.tables[table])
        for row in self.rows(sql.rows_text(names, table, where, most), given):
            yield msgspec.convert(dict(zip(names, row, strict=True)), kind)


def _for_each_mark(text: str, given: list[str]) -> list[str]:
    """What is given, once more for each time that a text repeats a condition with its marks."""
    return given * (text.count("?") // len(given)) if given else []


def _columns(kind: Any) -> dict[str, str]:
    """A column for each field: whole numbers, truths, and text for all else."""
    made = {}
    for each in msgspec.structs.fields(kind):
        names = [t.__name__ for t in (int, bool) if t is each.type or t in getattr(each.type, "__args__", ())]
        made[each.name] = names[0] if names else "str"
    return made
