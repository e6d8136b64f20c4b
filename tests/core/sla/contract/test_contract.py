"""The shipped profiles, an agreement on each, and what is refused, with its place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import probe.core.sla.contract
from probe.core.records.verdict import Fault
from probe.core.sla.contract.consistency import inconsistencies
from probe.core.sla.contract.load import Agreed, agreed, parse_profile, read_agreement
from probe.core.sla.contract.profile import Credit, Profile
from probe.core.sla.contract.rules import (
    NotComputableError,
    clauses,
    counting_rule,
    credit_rule,
    declared,
    grain_rule,
    lost_rule,
    service_span,
)
from probe.core.sla.credits import credit as owed
from probe.core.sla.credits import money
from probe.core.sla.exclusions import exclusions
from probe.core.sla.figures import GrainRule
from probe.core.sla.grains import CountingRule, Error
from probe.core.sla.lost_requests import LostRule
from probe.core.sla.periods import instant_us
from probe.core.syntax.problem import ConfigError

PROFILES = sorted(Path(probe.core.sla.contract.__file__).parent.glob("profiles/*.yaml"))
DOMAIN = "www.acme.example"
ACME = """\
agreement: acme-2026
profile: {profile}
customer: acme
domains: [www.acme.example]
service: {{from: 2026-10-01T00:00:00+08:00}}
fee: {{amount: "30000.00", currency: CNY}}
exclusions:
  - from: 2026-11-25T00:00:00+08:00
    to: 2026-11-25T02:00:00+08:00
    reason: maintenance
    announced_at: 2026-11-20T10:00:00+08:00
    declared_at: 2026-11-20T11:00:00+08:00
    source: notice of 2026-11-20
    scope: {{domains: [www.acme.example]}}
