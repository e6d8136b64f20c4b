"""What every contract has in common: periods, exclusions, rows that lead to where they are kept, and the last word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.profile import Period as PeriodTerms
from probe.core.sla.contract.rules import clauses, declared, service_span
from probe.core.sla.exclusions import Exclusions, exclusions
from probe.core.sla.facts.row import FactRow
from probe.core.sla.facts.stream import FirstPull, Lost
from probe.core.sla.facts.traffic import ByNode
from probe.core.sla.figures import Word
from probe.core.sla.grains import Grain
from probe.core.sla.periods import US, Span, instant_us, month, union, year
from probe.core.sla.report.shown import instant
from probe.core.sla.report.values import ExclusionShown, Period, Words
from probe.core.sla.spans import common, without

MOST_ROWS = 20
Grains = dict[int, Grain]
RowsIn = Callable[[Sequence[Span]], Sequence[FactRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A period and its name: `2026-11`, `2026`, `span`."""

    name: str
    span: Span
    time_zone: str

    @property
    def shown(self) -> Period:
        """As a report has it."""
        return Period(
            name=self.name,
            begin=instant(self.span.from_us, self.time_zone),
            end=instant(self.span.to_us, self.time_zone),
            time_zone=self.time_zone,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beside the rows. `complete_up_to_us`: all due before has a row, in every stream.

    `traffic`: by domain, what a traffic file says, and the file's digest.
    """

    complete_up_to_us: int | None
    lost: tuple[Lost, ...] = ()
    pulls: tuple[FirstPull, ...] = ()
    traffic: tuple[Mapping[str, ByNode], str] | None = None

    def shown_until(self, time_zone: str) -> str | None:
        """`complete_up_to_us` as a report shows it."""
        return _at(self.complete_up_to_us, time_zone)

    def pulled_us(self, agent: str, seq: int) -> int | None:
        """When somebody had this row first; None: nobody is known to have had it."""
        return min(
            (
                one.pulled_us
                for one in self.pulls
                if one.agent == agent and one.first_seq <= seq <= one.last_seq
            ),
            default=None,
        )

    def lost_in(self, period: Span) -> tuple[str, ...]:
        """What is lost and may have been due in the period."""
        return tuple(
            f"{one.customer} of {one.agent}: {one.what}"
            for one in self.lost
            if one.before_us is None or one.before_us > period.from_us
        )


def period_of(terms: PeriodTerms, name: str) -> Named:
    """A period by its name. Raises ValueError for a name that is none of its unit."""
    zone = terms.time_zone
    try:
        if terms.unit == "calendar_month":
            return Named(name=name, span=month(name, zone), time_zone=zone)
        if terms.unit == "calendar_year":
            return Named(name=name, span=year(name, zone), time_zone=zone)
    except ValueError:
        kind = "month, such as 2026-11" if terms.unit == "calendar_month" else "year, such as 2026"
        raise ValueError(f"{name!r} is no {kind}") from None
    assert terms.from_ is not None, "the profile was validated"
    assert terms.to is not None, "the profile was validated"
    span = Span(instant_us(terms.from_), instant_us(terms.to))
    return Named(name="span", span=span, time_zone=zone)


def periods_in(terms: PeriodTerms, extent: Span) -> list[Named]:
    """All periods that hold an instant of `extent`, in order."""
    if terms.unit == "span":
        return [period_of(terms, "span")]
    zone = ZoneInfo(terms.time_zone)
    first = datetime.fromtimestamp(extent.from_us // US, zone)
    last = datetime.fromtimestamp((extent.to_us - 1) // US, zone)
    if terms.unit == "calendar_year":
        return [period_of(terms, f"{number:04d}") for number in range(first.year, last.year + 1)]
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [period_of(terms, f"{number // 12:04d}-{number % 12 + 1:02d}") for number in months]


def excluded_by(agreed: Agreed, domain: str) -> Exclusions:
    """What was declared, and what of it the contract admits for a domain; where it says so, of whole grains."""
    found = exclusions(declared(agreed), clauses(agreed), domain)
    grain = agreed.profile.grain
    if grain is None or agreed.profile.exclusions.partial_grain == "rows":
        return found
    by = tuple((one, tuple(_widened(span, grain.length) for span in spans)) for one, spans in found.by)
    return Exclusions(spans=union(span for _, spans in by for span in spans), by=by, refused=found.refused)


def _widened(span: Span, length_us: int) -> Span:
    """To whole grains: each that it touches."""
    return Span(span.from_us // length_us * length_us, -(-span.to_us // length_us) * length_us)


def exclusions_shown(agreed: Agreed, found: Exclusions, period: Named) -> tuple[ExclusionShown, ...]:
    """Every declaration that touches the period; time that several leave out is told of the first."""
    made: list[ExclusionShown] = []
    taken: tuple[Span, ...] = ()
    words = {one.reason: one for one in agreed.profile.exclusions.by_declaration}
    admitted = {id(one): spans for one, spans in found.by}
    refused = {id(one): why for one, why in found.refused}
    listed = [one for one, _ in found.by] + [one for one, _ in found.refused]
    for one in sorted(listed, key=lambda d: (d.span, d.reason, d.source)):
        if one.span.cut(period.span) is None:
            continue
        spans = without(common(admitted.get(id(one), ()), (period.span,)), taken)
        taken = tuple(sorted((*taken, *spans)))
        clause = words.get(one.reason)
        made.append(
            ExclusionShown(
                reason=one.reason,
                words=Words(
                    en=(clause and clause.en) or one.reason.replace("_", " "),
                    zh=(clause and clause.zh) or one.reason,
                ),
                begin=instant(one.span.from_us, period.time_zone),
                end=instant(one.span.to_us, period.time_zone),
                source=one.source,
                declared_at=_at(one.declared_at_us, period.time_zone),
                announced_at=_at(one.announced_at_us, period.time_zone),
                refused=refused.get(id(one)),
                excluded_us=sum(span.length_us for span in spans),
            )
        )
    return tuple(made)


def _at(time_us: int | None, zone: str) -> str | None:
    return None if time_us is None else instant(time_us, zone)


def service_in(agreed: Agreed, period: Span) -> Span | None:
    """What of the period the service ran for."""
    return period.cut(service_span(agreed))


def last_word(
    word: Word, why: Iterable[str], *, final: bool, lost: Sequence[str], rows: bool
) -> tuple[Word, tuple[str, ...]]:
    """Kept is said only of a period that is over, and of which no row is lost; without rows nothing is said."""
    if not rows:
        return Word.NOT_DECIDED, ("no_rows",)
    if word is Word.KEPT_SHOWN and lost:
        return Word.NOT_DECIDED, ("rows_lost",)
    if word is Word.KEPT_SHOWN and not final:
        return Word.NOT_DECIDED, ("not_final",)
    return word, tuple(why)


def keys_of(rows: Iterable[FactRow]) -> tuple[tuple[str, ...], int, tuple[str, ...]]:
    """(the first rows by customer/seq, how many more, ids of evidence)."""
    keys = list(dict.fromkeys(row.key for row in rows))
    evidence = dict.fromkeys(row.evidence_id for row in rows if row.evidence_id)
    return tuple(keys[:MOST_ROWS]), max(0, len(keys) - MOST_ROWS), tuple(list(evidence)[:MOST_ROWS])
