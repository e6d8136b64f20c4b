"""Rule: the demo is no simulation: the lab injects faults, a separate agent process finds them, both are compared.

Starts the lab here and `cdn-probe run` as its user would, plays the script of faults, shows what was injected beside
what was found, and ends with a table. All results are kept and can be read with `results`.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.scheduling.grid import to_us
from probe.core.text.tokens import hash_token, make_token
from probe.host.clock import SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.lab import agreement_file
from probe.lab.assessment import Assessment, assess
from probe.lab.lab import Lab
from probe.lab.play import Player
from probe.lab.script import Step, schedule
from probe.lab.servers.listener import free_port
from probe.store.read.reader import Reader
from probe.store.store import StoreError

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 20.0
POLL_S = 0.25
LAST_SHOWN = 8
SEALED_EVERY = "10s"  # and once more at the end, so that the report finds all rows signed


class DemoError(Exception):
    """The demo could not run; says why."""


@dataclass(slots=True)
class Scene:
    """What is shown while the demo runs."""

    directory: Path
    steps: list[Step]
    began_s: float | None = None
    in_force: dict[str, float] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    rows: list[SlotRecord] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    findings: deque[SlotRecord] = field(default_factory=lambda: deque(maxlen=LAST_SHOWN))
    fresh: list[SlotRecord] = field(default_factory=list)
    page: str | None = None  # where the page is, once it is served

    @property
    def elapsed_s(self) -> float:
        """Since the first fault could have come."""
        return 0.0 if self.began_s is None else time.monotonic() - self.began_s

    def take(self, rows: list[SlotRecord]) -> None:
        """New rows of the agent."""
        self.fresh = rows
        self.rows += rows
        for row in rows:
            word = str(row.outcome or row.state)
            self.counts[word] = self.counts.get(word, 0) + 1
            if row.outcome is not Outcome.OK:
                self.findings.append(row)

    def change(self, step: Step, begins: bool) -> None:
        """A fault was injected or lifted."""
        if begins:
            self.in_force[step.fault] = time.monotonic()
        else:
            self.in_force.pop(step.fault, None)
            self.done.add(step.fault)


class Demo:
    """One run. `events()` yields the scene several times a second; `verdicts` compares at any time."""

    def __init__(self, directory: Path, seconds: float | None, *, page: bool = False) -> None:
        """`directory` is made; the agent's files and results go there. Raises ValueError for no time at all.

        `page`: the agent serves the page, signed into with `token`, until `stop`, whenever the faults are over.
        """
        self._seconds = seconds
        self.token = make_token(secrets.token_bytes(32)) if page else None
        self._port = free_port(["127.0.0.1"]) if page else 0
        self._stop = asyncio.Event()
        self._clock = SystemClock()
        self._lag = LoopLag(self._clock)
        self._looked_ns = 0
        self.lab_waited_us = 0
        """How long the lab's servers waited for a processor at most, while faults could come."""
        self._began_at = ""
        self._player: Player | None = None
        self.scene = Scene(directory=directory, steps=schedule(seconds))

    def stop(self) -> None:
        """End as soon as may be; everything is still lifted, drained and compared."""
        self._stop.set()

    @property
    def verdicts(self) -> list[Assessment]:
        """What was injected so far beside what was found."""
        if self._player is None:
            return []
        return assess(self._player.played, self.scene.rows, self._began_at)

    @property
    def agreement(self) -> Path | None:
        """The file of the agreement that a report on this run is made by; None where nothing was measured. OSError."""
        due = [to_us(row.scheduled_at) for row in self.scene.rows]
        return agreement_file.write(self.scene.directory, min(due), max(due)) if due else None

    async def events(self) -> AsyncIterator[Scene]:
        """Run to the end, or until `stop`."""
        directory = self.scene.directory
        directory.mkdir(parents=True)
        async with AsyncExitStack() as running:
            lab = await running.enter_async_context(Lab())
            await lab.warm()
            agent = await running.enter_async_context(
                self._agent(lab.write_config(directory, sealed=SEALED_EVERY, api=self._api()))
            )
            async for _ in self._until_measuring(agent):
                yield self.scene
            await self._lag.start()
            self._looked_ns = self._clock.monotonic_ns()
            self._began_at = rfc3339(self._clock.time_ns())
            self.scene.began_s = time.monotonic()
            self._player = Player(lab, self.scene.steps, self.scene.change)
            playing = asyncio.create_task(self._player.run())
            try:
                while not self._over():
                    await self._pause(agent)
                    yield self.scene
            finally:
                playing.cancel()
                with suppress(asyncio.CancelledError):
                    await playing
                await self._lag.stop()
        self._read()
        yield self.scene

    def _api(self) -> dict[str, Any] | None:
        """The page on a port that is free, for one reader."""
        if self.token is None:
            return None
        reader = {"name": "demo", "hash": hash_token(self.token), "customers": ["*"]}
        return {"listen": f"127.0.0.1:{self._port}", "page": {"refresh": "5s"}, "tokens": [reader]}

    def _over(self) -> bool:
        if self._stop.is_set() or self.token is not None:
            return self._stop.is_set()
        return self._seconds is not None and self.scene.elapsed_s >= self._seconds

    async def _until_measuring(self, agent: asyncio.subprocess.Process) -> AsyncIterator[None]:
        until = time.monotonic() + STARTS_WITHIN_S
        while not self.scene.rows and not self._stop.is_set():
            if time.monotonic() > until:
                raise DemoError(f"the agent measured nothing within {STARTS_WITHIN_S:.0f} s; see {self._log}")
            await self._pause(agent)
            yield

    async def _pause(self, agent: asyncio.subprocess.Process) -> None:
        """A moment, cut short by `stop`; then whatever the agent has stored meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._stop.wait()
        if agent.returncode is not None:
            raise DemoError(f"the agent ended by itself with {agent.returncode}; see {self._log}")
        await asyncio.to_thread(self._read)  # the lab's servers answer meanwhile
        if self._player is not None:
            now_ns = self._clock.monotonic_ns()
            self.lab_waited_us = max(self.lab_waited_us, self._lag.worst_us(self._looked_ns, now_ns))
            self._looked_ns = now_ns

    @property
    def _log(self) -> Path:
        return self.scene.directory / "agent.log"

    def _read(self) -> None:
        """New rows from the agent's store, as any reader would get them; and where the page is."""
        if self.token is not None and self.scene.page is None:
            self.scene.page = f"http://127.0.0.1:{self._port}/" if _answers(self._port) else None
        after: dict[str, int] = {}
        for row in self.scene.rows:
            after[row.customer] = max(row.seq or 0, after.get(row.customer, 0))
        try:
            with Reader.open(self.scene.directory / "results") as reader:
                self.scene.take([row for row in reader.follow(after) if isinstance(row, SlotRecord)])
        except StoreError:
            self.scene.take([])  # the agent has not made its store yet

    @asynccontextmanager
    async def _agent(self, config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
        """`cdn-probe run` in a session of its own, so that Ctrl-C reaches it through us only."""
        with self._log.open("wb") as log:
            agent = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "probe", "run", "--json-logs", "-c", str(config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield agent
        finally:
            await _end(agent)


def _answers(port: int) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


async def _end(agent: asyncio.subprocess.Process) -> None:
    """SIGTERM and its drain; SIGKILL if that takes too long."""
    if agent.returncode is None:
        agent.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            await agent.wait()
    except TimeoutError:
        agent.kill()
        await agent.wait()
