"""Spark, asked the same text as DuckDB, gives the same as plain Python: on the worked cases and on facts at random."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow
from probe.core.sla.grains import Fact, Grain, merged
from probe.core.sla.periods import Span
from probe.sla.engines import sql
from probe.sla.engines.duckdb_engine import DuckDbEngine
from probe.sla.engines.engine import DIMENSIONS, PlainEngine, whole
from probe.sla.engines.spark_engine import SparkEngine, SparkFailed
from tests.core.sla import test_golden as golden
from tests.fixtures.frozen import unpacked
from tests.interface.command import cdn_probe
from tests.sla.engines.spark_server import spark_connect
from tests.sla.engines.test_engines import FROM_US, RULES, asked, replace_seq
from tests.sla.made import fact, look

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]
ROOT = Path(__file__).parents[3]
FACTS = 1_000_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with spark_connect(tmp_path_factory.mktemp("spark")) as made:
        yield made


# --- the worked cases ---------------------------------------------------------------------------------


def fact_row(of: Fact, name: str) -> FactRow:
    """A fact of a case, as one of a domain of its own."""
    return FactRow(
        **{field: getattr(of, field) for field in of.__struct_fields__ if field not in ("agent", "seq")},
        agent=name, seq=of.scheduled_us, domain=name, path="/", vantage_point="vp", region=None, carrier=None,
        ip_version=4, protocol="h1", reason=None,
    )  # fmt: skip


def facts_of(case: dict[str, Any]) -> list[Fact]:
    """What a case is about; the month of requests that are well is given as grains."""
    told = [segment for segment in case["segments"] if not segment.get("counts_only")]
    return [of for segment in told for of in golden._facts(segment)]


def tables_of(engine: DuckDbEngine, directory: Path) -> tuple[list[str], list[str]]:
    """What DuckDB holds, as files of Parquet: of facts, and of looks."""
    made: tuple[list[str], list[str]] = [], []
    for day in engine.days():
        for table, files in zip(("facts", "looks"), made, strict=True):
            file = directory / f"{table}-{day}.parquet"
            if engine.write(table, file, day):
                files.append(str(file))
    return made


@pytest.fixture(scope="module")
def worked(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, Grain]]:
    """The grains of each case, by Spark: of all cases that exclude the same spans at once."""
    duck, spark = DuckDbEngine(threads=2), SparkEngine(url)
    alike: dict[tuple[Span, ...], list[str]] = {}
    for name in golden.OF_GRAINS:
        duck.take([fact_row(of, name) for of in facts_of(golden.CASES[name])], [])
        alike.setdefault(tuple(golden._excluded(golden.CASES[name])), []).append(name)
    duck.settle()
    spark.take_tables(*tables_of(duck, tmp_path_factory.mktemp("worked")))
    duck.close()
    made: dict[str, dict[int, Grain]] = {}
    for excluded, names in alike.items():
        where = f"domain IN ({', '.join('?' for _ in names)})"
        text = sql.grains_text("spark", "facts", where, golden.COUNTING, excluded, ("domain",))
        for domain, number, *sums in spark.rows(text, names):
            made.setdefault(domain, {})[number] = Grain(**dict(zip(sql.SUMS, sums, strict=True)))
    spark.close()
    return made


@pytest.mark.parametrize("name", golden.OF_GRAINS)
def test_a_worked_case(
    worked: dict[str, dict[int, Grain]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same assertions as on plain Python's grains, on those that Spark added up."""
    added = worked.get(name, {})
    assert bool(added) == bool(facts_of(golden.CASES[name]))
    segments = iter([added])  # of all segments at once
    monkeypatch.setattr(golden, "grains_of", lambda facts, rule, excluded: next(segments, {}))
    golden.test_a_month_of_grains(name)


