"""Edge policies, phases."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.task import EdgePolicy
from probe.core.records.phases import phases
from probe.core.records.transport import ResourceTiming
from probe.core.scheduling.edge_selection import Visits, select

THREE = ("192.0.2.3", "192.0.2.1", "192.0.2.2")


def test_all_and_one() -> None:
    assert select(EdgePolicy(kind="all"), THREE, 7) == THREE
    assert select(EdgePolicy(kind="one"), THREE, 7) == ("192.0.2.3",)
    assert select(EdgePolicy(kind="one"), (), 7) == ()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**9))
def test_sample_visits_every_address_in_turn(n: int, count: int, start: int) -> None:
    addresses = [f"192.0.2.{i}" for i in range(n)]
    policy = EdgePolicy(kind="sample", count=count)
    slots = range(start, start + -(-n // count) * 2)
    visited = [select(policy, addresses, slot) for slot in slots]
    assert all(len(chosen) == min(n, count) == len(set(chosen)) for chosen in visited)
    assert {a for chosen in visited for a in chosen} == set(addresses)


def turns(answers: list[list[str]], count: int) -> dict[str, list[bool]]:
    """For each address: for each slot that answered it, whether it was visited."""
    visits, policy = Visits(), EdgePolicy(kind="sample", count=count)
    told: dict[str, list[bool]] = {}
    for number, answer in enumerate(answers):
        chosen = visits.choose("task", policy, answer, number)
        assert set(chosen) <= set(answer)
        assert len(chosen) == min(count, len(set(answer)))
        for address in set(answer):
            told.setdefault(address, []).append(address in chosen)
    return told


@given(
    st.integers(1, 4),
    st.lists(st.lists(st.sampled_from([f"192.0.2.{i}" for i in range(8)]), min_size=1), min_size=1),
)
def test_sample_passes_no_address_over_for_long_however_answers_change(
    count: int, answers: list[list[str]]
) -> None:
    n = len({address for answer in answers for address in answer})
    for address, visited in turns(answers, count).items():
        passed = 0
        for was in visited:
            passed = 0 if was else passed + 1
            assert passed <= (n - 1) // count, f"{address} was passed over {passed} times"


def test_answers_in_step_with_the_turn_hide_no_address() -> None:
    """With the slot's number alone, 192.0.2.2 would never be visited: it is answered in even slots only."""
    answers = [["192.0.2.1", "192.0.2.2"], ["192.0.2.1"]] * 4
    assert sum(turns(answers, 1)["192.0.2.2"]) >= 3


def test_each_task_takes_its_own_turns_and_the_memory_is_bounded() -> None:
    visits, policy = Visits(kept=2), EdgePolicy(kind="sample", count=1)
    assert visits.choose("a", policy, THREE, 0) == visits.choose("b", policy, THREE, 0)
    for number in range(10):
        visits.choose("a", policy, [f"198.51.100.{number}"], number)
    assert len(visits._last["a"]) == 2
    assert visits.choose("c", EdgePolicy(kind="all"), THREE, 0) == THREE
    assert "c" not in visits._last


def test_phases_over_tls_and_plain() -> None:
    tls = ResourceTiming(
        connect_start_us=10,
        secure_connection_start_us=30,
        connect_end_us=70,
        request_start_us=75,
        response_start_us=175,
        response_end_us=575,
    )
    found = phases(tls)
    assert (found.connect_us, found.tls_us, found.processing_us, found.transfer_us) == (20, 40, 100, 400)
    assert (found.ttfb_us, found.total_us, found.resolve_us) == (165, 565, None)
    plain = phases(ResourceTiming(connect_start_us=10, connect_end_us=70))
    assert (plain.connect_us, plain.tls_us, plain.ttfb_us) == (60, None, None)
