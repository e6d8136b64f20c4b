"""What is wrong with inputs, as a user types it: told in the report, and where the profile says so not judged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord, State
from probe.core.records.surroundings import ClockStanding, Reach
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.interface.command import cdn_probe
from tests.seal.made import AGENT, sealed
from tests.sla.golden_rows import KINDS

BEGIN_US = 1_762_790_400_000_000  # 2025-11-11T00:00:00+08:00
MINUTE_US, MINUTES = 60_000_000, 240
WELL = KINDS["ok"]
DOWN = replace(KINDS["failed_cdn"], reach=Reach(known=3, asked=3, answered=0))
AGREEMENT = """\
agreement: acme
profile: {profile}
customer: acme
domains: [www.acme.example]
service: {{from: 2020-01-01T00:00:00+08:00}}
fee: {{amount: "30000.00"}}
overrides:
  period: {{unit: span, from: "2025-11-11T00:00:00+08:00", to: "2025-11-11T04:00:00+08:00"}}
  exclusions: {{by_declaration: []}}
{more}"""
A, C = "cloud-cdn-sla", "network-agreement"
Of = Callable[[int], SlotRecord]


def rows(of: Of) -> list[SlotRecord]:
    """A slot a minute, from an hour before the span until an hour behind it."""
    made = []
    for minute in range(-60, MINUTES + 60):
        row, at = of(minute), utc_text_us(BEGIN_US + minute * MINUTE_US)
        made.append(replace(row, scheduled_at=at, started_at=None if row.state is State.MISSED else at))
    return made


def stored(directory: Path, of: Of, up_to_minute: int = MINUTES + 60) -> Path:
    async def fill() -> None:
        store = Store.open(directory, AGENT, SystemClock())
        await store.append(rows(of), utc_text_us(BEGIN_US + up_to_minute * MINUTE_US))
        await store.close()
        await sealed(directory, most_rows=100)

    asyncio.run(fill())
    return directory


def typed(
    directory: Path, profile: str, *inputs: object, more: str = "", language: str = "en"
) -> tuple[Any, str, int]:
    """The subject, the text, the exit code."""
    file = directory / "agreement.yaml"
    file.write_text(AGREEMENT.format(profile=profile, more=more), encoding="utf-8")
    made = cdn_probe("sla", "report", file, *inputs, "--format", "json")
    text = cdn_probe("sla", "report", file, *inputs, "--language", language)
    assert made.code == text.code in (0, 1, 3), made.err
    (subject,) = json.loads(made.out)["subjects"]
    return subject, " ".join(text.out.split()), made.code


def outage(minute: int) -> SlotRecord:
    return DOWN if 60 <= minute < 120 else WELL


@pytest.mark.parametrize("clock", [None, ClockStanding(vouched_by="kernel", bound_us=61_000_000)])
def test_an_hour_down_by_a_clock_that_nobody_vouches_for_is_no_breach(
    tmp_path: Path, clock: ClockStanding | None
) -> None:
    """The same with a clock is one. 60 requests are unknown because of it, and the report says so in both languages."""
    results = stored(tmp_path / "r", lambda m: replace(outage(m), clock=clock) if outage(m) is DOWN else WELL)
    subject, text, code = typed(tmp_path, A, results)
    assert (subject["word"], subject["grains"]["clock_unsure"], code) == ("not decided", 60, 3)
    assert "60 of the unknown: nobody vouched for their clock" in text
    assert "60 属于未知,因其时钟无人担保" in typed(tmp_path, A, results, language="zh")[1]
    vouched, text, code = typed(tmp_path, A, stored(tmp_path / "v", outage))
    assert (vouched["word"], vouched["grains"]["clock_unsure"], code) == ("breach shown", 0, 1)
    assert "vouched for their clock" not in text


def test_a_contract_without_a_word_on_clocks_counts_and_says_so(tmp_path: Path) -> None:
    results = stored(tmp_path / "r", lambda m: replace(outage(m), clock=None) if outage(m) is DOWN else WELL)
    subject, text, code = typed(tmp_path, C, results)
    assert (subject["word"], code) == ("breach shown", 1)
    assert "of 240 looks 60 have a clock that nobody vouched for to within a minute" in text
    assert "240 次观测中有 60 次的时钟无人担保" in typed(tmp_path, C, results, language="zh")[1]


@pytest.mark.parametrize("profile", [A, C])
def test_coverage_below_what_is_agreed_is_told_and_not_judged(tmp_path: Path, profile: str) -> None:
    """An hour of four is missed: 75 % of what was due, and 95 % are agreed. With 70 % agreed the outage is judged."""
    missed = KINDS["missed"]
    results = stored(tmp_path / "r", lambda m: missed if 120 <= m < 180 else outage(m))
    subject, text, code = typed(tmp_path, profile, results)
    assert (subject["word"], subject["judged"], subject["why"], code) == (
        "not decided",
        False,
        ["coverage"],
        3,
    )
    assert "too few of the slots that were due were measured" in text
    assert subject["credit"] is None
    agreed, _, code = typed(tmp_path, profile, results, more="  coverage: {at_least: 70%}\n")
    assert (agreed["word"], agreed["judged"], code) == ("breach shown", True, 1)


@pytest.mark.parametrize("profile", [A, C])
def test_a_span_that_is_not_complete_is_never_kept(tmp_path: Path, profile: str) -> None:
    subject, text, code = typed(tmp_path, profile, stored(tmp_path / "r", lambda m: WELL, MINUTES - 30))
    assert (subject["word"], subject["why"], subject["final"], code) == (
        "not decided",
        ["not_final"],
        False,
        3,
    )
    assert subject["complete_up_to"] == "2025-11-11T03:30:00+08:00"
    assert "2025-11-11T03:30:00+08:00" in text
    kept, _, code = typed(tmp_path, profile, stored(tmp_path / "k", lambda m: WELL))
    assert (kept["word"], kept["final"], code) == ("kept shown", True, 0)


@pytest.mark.parametrize("profile", [A, C])
def test_a_segment_that_is_missing_is_refused_and_with_words_never_kept(tmp_path: Path, profile: str) -> None:
    """Of the tree alone, without the store: its second segment is gone."""
    tree = stored(tmp_path / "r", lambda m: WELL)
    for file in tree.glob("results.db*"):
        file.unlink()
    for file in tree.rglob("*-000000000101-000000000200.*"):
        file.unlink()
    agreement = tmp_path / "agreement.yaml"
    agreement.write_text(AGREEMENT.format(profile=profile, more=""), encoding="utf-8")
    refused = cdn_probe("sla", "report", agreement, tree)
    assert (refused.code, refused.out) == (2, "")
    assert "101" in refused.err
    subject, text, code = typed(tmp_path, profile, tree, "--unverified", "the disk lost a file")
    assert (subject["word"], code) == ("not decided", 3)
    assert subject["lost"], "which rows are gone"
    assert "the disk lost a file" in text


@pytest.mark.parametrize("profile", [A, C])
def test_what_is_given_twice_counts_once(tmp_path: Path, profile: str) -> None:
    """The results, and the same once more: every figure is the same."""
    results = stored(tmp_path / "r", outage)
    once, _, _ = typed(tmp_path, profile, results)
    twice, _, _ = typed(tmp_path, profile, results, results)
    assert twice == once


def test_a_dispute_file_of_tables_is_refused_with_what_to_take_in_their_place(tmp_path: Path) -> None:
    """They were taken for a results directory whose agent had never run."""
    results, tables, into = stored(tmp_path / "r", outage), tmp_path / "tables", tmp_path / "dispute.zip"
    assert cdn_probe("sla", "ingest", results, "--into", tables).code == 0
    subject, _, _ = typed(tmp_path, A, tables)
    asked = ("sla", "report", tmp_path / "agreement.yaml")
    wanted = ("--dispute", subject["incidents"][0]["name"], "--into", into)
    done = cdn_probe(*asked, tables, *wanted)
    assert (done.code, into.exists()) == (2, False)
    assert f"{tables}: tables have no records and no evidence: report on the results" in done.err
    assert cdn_probe(*asked, results, *wanted).code in (1, 3)
    assert into.exists()
