"""A puller that is killed and begun again 200 times while the agent's store grows: what it has is exact each time."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from probe.api.server import Options
from probe.host.clock import SystemClock
from probe.pull import Copy
from probe.pull.layout import data_files, read_lines
from probe.seal.keys import PUBLIC, Keys, Signer
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.api.served import TOKENS, served
from tests.support.rows import slot

KILLS = 200


class Forker:
    """One pull after another, each a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def begin(self) -> int:
        """Its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        await self._process.stdin.drain()
        return await self._number()

    async def end(self) -> int:
        """Exit code; negative: the signal that ended it."""
        return await self._number()

    async def _number(self) -> int:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        return int(line)


@asynccontextmanager
async def forking(url: str, into: Path, key: Path) -> AsyncIterator[Forker]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.pull.forker", url, into, key),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "CDN_PROBE_TOKEN": TOKENS["acme"]},
        cwd=Path(__file__).parents[2],
    )
    try:
        yield Forker(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def copied(into: Path) -> list[bytes]:
    """The whole lines on the disk."""
    files = data_files(into / "a1" / "acme")
    return [text for _, file in files for text, _ in read_lines(file)]


def stored(directory: Path) -> list[bytes]:
    with Reader.open(directory, "a1") as reader:
        return [line.text.encode() for line in reader.lines("acme", 0, 1_000_000)]


async def test_killed_200_times_while_the_agent_writes_the_union_is_exact(tmp_path: Path) -> None:
    draw = random.Random(7)
    results, into = tmp_path / "r", tmp_path / "copy"
    store = Store.open(results, "a1", SystemClock())
    ended: list[int] = []
    enough = asyncio.Event()

    async def write() -> None:
        second = 0
        while not enough.is_set():
            await store.append([slot(second + n) for n in range(draw.randint(1, 12))])
            second += 12
            await asyncio.sleep(0.01)

    try:
        await store.append([slot(0)])
        options = Options(signer=Signer(Keys.open(results), SystemClock()))
        async with (
            served(tmp_path, options=options) as api,
            forking(api.url, into, results / PUBLIC) as forker,
        ):
            writing = asyncio.create_task(write())
            try:
                for _ in range(KILLS):
                    child = await forker.begin()
                    await asyncio.sleep(draw.uniform(0.0, 0.09))
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                    ended.append(await forker.end())
                    had, there = copied(into), stored(results)
                    assert had == there[: len(had)], "the copy is no prefix of the store"
            finally:
                # Not cancelled: what a cancelled caller handed over is stored all the same, after the last pull.
                enough.set()
                await writing
            await forker.begin()
            assert await forker.end() == 0
    finally:
        await store.close(within_s=10)
    assert set(ended) <= {0, -signal.SIGKILL}
    assert ended.count(-signal.SIGKILL) > KILLS // 3, "too few were killed at work to show anything"
    assert copied(into) == stored(results)
    assert len(copied(into)) > KILLS
    (verified,) = Copy(into).verify()
    assert (verified.problem, verified.witnessed_up_to) == (None, verified.ends_at)
    assert not (into / "a1" / "acme" / "rejected").exists()
