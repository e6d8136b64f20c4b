"""The cases whose answers were worked by hand: each on grains that were added up from facts.

The background, a month of requests that are well, is given as grains; what a case is about, as facts. `golden.json`
came with the readings of the contract; `more.json` holds corners of our own in the same form.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from probe.core.model.value import replace
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.credits import CreditRule, credit
from probe.core.sla.figures import Figures, GrainRule, Judged, View, figures
from probe.core.sla.grains import CountingRule, Fact, Grain, grains_of, merged
from probe.core.sla.periods import Span, instant_us, month

CASES = {
    case["id"]: case
    for name in ("golden.json", "more.json")
    for case in json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))["cases"]
}
OF_GRAINS = [name for name, case in CASES.items() if case["profile"] == "A"]
COUNTING = CountingRule(clock_max_error_us=1_000_000)
RULE = GrainRule()
MINUTES = RULE.length_us // 60_000_000

PLAIN = Fact(agent="a", customer="acme", task="t", scheduled_us=0, seq=0, address="192.0.2.1")
FAILED = replace(PLAIN, outcome=Outcome.FAILED, fault=Fault.CDN, status_code=503)
KINDS = {
    "ok": replace(PLAIN, outcome=Outcome.OK, status_code=200),
    "failed_cdn": FAILED,
    "failed_origin": replace(FAILED, fault=Fault.ORIGIN),
    "failed_unknown": replace(FAILED, fault=Fault.UNKNOWN),
    "inconclusive": replace(PLAIN, outcome=Outcome.INCONCLUSIVE, fault=Fault.VANTAGE),
    "missed": replace(PLAIN, state=State.MISSED, address=None),
    "slow_cdn": replace(PLAIN, outcome=Outcome.SLOW, fault=Fault.CDN, status_code=200),
    "stale_cdn": replace(PLAIN, outcome=Outcome.STALE, fault=Fault.CDN, status_code=200),
    "unsynchronised_failed_cdn": replace(FAILED, clock_max_error_us=5_000_000),
}


def _span(of: dict[str, str]) -> Span:
    return Span(instant_us(of["from"]), instant_us(of["to"]))


def _numbers(span: Span) -> range:
    return range(span.from_us // RULE.length_us, span.to_us // RULE.length_us)


def _kinds(segment: dict[str, Any]) -> list[Fact]:
    """The requests of one grain, in the order in which the case counts their kinds; those not named are well."""
    named = [(kind, segment[kind]) for kind in KINDS if kind in segment]
    made = [KINDS[kind] for kind in segment if kind in KINDS for _ in range(segment[kind])]
    assert sum(count for _, count in named) <= segment["n"]
    return [*made, *[KINDS["ok"]] * (segment["n"] - len(made))]


def _facts(segment: dict[str, Any]) -> list[Fact]:
    kinds = _kinds(segment)
    return [
        replace(
            kind,
            scheduled_us=number * RULE.length_us + i * RULE.length_us // len(kinds),
            seq=number * len(kinds) + i,
        )
        for number in _numbers(_span(segment))
        for i, kind in enumerate(kinds)
    ]


def _service(of: dict[str, str], period: Span) -> Span:
    return Span(instant_us(of["from"]), instant_us(of["to"]) if "to" in of else period.to_us)


def _excluded(case: dict[str, Any]) -> list[Span]:
    return [_span(exclusion) for exclusion in case.get("exclusions", [])]


def grains_in(case: dict[str, Any]) -> dict[int, Grain]:
    background = case["background"]
    told = {number for segment in case["segments"] for number in _numbers(_span(segment))}
    parts = [
        {
            number: Grain(n=background["n"], due=background["n"], measured=background["n"])
            for number in _numbers(_span(background))
            if number not in told
        }
    ]
    for segment in case["segments"]:
        if segment.get("counts_only"):
            n, errors = segment["n"], segment["failed_cdn"]
            whole = Grain(n=n, errors=errors, due=n, measured=n)
            parts.append(dict.fromkeys(_numbers(_span(segment)), whole))
        else:
            parts.append(grains_of(_facts(segment), COUNTING, _excluded(case)))
    return merged(parts)


def judged(case: dict[str, Any], rule: GrainRule = RULE) -> Figures:
    period = month(case["period"]["month"], case["period"]["time_zone"])
    service = case.get("service")
    return figures(
        grains_in(case),
        rule,
        Judged(
            period=period,
            service=None if service is None else _service(service, period),
            excluded=_excluded(case),
        ),
    )


@pytest.mark.parametrize("name", OF_GRAINS)
def test_a_month_of_grains(name: str) -> None:
    case = CASES[name]
    expect, found = case["expect"], judged(case)
    assert found.total == expect["grains"]
    assert found.views[View.LITERAL].bad == expect["bad_grains"]
    minutes = {
        "point": found.views[View.LITERAL].unavailable * MINUTES,
        "best": found.views[View.BEST].unavailable * MINUTES,
        "worst": found.views[View.WORST].unavailable * MINUTES,
    }
    assert minutes == expect["minutes"], case["why"]
    assert found.availability() == Fraction(*expect["availability"])
    assert (found.met(View.LITERAL) if found.judged else None) == expect["met"]
    assert found.met(View.WORST) == expect.get("met_worst", found.met(View.WORST))
    assert found.judged == expect.get("judged", True)
    if not found.judged:
        assert found.why == (expect["not_judged_reason"],)
    assert found.word == expect.get("word", found.word)
    assert found.unknown == expect.get("unknown_grains", found.unknown)
    assert found.excluded == expect.get("excluded_grains", found.excluded)


def test_a_run_may_be_clipped_at_the_end_of_the_month() -> None:
    found = judged(CASES["A07"], replace(RULE, clip=True))
    option = CASES["A07"]["expect"]["options"]["at_period_end=clip"]
    assert found.views[View.LITERAL].unavailable * MINUTES == option["minutes_point"]


def test_credits_of_the_network_agreement() -> None:
    case = CASES["C01"]
    rule = CreditRule(over_us=44 * 60_000_000)
    fee = Fraction(case["fee"])
    found = {str(down): credit(down * 60_000_000, fee, rule) for down in case["down_minutes"]}
    assert found == case["expect"]["credits"]
