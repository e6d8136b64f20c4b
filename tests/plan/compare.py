"""Runs an agent against the lab, plans what the next run will ask and store, runs it, and counts at the servers.

Requests are counted by whoever was asked; bytes of replies are those of the rows; bytes stored are those of the files,
before and after, each time after a proper end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.lab.lab import Lab
from probe.lab.servers.world import VANTAGES
from probe.services.learned import HEAD_BYTES, SENT
from probe.store.base.parts import parts_of
from probe.store.base.query import Query
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader
from tests.support.agent_process import cdn_probe, ended, start, until

OURS = frozenset(vantage.source for vantage in VANTAGES)  # whoever else asks is an edge that asks its origin


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure. `share`: by how much of what was planned it was more, or less."""

    what: str
    planned: float
    seen: float

    @property
    def share(self) -> float:
        return self.seen / self.planned - 1


class Tally(deque[Any]):
    """Takes the place of a server's log, and counts what we asked."""

    count = 0

    def append(self, line: Any) -> None:
        self.count += line.source in OURS
        super().append(line)


async def stored(results: Path, rows: int) -> bool:
    """Whether there are so many records."""
    try:
        return records(results) >= rows
    except StoreError:
        return False


@asynccontextmanager
async def measuring(file: Path, rows: int) -> AsyncIterator[None]:
    """An agent, once it has stored so many rows more; ended in good order."""
    agent = await start("run", "-c", file)
    try:
        await until(lambda: stored(file.parent / "results", rows), 600)
        yield
    finally:
        agent.send_signal(signal.SIGTERM)
        made = await ended(agent)
    assert made.code == 0, made.err


async def compare(directory: Path, *, interval: str, learn_rows: int, seconds: float) -> list[Compared]:
    """What was planned and what came of it, figure by figure; rates a second."""
    async with Lab() as lab:
        await lab.warm()
        file = lab.write_config(directory, interval=interval)
        results = directory / "results"
        async with measuring(file, learn_rows):
            pass
        plan = json.loads((await cdn_probe("plan", "-c", file, "--json")).out)
        size, held = Kept.of(results), records(results)
        tallies = tally(lab)
        async with measuring(file, held + learn_rows // 4):  # it has begun, and every object was looked at
            before, began_s = counted(tallies), time.monotonic()
            first = last_due(results)
            await asyncio.sleep(seconds)
            after, lasted_s = counted(tallies), time.monotonic() - began_s
            last = last_due(results)
        added = Kept.of(results).a_well_row_since(size)
        rows = [row for row in slots(results) if first < row.scheduled_at <= last]
    found = Counter((row.domain, row.outcome or row.missed_reason, row.reason) for row in rows)
    other = sum(count for (_, outcome, _), count in found.items() if outcome != Outcome.OK)
    assert other <= len(rows) / 50, (
        f"a plan is made for a CDN that is well and a host that is not too busy: {found}"
    )
    return [*_requests(plan, {name: (after[name] - before[name]) / lasted_s for name in after}),
            *_bytes(plan, rows, added)]  # fmt: skip


def tally(lab: Lab) -> dict[tuple[str, str], Tally]:
    """(role, address) -> what counts its requests."""
    servers: dict[tuple[str, str], Any] = {
        ("edge", edge.server.address): edge.server for edge in lab.edges.values()
    }
    servers |= {("origin", origin.server.address): origin.server for origin in lab.origins.values()}
    servers |= {
        ("anchor", f"http://{name}:{lab.http_port}/ok"): server for name, server in lab.anchors.items()
    }
    servers |= {
        ("resolver", f"udp://{name}:{lab.dns_port}"): server for name, server in lab.resolvers.items()
    }
    made = {}
    for name, server in servers.items():
        made[name] = server.log = Tally(maxlen=server.log.maxlen)
    return made


def counted(tallies: dict[tuple[str, str], Tally]) -> Counter[tuple[str, str]]:
    return Counter({name: tally.count for name, tally in tallies.items()})


def _requests(plan: dict[str, Any], seen: dict[tuple[str, str], float]) -> list[Compared]:
    edges = sum(rate for (role, _), rate in seen.items() if role == "edge")
    found = [Compared("requests to edges", plan["edges_per_s"], edges)]
    for role in ("origin", "resolver", "anchor"):
        planned = plan[f"{role}s_per_s"]
        found += [Compared(f"{role} {name}", rate, seen[role, name]) for name, rate in planned.items()]
    return found


def _bytes(plan: dict[str, Any], rows: list[SlotRecord], stored: float) -> list[Compared]:
    replies = [o.response for row in rows for o in row.observations if o.role in SENT]
    measured = sum(HEAD_BYTES + (reply.encoded_body_bytes or 0) for reply in replies if reply is not None)
    a_day = 86_400 * plan["slots_per_s"]
    return [
        Compared("bytes measured a slot", plan["measured_bytes_a_day"] / a_day, measured / len(rows)),
        Compared("bytes stored a row", plan["stored_bytes_a_day"] / a_day, stored),
    ]


def slots(results: Path) -> list[SlotRecord]:
    with Reader.open(results) as reader:
        return [row for row in reader.list(limit=100_000) if isinstance(row, SlotRecord)]


def last_due(results: Path) -> str:
    return max(row.scheduled_at for row in slots(results))


def records(results: Path) -> int:
    with Reader.open(results) as reader:
        return sum(reader.heads().values())


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store takes on the disk. `file_bytes`: without what each part has once, its dictionary and a page for each
    table. `lines` and `well`: how many records and how many bytes of them, packed; of all, and of rows that are well.
    """

    file_bytes: int
    lines: tuple[int, int]
    well: tuple[int, int]

    @classmethod
    def of(cls, results: Path) -> Kept:
        parts = [part.path for part in parts_of(results)]
        return cls(
            sum(path.stat().st_size - _once(path) for path in parts),
            _lines(parts, "1"),
            _lines(parts, "outcome = (SELECT id FROM outcome WHERE name = 'ok')"),
        )

    def a_well_row_since(self, before: Kept) -> float:
        """Bytes on the disk: of what was added, rows of slots that fell due at a stop take less than well ones."""
        (all_rows, all_bytes), (rows, packed) = _more(self.lines, before.lines), _more(self.well, before.well)
        return (self.file_bytes - before.file_bytes) / all_rows * (packed / rows) / (all_bytes / all_rows)


def _lines(parts: list[Path], which: str) -> tuple[int, int]:
    rows, packed = 0, 0
    for part in parts:
        with closing(Query(part)) as query:
            [(count, size)] = query.rows(f"SELECT count(*), total(length(body)) FROM record WHERE {which}")
        rows, packed = rows + count, packed + int(size)
    return rows, packed


def _more(after: tuple[int, int], before: tuple[int, int]) -> tuple[int, int]:
    return after[0] - before[0], after[1] - before[1]


def _once(part: Path) -> int:
    with closing(Query(part)) as query:
        trees = query.value("SELECT count(*) + 1 FROM sqlite_master WHERE rootpage > 0")
        page = query.value("PRAGMA page_size")
        dictionary = query.value("SELECT coalesce(sum(length(body)), 0) FROM dictionary")
    return int(trees * page + dictionary)