incidents:
  - from: 2026-11-11T10:00:00+08:00
    reported_at: 2026-11-11T10:12:00+08:00
    responded_at: 2026-11-11T10:20:00+08:00
    source: ticket 4711
{more}
"""


def text_of(profile: str) -> str:
    (file,) = [file for file in PROFILES if file.stem == profile]
    return file.read_text(encoding="utf-8")


def acme(profile: str, more: str = "") -> Agreed:
    agreement = read_agreement(ACME.format(profile=profile, more=more), "acme.yaml")[0]
    return agreed(text_of(profile), f"{profile}.yaml", agreement, "acme.yaml")


def problems(error: pytest.ExceptionInfo[ConfigError]) -> list[tuple[int, int, str]]:
    return [(p.line, p.column, p.message) for p in error.value.problems]


# --- what is shipped ------------------------------------------------------------------------------------


def test_six_are_shipped() -> None:
    assert [file.stem for file in PROFILES] == [
        "acceptance", "cdn-annex", "cloud-cdn-sla", "leased-line", "network-agreement", "storage-year"
    ]  # fmt: skip


@pytest.mark.parametrize("file", PROFILES, ids=lambda file: file.stem)
def test_each_is_read_named_like_its_file_and_told_in_both_languages(file: Path) -> None:
    made = parse_profile(file.read_text(encoding="utf-8"), file.name)
    assert made.profile == file.stem
    assert made.title.en.isascii()
    assert not made.title.zh.isascii()
    assert all(clause.of for clause in made.clauses)


@pytest.mark.parametrize("file", PROFILES, ids=lambda file: file.stem)
def test_what_is_read_can_be_written_and_read_again(file: Path) -> None:
    made = parse_profile(file.read_text(encoding="utf-8"), file.name)
    again = Profile.model_validate_json(made.model_dump_json(by_alias=True), strict=True)
    assert again == made


# --- the rules that they mean -----------------------------------------------------------------------------


def test_the_cloud_contract_is_the_rule_of_the_worked_cases() -> None:
    made = acme("cloud-cdn-sla")
    assert made.blank == ()
    assert counting_rule(made) == CountingRule(
        faults=frozenset({Fault.CDN}), errors=frozenset({Error.STATUS_5XX, Error.NO_COMPLETE_REPLY})
    )
    assert grain_rule(made) == GrainRule(coverage=Fraction(95, 100))
    assert service_span(made).from_us == instant_us("2026-10-01T00:00:00+08:00")
    assert credit_rule(made) is None
    assert lost_rule(made) is None
    found = exclusions(declared(made), clauses(made), DOMAIN)
    assert [span.length_us for span in found.spans] == [2 * 3_600 * 1_000_000]


def test_a_traffic_file_brings_the_lost_requests() -> None:
    columns = "{domain: domain, node: node, time: ts, requests: requests, errors_5xx: e5xx}"
    made = acme("cloud-cdn-sla", f"traffic: {{file: t.parquet, columns: {columns}, from: provider}}")
    assert lost_rule(made) == LostRule()


def test_the_network_agreement_owes_for_begun_hours() -> None:
    made = acme("network-agreement")
    rule = credit_rule(made)
    assert rule is not None
    assert made.agreement.fee is not None
    minute = 60_000_000
    assert money(owed(105 * minute, made.agreement.fee.amount, rule)) == "2000.00"
    assert made.profile.trigger is not None
    assert made.profile.trigger.down == 44 * minute
    with pytest.raises(NotComputableError, match="no grain"):
        counting_rule(made)


def test_maintenance_by_the_network_agreement_lies_in_its_hours() -> None:
    made = acme("network-agreement")
    maintenance = clauses(made)["maintenance"]
    assert (maintenance.between, maintenance.time_zone) == ((0, 480), "Asia/Shanghai")
    assert maintenance.announced_before_us == 24 * 3_600 * 1_000_000


def test_the_storage_contract_counts_any_failure_of_a_minute() -> None:
    made = acme("storage-year", "overrides: {deadlines: {response: {within: 1h}}, credit: none}")
    assert made.blank == ()
    rule = grain_rule(made)
    assert (rule.length_us, rule.over, rule.run_grains) == (60_000_000, 0, 1)
    assert counting_rule(made).errors == frozenset(Error)


# --- what an agreement does -------------------------------------------------------------------------------


def test_each_override_is_listed_with_what_stood_there() -> None:
    made = acme(
        "cloud-cdn-sla", "overrides: {grain: {length: 5s}, run: {at_least: 10s}, coverage: {at_least: 50%}}"
    )
    assert made.overridden == (
        ("grain.length", "5m", "5s"), ("run.at_least", "10m", "10s"), ("coverage.at_least", "95%", "50%")
    )  # fmt: skip
    assert (grain_rule(made).length_us, grain_rule(made).run_grains) == (5_000_000, 2)
    assert made.profile.grain is not None
    assert made.profile.grain.min_requests == 1, "what is not overridden stays"


def test_what_the_paper_leaves_blank_is_named_until_it_is_agreed() -> None:
    assert acme("leased-line").blank == (
        "objective.at_least", "cumulated_fault_time.within", "cumulated_fault_time.at_most", "bandwidth.agreed",
        "bandwidth.deviation", "deadlines.first_notice.within", "deadlines.repair.within",
    )  # fmt: skip
    with pytest.raises(NotComputableError, match="no grain"):
        grain_rule(acme("leased-line"))
    assert "criteria.response-time.at_most" in acme("acceptance").blank
    table = "overrides: {credit: {table: [{below: 99.9%, share: 10%}]}, deadlines: {response: {within: 1h}}}"
    credit = acme("storage-year", table).profile.credit
    assert isinstance(credit, Credit)
    assert isinstance(credit.table, tuple)
    assert credit.table[0].share == Fraction(1, 10)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("{grain: {lenght: 5m}}", "grain.lenght"),
        ("{grain: {length: 5}}", "needs its unit"),
        ("{objective: {at_least: 0.999}}", "not a share"),
        ("{run: null}", "no value is given here"),
        ("{period: {time_zone: Asia/Peking}}", "no zone of the IANA database"),
    ],
)
def test_an_override_that_makes_no_profile_is_refused(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        acme("cloud-cdn-sla", f"overrides: {override}")
    assert words in " ".join(message for _, _, message in problems(error))


def test_parts_of_a_list_that_have_names_are_overridden_by_name() -> None:
    made = acme("acceptance", "overrides: {criteria: [{name: response-time, at_most: 800ms}]}")
    assert made.overridden == (("criteria.response-time.at_most", "required", "800ms"),)
    assert [one.name for one in made.profile.criteria][:2] == ["response-time", "throughput"]
    assert made.profile.criteria[0].at_most == 800_000
    assert made.profile.criteria[0].min_samples == 59, "what is not overridden stays"


def test_an_override_is_refused_at_its_own_place() -> None:
    text = ACME.format(profile="cloud-cdn-sla", more="overrides:\n  grain: {length: 5}")
    agreement, document = read_agreement(text, "acme.yaml")
    with pytest.raises(ConfigError) as error:
        agreed(text_of("cloud-cdn-sla"), "a.yaml", agreement, "acme.yaml", document)
    ((line, column, _),) = problems(error)
    assert text.splitlines()[line - 1][column - 1 :].startswith("length: 5")


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ("", 10, "names no reason sunspots. It names: origin_failure"),
        (
            "purges: [{at: 2026-11-01T00:00:00Z, domain: other.example, paths: [/]}]",
            20,
            "not a domain of this",
        ),
        ("domains: twice", 4, "is named twice"),
    ],
)
def test_what_contradicts_the_contract_or_itself_is_told_with_its_place(
    more: str, line: int, words: str
) -> None:
    text = ACME.format(profile="cloud-cdn-sla", more=more)
    if not more:
        text = text.replace("reason: maintenance", "reason: sunspots")
    if more == "domains: twice":
        text = ACME.format(profile="cloud-cdn-sla", more="").replace(
            "domains: [", "domains: [www.acme.example, ", 1
        )
    agreement, document = read_agreement(text, "acme.yaml")
    made = agreed(text_of("cloud-cdn-sla"), "a.yaml", agreement, "acme.yaml", document)
    found = inconsistencies(made, "acme.yaml", document)
    assert [(p.line, words in p.message) for p in found] == [(line, True)], found


def test_kinds_that_are_not_computed_are_refused_and_not_computed_wrongly() -> None:
    with pytest.raises(NotComputableError, match="other than all kinds"):
        counting_rule(acme("cloud-cdn-sla", "overrides: {grain: {denominator: [ok, failed]}}"))
    apart = "[{fault: cdn, any: [status_5xx]}, {fault: path, any: [no_complete_reply]}]"
    with pytest.raises(NotComputableError, match="same kinds"):
        counting_rule(acme("cloud-cdn-sla", f"overrides: {{grain: {{errors: {apart}}}}}"))


# --- mistakes in files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("customer: acme", "costumer: acme", 3, "costumer"),
        ("domains: [www.acme.example]", "domains: []", 4, "at least 1"),
        ("service: {from: 2026-10-01T00:00:00+08:00}", "service: {from: 2026-10-01}", 5, "not an instant"),
        ('amount: "30000.00"', "amount: 30000.00", 6, "in quotes"),
        ("customer: acme", 'customer: acme\nworking_days: ["2026-13-01"]', 4, "not a day"),
        ("to: 2026-11-25T02:00:00+08:00", "to: 2026-11-24T02:00:00+08:00", 8, "ends after it begins"),
    ],
)
def test_a_mistake_in_an_agreement_is_told_with_its_place(old: str, new: str, line: int, words: str) -> None:
    text = ACME.format(profile="cloud-cdn-sla", more="")
    assert old in text
    with pytest.raises(ConfigError) as error:
        read_agreement(text.replace(old, new, 1), "acme.yaml")[0]
    assert any(at == line and words in message for at, _, message in problems(error)), problems(error)


def test_a_profile_that_speaks_of_keys_that_it_has_not_is_refused() -> None:
    text = text_of("network-agreement").replace("ours: [duration,", "ours: [durations,")
    with pytest.raises(ConfigError, match="durations"):
        parse_profile(text, "c.yaml")


def test_an_agreement_on_another_profile_is_refused() -> None:
    agreement = read_agreement(ACME.format(profile="cdn-annex", more=""), "acme.yaml")[0]
    with pytest.raises(ConfigError, match="names the profile cdn-annex"):
        agreed(text_of("cloud-cdn-sla"), "a.yaml", agreement, "acme.yaml")
