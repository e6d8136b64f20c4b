"""Plain Python and DuckDB give the same of the same facts: sums, selections, and which row counts of two.

A million facts, with Spark as the third: tests/sla/engines.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import duckdb
import pytest

from probe.core.model.value import replace
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow
from probe.core.sla.grains import CountingRule, Error, Grain, Part, part_of
from probe.core.sla.periods import Span
from probe.sla.engines.duckdb_engine import DuckDbEngine
from probe.sla.engines.engine import DIMENSIONS, Engine, PlainEngine, Question, whole
from tests.sla.made import CUSTOMERS, DOMAINS, FROM_US, fact, look
from tests.support.sizes import scaled

HOUR_US = 3_600_000_000
RULES = (
    CountingRule(),
    CountingRule(length_us=1_000_000, errors=frozenset(Error), faults=frozenset({Fault.CDN, Fault.ORIGIN})),
    CountingRule(length_us=7_000_000, clocks=frozenset({"kernel"}), clock_max_error_us=0),
    CountingRule(errors=frozenset()),
)
OUT = (
    Span(FROM_US + HOUR_US, FROM_US + 2 * HOUR_US),
    Span(FROM_US + HOUR_US + 1, FROM_US + 3 * HOUR_US + 17),
)


pytestmark = pytest.mark.scaled


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Engine, Engine]]:
    draw = Random(20)
    facts = [fact(number, draw) for number in range(scaled(100_000, 3_000))]
    facts += [replace_seq(one, draw) for one in facts[:200]]
    looks = [look(one, draw) for one in facts]
    made: tuple[Engine, Engine] = (PlainEngine(), DuckDbEngine(threads=2))
    for engine in made:
        for begin in range(0, len(facts), 777):
            engine.take(facts[begin : begin + 777], looks[begin : begin + 777])
        engine.settle()
    yield made
    for engine in made:
        engine.close()


def replace_seq(of: FactRow, draw: Random) -> FactRow:
    """A second row for the same due time, before or after the first in the stream."""
    return replace(of, seq=max(0, of.seq + draw.choice((-5_000_000, 5_000_000))))


def asked(domain: str = DOMAINS[0], **changes: object) -> Question:
    values: dict[str, object] = {
        "customer": CUSTOMERS[0],
        "domain": domain,
        "span": Span(FROM_US, FROM_US + 86_400_000_000),
        "protocols": ("h1",),
        "excluded": OUT,
    }
    return Question(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
@pytest.mark.parametrize("by", [(), *((name,) for name in DIMENSIONS), ("region", "carrier")], ids=str)
def test_sums_are_the_same(engines: tuple[Engine, Engine], rule: CountingRule, by: tuple[str, ...]) -> None:
    plain, duck = (engine.grains(asked(), rule, by) for engine in engines)
    assert plain == duck
    assert any(grain.errors for grains in plain.values() for grain in grains.values()) == bool(rule.errors)
    assert any(grain.excluded for grains in plain.values() for grain in grains.values())


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_parts_are_what_each_column_gives_by_itself(
    engines: tuple[Engine, Engine], rule: CountingRule
) -> None:
    bounds = FROM_US // rule.length_us + 100, FROM_US // rule.length_us + 200
    plain, duck = (engine.parts(asked(), rule, DIMENSIONS, 2, bounds) for engine in engines)
    assert plain == duck
    added, parts = duck
    assert added == whole(engines[1].grains(asked(), rule))
    assert set(parts) == set(DIMENSIONS)
    by_region = engines[1].grains(asked(), rule, ("region",))
    assert parts["region"] == {group[0]: part_of(grains, 2, bounds) for group, grains in by_region.items()}


def test_grains_of_a_part_that_are_well_are_told_as_one() -> None:
    """Of two hundred requests in each of ten grains, one failed: of the period's grains nine are told together."""
    draw, rule = Random(3), CountingRule()
    well = replace(fact(0, draw), customer="acme", domain=DOMAINS[0], protocol="h1", weight=1, first=True,
                   state=State.MEASURED, outcome=Outcome.OK, clock="kernel", clock_max_error_us=0)  # fmt: skip
    facts = [
        replace(well, seq=n + 1, scheduled_us=FROM_US + n * rule.length_us // 200, address=f"192.0.2.{n % 2}")
        for n in range(2_000)
    ]
    failed = {"outcome": Outcome.FAILED, "fault": Fault.CDN, "status_code": 503, "failure_phase": None}
    facts[401] = replace(facts[401], **failed)
    first, told = FROM_US // rule.length_us, []
    for engine in (PlainEngine(), DuckDbEngine(threads=1)):
        engine.take(facts, [])
        engine.settle()
        told.append(engine.parts(asked(excluded=()), rule, DIMENSIONS, 1, (first, first + 9)))
        engine.close()
    added, parts = told[1]
    assert told[0] == told[1]
    assert len(added) == 10
    assert parts["address"] == {
        "192.0.2.0": Part(troubled={}, rest=Grain(n=900, due=900, measured=900)),
        "192.0.2.1": Part(
            troubled={first + 2: Grain(n=100, errors=1, due=100, measured=100)},
            rest=Grain(n=800, due=800, measured=800),
        ),
    }


@pytest.mark.parametrize("quantity", Quantity)
def test_histograms_are_the_same(engines: tuple[Engine, Engine], quantity: Quantity) -> None:
    plain, duck = (engine.values(asked(), quantity, ("region", "carrier")) for engine in engines)
    assert plain == duck
    assert sum(sum(counts.values()) for counts in plain.values()) > 0


def test_looks_that_are_well_among_their_own_are_left_out_alike(engines: tuple[Engine, Engine]) -> None:
    question = asked(protocols=("h1", "h2"))
    plain, duck = (list(engine.troubled(question)) for engine in engines)
    assert plain == duck
    assert 0 < len(plain) < len(list(engines[0].looks(question)))


def test_looks_half_a_day_apart_have_their_neighbours() -> None:
    draw = Random(4)
    well = replace(look(fact(0, draw), draw), customer="acme", domain=DOMAINS[0], protocol="h1", agent="a",
                   task="slow", vantage_point="vp", state=State.MEASURED, outcome=Outcome.OK)  # fmt: skip
    looks = [replace(well, seq=n, scheduled_us=FROM_US + n * 12 * HOUR_US) for n in range(8)]
    looks[4] = replace(looks[4], outcome=Outcome.FAILED, fault=Fault.CDN)
    question = asked(span=Span(FROM_US, FROM_US + 96 * HOUR_US))
    for engine in (PlainEngine(), DuckDbEngine(threads=1)):
        engine.take([replace(fact(n, draw), agent="a", customer="acme", task="slow", seq=n,
                             scheduled_us=one.scheduled_us) for n, one in enumerate(looks)], looks)  # fmt: skip
        engine.settle()
        assert [one.seq for one in engine.troubled(question)] == [3, 4, 5]
        engine.close()


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_what_fails_is_the_same_in_the_same_order(engines: tuple[Engine, Engine], rule: CountingRule) -> None:
    spans = (Span(FROM_US, FROM_US + 600_000_000), Span(FROM_US + 4 * HOUR_US, FROM_US + 5 * HOUR_US))
    plain, duck = (engine.failing(asked(), rule, spans, 10_000) for engine in engines)
    assert plain == duck
    assert plain
    assert engines[1].failing(asked(), rule, spans, 7) == plain[:7]
    assert engines[1].failing(asked(), rule, (), 7) == []


def test_rows_come_back_as_they_went_in(engines: tuple[Engine, Engine]) -> None:
    question = asked(protocols=("h1", "h2"), span=Span(FROM_US, FROM_US + HOUR_US))
    plain, duck = (list(engine.facts(question)) for engine in engines)
    assert plain == duck
    assert any("加速" in row.path for row in plain)
    assert list(engines[0].looks(question)) == list(engines[1].looks(question))


def test_of_two_rows_for_one_due_time_the_first_counts(engines: tuple[Engine, Engine]) -> None:
    plain = list(engines[0].facts(asked(protocols=("h1", "h2"))))
    keys = [(row.agent, row.task, row.scheduled_us) for row in plain]
    assert len(keys) == len(set(keys))
    assert not any(row.seq >= 5_000_000 for row in plain), "each of them has an earlier one"


def test_the_extent_is_that_of_the_domain_alone(engines: tuple[Engine, Engine]) -> None:
    assert engines[0].extent("acme", DOMAINS[1]) == engines[1].extent("acme", DOMAINS[1])
    assert [engine.extent("acme", "other.example") for engine in engines] == [None, None]


def test_grains_of_parts_add_up_to_those_of_the_whole(engines: tuple[Engine, Engine]) -> None:
    span = asked().span
    edges = [span.from_us, FROM_US + 5 * HOUR_US + 1, FROM_US + 9 * HOUR_US, span.to_us]
    for engine in engines:
        parts: dict[int, Grain] = {}
        for low, high in pairwise(edges):
            for number, grain in whole(engine.grains(asked(span=Span(low, high)), RULES[0])).items():
                parts[number] = parts.get(number, Grain()) + grain
        assert parts == whole(engine.grains(asked(), RULES[0]))


@pytest.mark.parametrize("stripped", [(), (0,), (0, 1)], ids=["as written", "one older", "older"])
def test_tables_of_an_earlier_version_give_the_same(tmp_path: Path, stripped: tuple[int, ...]) -> None:
    """Tables keep each request's bucket; those that were written without are computed, beside what is read directly."""
    draw = Random(9)
    facts = [fact(number, draw, 2 * 86_400_000_000) for number in range(1_500)]
    plain, written, read = PlainEngine(), DuckDbEngine(threads=1), DuckDbEngine(threads=1)
    for engine, some in ((plain, facts), (written, facts[500:]), (read, facts[:500])):
        engine.take(some, [])
        engine.settle()
    files = [str(tmp_path / f"{day}.parquet") for day in written.days()]
    for place, (file, day) in enumerate(zip(files, written.days(), strict=True)):
        assert written.write("facts", Path(file), day)
        if place in stripped:
            names = ", ".join(written.tables["facts"])
            duckdb.sql(f"COPY (SELECT {names} FROM read_parquet('{file}')) TO '{file}.old' (FORMAT parquet)")
            files[place] = f"{file}.old"
    read.take_tables(files, [])
    assert bool(read.beside) is not bool(stripped)
    question = asked(span=Span(FROM_US, FROM_US + 2 * 86_400_000_000))
    for quantity in Quantity:
        told = plain.values(question, quantity, ("region", "carrier"))
        assert told == read.values(question, quantity, ("region", "carrier"))
        assert told
    bounds = FROM_US // RULES[0].length_us, FROM_US // RULES[0].length_us + 300
    assert plain.parts(question, RULES[0], DIMENSIONS, 2, bounds) == read.parts(
        question, RULES[0], DIMENSIONS, 2, bounds
    )
    for engine in (plain, written, read):
        engine.close()
