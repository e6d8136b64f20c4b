"""Runs the measuring processes, half of the fetches beside a process that takes a core, and gathers what they tell."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.healthy.tally import Told
from tests.healthy.world import PROTOCOLS, healthy_world

ROOT = Path(__file__).parent.parent.parent
LINE_BYTES = 1 << 26  # rows that are not well come whole, in one line
BUSY = "busy"
PHASES = ("idle", BUSY)
OnProgress = Callable[[str, int], None]


@dataclass(slots=True)
class Phase:
    """Half of the run, `busy` being the one beside a process that takes a core."""

    name: str
    told: Told = field(default_factory=Told)
    took_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Fetches a second, the start of the processes included."""
        return self.told.sum().fetches / self.took_s if self.took_s else 0.0


async def run(
    directory: Path,
    fetches: int,
    *,
    processes: int,
    at_once: int,
    protocols: tuple[str, ...] = PROTOCOLS,
    on_progress: OnProgress = lambda phase, done: None,
) -> list[Phase]:
    """Both halves. `on_progress` is told of a phase and how many fetches of it are done.

    Raises subprocess.CalledProcessError if a measuring process fails, with its own words.
    """
    phases = [Phase(name) for name in PHASES]
    with healthy_world(directory, protocols) as config:
        for number, phase in enumerate(phases):
            share = fetches // 2 + (fetches % 2 if number == 0 else 0)
            with _busy() if phase.name == BUSY else _nothing():
                began_s = time.monotonic()
                async with asyncio.TaskGroup() as group:
                    for process in range(processes):
                        part = share // processes + (process < share % processes)
                        seed = number * processes + process
                        group.create_task(_measured(config, part, at_once, seed, phase, on_progress))
                phase.took_s = time.monotonic() - began_s
    return phases


async def _measured(
    config: Path, fetches: int, at_once: int, seed: int, phase: Phase, on_progress: OnProgress
) -> None:
    arguments = (sys.executable, "-m", "tests.healthy.measuring", config, fetches, at_once, seed)
    child = await asyncio.create_subprocess_exec(
        *map(str, arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES
    )
    assert child.stdout is not None
    try:
        async for line in child.stdout:
            phase.told.add(Told.from_json(line))
            on_progress(phase.name, phase.told.sum().fetches)
        if code := await child.wait():
            raise subprocess.CalledProcessError(code, "tests.healthy.measuring")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@contextmanager
def _busy() -> Iterator[None]:
    """A process that takes a core, as long as this lasts."""
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
        assert child.poll() is None, "the busy process ended by itself"
    finally:
        child.kill()
        child.wait()


@contextmanager
def _nothing() -> Iterator[None]:
    yield
