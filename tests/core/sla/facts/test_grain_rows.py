"""Sums of five minutes: by hand, in any partition the same, and equal to what the rows add up to by themselves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from probe.cli.main import cli
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import ClockStanding
from probe.core.records.verdict import Fault
from probe.core.sla.facts.grain_rows import TTFB_BOUNDS_US, GrainTable, added
from probe.core.sla.facts.stream import StreamFacts
from probe.core.sla.grains import CountingRule, grains_of
from probe.core.tables.columns import GRAINS
from probe.core.tables.rows import rows_of
from probe.services.line_sources import open_lines
from tests.core.tables import by_json
from tests.core.tables.test_rows import measured
from tests.fixtures.frozen import unpacked
from tests.support.build import refused, seen
from tests.support.rows import at, missed

KERNEL = ClockStanding(vouched_by="kernel", bound_us=10)


def due(record: SlotRecord, second: int, seq: int) -> SlotRecord:
    return replace(record, scheduled_at=at(second), seq=seq, clock=KERNEL)


def table(*records: SlotRecord, before: GrainTable | None = None) -> GrainTable:
    made = GrainTable("a1") if before is None else GrainTable.after(before)
    for record in records:
        made.feed(rows_of("a1", record.customer, encode(record)))
    return made


TWO = measured(seen(address="192.0.2.1"), seen(address="192.0.2.2"))
BAD = measured(seen(address="192.0.2.1"), refused(address="192.0.2.2"))


def test_slots_are_summed_without_an_address_and_requests_with_theirs() -> None:
    rows = list(table(due(TWO, 0, 1), due(BAD, 10, 2), due(missed(20), 20, 3), due(TWO, 150, 4)).rows())
    found = {(row["address"], row["grain"]): row for row in rows}
    first = 1_700_000_000 // 300
    assert set(found) == {
        (address, first + n) for address in (None, "192.0.2.1", "192.0.2.2") for n in (0, 1)
    }
    slots = found[None, first]
    assert (slots["due"], slots["measured"], slots["unknown"], slots["n"]) == (3, 2, 2, 0), (
        "missed: as many as before"
    )
    good, bad = found["192.0.2.1", first], found["192.0.2.2", first]
    assert (good["n"], good["due"], good["seq_first"], good["seq_last"]) == (2, 0, 1, 2)
    assert bad["n"] == 2
    assert (bad["errors_cdn"], bad["errors_origin"], bad["errors_other"], bad["unknown"]) == (1, 0, 0, 0)
    assert bad["first_bad_us"] == bad["last_bad_us"] == 1_700_000_010_000_000


def test_a_clock_that_nobody_vouches_for_makes_requests_unknown() -> None:
    [_, row] = table(replace(due(measured(seen()), 0, 1), clock=ClockStanding())).rows()
    assert (row["n"], row["unknown"], row["clock_unsure"]) == (0, 1, 1)


def test_what_was_declared_is_excluded() -> None:
    [_, row] = table(replace(due(measured(seen()), 0, 1), exclusions=("maintenance",))).rows()
    assert (row["n"], row["excluded"]) == (0, 1)


def test_what_was_found_is_told_whatever_a_contract_makes_of_it() -> None:
    """Of each request of a measured slot once: a clock that nobody vouches for hides no outage."""
    names = ["ok", "slow", "stale", "inconclusive", *(f"failed_{fault.value}" for fault in Fault)]
    unsure = replace(due(BAD, 0, 2), clock=ClockStanding(), exclusions=("maintenance",))
    rows: list[Any] = list(table(due(TWO, 0, 1), unsure, due(missed(20), 20, 3)).rows())
    counts = {row["address"]: {name: row[name] for name in names if row[name]} for row in rows}
    assert counts == {None: {}, "192.0.2.1": {"ok": 2}, "192.0.2.2": {"ok": 1, "failed_cdn": 1}}


def test_the_buckets_of_times_are_fixed() -> None:
    assert TTFB_BOUNDS_US[:5] == (1_000, 1_414, 2_000, 2_828, 4_000)
    assert (len(TTFB_BOUNDS_US), TTFB_BOUNDS_US[-1]) == (31, 32_768_000)
    [_, row] = table(due(measured(seen()), 0, 1)).rows()
    assert len(row["ttfb_counts"]) == 32  # type: ignore[arg-type]
    assert sum(row["ttfb_counts"]) == row["n"] == 1  # type: ignore[arg-type,comparison-overlap]


@given(st.lists(st.sampled_from(["two", "bad", "missed"]), max_size=12), st.data())
def test_in_any_partition_they_add_up_to_the_whole(kinds: list[str], data: Any) -> None:
    made = {"two": TWO, "bad": BAD, "missed": missed(0)}
    records = [due(made[kind], 100 * n, n + 1) for n, kind in enumerate(kinds)]
    cut = data.draw(st.integers(0, len(records)))
    one = table(*records[:cut])
    other = table(*records[cut:], before=one)
    assert list(added([*other.rows(), *one.rows()])) == list(table(*records).rows())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("results", tmp_path_factory.mktemp("v0.1"))


def streams(results: Path) -> list[tuple[str, str, list[str]]]:
    source = open_lines(results)
    found = [
        (s.agent, s.customer, [line.text for line in source.lines(s.agent, s.customer)])
        for s in source.streams()
    ]
    source.close()
    return found


def test_they_are_what_the_rows_of_version_0_1_add_up_to(results: Path) -> None:
    """Missed slots, restarts, an agent's other name and lost rows are in them. Slots by their JSON alone."""
    for agent, customer, lines in streams(results):
        made = GrainTable(agent)
        slots: Counter[tuple[str, int]] = Counter()
        seen_state: Counter[tuple[str, int]] = Counter()
        requests: Counter[tuple[str, int]] = Counter()
        for line in lines:
            made.feed(rows_of(agent, customer, line.encode()))
            if '"kind":"slot"' not in line[:60]:
                continue
            row = by_json.slot(agent, line)
            key = row["vantage_point"], row["scheduled_at"] // 300_000_000
            slots[key] += 1
            seen_state[key] += row["state"] == "measured"
            if row["state"] == "measured":
                requests[key] += row["edges"]
        told = {name: Counter[tuple[Any, Any]]() for name in ("due", "measured", "requests")}
        for of in made.rows():
            row_: Any = of
            key = row_["vantage_point"], row_["grain"]
            told["due"][key] += row_["due"]
            told["measured"][key] += row_["measured"]
            if row_["address"] is not None:
                told["requests"][key] += row_["n"] + row_["unknown"] + row_["excluded"]
        assert told["measured"] == +seen_state
        assert +told["requests"] == +requests
        assert all(told["due"][key] >= count for key, count in slots.items()), (
            "gaps of the ledger are due too"
        )


