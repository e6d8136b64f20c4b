"""An acceptance, by counts: what shows a quantile to be kept, what shows it broken, and what shows nothing."""

from __future__ import annotations

from fractions import Fraction
from importlib import resources
from typing import Any

import pytest

from probe.core.model.value import replace
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.contract.load import Agreed, agreed, read_agreement
from probe.core.sla.facts.row import FactRow
from probe.core.sla.figures import Word
from probe.core.sla.periods import instant_us
from probe.core.sla.report.by_criteria import Samples, _counted, subject_by_criteria
from probe.core.sla.report.subject import Known, period_of
from probe.core.sla.report.values import CriterionShown, Period, Subject
from tests.core.sla.report.test_by_spans import BEGIN, DOMAIN, TEXT, look

CRITERIA = """\
purges: [{at: 2026-11-11T01:00:00+08:00, domain: www.acme.example, paths: [/]}]
"""
AGREED = (
    'criteria: [{name: response-time, at_most: 800ms}, {name: throughput, at_least: "1000000"},'
    " {name: distribution-timely, at_most: 600}, {name: refresh, at_most: 300}]"
)
KNOWN = Known(complete_up_to_us=instant_us("2026-11-13T00:00:00+08:00"))


def fact(number: int, **changes: Any) -> FactRow:
    made = FactRow(
        agent="a1", customer="acme", domain=DOMAIN, path="/", task="t", vantage_point="bj", region="CN-BJ",
        carrier="China Telecom", ip_version=4, protocol="h1", scheduled_us=BEGIN + number * 60_000_000, seq=number + 1,
        number=0, address="192.0.2.1", weight=1, first=True, state=State.MEASURED, outcome=Outcome.OK, fault=None,
        reason=None, status_code=200, failure_phase=None, clock="kernel", clock_max_error_us=0, ttfb_us=100_000,
        total_us=200_000, transfer_us=100_000, body_bytes=1_000_000, relation="equal",
    )  # fmt: skip
    return replace(made, **changes)


def of(word: Word) -> Subject:
    return Subject(
        customer="acme", domain=DOMAIN, period=Period(name="span", begin="", end="", time_zone="UTC"), word=word,
        why=(), judged=True, final=True, complete_up_to=None,
    )  # fmt: skip


def said(
    facts: list[FactRow],
    looks: list[Any] | None = None,
    nested: Word = Word.KEPT_SHOWN,
    more: str = CRITERIA,
    known: Known = KNOWN,
) -> Subject:
    agreement = acceptance(more)
    period = period_of(agreement.profile.period, "span")
    samples = Samples(
        facts=facts, looks=[look(1)] if looks is None else looks, nested=lambda profile: of(nested)
    )
    return subject_by_criteria(agreement, DOMAIN, period, samples, known)


def acceptance(more: str = CRITERIA) -> Agreed:
    text = (resources.files("probe.core.sla.contract") / "profiles" / "acceptance.yaml").read_text("utf-8")
    typed = TEXT.format(profile="acceptance", more=more).replace(
        "overrides: {", "overrides: {" + AGREED + ", "
    )
    return agreed(text, "p.yaml", read_agreement(typed, "a.yaml")[0], "a.yaml")


def one(found: Subject, name: str) -> CriterionShown:
    (criterion,) = [criterion for criterion in found.criteria if criterion.name == name]
    return criterion


@pytest.mark.parametrize(
    ("n", "slow", "word"),
    [
        (58, 0, Word.NOT_DECIDED),  # fewer than the agreed samples
        (59, 0, Word.KEPT_SHOWN),  # 0.95 ** 59 = 0.0485
        (59, 1, Word.NOT_DECIDED),
        (93, 1, Word.KEPT_SHOWN),  # P(X <= 1 | 93, 0.05) = 0.0499
        (92, 1, Word.NOT_DECIDED),  # 0.0521
        (100, 13, Word.NOT_DECIDED),  # P(X >= 13 | 100, 0.05) = 0.0015 is not rare enough
        (100, 14, Word.BREACH_SHOWN),  # 0.0005
    ],
)
def test_a_quantile_is_a_bound_on_how_many_lie_beyond(n: int, slow: int, word: Word) -> None:
    found = one(said([fact(i, ttfb_us=900_000 if i < slow else 100_000) for i in range(n)]), "response-time")
    assert found.word is word
    assert found.samples == n
    assert len(found.rows) == slow


