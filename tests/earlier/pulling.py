"""Rule: what an earlier version pulled from today's agent is what was stored, byte for byte, and both verify it.

An agent that measures the lab's CDN and offers its results; before it starts, its store has rows enough for several
parts, each with a dictionary of its own. Beside it an earlier version's `pull` and `results verify`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from probe.core.model.value import replace
from probe.core.text.tokens import hash_token, make_token
from probe.host.clock import SystemClock
from probe.lab.lab import Lab
from probe.pull import Copy, PullOptions, Source, pull_all
from probe.store.base.parts import parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.agent.test_agent import config_of
from tests.agent.test_live import running
from tests.earlier.versions import typed
from tests.support.agent_process import until
from tests.support.history import ROOT
from tests.support.rows import HOST, slot
from tests.system.programs import free_port

BEFORE = 2_500  # rows stored before the agent starts: it begins a second part after 1,000
FILE_ROWS = 500  # a file of the copy that today's version begins: so that some of them are packed
AGENT = "earlier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The running agent: where it answers, its token, and its results directory."""

    url: str
    token: str
    results: Path

    def lines(self, customer: str) -> list[str]:
        """A stream as it is stored, whole."""
        found: list[str] = []
        with Reader.open(self.results) as reader:
            while page := reader.lines(customer, len(found), 1_000):
                found += [line.text for line in page]
        return found

    async def grown(self, customer: str, rows: int) -> None:
        """Until so many rows more are stored."""
        due = len(self.lines(customer)) + rows

        async def there() -> bool:
            with Reader.open(self.results) as reader:
                return reader.head(customer).seq >= due

        await until(there, 60)


@asynccontextmanager
async def host(place: Path) -> AsyncIterator[Host]:
    """Today's agent, at work."""
    token = make_token(b"e" * 32)
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, place)
        told = yaml.safe_load(file.read_text())
        address = f"127.0.0.1:{free_port()}"
        told["agent"] = AGENT
        told["api"] = {
            "listen": address,
            "tokens": [{"name": "earlier", "hash": hash_token(token), "customers": ["*"]}],
        }
        file.write_text(yaml.safe_dump(told))
        results = file.parent / told["results"]
        await _filled(results)
        async with running(file, 4) as directory:
            await until(lambda: _answers(address))
            yield Host(url=f"http://{address}", token=token, results=directory)


async def _answers(address: str) -> bool:
    name, _, port = address.partition(":")
    try:
        _, writer = await asyncio.open_connection(name, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _filled(results: Path) -> None:
    store = Store.open(results, AGENT, SystemClock())
    try:
        for first in range(0, BEFORE, 100):
            await store.append(
                [
                    slot(n, customer="before", host=replace(HOST, agent=AGENT))
                    for n in range(first, first + 100)
                ]
            )
    finally:
        await store.close(within_s=30)
    assert len(parts_of(results)) > 1, "there is one part only: nothing of a trained dictionary is tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was tried: `words`: what the command said, where it did not go well."""

    what: str
    well: bool
    words: str = ""


async def tried(version: Path, place: Path) -> list[Step]:
    """An earlier version beside today's agent. `version`: the directory with its files."""
    steps: list[Step] = []

    async def run(what: str, by: Path, *arguments: str | Path) -> None:
        done = await typed(by, *arguments, token=agent.token)
        words = "" if done.code == 0 else f"exit {done.code}: {(done.err or done.out).strip()[-600:]}"
        steps.append(Step(what=what, well=done.code == 0 and "Traceback" not in done.err, words=words))

    def compare(what: str, copy: Path) -> None:
        streams = Copy(copy).streams()
        wrong = [
            stream.customer
            for stream in streams
            if [line.text for line in Copy(copy).lines(stream.agent, stream.customer)]
            != agent.lines(stream.customer)[: stream.seq]
        ]
        wrong += ["no stream"] if len(streams) < 2 else []
        steps.append(Step(what=what, well=not wrong, words=", ".join(wrong)))

    async with host(place) as agent:
        copy, begun = place / "copy", place / "begun-today"
        customer = next(stream for _, stream, _ in _streams(agent.results) if stream != "before")
        pull = ("pull", "--from", agent.url, "--ack", "--into")
        await run("it pulls, and confirms", version, *pull, copy)
        await agent.grown(customer, 5)
        await run("it pulls what came since", version, *pull, copy)
        compare("what it pulled is what is stored", copy)
        await run("it verifies its copy", version, "results", "verify", copy)
        await run("today's version verifies that copy", ROOT, "results", "verify", copy)
        await agent.grown(customer, 5)
        await run("today's version goes on with that copy", ROOT, *pull, copy)
        compare("what is there then is what is stored", copy)
        options = PullOptions(file_rows=FILE_ROWS)
        await pull_all([Source(url=agent.url, token=lambda: agent.token)], begun, options=options)
        assert list(begun.rglob("*.zst")), "no file of the copy was packed"
        await run("it goes on with a copy that today's version packed", version, *pull, begun)
        await run("it verifies a copy that today's version packed", version, "results", "verify", begun)
        await run("today's version verifies that copy after it", ROOT, "results", "verify", begun)
    return steps


def _streams(results: Path) -> list[tuple[str, str, int]]:
    with Reader.open(results) as reader:
        return list(reader.streams())
