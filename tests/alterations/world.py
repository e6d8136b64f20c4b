"""Results with everything that can be kept of them: segments, heads, stamps, evidence, and a copy."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from probe.core.config.results import SegmentsConfig
from probe.core.records.rows import SlotRecord
from probe.evidence.copied import CopiedEvidence
from probe.pull import layout
from probe.pull.chain import StreamName
from probe.seal.sealer import Sealer
from probe.seal.stamps.files import stamps_file
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.seal.kept_evidence import failed, keep
from tests.seal.made import AGENT, CUSTOMERS, Made, SetClock, pulled, rows_of
from tests.seal.stamps.made import stamper_of
from tests.support.authority import Pki, make_pki

ROUNDS, ROWS = 5, 10


@dataclass(frozen=True)
class World:
    """`made`: results, copy and key; `pki`, `foreign`: authorities; `witness`: heads that somebody else kept."""

    made: Made
    pki: Pki
    foreign: Pki
    witness: Path

    def cloned(self, into: Path) -> World:
        """The same, to be altered."""
        into.mkdir()
        return World(self.made.cloned(into), self.pki, self.foreign, self.witness)

    def copied(self, customer: str) -> Path:
        """The directory of a stream in the copy."""
        return layout.stream_dir(self.made.copy, StreamName(AGENT, customer))

    def stamps(self, customer: str) -> Path:
        """The stamps of a stream in the copy."""
        return self.copied(customer) / layout.STAMPS


async def _fill(directory: Path, pki: Pki) -> None:
    clock = SetClock()
    store = Store.open(directory, AGENT, clock, limits=Limits(size_bytes=110_000))
    stamper = stamper_of(store, directory, clock, pki)
    for number in range(ROUNDS):
        for customer in CUSTOMERS:
            first = number * 100
            await store.append(rows_of(customer, first, ROWS))
            await keep(store, failed((first + ROWS) * 60 + len(customer), customer))
        assert await stamper.run() is None
        await Sealer(directory, SegmentsConfig(), clock, most_rows=ROWS + 2).seal_now()
        clock.wall_ns += 3600 * 10**9
    await store.close()


def _copy_evidence(directory: Path, copy: Path) -> None:
    with Reader.open(directory, AGENT) as reader:
        for customer in CUSTOMERS:
            kept = CopiedEvidence(layout.stream_dir(copy, StreamName(AGENT, customer)))
            for record in reader.list(customer=customer, limit=1000):
                if isinstance(record, SlotRecord) and record.evidence_id is not None:
                    text = reader.evidence(record.evidence_id, record.evidence_sha256)
                    assert text is not None
                    kept.put(record.seq or 0, record.evidence_id, text)
            kept.note_asked(reader.head(customer).seq)


def make_world(base: Path) -> World:
    """Takes about two seconds."""
    pki, foreign = make_pki(base / "authority"), make_pki(base / "foreign")
    results, copy = base / "results", base / "copy"
    asyncio.run(_fill(results, pki))
    pulled(results, copy, noted=True)
    for customer in CUSTOMERS:
        stream = layout.stream_dir(copy, StreamName(AGENT, customer))
        shutil.copy(stamps_file(results, AGENT, customer), stream / layout.STAMPS)
    _copy_evidence(results, copy)
    shutil.copy(results / "agent.pub", base / "key.pub")
    (base / "witness").mkdir()
    for customer in CUSTOMERS:
        heads = layout.stream_dir(copy, StreamName(AGENT, customer)) / layout.HEADS
        shutil.copy(heads, base / "witness" / f"{customer}.ndjson")
    return World(Made(results, copy, base / "key.pub"), pki, foreign, base / "witness")
