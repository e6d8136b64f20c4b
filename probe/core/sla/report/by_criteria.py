"""An acceptance: each line of it by counts of samples, so that no quantile is estimated; the word needs all of them.

A bound on a quantile is a bound on how many samples may lie beyond it: of the 95th percentile, one in twenty. Kept
where the samples show no more (95 %), a breach where so many are as rare as one in a thousand, else not decided.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from probe.core.model.value import replace
from probe.core.records.observation import Relation
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.binomial import shown_at_most, tail_at_most
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.terms import MISMATCH, Criterion
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.figures import Word
from probe.core.sla.periods import US, instant_us
from probe.core.sla.report.shown import duration, percent
from probe.core.sla.report.subject import MOST_ROWS, Known, Named, last_word, service_in
from probe.core.sla.report.values import CriterionShown, Subject

DOUBT = Fraction(1, 20)
SIGNIFICANCE = Fraction(1, 1000)
TTFB, THROUGHPUT, PROPAGATED = "ttfb_us", "throughput_bytes_per_s", "propagated_after_s_at_most"
QUANTITIES = {
    TTFB: Quantity.FIRST_BYTE,
    THROUGHPUT: Quantity.THROUGHPUT,
    PROPAGATED: Quantity.PROPAGATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What an acceptance looks at. `nested`: words of other contracts that it names, by profile."""

    facts: Sequence[FactRow]
    looks: Sequence[SlotLook]
    nested: Callable[[str], Subject]


def subject_by_criteria(agreed: Agreed, domain: str, period: Named, of: Samples, known: Known) -> Subject:
    """All that is said of one domain over the span of the acceptance."""
    made = [one for terms in agreed.profile.criteria for one in _shown(terms, agreed, domain, of)]
    words = {one.word for one in made}
    word = (
        Word.BREACH_SHOWN
        if Word.BREACH_SHOWN in words
        else Word.KEPT_SHOWN
        if words == {Word.KEPT_SHOWN}
        else Word.NOT_DECIDED
    )
    final = known.complete_up_to_us is not None and known.complete_up_to_us >= period.span.to_us
    lost = known.lost_in(period.span)
    why: tuple[str, ...] = ("criteria",) if word is Word.NOT_DECIDED else ()
    word, why = last_word(word, why, final=final, lost=lost, rows=bool(of.looks))
    return Subject(
        customer=agreed.agreement.customer,
        domain=domain,
        period=period.shown,
        word=word,
        why=why,
        judged=service_in(agreed, period.span) is not None,
        final=final,
        complete_up_to=known.shown_until(period.time_zone),
        criteria=tuple(_last(one, final=final, lost=lost) for one in made),
        lost=lost,
    )


def _last(one: CriterionShown, *, final: bool, lost: Sequence[str]) -> CriterionShown:
    """Of a span that is not over, or of which rows are gone, no line says *kept* either."""
    word, why = last_word(one.word, one.why, final=final, lost=lost, rows=True)
    return replace(one, word=word, why=why)


def _shown(terms: Criterion, agreed: Agreed, domain: str, of: Samples) -> Iterator[CriterionShown]:
    if terms.profile is not None:
        nested = of.nested(terms.profile)
        percents = [figure.percent for figure in nested.figures if figure.view == "shown"]
        count = 0 if nested.grains is None else nested.grains.requests
        yield CriterionShown(
            name=terms.name, part=terms.profile, value=f"{percents[0] if percents else '?'} %",
            bound=nested.objective or "", samples=count, word=nested.word, why=nested.why,
        )  # fmt: skip
    elif terms.checks:
        yield _of_checks(terms, of.looks)
    elif terms.figure == MISMATCH:
        yield _of_mismatches(terms, of.looks)
    elif terms.after == "purge":
        yield from _of_purges(terms, agreed, domain, of.facts)
    elif terms.figure in QUANTITIES:
        yield from _of_quantile(terms, of.facts)
    else:
        yield CriterionShown(
            name=terms.name, part=terms.figure or "", value="", bound="", samples=0, word=Word.NOT_DECIDED,
            why=("not_computed",),
        )  # fmt: skip


# --- quantiles ----------------------------------------------------------------------------------------


