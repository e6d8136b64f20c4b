"""The inventory: what is learned, what never is, when it is settled, what is forgotten, what the store is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.task import CarrierPrefix, Task, VantagePoint
from probe.core.model.times import utc_text
from probe.core.model.value import replace
from probe.core.nodes.domain_inventory import SETTLED_AFTER_S, SETTLED_RESOLUTIONS, STALE_LEARNING_S
from probe.core.nodes.inventory import Inventory
from probe.core.nodes.values import TRIAL_S, UNSEEN_S, Changes, gather, swept
from probe.core.records.dns import AddressRecord, Resolution
from probe.core.records.failure import FailureType
from tests.support import build

T0 = 1_795_428_000.0
A, B, C = "192.0.2.1", "192.0.2.2", "198.51.100.9"


def answer(*addresses: str, **changes: Any) -> Resolution:
    return build.resolution(*addresses, **changes)


def settle(inventory: Inventory, task: Task, *addresses: str, until_s: float = T0) -> None:
    """As many look-ups, over as much time, as it takes to settle; the last one at `until_s`."""
    for i in range(SETTLED_RESOLUTIONS):
        at_s = until_s - SETTLED_AFTER_S * (1 - i / (SETTLED_RESOLUTIONS - 1))
        inventory.learn(task, answer(*addresses), at_s)


def by(name: str, **changes: Any) -> Task:
    return build.task(vantage_point=VantagePoint(name=name, **changes))


def test_known_by_one_vantage_point_is_known_to_all() -> None:
    inventory = Inventory()
    inventory.learn(by("bj-ct"), answer(A), T0)
    inventory.learn(by("sh-cu"), answer(B), T0 + 1)
    assert inventory.known(by("gz-cm"), T0 + 2) == (A, B)
    facts = inventory.facts(by("gz-cm"), answer(A, C), T0 + 2)
    assert (facts.known, facts.strangers, facts.settled) == (2, (C,), False)


@pytest.mark.parametrize(
    "other",
    [build.task(customer="other"), build.task(domain="b.example"), build.task(ip_version=6)],
    ids=["customer", "domain", "ip"],
)
def test_customers_domains_and_ip_versions_are_apart(other: Task) -> None:
    inventory = Inventory()
    inventory.learn(build.task(), answer(A), T0)
    assert inventory.known(other, T0) == ()


@pytest.mark.parametrize(
    ("resolution", "task"),
    [
        (answer(A, cname_chain=(), canonical_name="www.acme.example"), build.task()),
        (answer(A, flags=("resolved_by_proxy",)), build.task()),
        (answer("www.acme.example"), build.task()),
        (answer(A, flags=("nxdomain_rewritten",)), build.task()),
        (answer(A), build.task(cdn_prefixes=("198.51.100.0/24",))),
        (replace(answer(A), addresses=(AddressRecord(address=A, ttl_s=1, refused="reserved"),)), build.task()),
        (build.unresolved(FailureType.DNS_TIMED_OUT, "x"), build.task()),
        (answer(A, cname_chain=(), canonical_name="notcdn.example.net"), build.task()),
    ],
    ids=[
        "past the CDN", "by a proxy", "a name", "an inventing resolver", "outside", "refused", "failed", "alike",
    ],
)  # fmt: skip
def test_what_may_not_be_a_node_is_never_learned(resolution: Resolution, task: Task) -> None:
    inventory = Inventory()
    for i in range(100):
        inventory.learn(task, resolution, T0 + i * 100)
    assert inventory.known(task, T0 + 10_000) == ()
    assert not inventory.take_changes(final=True)
    assert inventory.facts(task, answer(B), T0 + 10_000).settled is False


def test_without_suffixes_every_successful_look_up_teaches() -> None:
    inventory = Inventory()
    task = build.task(cdn_suffixes=())
    inventory.learn(task, answer(A, cname_chain=(), canonical_name="www.acme.example"), T0)
    assert inventory.known(task, T0) == (A,)


def test_settled_needs_an_hour_and_thirty_look_ups_of_this_vantage_point() -> None:
    inventory, task = Inventory(), build.task()
    for i in range(SETTLED_RESOLUTIONS - 1):
        inventory.learn(task, answer(A), T0 + i * 200)
    last_s = T0 + (SETTLED_RESOLUTIONS - 2) * 200
    assert last_s - T0 > SETTLED_AFTER_S
    assert inventory.facts(task, answer(A), last_s).settled is False
    inventory.learn(task, answer(A), last_s + 1)
    assert inventory.facts(task, answer(A), last_s + 1).settled is True
    assert inventory.facts(by("sh-cu"), answer(A), last_s + 1).settled is False

    fast = Inventory()
    for i in range(1000):
        fast.learn(task, answer(A), T0 + i)
    assert fast.facts(task, answer(A), T0 + 1000).settled is False


def test_an_inventory_that_slept_for_more_than_a_day_settles_anew() -> None:
    inventory, task = Inventory(), build.task()
    settle(inventory, task, A)
    assert inventory.facts(task, answer(C), T0 + STALE_LEARNING_S).settled is True
    assert inventory.facts(task, answer(C), T0 + STALE_LEARNING_S + 1).settled is False
    inventory.learn(task, answer(C), T0 + STALE_LEARNING_S + 1)
    facts = inventory.facts(task, answer(C), T0 + STALE_LEARNING_S + 2)
    assert (facts.settled, facts.strangers) == (False, ())


def test_a_new_address_stays_a_stranger_until_it_served() -> None:
    inventory, task = Inventory(), build.task()
    settle(inventory, task, A)
    for i in range(50):
        facts = inventory.facts(task, answer(A, C), T0 + i)
        assert (facts.known, facts.settled, facts.strangers) == (1, True, (C,))
        inventory.learn(task, answer(A, C), T0 + i)
    assert inventory.known(task, T0 + 60) == (A,)
    inventory.vouch(task, (C, "203.0.113.1"))
    assert inventory.facts(task, answer(A, C), T0 + 60).strangers == ()
    assert inventory.known(task, T0 + 60) == (A, C)


def test_a_new_address_that_never_served_is_known_after_a_day() -> None:
    inventory, task = Inventory(), build.task()
    settle(inventory, task, A)
    for i in range(0, TRIAL_S + 1, 600):
        assert inventory.facts(task, answer(A, C), T0 + i).strangers == ((C,) if i < TRIAL_S else ())
        inventory.learn(task, answer(A, C), T0 + i)


def test_a_vantage_point_that_still_learns_ends_the_trial() -> None:
    """Its carrier has nodes of its own: new to one vantage point is not new to the CDN."""
    inventory, task = Inventory(), build.task()
    settle(inventory, task, A)
    inventory.learn(task, answer(C), T0)
    inventory.learn(by("sh-cu"), answer(C), T0)
    assert inventory.known(task, T0) == (A, C)


def test_nodes_unseen_for_seven_days_are_not_known() -> None:
    inventory, task = Inventory(), build.task()
    inventory.learn(task, answer(A, B), T0)
    inventory.learn(task, answer(B), T0 + 10)
    assert inventory.known(task, T0 + UNSEEN_S) == (A, B)
    assert inventory.known(task, T0 + UNSEEN_S + 1) == (B,)
    inventory.learn(task, answer(C), T0 + UNSEEN_S + 11)
    assert inventory.known(task, T0 + UNSEEN_S + 11) == (C,)
    assert len(inventory._of(task)._nodes) == 1, "memory holds what is not used any more"


def test_a_clock_that_was_a_year_ahead_for_a_moment_leaves_nothing_behind_for_ever() -> None:
    inventory, task = Inventory(), build.task()
    year = 365 * 86_400
    inventory.learn(task, answer(A, C), T0)
    inventory.learn(task, answer(A), T0 + year)
    inventory.learn(task, answer(A, B), T0 + 60)
    assert inventory.known(task, T0 + 60) == (A, B)
    assert inventory.facts(task, answer(A), T0 + 60).settled is False
    for sighting in inventory.take_changes(final=True).nodes:
        assert sighting.first_seen <= sighting.last_seen < utc_text(T0 + 61)


def test_another_cdn_than_before_does_not_inherit_its_nodes() -> None:
    inventory = Inventory()
    inventory.learn(build.task(), answer(A), T0)
    moved = build.task(cdn_suffixes=("othercdn.example",))
    both = build.task(cdn_suffixes=("othercdn.example", "cdn.example.net"))
    assert [inventory.known(task, T0) for task in (moved, both)] == [(), (A,)]
    assert inventory.known(build.task(cdn_suffixes=()), T0) == (A,)
    assert inventory.known(build.task(cdn_prefixes=("203.0.113.0/24",)), T0) == ()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_memory_is_bounded_and_the_newest_stay(numbers: list[int]) -> None:
    inventory, task = Inventory(nodes_at_most=8), build.task()
    for i, number in enumerate(numbers):
        inventory.learn(task, answer(f"192.0.2.{number}"), T0 + i)
    newest = list(dict.fromkeys(reversed([f"192.0.2.{n}" for n in numbers])))[:8]
    assert inventory.known(task, T0 + len(numbers)) == tuple(reversed(newest))
    assert {s.address for s in inventory.take_changes(final=True).nodes} == set(newest)


def test_a_flood_of_new_addresses_pushes_no_known_node_out() -> None:
    inventory, task = Inventory(nodes_at_most=8), build.task()
    settle(inventory, task, A, B)
    for i in range(200):
        inventory.learn(task, answer(f"198.51.100.{i}"), T0 + i)
    assert inventory.known(task, T0 + 200) == (A, B)
    assert len(inventory._of(task)._nodes) == 8


# --- the store ------------------------------------------------------------------------------------


def test_the_store_is_told_at_once_of_new_nodes_then_once_a_minute() -> None:
    inventory, task = Inventory(), build.task()
    told = []
    for second in range(181):
        inventory.learn(task, answer(A), T0 + second)
        changes = inventory.take_changes()
        told += [(second, s.address) for s in changes.nodes]
        assert len(changes.learning) == len(changes.nodes)
    assert told == [(0, A), (60, A), (120, A), (180, A)]
    inventory.learn(task, answer(A), T0 + 190)
    assert not inventory.take_changes()
    (last,) = inventory.take_changes(final=True).nodes
    assert (last.first_seen, last.last_seen) == (utc_text(T0), utc_text(T0 + 190))
    assert inventory.take_changes(final=True) == Changes()


def test_what_was_kept_is_known_settled_and_on_trial_as_before() -> None:
    inventory, task = Inventory(), build.task()
    settle(inventory, task, A)
    inventory.learn(by("sh-cu"), answer(B), T0 - 50)
    inventory.learn(task, answer(A, C), T0)
    kept = inventory.take_changes(final=True)
    again = Inventory()
    again.restore(sorted(kept.nodes, key=lambda s: s.last_seen), kept.learning)
    for one in (inventory, again):
        facts = one.facts(task, answer(A, C), T0 + 5)
        assert (facts.known, facts.settled, facts.strangers) == (2, True, (C,))
        assert set(one.known(task, T0 + 5)) == {A, B}
    assert not again.take_changes(final=True), "what was restored is no change"
    assert again.known(task, T0 - 50 + UNSEEN_S + 1) == (A, C)  # the trial is over


def test_vouching_is_told_to_the_store() -> None:
    inventory, task = Inventory(), build.task()
    settle(inventory, task, A)
    inventory.learn(task, answer(C), T0)
    assert [(s.address, s.on_trial) for s in inventory.take_changes().nodes if s.address == C] == [(C, True)]
    inventory.vouch(task, (C,))
    assert [(s.address, s.on_trial) for s in inventory.take_changes().nodes] == [(C, False)]


def test_sightings_are_gathered_by_node() -> None:
    inventory = Inventory()
    inventory.learn(by("bj-ct"), answer(A, B), T0)
    inventory.learn(by("sh-cu"), answer(B), T0 + 60)
    first, second = gather(inventory.take_changes(final=True).nodes)
    assert (first.address, [s.vantage_point for s in first.by]) == (A, ["bj-ct"])
    assert (second.address, [s.vantage_point for s in second.by]) == (B, ["bj-ct", "sh-cu"])
    assert (second.first_seen, second.last_seen) == (utc_text(T0), utc_text(T0 + 60))
    assert swept(second, T0 + 60 + UNSEEN_S, suffixes=(), prefixes=())
    assert not swept(second, T0 + 61 + UNSEEN_S, suffixes=(), prefixes=())
    assert not swept(second, T0, suffixes=("other.example",), prefixes=())
    assert not swept(second, T0, suffixes=(), prefixes=("203.0.113.0/24",))
    on_trial = replace(second, on_trial=True)
    assert not swept(on_trial, T0 + TRIAL_S - 1, suffixes=(), prefixes=())
    assert swept(on_trial, T0 + TRIAL_S, suffixes=(), prefixes=())


def test_prefixes_with_carriers_do_not_change_what_is_learned() -> None:
    label = CarrierPrefix(prefix="192.0.2.0/24", carrier="China Unicom")
    inventory = Inventory()
    task = build.task(carrier_prefixes=(label,), cdn_prefixes=("192.0.2.0/24",))
    inventory.learn(task, answer(A, C), T0)
    assert inventory.known(task, T0) == (A,)
    assert inventory.facts(task, answer(A, C), T0).strangers == (C,)
