"""Lines -> rows: by hand, by property, and against an independent computation over all that version 0.1 stored."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.checks import CHECKS
from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.codec import CodecError, encode
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import ClockStanding
from probe.core.records.transport import TimingUncertainty
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.results.rows import event_row, measured_row
from probe.core.tables.columns import EVENTS, EXPORTED, REQUESTS, SLOTS, TABLES, Type
from probe.core.tables.rows import Rows, rows_of, slot_row
from probe.core.tables.text import csv_head, csv_line, json_line
from probe.store.read.reader import Reader
from tests.core.tables import by_json
from tests.fixtures.frozen import unpacked
from tests.support.build import (
    evidence,
    host,
    reference,
    refused,
    resolution,
    seen,
    silent,
    task,
    timing,
    version,
)
from tests.support.rows import HOST, missed

DOCS = (Path(__file__).parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")
PLAIN = {
    Type.TEXT: str, Type.ENUM: str, Type.BOOL: bool, Type.U8: int, Type.U16: int, Type.U32: int, Type.I64: int,
    Type.F64: float, Type.TIME: int, Type.SHA256: bytes, Type.TEXTS: tuple, Type.COUNTS: tuple, Type.MAP: dict,
}  # fmt: skip


def measured(*observations: Any, **changes: Any) -> SlotRecord:
    made = measured_row(
        task(),
        evidence(*observations, resolution=resolution("192.0.2.1"), reference=reference(version())),
        CHECKS,
        finished_at="2026-11-22T10:00:01Z",
    )
    return replace(made, seq=7, **changes)


def tables(record: Any, agent: str = "a1") -> Rows:
    return rows_of(agent, record.customer, encode(record))


# --- by hand ------------------------------------------------------------------------------------------


def test_three_edges_of_which_one_refuses_are_three_requests_and_one_slot() -> None:
    made = tables(
        measured(
            seen(address="192.0.2.1"),
            refused(address="192.0.2.2"),
            seen(address="192.0.2.3"),
            seen(Role.ORIGIN),
        )
    )
    [slot] = made.slots
    assert (slot["state"], slot["outcome"], slot["edges"], slot["scheme"], slot["protocol"]) == (
        "measured", "failed", 3, "https", "h1",
    )  # fmt: skip
    assert [
        (row["address"], row["counted"], row["outcome"], row["failure_type"]) for row in made.requests
    ] == [
        ("192.0.2.1", True, None, None),
        ("192.0.2.2", True, "failed", "tcp.refused"),
        ("192.0.2.3", True, None, None),
        (made.requests[3]["address"], False, None, None),
    ]
    assert [row["number"] for row in made.requests] == [0, 1, 2, 3]
    assert made.events == []


def test_a_request_bears_the_gravest_finding_that_names_it() -> None:
    def finding(outcome: Outcome, fault: Fault | None, reason: str, index: int | None) -> Finding:
        return Finding(
            check="x", reason=reason, severity=Severity.INFO, outcome=outcome, fault=fault, observation=index,
        )  # fmt: skip

    slot = measured(
        seen(),
        seen(),
        findings=(
            finding(Outcome.OK, None, "note", 0),
            finding(Outcome.STALE, Fault.CDN, "old", 0),
            finding(Outcome.FAILED, Fault.UNKNOWN, "who", 0),
            finding(Outcome.FAILED, Fault.CDN, "first", 0),
            finding(Outcome.FAILED, Fault.CDN, "second", 0),
            finding(Outcome.FAILED, Fault.CDN, "of the slot", None),
            finding(Outcome.OK, None, "note", 1),
        ),
    )
    first, second = tables(slot).requests
    assert (first["outcome"], first["fault"], first["reason"]) == ("failed", "cdn", "first")
    assert (second["outcome"], second["fault"], second["reason"]) == ("ok", None, "note")


def test_a_followed_redirect_tells_what_a_user_met_in_the_end() -> None:
    slot = measured(
        seen(status=301), seen(), seen(Role.REDIRECT, status=302, of=0), seen(Role.REDIRECT, status=500, of=0)
    )
    rows = tables(slot).requests
    assert [(row["status_code"], row["final_status_code"], row["of"]) for row in rows] == [
        (301, 500, None), (200, 200, None), (302, 302, 0), (500, 500, 0),
    ]  # fmt: skip
    cut = measured(seen(status=301), silent(Role.REDIRECT, of=0))
    assert tables(cut).requests[0]["final_failure_phase"] == "tcp"


def test_a_missed_slot_is_one_row_without_requests_and_knows_its_scheme() -> None:
    made = tables(replace(missed(60, "agent.stalled"), seq=3))
    [slot] = made.slots
    assert made.requests == []
    assert (slot["state"], slot["missed_reason"], slot["outcome"], slot["edges"]) == (
        "missed", "agent.stalled", None, 0,
    )  # fmt: skip
    assert (slot["scheme"], slot["scheduled_at"]) == ("https", 1_700_000_060_000_000)


def test_uncertainty_and_phases_are_those_of_the_request() -> None:
    uncertain = replace(
        timing(20_000, 30_000),
        uncertainty=TimingUncertainty(connect_us=1, tls_us=20, response_start_us=300, response_end_us=4000),
    )
    [row] = tables(measured(seen(timing=uncertain))).requests
    assert (row["ttfb_unsure_us"], row["total_unsure_us"]) == (321, 4021)


def test_who_vouches_for_the_clock_is_the_rows_word_and_for_old_rows_the_kernels() -> None:
    old = measured(seen(), host=host(clock_synchronised=True, clock_max_error_us=12), clock=None)
    contradicted = replace(old, clock=ClockStanding(vouched_by=None, bound_us=None))
    dates = replace(old, clock=ClockStanding(vouched_by="dates", bound_us=900))
    assert [
        (row["clock_vouched_by"], row["clock_bound_us"])
        for row in (slot_row("a1", slot) for slot in (old, contradicted, dates))
    ] == [("kernel", 12), (None, None), ("dates", 900)]


def test_a_gap_of_the_ledger_is_one_row_a_slot_without_a_row() -> None:
    times = [1_700_000_000_000_000, 1_700_000_060_000_000]
    detail = {
        "reason": "agent.store_full",
        "records": "2",
        "task": "t1",
        "slots": " ".join(map(utc_text_us, times)),
    }
    rows = tables(event_row("acme", utc_text_us(times[1]), "ledger.gap", detail, HOST)).events
    assert [(row["slot_at"], row["task"], row["event"]) for row in rows] == [
        (time, "t1", "ledger.gap") for time in times
    ]
    assert all(row["detail"] == {"reason": "agent.store_full", "records": "2", "task": "t1"} for row in rows)


def test_a_span_that_is_gone_is_an_event_without_a_time() -> None:
    line = b'{"kind":"dropped","first_seq":3,"last_seq":9,"reason":"retention.size","digest":"x"}'
    [row] = rows_of("a1", "acme", line).events
    assert (row["seq"], row["at"], row["event"]) == (3, None, "dropped")
    assert row["detail"] == {"first_seq": "3", "last_seq": "9", "reason": "retention.size"}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b'{"kind":"other"}',
        encode(measured(seen(), scheduled_at="yesterday")),
        encode(measured(seen(digest="not hex"))),
    ],
)
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(CodecError):
        rows_of("a1", "acme", line)


# --- by property --------------------------------------------------------------------------------------

BROKEN = st.sampled_from(
    [lambda: seen(), lambda: seen(status=503), lambda: refused(), lambda: silent(), lambda: seen(Role.ORIGIN)]
)


@given(st.lists(BROKEN, max_size=6), st.randoms(use_true_random=False))
def test_each_observation_is_one_row_and_the_order_of_findings_does_not_matter(
    kinds: Any, shuffle: Any
) -> None:
    slot = measured(*(kind() for kind in kinds))
    mixed = list(slot.findings)
    shuffle.shuffle(mixed)
    one, other = tables(slot), tables(replace(slot, findings=tuple(mixed)))
    assert [row["number"] for row in one.requests] == list(range(len(kinds)))
    assert sum(bool(row["counted"]) for row in one.requests) == one.slots[0]["edges"]
    words = [[(row["outcome"], row["fault"]) for row in made.requests] for made in (one, other)]
    assert words[0] == words[1]
    if slot.findings and all(finding.observation is not None for finding in slot.findings):
        assert slot.outcome is Outcome.OK or (slot.outcome, slot.fault) in words[0]


@given(st.lists(BROKEN, max_size=4))
def test_every_value_has_the_type_of_its_column(kinds: Any) -> None:
    made = tables(measured(*(kind() for kind in kinds)))
    for table in (SLOTS, REQUESTS, EVENTS):
        for row in made.of(table.name):
            assert list(row) == list(table.columns)
            for name, value in row.items():
                assert value is None or type(value) is PLAIN[table.columns[name]], name


# --- against the lines of version 0.1 -----------------------------------------------------------------


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """(agent, customer, line) of all that version 0.1 stored."""
    results = unpacked("results", tmp_path_factory.mktemp("v0.1"))
    found = []
    with Reader.open(results) as reader:
        streams = reader.streams()
    for agent, customer, _ in streams:
        with Reader.open(results, agent) as reader:
            found += [(agent, customer, line.text) for line in reader.lines(customer, 0, 100_000)]
    return found


def test_every_table_is_what_an_independent_computation_makes_of_the_lines(
    lines: list[tuple[str, str, str]],
) -> None:
    sums: Counter[str] = Counter()
    for agent, customer, line in lines:
        made = rows_of(agent, customer, line.encode())
        if json.loads(line)["kind"] == "slot":
            assert made.slots == [by_json.slot(agent, line)]
            assert made.requests == by_json.requests(agent, line)
            assert made.events == []
        else:
            assert made.events == by_json.events(agent, customer, line)
            assert made.slots == made.requests == []
        sums.update({table: len(made.of(table)) for table in TABLES})
    assert sums["slots"] == 948
    assert sums["requests"] > sums["slots"]
    assert sums["events"] > 0


@pytest.mark.long
def test_ten_thousand_slots_with_faults_are_what_an_independent_computation_makes_of_them(
    lines: list[tuple[str, str, str]],
) -> None:
    """Rows, sums and the way through CSV and NDJSON; the slots of version 0.1 again and again at other times."""
    sums: Counter[str] = Counter()
    for turn in range(11):
        for number, (agent, customer, line) in enumerate(lines):
            record = json.loads(line)
            if record["kind"] != "slot":
                continue
            record["seq"] = 1 + turn * len(lines) + number
            when_us = (by_json.us(record["scheduled_at"]) or 0) + turn * 86_400_000_000 + number * 7
            record["scheduled_at"] = utc_text_us(when_us)
            line = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
            made = rows_of(agent, customer, line.encode())
            wanted = by_json.requests(agent, line)
            assert made.slots == [by_json.slot(agent, line)]
            assert made.requests == wanted
            sums["slots"] += 1
            sums["failed"] += sum(row["outcome"] == "failed" for row in wanted)
            sums["bytes"] += sum(row["encoded_body_bytes"] or 0 for row in wanted)
            sums["ours, failed"] += sum(row["outcome"] == "failed" for row in made.requests)
            sums["ours, bytes"] += sum(int(str(row["encoded_body_bytes"] or 0)) for row in made.requests)
            [told] = csv.DictReader(io.StringIO(csv_head(SLOTS) + csv_line(SLOTS, made.slots[0]), newline=""))
            again = json.loads(json_line(SLOTS, made.slots[0]))
            assert told["scheduled_at"] == again["scheduled_at"] == utc_text_us(when_us)
            assert told["line_sha256"] == again["line_sha256"] == hashlib.sha256(line.encode()).hexdigest()
    assert sums["slots"] > 10_000
    assert sums["failed"] == sums["ours, failed"] > 0
    assert sums["bytes"] == sums["ours, bytes"] > 0


def test_keys_are_unique(lines: list[tuple[str, str, str]]) -> None:
    seen_keys: dict[str, Counter[tuple[Any, ...]]] = {name: Counter() for name in TABLES}
    for agent, customer, line in lines:
        made = rows_of(agent, customer, line.encode())
        for name, table in TABLES.items():
            seen_keys[name].update(tuple(row[key] for key in table.key) for row in made.of(name))
    assert all(count == 1 for counts in seen_keys.values() for count in counts.values())


# --- documents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPORTED)
def test_the_document_lists_every_column_in_order(name: str) -> None:
    table = EXPORTED[name]
    listed = DOCS.split(f"## {name}\n")[1].split("\n## ")[0]
    rows = [line for line in listed.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{c}` | {kind.value} | {table.what[c]} |" for c, kind in table.columns.items()]
