"""However an object changes and whatever lawful caches keep of it, nobody is accused; what is wrong is found."""

from __future__ import annotations

import pytest

from probe.core.records.observation import Relation, Role
from tests.core.content.changing import Cache, World, accuses, simulated
from tests.support.sizes import scaled


@pytest.mark.scaled
@pytest.mark.timeout(300)
def test_lawful_caches_of_a_changing_object_are_not_accused() -> None:
    """340,000 comparisons: `python -m tests.core.content.changing 340000`."""
    seen = set()
    for world, observation, found in simulated(scaled(200_000, 3_000)):
        seen.add(found.relation)
        assert not accuses(found), (world.seed, observation, found)
    assert seen >= {Relation.EQUAL, Relation.OLDER, Relation.UNSEEN_VERSION, Relation.ORIGIN_CHANGING}


class Elsewhere(Cache):
    """A cache that gives another customer's file: stored long ago, with names of its own."""

    def reply(self, at_s: float) -> tuple[int, tuple[tuple[str, str], ...]]:
        _, fields = Cache.reply(self, at_s)
        kept = [f for f in fields if f[0] not in ("etag", "last-modified", "age", "cache-control")]
        named = (("etag", '"another"'), ("cache-control", "max-age=86400"), ("age", "3600"))
        return -1, (*kept, *named)


def worlds(period_s: float, wanted: int) -> list[World]:
    """Worlds whose object changes so seldom, and each of whose edges has shown its present version."""
    found = []
    for seed in range(10_000):
        world = World(seed)
        if world.origin.period_s == period_s and world.interval_s < 20:
            list(world.compared())
            last = [c.relation for _, c in world.slot_of_all()]
            if last and set(last) == {Relation.EQUAL}:
                found.append(world)
        if len(found) == wanted:
            return found
    raise AssertionError("there are too few of them")


def test_another_customers_file_at_an_edge_that_had_the_right_one_is_found_in_the_next_slot() -> None:
    for world in worlds(400.0, 12):
        address, right = next(iter(world.edges.items()))
        wrong = Elsewhere(right.behind, 0.0, 0.0, right.says, sends_age=True, clock=right.clock)
        world.edges[address] = wrong
        found = [c.relation for o, c in world.slot_of_all() if o.address == address and o.role is Role.EDGE]
        assert found == [Relation.UNKNOWN_VERSION], world.seed


def test_another_customers_file_is_never_called_an_old_version_nor_as_agreed() -> None:
    for seed in range(12):
        world = World(seed)
        world.edges = {
            address: Elsewhere(right.behind, 0.0, 0.0, right.says, sends_age=True, clock=right.clock)
            for address, right in world.edges.items()
        }
        relations = {c.relation for _, c in world.compared()}
        assert not relations & {Relation.EQUAL, Relation.OLDER}, seed


def test_a_cache_that_keeps_too_long_is_found() -> None:
    """Where the origin binds it, and the version that it keeps was seen at the origin."""
    tried = 0
    for seed in range(2_000):
        world = World(seed)
        if dict(world.origin.declares).get("cache-control") == "max-age=5" and world.origin.period_s == 45:
            for cache in world.edges.values():
                cache.lifetime_s = 86_400.0
            world.interval_s = 10.0
            tried += 1
            assert any(accuses(c) for _, c in world.compared()), seed
    assert tried >= 5
