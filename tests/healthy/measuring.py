"""One process that measures: `python -m tests.healthy.measuring CONFIG FETCHES AT_ONCE SEED`.

On standard output a line of JSON each TELL_EVERY_S: the tallies since the last (`tests.healthy.tally`), and the rows
that are not well, whole.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from probe.agent.parts import build
from probe.checks import CHECKS
from probe.core.model.task import Task
from probe.core.records.rows import SlotRecord
from probe.host.gc import settle
from probe.net.event_loop import run
from probe.settings.config_files import load_config
from tests.healthy.tally import Told, edge_fetches

TELL_EVERY_S = 0.5


class Teller:
    """Gathers rows and prints what they came to."""

    def __init__(self) -> None:
        self.fetches = 0
        self._told = Told()
        self._next_s = time.monotonic() + TELL_EVERY_S

    def take(self, row: SlotRecord) -> None:
        """One row more; printed if the time has come."""
        self.fetches += edge_fetches(row)
        self._told.take(row)
        if time.monotonic() >= self._next_s:
            self.tell()

    def tell(self) -> None:
        """Print what came since the last time."""
        print(self._told.to_json(), flush=True)
        self._told = Told()
        self._next_s = time.monotonic() + TELL_EVERY_S


def _in_turn(tasks: tuple[Task, ...], seed: int) -> Iterator[Task]:
    """Every task as often as each other, in an order of its own each time."""
    order, made = list(tasks), random.Random(seed)
    while True:
        made.shuffle(order)
        yield from order


async def measure(config: Path, fetches: int, at_once: int, seed: int) -> None:
    """Whole slots, `at_once` of them at a time, until their edges were asked so often."""
    parts, teller = build(load_config(config, CHECKS), CHECKS), Teller()
    tasks, begun = _in_turn(parts.in_force.plan.tasks, seed), 0

    async def lane() -> None:
        nonlocal begun
        while begun < fetches:
            task = next(tasks)
            begun += expected
            teller.take(await parts.measure_now(task))

    async with parts.opened():
        first = await parts.measure_now(next(tasks))  # its edges are as many as everybody's
        expected = max(1, edge_fetches(first))
        begun = expected
        teller.take(first)
        settle()
        await asyncio.gather(*(lane() for _ in range(at_once)))
    teller.tell()


if __name__ == "__main__":
    run(measure(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
