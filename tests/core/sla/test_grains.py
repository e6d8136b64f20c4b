"""Facts: what each counts as, each due time once, and sums that are the same in any partition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.failure import Phase
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.grains import (
    CountingRule,
    Error,
    Fact,
    FactClass,
    Grain,
    class_of,
    distinct,
    grain_of,
    grains_of,
    kind_of,
    merged,
    span_of,
)
from probe.core.sla.periods import Span

RULE = CountingRule()
OK = Fact(
    agent="a", customer="acme", task="t", scheduled_us=0, seq=1, outcome=Outcome.OK, address="192.0.2.1",
    status_code=200,
)  # fmt: skip
FAILED = replace(OK, outcome=Outcome.FAILED, fault=Fault.CDN, status_code=503)
SILENT = replace(FAILED, status_code=None, failure_phase=Phase.TCP)


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        (OK, FactClass.GOOD),
        (replace(OK, outcome=Outcome.SLOW, fault=Fault.CDN), FactClass.GOOD),
        (replace(OK, outcome=Outcome.STALE, fault=Fault.CDN), FactClass.GOOD),
        (FAILED, FactClass.ERROR),
        (SILENT, FactClass.ERROR),
        (replace(FAILED, status_code=404), FactClass.GOOD),
        (replace(FAILED, status_code=200), FactClass.GOOD),
        (replace(FAILED, status_code=200, failure_phase=Phase.BODY), FactClass.ERROR),
        *((replace(FAILED, fault=fault), FactClass.GOOD) for fault in (Fault.ORIGIN, Fault.CUSTOMER, Fault.PATH)),
        (replace(FAILED, fault=Fault.UNKNOWN), FactClass.UNKNOWN),
        (replace(OK, outcome=Outcome.INCONCLUSIVE, fault=Fault.CUSTOMER), FactClass.UNKNOWN),
        (replace(OK, state=State.MISSED, outcome=None), FactClass.UNKNOWN),
        (replace(OK, state=State.ABORTED, outcome=None), FactClass.UNKNOWN),
        (replace(FAILED, clock=None), FactClass.UNKNOWN),
        (replace(FAILED, clock_max_error_us=60_000_001), FactClass.UNKNOWN),
        (replace(FAILED, clock_max_error_us=60_000_000, clock="dates"), FactClass.ERROR),
        (replace(FAILED, clock_max_error_us=None), FactClass.UNKNOWN),
    ],
)  # fmt: skip
def test_what_a_fact_counts_as(fact: Fact, kind: FactClass) -> None:
    assert class_of(fact, RULE) is kind
    assert class_of(fact, RULE, [Span(0, 1)]) is FactClass.EXCLUDED, "a declared span comes first"
    assert class_of(fact, RULE, [Span(1, 2)]) is kind


def test_other_failures_of_the_cdn_count_where_the_agreement_says_so() -> None:
    assert kind_of(replace(FAILED, status_code=200)) is Error.BY_CONTENT
    assert (
        class_of(replace(FAILED, status_code=200), replace(RULE, errors=frozenset(Error))) is FactClass.ERROR
    )


def test_each_due_time_counts_once() -> None:
    """Pulled twice, and due twice: the row that was stored first is the one."""
    second_edge = replace(OK, number=1, address="192.0.2.2", first=False)
    again = replace(FAILED, seq=9)
    other_agent = replace(OK, agent="b")
    assert distinct([again, OK, second_edge, OK, other_agent]) == [OK, second_edge, other_agent]


def test_slots_and_requests_are_summed_apart() -> None:
    facts = [
        OK,
        replace(FAILED, number=1, first=False),
        replace(OK, seq=2, state=State.MISSED, outcome=None, weight=2),
    ]
    assert grains_of(facts, RULE) == {0: Grain(n=2, errors=1, unknown=2, due=2, measured=1)}


def test_grains_are_whole_numbers_before_1970_too() -> None:
    assert [grain_of(at, 300) for at in (-301, -300, -1, 0, 299, 300)] == [-2, -1, -1, 0, 0, 1]
    assert span_of(-1, 300) == Span(-300, 0)
    with pytest.raises(ValueError, match="at least one second"):
        CountingRule(length_us=999_999)


fact = st.builds(
    lambda at, **more: replace(OK, scheduled_us=at, **more),
    st.integers(-(10**9), 10**9),
    outcome=st.sampled_from(Outcome),
    fault=st.sampled_from([None, *Fault]),
    status_code=st.sampled_from([None, 200, 404, 500, 503, 599]),
    failure_phase=st.sampled_from([None, *Phase]),
    state=st.sampled_from(State),
    clock=st.sampled_from([None, "kernel", "dates"]),
    weight=st.integers(1, 3),
    first=st.booleans(),
)


@given(st.lists(st.tuples(fact, st.integers(0, 2)), max_size=60), st.data())
def test_any_partition_gives_the_same_grains(facts: list[tuple[Fact, int]], data: Any) -> None:
    excluded = [Span(0, 10**8)]
    whole = grains_of((one for one, _ in facts), RULE, excluded)
    parts = [grains_of((one for one, at in facts if at == number), RULE, excluded) for number in range(3)]
    assert merged(data.draw(st.permutations(parts))) == whole
    assert sum(g.n + g.unknown + g.excluded for g in whole.values()) == sum(one.weight for one, _ in facts)
