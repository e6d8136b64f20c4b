"""A store with sealed segments and a pulled copy of it, made once; each attack gets a copy of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from probe.core.config.results import SegmentsConfig
from probe.core.proof.chain import Head, line_digest
from probe.core.records.rows import Record
from probe.host.clock import SystemClock
from probe.host.loop_lag import ClockState
from probe.seal.keys import Keys, Signer
from probe.seal.sealer import Sealer
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.support.rows import START_S, event, slot

AGENT, CUSTOMERS = "a1", ("acme", "other")
COUNT = 60  # records of each stream
A_SEGMENT = 12
A_FILE = 17  # lines of a file of the pulled copy
STATE = ClockState(synchronised=True, max_error_us=1500)


class SetClock(SystemClock):
    """A wall clock that a test sets."""

    wall_ns = START_S * 10**9

    def time_ns(self) -> int:
        return self.wall_ns


def rows_of(customer: str, first: int, count: int) -> list[Record]:
    """Slots, and now and then an event."""
    made: list[Record] = []
    for i in range(first, first + count):
        if i % 13 == 5:
            made.append(event("agent.started", customer))
        else:
            made.append(slot(i * 60, customer=customer, summary=f"well, number {i}"))
    return made


@dataclass(frozen=True)
class Made:
    """`results`: the agent's directory; `copy`: what a pull made of it; `key`: the agent's public key, elsewhere."""

    results: Path
    copy: Path
    key: Path

    def cloned(self, into: Path) -> Made:
        """The same, to be altered."""
        shutil.copytree(self.results, into / "results")
        shutil.copytree(self.copy, into / "copy")
        shutil.copy(self.key, into / "key.pub")
        return Made(into / "results", into / "copy", into / "key.pub")


async def filled(directory: Path, count: int = COUNT, limits: Limits | None = None) -> None:
    """Records of two customers, appended a few at a time."""
    store = Store.open(directory, AGENT, SystemClock(), limits=limits)
    for first in range(0, count, 5):
        for customer in CUSTOMERS:
            await store.append(rows_of(customer, first, min(5, count - first)))
    await store.close()


async def sealed(directory: Path, most_rows: int = A_SEGMENT, *, parquet: bool = False) -> Sealer:
    """Seal what is new."""
    sealer = Sealer(directory, SegmentsConfig(parquet=parquet), SetClock(), most_rows=most_rows)
    await sealer.seal_now()
    return sealer


def lines_of(directory: Path, customer: str) -> list[str]:
    """Every line of a stream."""
    with Reader.open(directory) as reader:
        return [line.text for line in reader.lines(customer, 0, 100_000)]


def end_of(line: str) -> tuple[int, str]:
    """Number and digest of a line, or of the last one that it stands for."""
    told = json.loads(line)
    if told["kind"] == "dropped":
        return told["last_seq"], told["digest"]
    return told["seq"], line_digest(line.encode())


def pulled(directory: Path, copy: Path, *, noted: bool = False, every: int = A_FILE) -> None:
    """A copy as a pull makes it; `noted`: heads as the client keeps them, with how far the copy had come."""
    signer = Signer(Keys.open(directory), SetClock(), lambda: STATE)
    for customer in CUSTOMERS:
        place = copy / AGENT / customer
        place.mkdir(parents=True)
        lines = lines_of(directory, customer)
        heads = []
        for first in range(0, len(lines), every):
            page = lines[first : first + every]
            begun = json.loads(page[0])
            number = begun.get("first_seq") or begun["seq"]
            (place / f"{number:012}.ndjson").write_text("".join(line + "\n" for line in page))
            seq, digest = end_of(page[-1])
            head = signer.sign(Head(agent=AGENT, customer=customer, seq=seq, digest=digest))
            entry = {"received_at": "x", "seq": seq, "digest": digest, "head": head}
            heads.append(json.dumps(entry if noted else head) + "\n")
        (place / "heads.ndjson").write_text("".join(heads))
    shutil.copy(directory / "agent.pub", copy / AGENT / "agent.pub")


def made(base: Path) -> Made:
    """The whole world."""
    results = base / "results"
    asyncio.run(filled(results, limits=Limits(size_bytes=48_000)))
    asyncio.run(sealed(results))
    pulled(results, base / "copy")
    shutil.copy(results / "agent.pub", base / "key.pub")
    return Made(results, base / "copy", base / "key.pub")
