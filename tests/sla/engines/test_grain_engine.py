"""Sums that hosts sealed: DuckDB, which reads what is alike as one, gives what plain Python adds up row by row.

Rows are ragged on purpose: grains missing, given twice in two files, requests that change, and none of it; what is not
well is so for one grain, or for hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec
import pytest

from probe.core.sla.grains import CountingRule, Grain, Part, part_of
from probe.core.sla.periods import US, Span
from probe.core.tables.columns import GRAINS
from probe.sla.engines import sums_files, sums_sql
from probe.sla.engines.engine import DIMENSIONS, Question
from probe.sla.engines.grain_engine import STEP_US, Expected, GrainEngine
from probe.sla.engines.sums_files import SumsFile
from tests.support.sizes import scaled

pytestmark = pytest.mark.scaled
CUSTOMER, DOMAINS, PROTOCOLS = "shop", ("a.example", "b.example"), ("h1", "h2")
FORMS = ("even", "gaps", "changing", "changed once", "two files", "outages", "all of it")
Row = dict[str, Any]


def month_end(zone: str, year: int, month: int) -> int:
    """The grain that the month begins with."""
    return int(datetime(year, month, 1, tzinfo=ZoneInfo(zone)).timestamp()) * US // STEP_US


# Months whose first day is short or long, or that begin between two grains of an hour.
MIDDLES = [
    month_end("America/Havana", 2026, 11), month_end("Asia/Kathmandu", 2026, 3), month_end("Europe/Berlin", 2026, 4),
]  # fmt: skip


def rows_of(draw: Random, form: str, middle: int) -> Iterator[Row]:
    """Some days of two agents, which share a vantage point."""
    begin, end = middle - draw.randrange(40, 80), middle + draw.randrange(40, 80)
    for agent, place, carrier in (("a1", "v1", "CT"), ("a2", "v1", "CT"), ("a3", "v2", None)):
        for domain in DOMAINS:
            for protocol, path in (("h1", "/"), ("h1", "/x"), ("h2", "/")):
                for address in (None, "192.0.2.1", "192.0.2.2"):
                    key = dict(zip(GRAINS.key, [None] * len(GRAINS.key), strict=True)) | {
                        "agent": agent, "customer": CUSTOMER, "domain": domain, "path": path, "scheme": "https",
                        "protocol": protocol, "vantage_point": place, "region": f"CN-{place}", "carrier": carrier,
                        "ip_version": 4, "address": address,
                    }  # fmt: skip
                    how = draw.choice(FORMS) if form == "all of it" else form
                    outage: Row | None = None
                    for number in grains_of(draw, how, begin, end):
                        told = sums(draw, how, slots=address is None, late=number > middle)
                        if how == "outages" and draw.random() < 0.1:  # begins or ends
                            outage = told | odd(draw, told["n"]) if outage is None else None
                        yield {**key, "grain": number, **(outage or told)}


def grains_of(draw: Random, form: str, begin: int, end: int) -> Iterator[int]:
    first, last = begin + draw.choice((0, 0, 7)), end - draw.choice((0, 0, 11))
    for number in range(first, last):
        if form != "gaps" or draw.random() > 0.03:
            yield number
        if form == "two files" and draw.random() < 0.02:
            yield number


def sums(draw: Random, form: str, *, slots: bool, late: bool) -> Row:
    """Well, apart from a few; each says something of a request (a slot without any weighs one)."""
    made: Row = dict.fromkeys(GRAINS.columns) | dict.fromkeys(
        ("due", "measured", "errors_cdn", "unknown", "excluded", "clock_unsure"), 0
    )
    made = {name: value for name, value in made.items() if name not in GRAINS.key}
    made["n"] = draw.choice((1, 2, 3)) if form == "changing" else 3 if form == "changed once" and late else 2
    if slots:
        made |= {"due": 2, "measured": 2}
    return made | odd(draw, made["n"]) if draw.random() < 0.03 else made


def odd(draw: Random, n: int) -> Row:
    """In what one of `n` requests is not well."""
    kind = draw.choice(("errors_cdn", "unknown", "excluded", "clock_unsure"))
    made = dict.fromkeys(("errors_cdn", "unknown", "excluded", "clock_unsure"), 0) | {kind: 1}
    return made | {"n": n - (kind != "errors_cdn"), "unknown": max(made["unknown"], made["clock_unsure"])}


def engine_over(rows: Sequence[Row], place: Path, draw: Random) -> GrainEngine:
    """In two files for each agent, cut anywhere: the row of a key and grain that comes again is in the other one."""
    files: dict[Path, list[Row]] = {}
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        key = tuple(row[name] for name in GRAINS.key)
        half = key in seen
        seen.add(key)
        files.setdefault(place / f"{row['agent']}-{int(half)}.parquet", []).append(row)
    kinds = {"U32": "UINTEGER", "U8": "UTINYINT", "I64": "BIGINT", "COUNTS": "UINTEGER[]"}
    told = ", ".join(f"{name}: '{kinds.get(kind.name, 'VARCHAR')}'" for name, kind in GRAINS.columns.items())
    with duckdb.connect() as database:
        for file, of in files.items():
            lines = file.with_suffix(".ndjson")
            lines.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in of))
            database.execute(
                f"COPY (SELECT * FROM read_json('{lines}', columns = {{{told}}})) TO '{file}' (FORMAT parquet)"
            )
    engine = GrainEngine(threads=draw.choice((1, 2)))
    engine.take_sums([SumsFile(file) for file in files])
    return engine


def added(rows: Sequence[Row], asked: Question, width: int, by: Sequence[str]) -> dict[Any, dict[int, Grain]]:
    """Row by row."""
    made: dict[Any, dict[int, Grain]] = {}
    first, end = asked.span.from_us // (STEP_US * width), -(-asked.span.to_us // (STEP_US * width))
    for row in rows:
        if row["domain"] != asked.domain or row["protocol"] not in asked.protocols:
            continue
        slots = {"due": row["due"], "measured": row["measured"]}
        if any(span.holds(row["grain"] * STEP_US) for span in asked.excluded):
            grain = Grain(excluded=row["n"] + row["unknown"] + row["excluded"], **slots)
        else:
            grain = Grain(
                n=row["n"], errors=row["errors_cdn"], unknown=row["unknown"] + row["excluded"],
                clock_unsure=row["clock_unsure"], **slots,
            )  # fmt: skip
        number = row["grain"] // width
        if first <= number < end:
            sums = made.setdefault(tuple(row[name] for name in by), {})
            sums[number] = sums.get(number, Grain()) + grain
    return made


def parts_of(
    rows: Sequence[Row], asked: Question, width: int, name: str, least: int, bounds: tuple[int, int]
) -> dict[str, Part]:
    made = {
        group[0]: part_of(grains, least, bounds)
        for group, grains in added(rows, asked, width, (name,)).items()
        if group[0] is not None
    }
    return {value: part for value, part in made.items() if part.troubled or part.rest != Grain()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(scaled(8, 1)))
def test_figures_are_those_of_rows_added_up_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, seed: int
) -> None:
    draw = Random(f"{form} {seed}")
    middle = draw.choice(MIDDLES)
    monkeypatch.setattr(sums_files, "ROWS_AT_ONCE", draw.choice((1, 2_000, 10**6)))
    monkeypatch.setattr(sums_sql, "MOST_SORTED", draw.choice((0, 10**6)))
    rows = list(rows_of(draw, form, middle))
    width, least = draw.choice((1, 1, 3)), draw.choice((1, 1, 5))
    rule = CountingRule(length_us=width * STEP_US)
    begin, cut, end = (middle + draw.randrange(-50, -20)) // width, middle // width, (middle + 45) // width
    out: tuple[Span, ...] = ()
    if draw.random() < 0.5:
        edges = sorted(draw.sample(range(middle - 30, middle + 30), 3))
        out = (
            Span(edges[0] * STEP_US, edges[2] * STEP_US),
            Span(edges[1] * STEP_US, (edges[2] + 5) * STEP_US),
        )
    questions = [
        Question(
            customer=CUSTOMER, domain=domain, protocols=draw.choice((("h1",), ("h2", "h3"), PROTOCOLS)),
            span=Span((low - 20) * width * STEP_US, (high + 20) * width * STEP_US), excluded=out,
        )
        for domain in DOMAINS for low, high in ((begin, cut), (cut, end))
    ]  # fmt: skip
    engine = engine_over(rows, tmp_path, draw)
    try:
        if draw.random() < 0.7:
            periods = ((begin, cut), (cut, end))
            engine.expect(Expected(questions=tuple(questions), rule=rule, least=least, bounds=periods))
        for asked, bounds in zip(questions, [(begin, cut), (cut, end)] * 2, strict=True):
            whole, parts = engine.parts(asked, rule, DIMENSIONS, least, bounds)
            assert dict(whole) == added(rows, asked, width, ()).get((), {})
            assert engine.grains(asked, rule).get((), {}) == whole
            for name in DIMENSIONS:
                assert parts[name] == parts_of(rows, asked, width, name, least, bounds), name
        by = ("vantage_point", "address")
        grouped: Mapping[Any, Mapping[int, Grain]] = engine.grains(questions[0], rule, by)
        assert {group: dict(of) for group, of in grouped.items()} == added(rows, questions[0], width, by)
        numbers = [row["grain"] for row in rows if row["domain"] == DOMAINS[0]]
        assert engine.extent(CUSTOMER, DOMAINS[0]) == Span(
            min(numbers) * STEP_US, (max(numbers) + 1) * STEP_US
        )
    finally:
        engine.close()


def test_what_is_alike_is_read_once(tmp_path: Path) -> None:
    """Nothing is ragged where each grain has its row, and each is asked as often; and a missing one is seen."""
    draw = Random(1)
    rows = list(rows_of(draw, "even", MIDDLES[0]))
    for dropped in (0, 1):
        place = tmp_path / str(dropped)
        place.mkdir()
        engine = engine_over(rows[: 1_000 - dropped] + rows[1_000:], place, draw)
        engine.extent(CUSTOMER, DOMAINS[0])
        assert len(list(engine.rows("SELECT DISTINCT kind FROM ragged"))) == dropped
        engine.close()


def test_a_grain_twice_and_another_missing_are_not_taken_for_each_grain_once(tmp_path: Path) -> None:
    draw = Random(1)
    rows = [row for row in rows_of(draw, "even", MIDDLES[0]) if not row["unknown"] and not row["errors_cdn"]]
    well = [row for row in rows if row["agent"] == "a1" and not row["excluded"]][:60]
    well[30] = {**well[30], "grain": well[31]["grain"]}
    engine = engine_over(well, tmp_path, draw)
    asked = Question(customer=CUSTOMER, domain=DOMAINS[0], protocols=PROTOCOLS, span=Span(0, 1 << 60))
    assert engine.grains(asked, CountingRule())[()] == added(well, asked, 1, ())[()]
    engine.close()


def test_hours_of_one_outage_are_kept_as_one(tmp_path: Path) -> None:
    """And single grains that are not well apart; where a key's requests changed, what it said there is taken out."""
    well = sums(Random(3), "even", slots=False, late=False)
    rows = [row for row in rows_of(Random(1), "even", MIDDLES[0]) if row["agent"] == "a1"]
    key = {name: rows[0][name] for name in GRAINS.key}
    bad, n, begin = {"n": 2, "errors_cdn": 2}, {"n": 3}, key["grain"]
    told = [well | (bad if 20 <= at < 50 or at == 60 else n if at >= 70 else {}) for at in range(100)]
    told[80] |= bad
    rows = [{**key, "grain": begin + at, **row} for at, row in enumerate(told)]
    engine = engine_over(rows, tmp_path, Random(1))
    asked = Question(customer=CUSTOMER, domain=DOMAINS[0], protocols=PROTOCOLS, span=Span(0, 1 << 60))
    assert engine.grains(asked, CountingRule())[()] == added(rows, asked, 1, ())[()]
    kept = list(engine.rows("SELECT first - ?, last - ?, errors, rows FROM runs", [begin, begin]))
    assert kept == [(20, 49, 2, 1)], "of a key whose requests changed the well rows are taken out one by one"
    engine.close()