def test_of_throughput_the_slow_end_is_looked_at_and_broken_transfers_are_not() -> None:
    fast = [fact(i) for i in range(100)]
    assert one(said(fast), "throughput").word is Word.KEPT_SHOWN
    slow = [fact(i, transfer_us=2_000_000) for i in range(100, 120)]
    assert one(said([*fast, *slow]), "throughput").word is Word.BREACH_SHOWN
    failed = [replace(one_of, outcome=Outcome.FAILED) for one_of in slow]
    assert one(said([*fast, *failed]), "throughput").samples == 100


def test_regions_and_carriers_are_judged_apart() -> None:
    facts = [
        fact(i, region="CN-BJ" if i % 2 else "CN-SH", ttfb_us=900_000 if i % 2 else 1) for i in range(200)
    ]
    words = {c.part: c.word for c in said(facts).criteria if c.name == "response-time"}
    assert words == {"CN-BJ, China Telecom": Word.BREACH_SHOWN, "CN-SH, China Telecom": Word.KEPT_SHOWN}


def test_propagation_that_may_have_been_late_is_no_breach_yet() -> None:
    facts = [fact(1, propagated_us=500_000_000), fact(2, propagated_us=601_000_000, address="192.0.2.2")]
    words = {c.part: c.word for c in said(facts).criteria if c.name == "distribution-timely"}
    assert words == {"192.0.2.1": Word.KEPT_SHOWN, "192.0.2.2": Word.NOT_DECIDED}


def test_what_is_still_old_after_a_purge_is_a_breach() -> None:
    """Purged at 01:00, to be gone at 01:05: minute 64 is within the time, minute 65 is not."""
    assert one(said([fact(64, relation="older"), fact(65)]), "refresh").word is Word.KEPT_SHOWN
    late = one(said([fact(65, relation="older")]), "refresh")
    assert (late.word, late.rows) == (Word.BREACH_SHOWN, ("acme/66",))
    assert one(said([fact(64)]), "refresh").word is Word.KEPT_SHOWN, "it had the new version in time"
    mixed = [fact(63), fact(66, relation="older"), fact(67)]
    assert one(said(mixed), "refresh").word is Word.BREACH_SHOWN, "one of the machines behind an address"


def test_what_is_seen_long_after_a_purge_neither_keeps_nor_breaks_it() -> None:
    """The origin changed since: an older version than today's may be the one that was purged for."""
    for relation in ("equal", "older"):
        refresh = one(said([fact(2_000, relation=relation)]), "refresh")
        assert (refresh.word, refresh.why, refresh.samples) == (Word.NOT_DECIDED, ("few_samples",), 0)
    refreshed = [fact(61, relation="older"), fact(64), fact(2_000, relation="older"), fact(2_001)]
    assert one(said(refreshed), "refresh").word is Word.KEPT_SHOWN
    never = [fact(minute, relation="older") for minute in (62, 72, 82)]
    assert one(said(never), "refresh").rows == ("acme/73", "acme/83"), "of slow looks, until it is new"
    twice = CRITERIA.replace(
        "]}]", "]}, {at: 2026-11-11T01:06:00+08:00, domain: www.acme.example, paths: [/]}]"
    )
    first, second = (
        c
        for c in said([fact(64), fact(67, relation="older"), fact(70)], more=twice).criteria
        if c.name == "refresh"
    )
    assert (first.word, second.word) == (Word.KEPT_SHOWN, Word.KEPT_SHOWN), "each purge has its own time"


