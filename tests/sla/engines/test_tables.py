"""What tables tell beside their rows saves work and changes nothing: answers are those of plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from random import Random

import pytest

from probe.core.model.value import replace
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.periods import Span
from probe.sla.engines import beside_sql, sql
from probe.sla.engines.duckdb_engine import DuckDbEngine
from probe.sla.engines.engine import DIMENSIONS, PlainEngine, Question
from tests.sla.engines.test_engines import HOUR_US, OUT, RULES, asked
from tests.sla.made import DOMAINS, FROM_US, fact, look
from tests.support.sizes import scaled

pytestmark = pytest.mark.scaled

DAY_US = 86_400_000_000
WHOLE = Span(FROM_US - HOUR_US, FROM_US + 3 * DAY_US)
SPANS = (WHOLE, Span(FROM_US + 5 * HOUR_US, FROM_US + DAY_US + 7 * HOUR_US))
PROTOCOLS = (("h1",), ("h2",), ("h1", "h2"), ("h3",))
ALIKE = {"customer": "acme", "domain": DOMAINS[0], "protocol": "h1"}
Rows = tuple[list[FactRow], list[SlotLook]]


def rows(draw: Random, count: int, **alike: str) -> Rows:
    """Facts of whatever kind, and looks of which nine in ten are well."""
    facts = [replace(fact(number, draw, 2 * DAY_US), **alike) for number in range(count)]
    looks = [look(one, draw) for one in facts]
    well = {"state": State.MEASURED, "outcome": Outcome.OK, "fault": None}
    return facts, [one if draw.random() < 0.1 else replace(one, **well) for one in looks]


def written(into: Path, *parts: Rows) -> tuple[list[str], list[str]]:
    """Tables, each of these parts in files of its own."""
    files: tuple[list[str], list[str]] = ([], [])
    for number, (facts, looks) in enumerate(parts):
        engine = DuckDbEngine(threads=1)
        engine.take(facts, looks)
        engine.settle()
        for day, (table, names) in product(engine.days(), zip(("facts", "looks"), files, strict=True)):
            file = into / f"{table}-{day}-{number}.parquet"
            if engine.write(table, file, day):
                names.append(str(file))
        engine.close()
    return files


def engines_of(given: Rows) -> tuple[PlainEngine, DuckDbEngine]:
    """One that has these rows, and one that is to read them from tables."""
    plain, read = PlainEngine(), DuckDbEngine(threads=1)
    plain.take(*given)
    plain.settle()
    read.settle()
    return plain, read


def by_agent(given: Rows) -> Iterator[Rows]:
    facts, looks = given
    for agent in sorted({one.agent for one in facts}):
        yield [one for one in facts if one.agent == agent], [one for one in looks if one.agent == agent]


def answers_alike(plain: PlainEngine, read: DuckDbEngine, questions: Sequence[Question]) -> int:
    """How many looks were told."""
    told = 0
    for number, question in enumerate(questions):
        rule = RULES[number % len(RULES)]
        bounds = FROM_US // rule.length_us + 10, (FROM_US + DAY_US) // rule.length_us
        assert read.parts(question, rule, DIMENSIONS, 2, bounds) == plain.parts(
            question, rule, DIMENSIONS, 2, bounds
        )
        assert read.grains(question, rule) == plain.grains(question, rule)
        for quantity in Quantity:
            by = ("region", "carrier")
            assert read.values(question, quantity, by) == plain.values(question, quantity, by)
        looks = list(read.troubled(question))
        assert looks == plain.troubled(question)
        told += len(looks)
        assert read.failing(question, rule, (question.span,), 50) == plain.failing(
            question, rule, (question.span,), 50
        )
        assert read.extent("acme", question.domain) == plain.extent("acme", question.domain)
    return told


QUESTIONS = [
    asked(span=span, protocols=protocols, domain=domain, excluded=excluded)
    for span, protocols, domain, excluded in product(SPANS, PROTOCOLS, DOMAINS, (OUT, ()))
][:: scaled(1, 8)]


@pytest.mark.parametrize("alike", [{}, ALIKE], ids=["mixed", "of one domain and protocol"])
def test_tables_answer_as_their_rows_do(tmp_path: Path, alike: dict[str, str]) -> None:
    given = rows(Random(31), 1_000, **alike)
    plain, read = engines_of(given)
    read.take_tables(*written(tmp_path, given))
    assert read.beside == {*beside_sql.BESIDE["facts"], *beside_sql.BESIDE["looks"]}
    assert read.same == alike
    assert read.within == Span(given_first(given), given_last(given) + 1)
    assert answers_alike(plain, read, QUESTIONS) > 30
    read.close()


def test_files_of_other_days_are_not_opened(tmp_path: Path) -> None:
    """A report of twelve months asks some twenty questions about each: of 365 files a day's or a month's are read."""
    given = rows(Random(34), 600, **ALIKE)
    plain, read = engines_of(given)
    facts, looks = written(tmp_path, given)
    read.take_tables(facts, looks)
    noon = FROM_US + DAY_US // 2
    question = asked(span=Span(noon, noon + HOUR_US), protocols=("h1",), domain=DOMAINS[0], excluded=())
    day = f"{datetime.fromtimestamp(noon / 1_000_000, UTC):%Y-%m-%d}"
    for file in {*facts, *looks} - {
        str(tmp_path / f"{table}-{day}-0.parquet") for table in ("facts", "looks")
    }:
        Path(file).rename(f"{file}.away")
    rule = RULES[0]
    bounds = question.span.from_us // rule.length_us, question.span.to_us // rule.length_us
    assert read.parts(question, rule, DIMENSIONS, 2, bounds) == plain.parts(
        question, rule, DIMENSIONS, 2, bounds
    )
    assert list(read.looks(question)) == list(plain.looks(question)) != []
    for file in tmp_path.glob("*.away"):
        file.rename(file.with_suffix(""))
    assert answers_alike(plain, read, QUESTIONS[:1]) > 30, "and what spans all days is asked of all"
    read.close()


def given_first(given: Rows) -> int:
    return min(one.scheduled_us for one in given[0])


def given_last(given: Rows) -> int:
    return max(one.scheduled_us for one in given[0])


def test_two_agents_in_one_track_are_told_from_all_of_their_looks(tmp_path: Path) -> None:
    """Each file knows its own neighbours alone: what stands between them is in the other one."""
    given = rows(Random(32), 900, **ALIKE)
    plain, read = engines_of(given)
    read.take_tables(*written(tmp_path, *by_agent(given)))
    assert beside_sql.NEAR not in read.beside
    assert sql.PLAIN in read.beside
    assert answers_alike(plain, read, QUESTIONS[:2]) > 30
    read.close()


def test_tables_beside_rows_that_were_taken(tmp_path: Path) -> None:
    """The agents' tracks are apart: one was taken, one stands in tables, and these say nothing of the other."""
    facts, looks = rows(Random(33), 900, customer="acme", domain=DOMAINS[0])
    apart = {"agent-0": {"task": "other", "protocol": "h1"}, "agent-1": {"task": "task-1", "protocol": "h2"}}
    given = (
        [replace(one, **apart[one.agent]) for one in facts],
        [replace(one, **apart[one.agent]) for one in looks],
    )
    first, second = by_agent(given)
    plain, read = PlainEngine(), DuckDbEngine(threads=1)
    plain.take(*given)
    plain.settle()
    read.take(*first)
    read.settle()
    read.take_tables(*written(tmp_path, second))
    assert beside_sql.NEAR in read.beside
    assert not read.same
    assert answers_alike(plain, read, QUESTIONS[:2]) > 30
    read.close()