# --- facts at random ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three(
    url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PlainEngine, DuckDbEngine, SparkEngine]]:
    draw = Random(20)
    plain, duck, spark = PlainEngine(), DuckDbEngine(threads=2), SparkEngine(url)
    for begin in range(0, FACTS, 10_000):
        facts = [fact(number, draw) for number in range(begin, begin + 10_000)]
        facts += [replace_seq(one, draw) for one in facts[:20]]
        looks = [look(one, draw) for one in facts] if begin < FACTS // 10 else []
        plain.take(facts, looks)
        duck.take(facts, looks)
    plain.settle()
    duck.settle()
    spark.take_tables(*tables_of(duck, tmp_path_factory.mktemp("three")))
    yield plain, duck, spark
    duck.close()
    spark.close()


def test_a_million_facts_at_random(three: tuple[PlainEngine, DuckDbEngine, SparkEngine]) -> None:
    plain, *others = three
    rule, question = RULES[1], asked()
    bounds = FROM_US // rule.length_us, FROM_US // rule.length_us + 5_000
    expected = plain.parts(question, rule, DIMENSIONS, 2, bounds)
    assert sum(grain.errors for grain in expected[0].values()) > FACTS // 100
    spans = (Span(FROM_US, FROM_US + 600_000_000),)
    for engine in others:
        assert engine.parts(question, rule, DIMENSIONS, 2, bounds) == expected
        assert engine.grains(question, RULES[0]) == plain.grains(question, RULES[0])
        for quantity in Quantity:
            told = engine.values(question, quantity, ("region", "carrier"))
            assert told == plain.values(question, quantity, ("region", "carrier"))
        assert list(engine.troubled(question)) == plain.troubled(question)
        assert engine.failing(question, rule, spans, 1_000) == plain.failing(question, rule, spans, 1_000)
        assert engine.extent("acme", question.domain) == plain.extent("acme", question.domain)


def test_grains_of_three_engines_merge(three: tuple[PlainEngine, DuckDbEngine, SparkEngine]) -> None:
    """A third of the time by each: together they are those of the whole."""
    span = asked().span
    third = (span.to_us - span.from_us) // 3
    parts = [
        whole(
            engine.grains(
                asked(span=Span(span.from_us + n * third, span.from_us + (n + 1) * third)), RULES[0]
            )
        )
        for n, engine in enumerate(three)
    ]
    together: dict[int, Grain] = merged(parts)
    assert together == whole(three[0].grains(asked(), RULES[0]))


# --- the command --------------------------------------------------------------------------------------


def test_a_report_by_spark_is_that_of_duckdb(url: str, tmp_path: Path) -> None:
    copy, agreement, tables = unpacked("copy", tmp_path / "fixture"), tmp_path / "a.yaml", tmp_path / "tables"
    agreement.write_text(
        (ROOT / "config" / "agreements" / "a-cloud-cdn-sla.yaml").read_text(encoding="utf-8")
        + "\noverrides: {grain: {length: 5s}, run: {at_least: 10s}}\n",
        encoding="utf-8",
    )
    assert cdn_probe("sla", "ingest", copy, "--into", tables).code == 0
    made = []
    for engine in (("--engine", "duckdb"), ("--engine", "spark", "--connect", url)):
        done = cdn_probe("sla", "report", agreement, tables, "--format", "json", *engine)
        assert done.code == 3, done.err
        made.append(json.loads(done.out))
    by_duckdb, by_spark = made
    assert by_spark["subjects"] == by_duckdb["subjects"]
    assert dict(by_spark["versions"])["added up by"].startswith("spark ")
    assert url not in json.dumps(by_spark)
    refused = cdn_probe("sla", "report", agreement, copy, "--engine", "spark", "--connect", url)
    assert refused.code == 2
    assert "Spark reads tables" in refused.err


def test_what_the_session_refuses_is_told_in_words(url: str) -> None:
    engine = SparkEngine(url)
    with pytest.raises(SparkFailed, match=r"Spark at 127\.0\.0\.1:\d+: .*nothing_of_that_name"):
        list(engine.rows("SELECT * FROM nothing_of_that_name"))
    engine.close()