@pytest.mark.parametrize(
    "relation", ["unverified", "unseen_version", "unknown_version", "origin_changing", None]
)
def test_a_version_that_nobody_could_tell_keeps_no_purge(relation: str | None) -> None:
    refresh = one(said([fact(minute, relation=relation) for minute in (61, 64, 66)]), "refresh")
    assert (refresh.word, refresh.why) == (Word.NOT_DECIDED, ("few_samples",))


def test_one_node_in_time_does_not_speak_for_another() -> None:
    """Seen late for the first time, or without any change of version that could tell how long it took."""
    late = [fact(64), fact(66, address="192.0.2.2")]
    assert one(said(late), "refresh").word is Word.NOT_DECIDED
    facts = [fact(1, propagated_us=500_000_000), fact(2, address="192.0.2.2")]
    words = {c.part: (c.word, c.why) for c in said(facts).criteria if c.name == "distribution-timely"}
    assert words == {
        "192.0.2.1": (Word.KEPT_SHOWN, ()), "192.0.2.2": (Word.NOT_DECIDED, ("few_samples",)),
    }  # fmt: skip


def test_wrong_content_counts_once_it_is_confirmed_and_the_cdn_s() -> None:
    wrong = look(5, outcome=Outcome.FAILED, fault=Fault.CDN, reason="content.mismatch", confirmed=True)
    assert one(said([], [wrong]), "distribution-right").word is Word.BREACH_SHOWN
    for other in (replace(wrong, confirmed=False), replace(wrong, fault=Fault.PATH)):
        assert one(said([], [other]), "distribution-right").word is Word.KEPT_SHOWN


def test_checks_without_a_failure_are_not_shown_to_be_made() -> None:
    well = one(said([]), "settings")
    assert (well.word, well.why) == (Word.NOT_DECIDED, ("checks_not_named",))
    broken = look(5, outcome=Outcome.FAILED, fault=Fault.CDN, reason="redirect.not_followed")
    assert one(said([], [broken]), "settings").word is Word.BREACH_SHOWN
    assert one(said([], [replace(broken, fault=Fault.CUSTOMER)]), "settings").word is Word.NOT_DECIDED


def test_no_line_is_kept_while_the_span_goes_on() -> None:
    """A breach is one already."""
    early = Known(complete_up_to_us=instant_us("2026-11-11T12:00:00+08:00"))
    facts = [
        fact(i, region="CN-BJ" if i % 2 else "CN-SH", ttfb_us=900_000 if i % 2 else 1) for i in range(200)
    ]
    made = {c.part: (c.word, c.why) for c in said(facts, known=early).criteria if c.name == "response-time"}
    assert made == {
        "CN-BJ, China Telecom": (Word.BREACH_SHOWN, ()),
        "CN-SH, China Telecom": (Word.NOT_DECIDED, ("not_final",)),
    }


def test_one_breach_is_a_breach_of_all() -> None:
    assert said([], nested=Word.BREACH_SHOWN).word is Word.BREACH_SHOWN
    assert said([]).word is Word.NOT_DECIDED


def test_a_refresh_that_nobody_declared_is_named_and_leaves_the_word_open() -> None:
    """All of them must be kept: one that has nothing to go by is not left out."""
    refresh = one(said([fact(64)], more=""), "refresh")
    assert (refresh.word, refresh.why) == (Word.NOT_DECIDED, ("no_purge",))


@pytest.mark.timeout(60)
def test_a_quantile_of_very_many_samples_is_decided_at_once() -> None:
    """As many lie beyond it as are admitted, and fewer by five standard deviations."""
    terms = acceptance(CRITERIA).profile.criteria[0]
    assert _counted(50_000, 1_000_000, Fraction(1, 20), terms)[0] is Word.NOT_DECIDED
    assert _counted(48_900, 1_000_000, Fraction(1, 20), terms)[0] is Word.KEPT_SHOWN
    assert _counted(51_100, 1_000_000, Fraction(1, 20), terms)[0] is Word.BREACH_SHOWN
