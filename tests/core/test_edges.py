"""Edge policies, known nodes, phases."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.edges import select
from probe.core.nodes import SWEPT_AT_MOST, KnownNodes
from probe.core.phases import phases
from probe.core.records import ResourceTiming
from probe.core.task import EdgePolicy

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


def test_known_nodes_leave_out_the_visited_and_are_bounded() -> None:
    nodes = KnownNodes()
    nodes.learn("a.example", 4, THREE)
    nodes.learn("a.example", 6, ["2001:db8::1"])
    assert nodes.others("a.example", 4, ["192.0.2.1"]) == ("192.0.2.3", "192.0.2.2")
    nodes.learn("a.example", 4, [f"198.51.100.{i}" for i in range(30)])
    assert len(nodes.others("a.example", 4, [])) == SWEPT_AT_MOST


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