def test_they_say_what_the_evaluator_counts(results: Path) -> None:
    """n, errors and unknown by grain, for the rule without a contract, where nothing was declared."""
    for agent, customer, lines in streams(results):
        made, facts = GrainTable(agent), StreamFacts()
        counted = []
        for line in lines:
            rows = rows_of(agent, customer, line.encode())
            made.feed(rows)
            for slot in rows.slots:
                counted += [f.fact for f in facts.slot(slot, rows.requests)[0]]
            counted += [f.fact for f in facts.events(rows.events)]
        sums: dict[Any, list[int]] = {}
        for row in made.rows():
            of: Any = row
            here = sums.setdefault(of["grain"], [0, 0, 0, 0, 0])
            for place, name in enumerate(("n", "errors_cdn", "unknown", "due", "measured")):
                here[place] += of[name]
        expected = {
            number: [g.n, g.errors, g.unknown, g.due, g.measured]
            for number, g in grains_of(counted, CountingRule()).items()
        }
        assert sums == expected


def test_they_are_exported_from_a_store_as_from_its_copy(results: Path, tmp_path: Path) -> None:
    def lines(holder: Path, name: str) -> list[str]:
        path = tmp_path / name
        told = CliRunner().invoke(
            cli,
            [
                "results",
                "-d",
                str(holder),
                "export",
                "--table",
                "grains",
                "--format",
                "csv",
                "--output",
                str(path),
            ],
        )
        assert told.exit_code == 0, told.output
        head, *rows = path.read_text().splitlines()
        assert head == ",".join(GRAINS.columns)
        assert f"{len(rows)} rows" in told.stderr
        return rows

    wanted = sum(len(list(_table(s).rows())) for s in streams(results))
    assert len(lines(results, "store.csv")) == wanted > 0
    assert lines(unpacked("copy", tmp_path), "copy.csv")


def _table(stream: tuple[str, str, list[str]]) -> GrainTable:
    agent, customer, lines = stream
    made = GrainTable(agent)
    for line in lines:
        made.feed(rows_of(agent, customer, line.encode()))
    return made
