"""Rule: figures come from verified rows or not at all, and the same files give the same report, byte for byte.

An agreement and inputs -> the report: verify, read, add up, decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from probe import __version__
from probe.core.model.protocols import PROTOCOLS
from probe.core.model.value import replace
from probe.core.records.rows import SCHEMA_VERSION
from probe.core.scheduling.grid import to_us
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.rules import counting_rule, grain_rule
from probe.core.sla.exclusions import Exclusions
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.grains import Part, part_of
from probe.core.sla.periods import Span
from probe.core.sla.promises.cumulated import cumulated_shown, span_of
from probe.core.sla.promises.opening import opening_shown, rows_wanted
from probe.core.sla.promises.surge import surges_shown
from probe.core.sla.report.by_criteria import Samples, subject_by_criteria
from probe.core.sla.report.by_grains import MOST_ASKED, Counted, bounds_of, margin_us, subject_by_grains
from probe.core.sla.report.by_spans import subject_by_spans
from probe.core.sla.report.deadlines_shown import deadlines_shown
from probe.core.sla.report.evaluate import code_of, contract_shown, not_computed
from probe.core.sla.report.looking import clocks_shown, incidents_in, quantiles_shown, times_shown
from probe.core.sla.report.subject import Known, Named, excluded_by, period_of, periods_in
from probe.core.sla.report.values import VERSION, CriterionShown, Input, Report, Subject
from probe.sla.agreement_files import AgreementFile, over_the_same_span
from probe.sla.engines.duckdb_engine import DuckDbEngine, DuckDbMissing
from probe.sla.engines.engine import DIMENSIONS, Engine, PlainEngine, Question, whole
from probe.sla.engines.grain_engine import Expected, GrainEngine
from probe.sla.engines.spark_engine import SparkEngine
from probe.sla.inputs import Reading, Tick, read_facts, verified
from probe.sla.ledger import is_tables
from probe.sla.proved import inputs_shown
from probe.sla.sealed_grains import NOT_IN_SUMS, alone, engine_of, engine_of_files, in_words, unsigned
from probe.sla.tables import take_tables
from probe.sla.traffic import Told, read_traffic

PLACES = ("region", "carrier")
DAY_US = 86_400_000_000
Shows = Callable[[str], AbstractContextManager[Tick]]


class NotComputed(Exception):  # noqa: N818 - a result, not a defect
    """Nothing can be computed; says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`periods`: by name, none: all that rows lie in. `unverified`: the words that excuse inputs without proof."""

    inputs: tuple[Path, ...]
    keys: tuple[Path, ...] = ()
    heads: tuple[Path, ...] = ()
    periods: tuple[str, ...] = ()
    unverified: str | None = None
    stamp_ca: Path | None = None


def engine_named(name: str, connect: str | None = None) -> Engine:
    """`duckdb`, `python`, `spark` at the session `connect`, or `auto`: DuckDB where it is installed.

    Raises DuckDbMissing, SparkFailed.
    """
    if name == "python":
        return PlainEngine()
    if name == "spark":
        return SparkEngine(connect or "")
    try:
        return DuckDbEngine()
    except DuckDbMissing:
        if name == "duckdb":
            raise
        return PlainEngine()


def make_report(
    agreement: AgreementFile,
    asked: Asked,
    engine: Engine,
    shows: Shows = lambda what: nullcontext(lambda count: None),
) -> Report:
    """The whole. Raises NotComputed, UnverifiedError, ForkedError, and what reading raises."""
    agreed = agreement.agreed
    if agreed.blank:
        raise NotComputed(f"{agreement.file}: still to be agreed: {', '.join(agreed.blank)}")
    with ExitStack() as opened:
        opened.enter_context(closing(engine))
        tables = [path for path in asked.inputs if is_tables(path)]
        loose = unsigned(asked.inputs)
        lines = [path for path in asked.inputs if path not in tables and path not in loose]
        customer, excused = agreed.agreement.customer, asked.unverified is not None
        with shows("verifying") as tick:
            proofs = verified(
                lines,
                asked.keys,
                asked.heads,
                customer,
                stamp_ca=asked.stamp_ca,
                unverified=excused,
                tick=tick,
            )
        with shows("reading") as tick:
            held: tuple[Input, ...] = ()
            if loose:
                engine, reading, held = engine_of_files(agreed, loose, asked.inputs, excused=excused)
                opened.enter_context(closing(engine))
            elif sums := alone(proofs, customer):
                engine, reading = engine_of(agreed, sums, asked.inputs)
                opened.enter_context(closing(engine))
            else:
                reading = read_facts(lines, customer, engine.take, tick)
                engine.settle()
                held = take_tables(engine, tables, reading, customer, asked.keys, unverified=excused)
        if not reading.streams:
            known = ", ".join(sorted(reading.customers)) or "nobody"
            raise NotComputed(f"no rows of customer {customer} in these inputs; there are those of {known}")
        with shows("computing") as tick:
            facts = replace(_known(reading), traffic=_traffic(agreement))
            with in_words(asked.inputs) if isinstance(engine, GrainEngine) else nullcontext():
                subjects = tuple(_subjects(agreed, asked, engine, facts, tick))
    if not subjects:
        raise NotComputed(f"no rows of {', '.join(agreed.agreement.domains)} in these inputs")
    return Report(
        report=VERSION,
        contract=contract_shown(agreed, agreement.digest, agreement.profile_digest),
        subjects=subjects,
        inputs=(*inputs_shown(proofs, customer), *held),
        unverified=asked.unverified,
        code=code_of(subjects),
        versions=(
            ("cdn-probe", __version__),
            ("record schema", str(SCHEMA_VERSION)),
            ("added up by", engine.version),
        ),
    )


def _traffic(of: AgreementFile) -> tuple[Told, str] | None:
    """What a traffic file says, where the contract counts by one. Raises TrafficError, OSError."""
    terms, grain = of.agreed.agreement.traffic, of.agreed.profile.grain
    if terms is None or grain is None or of.agreed.profile.node_down is None:
        return None
    return read_traffic(terms, Path(of.file), grain.length)


def _subjects(agreed: Agreed, asked: Asked, engine: Engine, known: Known, tick: Tick) -> Iterator[Subject]:
    periods = _periods(agreed, asked, engine)
    if isinstance(engine, GrainEngine) and periods:
        engine.expect(_expected(agreed, periods))
    for domain in agreed.agreement.domains:
        for period in periods:
            yield _subject(agreed, domain, period, engine, known)
            tick(1)


def _expected(agreed: Agreed, periods: Sequence[Named]) -> Expected:
    """What `_by_grains` will ask of each domain and period."""
    margin = margin_us(agreed)
    return Expected(
        questions=tuple(
            _question(agreed, domain, period, excluded_by(agreed, domain).spans, margin)
            for domain in agreed.agreement.domains
            for period in periods
        ),
        rule=counting_rule(agreed),
        least=max(1, grain_rule(agreed).min_requests),
        bounds=tuple(bounds_of(agreed, period) for period in periods),
    )


def _periods(agreed: Agreed, asked: Asked, engine: Engine) -> Sequence[Named]:
    """Those asked for, or all that rows of any domain lie in: of one that nobody measured, that is to be told."""
    terms = agreed.profile.period
    if terms.unit == "span" and (others := [name for name in asked.periods if name != "span"]):
        raise NotComputed(
            f"'{others[0]}' is no period of this agreement: it has one, from {terms.from_} to {terms.to}"
        )
    if asked.periods and terms.unit != "span":
        try:
            return [period_of(terms, name) for name in dict.fromkeys(asked.periods)]
        except ValueError as error:
            raise NotComputed(str(error)) from None
    told = (engine.extent(agreed.agreement.customer, domain) for domain in agreed.agreement.domains)
    extents = [extent for extent in told if extent is not None]
    if not extents:
        return [period_of(terms, "span")] if terms.unit == "span" else []
    first_us, end_us = min(one.from_us for one in extents), max(one.to_us for one in extents)
    return periods_in(terms, Span(first_us, end_us))


def _subject(agreed: Agreed, domain: str, period: Named, engine: Engine, known: Known) -> Subject:
    excluded = excluded_by(agreed, domain)
    asked = _question(agreed, domain, period, excluded.spans)
    if agreed.profile.grain is not None:
        looks = list(engine.troubled(asked))  # all that incidents are made of
        made = _by_grains(agreed, domain, period, engine, known, excluded)
    elif agreed.profile.incidents or agreed.profile.down is not None:
        looks = list(engine.looks(asked))
        made = subject_by_spans(agreed, domain, period, looks, known, excluded)
    elif agreed.profile.criteria:
        looks = list(engine.looks(asked))
        made = _by_criteria(agreed, domain, period, engine, known, looks)
    else:
        raise NotComputed(f"{agreed.profile.profile}: nothing in it by which it could be computed")
    seen = incidents_in(looks, period)
    inside = replace(asked, span=period.span)
    promised = _promised(agreed, domain, period, engine, known, excluded)
    of_sums = isinstance(engine, GrainEngine)
    return replace(
        made,
        criteria=(*made.criteria, *promised),
        incidents=seen,
        deadlines=() if of_sums else deadlines_shown(agreed, period, seen, known),
        times=times_shown(engine.values(inside, Quantity.FIRST_BYTE, PLACES)),
        quantiles=tuple(
            one
            for quantity in (Quantity.THROUGHPUT, Quantity.PROPAGATION)
            for one in quantiles_shown(quantity, engine.values(inside, quantity, PLACES))
        ),
        not_measured=(
            *not_computed(agreed),
            *(clocks_shown(looks, period) if agreed.profile.grain is None else ()),
            *((NOT_IN_SUMS,) if of_sums else ()),
        ),
    )


def _promised(
    agreed: Agreed, domain: str, period: Named, engine: Engine, known: Known, excluded: Exclusions
) -> Iterator[CriterionShown]:
    """What the paper promises beside its objective."""

    def asked(span: Span) -> Question:
        return replace(_question(agreed, domain, period, excluded.spans), span=span)

    around = rows_wanted(agreed, period)
    yield from opening_shown(agreed, period, [] if around is None else list(engine.looks(asked(around))))
    yield from surges_shown(
        agreed, period, lambda span: engine.values(asked(span), Quantity.FIRST_BYTE, PLACES)
    )
    over = span_of(agreed, period)
    if over is not None:
        rows = list(engine.looks(asked(over)))
        yield from cumulated_shown(agreed, period, rows, known, excluded)


def _by_criteria(
    agreed: Agreed, domain: str, period: Named, engine: Engine, known: Known, looks: Sequence[SlotLook]
) -> Subject:
    inside = replace(_question(agreed, domain, period, ()), span=period.span)

    def nested(profile: str) -> Subject:
        other = over_the_same_span(agreed, profile)
        return _by_grains(other, domain, period, engine, known, excluded_by(other, domain))

    within = [look for look in looks if period.span.holds(look.scheduled_us)]
    of = Samples(facts=list(engine.facts(inside)), looks=within, nested=nested)
    return subject_by_criteria(agreed, domain, period, of, known)


def _question(
    agreed: Agreed,
    domain: str,
    period: Named,
    excluded: tuple[Span, ...],
    margin_us: int = DAY_US,
    protocols: tuple[str, ...] | None = None,
) -> Question:
    """About a period and some time beside it."""
    grain = agreed.profile.grain
    return Question(
        customer=agreed.agreement.customer,
        domain=domain,
        span=Span(period.span.from_us - margin_us, period.span.to_us + margin_us),
        protocols=protocols or (agreed.profile if grain is None else grain).protocols,
        excluded=excluded,
    )


def _by_grains(
    agreed: Agreed, domain: str, period: Named, engine: Engine, known: Known, excluded: Exclusions
) -> Subject:
    rule, margin = counting_rule(agreed), margin_us(agreed)
    asked = _question(agreed, domain, period, excluded.spans, margin)
    least, bounds = max(1, grain_rule(agreed).min_requests), bounds_of(agreed, period)
    added, by_name = engine.parts(asked, rule, DIMENSIONS, least, bounds)
    parts: dict[str, dict[str, Part]] = {}
    for dimension in DIMENSIONS:
        named = {name: part for name, part in by_name[dimension].items() if name is not None}
        if len(named) > 1 or dimension in ("address", "path"):
            parts[dimension] = named
    others = {
        protocol: part_of(made, least, bounds)
        for protocol in PROTOCOLS
        if protocol not in asked.protocols
        and (made := whole(engine.grains(replace(asked, protocols=(protocol,)), rule)))
    }
    counted = Counted(
        whole=added,
        parts=parts,
        apart=others,
        rows_in=lambda spans: engine.failing(asked, rule, spans, MOST_ASKED),
    )
    return subject_by_grains(agreed, domain, period, counted, known, excluded)


def _known(reading: Reading) -> Known:
    marks = [stream.complete_up_to for stream in reading.streams]
    times = [to_us(mark) for mark in marks if mark is not None]
    return Known(
        complete_up_to_us=min(times) if times and len(times) == len(marks) else None,
        lost=tuple(lost for stream in reading.streams for lost in stream.lost),
        pulls=tuple(pull for stream in reading.streams for pull in stream.pulls),
    )
