"""Rule: before a stream goes on, it is held against everything that was ever said of its end.

What lies in a results directory beside the store and knows how far streams go: the sealer's note, signed heads and
manifests, what readers pulled and confirmed, evidence. For `Store.open`, at the start of an agent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from probe.core.proof.manifest import ENDING, parse_manifest, parse_stem
from probe.core.records.rows import SlotRecord
from probe.core.scheduling.grid import to_us
from probe.seal.keys import PUBLIC, PublicKey
from probe.seal.position import HEAD, STATE, noted_streams, read_head
from probe.store.base.ends import KnownEnd
from probe.store.base.packing import unpack
from probe.store.base.schema import StoreError, catalogue_file
from probe.store.confirmations import Confirmations
from probe.store.read.reader import Reader
from probe.store.read.sources import Sources
from probe.telemetry.logs import fields

log = logging.getLogger("probe.sealing")

MOST_SEQ = 2**53  # more is nobody's number
BETWEEN_US = 60_000_000  # a row comes so long after its bundle at most
_NEWEST = "SELECT body FROM bundle WHERE scheduled_at = ? AND customer = ?"


def known_ends(directory: Path) -> list[KnownEnd]:
    """How far each stream goes by what is there. What cannot be read is logged and left out. Raises nothing."""
    found: list[KnownEnd] = []
    for look in (_noted, _signed, _confirmed, _of_evidence):
        found += _tried(look, directory)
    return [end for end in found if end.seq is None or 0 < end.seq <= MOST_SEQ]


def _tried(look: Callable[[Path], list[KnownEnd]], directory: Path) -> list[KnownEnd]:
    try:
        return look(directory)
    except (OSError, ValueError) as error:  # the agent starts all the same
        log.error("ends.not_read", extra=fields(error=str(error)))
        return []


def _noted(directory: Path) -> list[KnownEnd]:
    return [
        KnownEnd(
            agent=agent, customer=customer, seq=at.seq, digest=at.digest, source=f"the sealer's note {STATE}"
        )
        for (agent, customer), at in noted_streams(directory).items()
    ]


def _signed(directory: Path) -> list[KnownEnd]:
    """Heads and manifests that verify with the agent's key: others may lie here too, and bind nobody."""
    if not (directory / PUBLIC).is_file():
        return []
    key = PublicKey.read(directory / PUBLIC)
    found = []
    for path in directory.glob(f"*/{HEAD}"):
        head = read_head(path)
        if head is not None and key.verifies(head.signature, head.text()):
            found.append(
                KnownEnd(
                    agent=head.agent,
                    customer=head.customer,
                    seq=head.seq,
                    digest=head.digest,
                    source=f"the signed head {path.parent.name}/{HEAD}",
                    complete_up_to=head.complete_up_to,
                )
            )
    for path in _last_manifests(directory):
        manifest = parse_manifest(path.read_bytes())
        if key.verifies(manifest.signature, manifest.text()):
            found.append(
                KnownEnd(
                    agent=manifest.agent,
                    customer=manifest.customer,
                    seq=manifest.last_seq,
                    digest=manifest.head.digest,
                    source=f"the sealed segment {path.name.removesuffix(ENDING)}",
                    complete_up_to=manifest.complete_up_to,
                )
            )
    return found


def _last_manifests(directory: Path) -> Iterator[Path]:
    last: dict[tuple[str, str], tuple[int, Path]] = {}
    for path in directory.glob(f"*/*/*{ENDING}"):
        parsed = parse_stem(path.name.removesuffix(ENDING))
        if parsed is not None:
            stream = parsed[0], path.parent.parent.name
            last[stream] = max(last.get(stream, (0, path)), (parsed[2], path))
    return (path for _, path in last.values())


def _confirmed(directory: Path) -> list[KnownEnd]:
    return [
        KnownEnd(agent=agent, customer=customer, seq=seq, digest=digest, source=f"reader {reader}")
        for agent, customer, seq, digest, reader in Confirmations(directory, "").furthest()
    ]


def _of_evidence(directory: Path) -> list[KnownEnd]:
    """Streams whose newest bundle is of a slot later than all rows that are there.

    A bundle is written just before its row: a kill between the two leaves one without; anything more is a loss.
    """
    if not catalogue_file(directory).is_file():
        return []
    newest: dict[tuple[str, str], str] = {}
    with closing(Sources(directory)) as sources:
        for query in sources.evidence():
            sql = "SELECT customer, max(scheduled_at) FROM bundle GROUP BY customer"
            for customer, at in query.rows(sql):
                agent = _agent(query.rows(_NEWEST, at, customer))
                if agent is not None:
                    newest[agent, customer] = max(at, newest.get((agent, customer), ""))
    found = []
    with Reader.open(directory) as reader:
        for (agent, customer), at in newest.items():
            reader.agent = agent
            rows = (row for row in reader.iterate(customer, since=at) if isinstance(row, SlotRecord))
            if next(rows, None) is not None:
                continue
            last = next((row for row in reader.iterate(customer) if isinstance(row, SlotRecord)), None)
            if last is None and reader.head(customer).seq:
                continue  # retention took the rows
            if last is None or to_us(at) - to_us(last.scheduled_at) > BETWEEN_US:
                found.append(KnownEnd(agent=agent, customer=customer, seq=None, source="evidence"))
    return found


def _agent(rows: list[tuple[bytes]]) -> str | None:
    for (body,) in rows:
        try:
            return unpack(body).record.host.agent
        except StoreError:
            continue
    return None
