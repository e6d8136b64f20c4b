"""`sla check` as a user types it: the examples are good, mistakes are told with their places."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from probe.core.sla.contract.json_schema import agreement_schema, profile_schema
from probe.core.syntax.yaml import read_document
from probe.sla.agreement_files import shipped_profiles
from tests.interface.command import cdn_probe

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "config" / "agreements").glob("*.yaml"))


def test_there_is_an_example_of_each_profile_and_all_are_good() -> None:
    done = cdn_probe("sla", "check", *EXAMPLES)
    assert done.code == 0, done.err
    told = " ".join(done.out.split())  # where a line ends depends on how long the checkout's path is
    assert told.count(": good. ") == len(EXAMPLES) == len(shipped_profiles()) == 6
    assert all(len(line) <= 80 for line in done.out.splitlines())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_editors_take_the_examples(file: Path) -> None:
    document, _ = read_document(file.read_text(encoding="utf-8"), file.name)
    assert document is not None
    jsonschema.Draft202012Validator(agreement_schema()).validate(document.plain())


def test_the_schemas_are_schemas() -> None:
    for schema in (agreement_schema(), profile_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)


def test_what_is_still_blank_is_named_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    text = (ROOT / "config/agreements/e-leased-line.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("  objective: {at_least: 99.9%}\n", ""), encoding="utf-8")
    done = cdn_probe("sla", "check", file)
    assert done.code == 1
    assert "1 still to be agreed" in " ".join(done.out.split())
    assert "blank: objective.at_least" in done.out


def test_mistakes_of_all_files_are_told_together_with_their_places(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    text = EXAMPLES[0].read_text(encoding="utf-8")
    one.write_text(text.replace("profile: cloud-cdn-sla", "profile: cloud-sla"), encoding="utf-8")
    other.write_text(text.replace("reason: maintenance", "reason: sunspots"), encoding="utf-8")
    done = cdn_probe("sla", "check", one, other)
    assert done.code == 2
    assert f"{one}:4:1: no profile cloud-sla is shipped" in done.err
    assert f"{other}:12:5: the contract names no reason sunspots" in done.err


def test_what_was_answered_before_it_began_is_a_mistyped_day(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    text = (ROOT / "config/agreements/b-cdn-annex.yaml").read_text(encoding="utf-8")
    wrong = text.replace("reported_at: 2026-11-11T10:12", "reported_at: 2026-10-11T10:12").replace(
        "reported_at: 2026-11-12T15:00", "reported_at: 2026-11-12T08:59"
    )
    file.write_text(wrong, encoding="utf-8")
    done = cdn_probe("sla", "check", file)
    assert done.code == 2
    assert f"{file}:12:5: 2026-10-11T10:12:00+08:00 is before the incident began" in done.err
    assert f"{file}:18:" in done.err
    assert "2026-11-12T08:59:00+08:00 is before the complaint" in done.err


REFUSED = {
    "unit": ("a-cloud-cdn-sla", "unit: slot", "requests are counted, not slots"),
    "subject": ("b-cdn-annex", "subject: [customer]", "figures are of one domain"),
    "grain.evidence": ("a-cloud-cdn-sla", "grain: {evidence: shown}", "stand side by side"),
    "grain.length": ("a-cloud-cdn-sla", "grain: {length: 7m}", "no whole number of such grains"),
    "node_down.dead": ("a-cloud-cdn-sla", "node_down: {dead: {fault: [origin]}}", "failed by the CDN"),
    "exclusions.by_observation": (
        "a-cloud-cdn-sla", "exclusions: {by_observation: [{fault: cdn}]}", "failures of cdn are errors"
    ),
    "duration.decide_by": ("b-cdn-annex", "duration: {decide_by: possible}", "decides nothing"),
    "surge.compare.figure": ("b-cdn-annex", "surge: {compare: {figure: total_us}}", "first byte"),
    "deadlines.response.from": ("b-cdn-annex", "deadlines: {response: {from: complaint_at}}", "it runs from"),
    "deadlines.complaint_report.declared": (
        "b-cdn-annex", "deadlines: {complaint_report: {declared: responded_at}}", "declared of it is reported_at"
    ),
    "duration.at_most_gap": ("b-cdn-annex", "duration: {at_most_gap: 2 hours}", "a number of intervals"),
    "grain": ("a-cloud-cdn-sla", "grain: {denominator: [ok]}", "hides some"),
    "grain.errors": (
        "a-cloud-cdn-sla", "grain: {errors: [{fault: cdn, any: [status_5xx]}, {fault: agent}]}", "the same kinds"
    ),
    "trigger.down": ("c-network-agreement", "trigger: {down: 60m}", "credits begin where credit.over ends"),
}  # fmt: skip


@pytest.mark.parametrize("key", REFUSED)
def test_what_would_change_nothing_is_refused(key: str, tmp_path: Path) -> None:
    """A key that is listed as agreed, and by which nothing is computed, would be a promise that the report breaks."""
    example, override, why = REFUSED[key]
    file = tmp_path / "a.yaml"
    text = (ROOT / f"config/agreements/{example}.yaml").read_text(encoding="utf-8")
    file.write_text(f"{text}\noverrides: {{{override}}}\n", encoding="utf-8")
    done = cdn_probe("sla", "check", file)
    assert done.code == 2
    assert f": {key} is not computed by this version: " in done.err
    assert why in done.err


@pytest.mark.parametrize(
    ("zone", "length", "good"),
    [
        ("Asia/Shanghai", "1h", True),
        ("Asia/Kolkata", "1h", False),
        ("Asia/Kolkata", "30m", True),
        ("Australia/Lord_Howe", "1h", False),
        ("Asia/Kathmandu", "15m", True),
        ("Asia/Kathmandu", "5m", True),
    ],
)
def test_a_grain_fits_the_days_of_its_zone(zone: str, length: str, good: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    text = (ROOT / "config/agreements/a-cloud-cdn-sla.yaml").read_text(encoding="utf-8")
    more = f"overrides: {{period: {{time_zone: {zone}}}, grain: {{length: {length}}}}}"
    file.write_text(f"{text}\n{more}\n", encoding="utf-8")
    assert cdn_probe("sla", "check", file).code == (0 if good else 2)


IMPOSSIBLE = {
    "grain.length": ("a-cloud-cdn-sla", "grain: {length: 0s}", "at least one second"),
    "objective.at_least": ("a-cloud-cdn-sla", "objective: {at_least: 999%}", "more than 100 %: nothing is"),
    "grain.bad.over": ("a-cloud-cdn-sla", "grain: {bad: {over: 5/4}}", "more than 100 %: nothing is"),
    "coverage.at_least": ("b-cdn-annex", "coverage: {at_least: 101%}", "more than 100 %: nothing is"),
    "surge.bandwidth": ("b-cdn-annex", "surge: {bandwidth: much}", "not a share"),
    "period.time_zone": ("b-cdn-annex", "period: {time_zone: Mars/Phobos}", "no zone of the IANA database"),
    "credit.table.0.below": (
        "f-storage-year",
        "credit: {table: [{below: 100.1%, share: 10%}]}",
        "more than 100 %: nothing is",
    ),
    "grain.evidence": (
        "a-cloud-cdn-sla",
        "grain: {evidence: guessed}",
        "Input should be 'literal' or 'shown'",
    ),
    "exclusions.by_declaration.0.requires": (
        "c-network-agreement",
        'exclusions: {by_declaration: [{reason: maintenance, requires: {between: ["08:00", "02:00"]}}]}',
        "begin before they end",
    ),
    "exclusions.by_declaration.0.requires.time_zone": (
        "c-network-agreement",
        "exclusions: {by_declaration: [{reason: maintenance, requires: {time_zone: Mars/Phobos}}]}",
        "no zone of the IANA database",
    ),
    "period": (
        "a-cloud-cdn-sla",
        "period: {unit: span, from: 2026-12-01T00:00:00Z, to: 2026-11-01T00:00:00Z}",
        "ends after it begins",
    ),
    "period.to": (
        "a-cloud-cdn-sla",
        "period: {unit: span, from: 2026-12-01T00:00:00Z, to: 9999-12-31T23:59:59Z}",
        "not from 1970 to 2199",
    ),
    "objective": ("c-network-agreement", "objective: {of: 0s, fixed: false}", "of 0 it is no share"),
    "surge.compare.quantile": (
        "b-cdn-annex",
        "surge: {compare: {quantile: 200%}}",
        "more than 100 %: nothing is",
    ),
    "criteria.0.quantile": (
        "d-acceptance",
        "criteria: [{name: response-time, at_most: 800ms, quantile: 200%}]",
        "more than 100 %: nothing is",
    ),
    "criteria.1.at_least": (
        "d-acceptance",
        "criteria: [{name: throughput, at_least: 1MB/s}]",
        "without a unit",
    ),
    "criteria.1": (
        "d-acceptance",
        'criteria: [{name: throughput, at_least: "5", at_most: 5}]',
        "not by both",
    ),
}


@pytest.mark.parametrize("key", IMPOSSIBLE)
def test_what_cannot_be_is_told_before_a_report_is_asked_for(key: str, tmp_path: Path) -> None:
    example, override, why = IMPOSSIBLE[key]
    file = tmp_path / "a.yaml"
    text = (ROOT / f"config/agreements/{example}.yaml").read_text(encoding="utf-8").partition("overrides:")[0]
    file.write_text(f"{text}\noverrides: {{{override}}}\n", encoding="utf-8")
    done = cdn_probe("sla", "check", file)
    assert done.code == 2
    assert f": overrides {key}: " in done.err, done.err
    assert why in done.err
    assert "1 problem in" in done.err


DATED = {
    "an exclusion for ever": ("to: 2026-11-25T02:00:00+08:00", "to: 9999-12-31T23:59:59Z"),
    "one from the first year on": ("- from: 2026-11-25T00:00:00+08:00", "- from: 0001-01-01T00:00:00+14:00"),
    "an announcement": ("announced_at: 2026-11-20T10:00:00+08:00", "announced_at: 0001-01-01T00:00:00+14:00"),
    "a service": ("2026-01-01T00:00:00+08:00}", "2026-01-01T00:00:00+08:00, to: 2200-01-01T00:00:00Z}"),
    "a working day": ("domains: [www", 'working_days: ["9999-12-31"]\ndomains: [www'),
}


@pytest.mark.parametrize("name", DATED)
def test_what_is_dated_for_ever_is_told_and_ends_in_no_loop(name: str, tmp_path: Path) -> None:
    """Each day of eight thousand years was looked at, and the last one's end is in no calendar."""
    before, after = DATED[name]
    file = tmp_path / "a.yaml"
    file.write_text(EXAMPLES[0].read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    done = cdn_probe("sla", "check", file)
    assert done.code == 2
    assert "is not from 1970 to 2199: nothing is computed of such times" in done.err


def test_an_acceptance_by_a_profile_that_there_is_not_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    text = (ROOT / "config/agreements/d-acceptance.yaml").read_text(encoding="utf-8")
    named = text.replace("criteria:\n", "criteria:\n    - {name: availability, profile: no-such}\n")
    file.write_text(named, encoding="utf-8")
    done = cdn_probe("sla", "check", file)
    assert done.code == 2
    assert f"{file}:12:3: availability names the profile no-such" in done.err
