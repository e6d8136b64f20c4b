"""A sweep ends in time whatever the nodes do, and what could not be asked is left out rather than waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.fetch.target import FetchTarget, target_of
from probe.measure.sweep import Sweeper
from tests.support import build


def targets(n: int) -> list[FetchTarget]:
    return [target_of(build.task(), Role.SWEEP, f"192.0.2.{i}", 0) for i in range(n)]


class Nodes:
    """Each answers after so many seconds; None: never, until it is let go."""

    def __init__(self, takes_s: Callable[[str], float | None]) -> None:
        self._takes_s = takes_s
        self.let_go = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.fail = False

    async def fetch(self, target: FetchTarget) -> Observation:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            takes_s = self._takes_s(target.address)
            if self.fail:
                raise RuntimeError("a fault of our own")
            await (self.let_go.wait() if takes_s is None else asyncio.sleep(takes_s))
            return replace(build.seen(), role=target.role, address=target.address)
        finally:
            self.at_once -= 1

    async def connect_only(self, target: FetchTarget) -> Observation:
        return await self.fetch(target)

    async def close(self) -> None:
        return None


async def test_nodes_that_answer_are_asked_one_after_the_other() -> None:
    nodes = Nodes(lambda address: 0.0)
    made = await Sweeper(nodes, within_s=30).ask(targets(64))
    assert [o.address for o in made] == [t.address for t in targets(64)]
    assert nodes.most_at_once == 1
    assert await Sweeper(nodes).ask([]) == []


async def test_dead_nodes_are_all_begun_in_time() -> None:
    nodes = Nodes(lambda address: None)
    sweep = asyncio.ensure_future(Sweeper(nodes, within_s=2.0).ask(targets(20)))
    async with asyncio.timeout(60):
        while nodes.at_once < 15:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        nodes.let_go.set()
        made = await sweep
    assert len(made) >= 15


async def test_without_a_place_a_node_is_left_out_and_the_place_comes_back() -> None:
    nodes = Nodes(lambda address: None)
    sweeper = Sweeper(nodes, places=3, within_s=0.3)
    sweep = asyncio.ensure_future(sweeper.ask(targets(10)))
    other = await sweeper.ask(targets(0))
    await asyncio.sleep(0.5)
    assert nodes.at_once == 3, "no more are asked at once than there are places"
    nodes.let_go.set()
    made = await sweep
    assert ([o.address for o in made], other) == (["192.0.2.0", "192.0.2.1", "192.0.2.2"], [])
    again = await Sweeper.ask(sweeper, targets(10))
    assert len(again) == 10, "the places were given back"


async def test_a_sweep_that_is_cut_off_gives_its_places_back_and_ends_its_requests() -> None:
    nodes = Nodes(lambda address: None)
    sweeper = Sweeper(nodes, places=2, within_s=5)
    sweep = asyncio.ensure_future(sweeper.ask(targets(2)))
    while nodes.at_once < 2:
        await asyncio.sleep(0.01)
    sweep.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweep
    assert nodes.at_once == 0
    nodes.let_go.set()
    assert len(await sweeper.ask(targets(2))) == 2


async def test_a_fault_of_our_own_is_not_swallowed_and_leaves_its_place() -> None:
    nodes = Nodes(lambda address: 0.0)
    sweeper = Sweeper(nodes, places=1)
    nodes.fail = True
    with pytest.raises(ExceptionGroup):
        await sweeper.ask(targets(1))
    nodes.fail = False
    assert len(await sweeper.ask(targets(3))) == 3