def test_a_look_that_is_well_is_near_trouble_only_next_to_it(tmp_path: Path) -> None:
    """Ten looks of one track, the fifth failed: the first, the fourth to the sixth, and the last of a file are."""
    draw = Random(34)
    well = replace(look(fact(0, draw), draw), agent="a", task="t", vantage_point="v", state=State.MEASURED,
                   outcome=Outcome.OK, fault=None, **ALIKE)  # fmt: skip
    looks = [replace(well, seq=n, scheduled_us=FROM_US + n * 60_000_000) for n in range(10)]
    looks[4] = replace(looks[4], outcome=Outcome.FAILED, fault=Fault.CDN)
    facts = [replace(fact(n, draw), agent="a", task="t", seq=n, scheduled_us=one.scheduled_us, **ALIKE)
             for n, one in enumerate(looks)]  # fmt: skip
    read = DuckDbEngine(threads=1)
    read.settle()
    read.take_tables(*written(tmp_path, (facts, looks)))
    near = [seq for (seq,) in read.rows(f"SELECT seq FROM looks WHERE {beside_sql.NEAR} ORDER BY seq")]
    assert near == [0, 3, 4, 5, 9]
    assert [one.seq for one in read.troubled(asked(excluded=()))] == [3, 4, 5]
    read.close()