def _of_quantile(terms: Criterion, facts: Iterable[FactRow]) -> Iterator[CriterionShown]:
    groups: dict[str, list[tuple[int, FactRow]]] = {}
    for fact in facts:
        value = fact.value_of(QUANTITIES[terms.figure or ""])
        if value is None:
            if terms.nodes == "all" and fact.address is not None:  # it is not one that kept it
                groups.setdefault(fact.address, [])
        else:
            names = terms.by or (("address",) if terms.nodes == "all" else ())
            part = ", ".join(str(getattr(fact, name)) for name in names)
            groups.setdefault(part, []).append((value, fact))
    for part in sorted(groups):
        values = sorted(groups[part], key=lambda pair: (pair[0], pair[1].scheduled_us))
        yield _of_group(terms, part, values) if values else _without_samples(terms, part)
    if not groups:
        yield _without_samples(terms, "")


def _without_samples(terms: Criterion, part: str) -> CriterionShown:
    return CriterionShown(
        name=terms.name, part=part, value="", bound=_bound_text(terms), samples=0, word=Word.NOT_DECIDED,
        why=("few_samples",),
    )  # fmt: skip


def _of_group(terms: Criterion, part: str, values: list[tuple[int, FactRow]]) -> CriterionShown:
    bound, low = _bound(terms), terms.at_least is not None
    quantile = terms.quantile or Fraction(1)
    beyond = [fact for value, fact in values if (value < bound if low else value > bound)]
    n, admitted = len(values), quantile if low else 1 - quantile
    place = max(1, -(-quantile.numerator * n // quantile.denominator))
    word, why = _counted(len(beyond), n, admitted, terms)
    return CriterionShown(
        name=terms.name,
        part=part,
        value=f"{_text(terms, values[place - 1][0])} ({len(beyond)})",
        bound=_bound_text(terms),
        samples=n,
        word=word,
        why=why,
        rows=tuple(dict.fromkeys(fact.key for fact in beyond))[:MOST_ROWS],
    )


def _counted(beyond: int, n: int, admitted: Fraction, terms: Criterion) -> tuple[Word, tuple[str, ...]]:
    if terms.min_samples is not None and n < terms.min_samples:
        return Word.NOT_DECIDED, ("few_samples",)
    if admitted == 0:
        # The largest of all: what is told is how long it took at most; only that all were in time can be shown.
        return (Word.KEPT_SHOWN, ()) if not beyond else (Word.NOT_DECIDED, ("bounds",))
    if tail_at_most(beyond, n, admitted, SIGNIFICANCE):
        return Word.BREACH_SHOWN, ()
    if shown_at_most(beyond, n, admitted, DOUBT):
        return Word.KEPT_SHOWN, ()
    return Word.NOT_DECIDED, ("few_samples",)


def _bound(terms: Criterion) -> int:
    if terms.at_least is not None:
        return int(terms.at_least)
    assert isinstance(terms.at_most, int), "what is still to be agreed was refused"
    return terms.at_most * US if terms.figure == PROPAGATED else terms.at_most


def _bound_text(terms: Criterion) -> str:
    sign = ">=" if terms.at_least is not None else "<="
    quantile = "" if terms.quantile is None else f"p{percent(terms.quantile, 0)} "
    return f"{quantile}{sign} {_text(terms, _bound(terms))}"


def _text(terms: Criterion, value: int) -> str:
    return f"{value} B/s" if terms.figure == THROUGHPUT else duration(value)


# --- counts -------------------------------------------------------------------------------------------


def _of_checks(terms: Criterion, looks: Sequence[SlotLook]) -> CriterionShown:
    """Failures of the CDN whose reason is of one of the checks. Without any nothing is shown.

    Rows name a check where it found something, and not that it was made: whether a task has it is in its configuration.
    """
    failed = [
        row
        for row in looks
        if row.outcome is Outcome.FAILED and row.fault is Fault.CDN and _is_of(row, terms.checks)
    ]
    made = _of_rows(terms, ", ".join(terms.checks), failed, looks, terms.failures or 0)
    if made.word is Word.KEPT_SHOWN:
        return replace(made, word=Word.NOT_DECIDED, why=("checks_not_named",))
    return made


def _is_of(row: SlotLook, checks: Sequence[str]) -> bool:
    reason = row.reason or ""
    certificate = "certificate" in checks and reason.startswith("tls.cert")
    return certificate or reason.partition(".")[0] in checks


def _of_mismatches(terms: Criterion, looks: Sequence[SlotLook]) -> CriterionShown:
    wrong = [
        row for row in looks if row.reason == "content.mismatch" and row.confirmed and row.fault is Fault.CDN
    ]
    most = terms.at_most if isinstance(terms.at_most, int) else 0
    return _of_rows(terms, "content.mismatch", wrong, looks, most)


def _of_rows(
    terms: Criterion, part: str, found: Sequence[SlotLook], looks: Sequence[SlotLook], most: int
) -> CriterionShown:
    measured = sum(row.state is State.MEASURED for row in looks)
    word = Word.BREACH_SHOWN if len(found) > most else Word.KEPT_SHOWN if measured else Word.NOT_DECIDED
    return CriterionShown(
        name=terms.name,
        part=part,
        value=str(len(found)),
        bound=f"<= {most}",
        samples=measured,
        word=word,
        why=("few_samples",) if word is Word.NOT_DECIDED else (),
        rows=tuple(row.key for row in found[:MOST_ROWS]),
    )


def _of_purges(
    terms: Criterion, agreed: Agreed, domain: str, facts: Sequence[FactRow]
) -> Iterator[CriterionShown]:
    """What was still old when the time for it had passed; kept where each place saw the new version in time."""
    purges = [purge for purge in agreed.agreement.purges if purge.domain == domain]
    if not purges:
        yield CriterionShown(
            name=terms.name, part="", value="", bound=_bound_text(terms), samples=0, word=Word.NOT_DECIDED,
            why=("no_purge",),
        )  # fmt: skip
    for purge in purges:
        at_us = instant_us(purge.at)
        again = [instant_us(one.at) for one in purges if {*one.paths} & {*purge.paths}]
        until_us = min((one for one in again if one > at_us), default=None)
        inside = [
            f for f in facts if at_us <= f.scheduled_us and (until_us is None or f.scheduled_us < until_us)
        ]
        seen = [_after_purge(rows, at_us, _bound(terms)) for rows in _tracks(purge.paths, inside)]
        places = [one for one in seen if one is not None]
        old = [fact for one in places for fact in one.old]
        in_time = bool(places) and all(one.in_time for one in places)
        word = Word.BREACH_SHOWN if old else Word.KEPT_SHOWN if in_time else Word.NOT_DECIDED
        yield CriterionShown(
            name=terms.name,
            part=f"{purge.at} {', '.join(purge.paths)}",
            value=str(len(old)),
            bound=_bound_text(terms),
            samples=len(places),
            word=word,
            why=("few_samples",) if word is Word.NOT_DECIDED else (),
            rows=tuple(dict.fromkeys(fact.key for fact in old))[:MOST_ROWS],
        )


def _tracks(paths: Collection[str], facts: Iterable[FactRow]) -> Iterable[list[FactRow]]:
    """Of each object at each node, from each vantage point: the rows that say which version it had, in order."""
    made: dict[tuple[str | None, ...], list[FactRow]] = {}
    for fact in sorted(facts, key=lambda fact: fact.scheduled_us):
        if fact.path in paths and fact.relation in (Relation.EQUAL, Relation.OLDER):
            made.setdefault((fact.path, fact.protocol, fact.vantage_point, fact.address), []).append(fact)
    return made.values()


@dataclass(frozen=True, slots=True)
class _AfterPurge:
    """`old`: rows too late with an earlier version. `in_time`: a row had the new one when the time ended, or before."""

    old: tuple[FactRow, ...]
    in_time: bool


def _after_purge(rows: Sequence[FactRow], at_us: int, bound_us: int) -> _AfterPurge | None:
    """What the rows of a track say of a purge; None: the first of them comes so late that it says nothing.

    An origin changes again, and then an older version is none of this purge's: rows count for as long again as was
    agreed, and further as long as the track was never seen with the new version.
    """
    due_us, late_us = at_us + bound_us, at_us + 2 * bound_us
    if rows[0].scheduled_us >= late_us:
        return None
    since = next((row.scheduled_us for row in rows if row.relation == Relation.EQUAL), None)
    old = tuple(
        row
        for row in rows
        if row.relation == Relation.OLDER
        and row.scheduled_us >= due_us
        and (row.scheduled_us < late_us or since is None or row.scheduled_us < since)
    )
    return _AfterPurge(old, since is not None and since <= due_us)
