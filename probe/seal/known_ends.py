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
from probe.seal.keys import PUBLIC, PublicKey
from probe.seal.position import HEAD, STATE, noted_streams, read_head
from probe.store.base.ends import NOTED, KnownEnd, ends_of_rows
from probe.store.base.schema import NOTES_ENDS, catalogue_file
from probe.store.confirmations import Confirmations
from probe.store.read.sources import Sources
from probe.telemetry.logs import fields

log = logging.getLogger("probe.sealing")

MOST_SEQ = 2**53  # more is nobody's number
_VERSION = "SELECT value FROM meta WHERE key = 'schema_version'"


def known_ends(directory: Path) -> list[KnownEnd]:
    """How far each stream goes by what is there. What cannot be read is logged and left out. Raises nothing."""
    found: list[KnownEnd] = []
    for look in (_noted, _signed, _confirmed, _of_evidence):
        found += _tried(look, directory)
    return [end for end in found if 0 < end.seq <= MOST_SEQ]


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
    """How far streams went when the last bundle of each was written: files of evidence note it with the bundle.

    The bundle's own row, and whatever was written after it, may lie behind that.
    """
    if not catalogue_file(directory).is_file():
        return []
    with closing(Sources(directory)) as sources:
        return [
            end
            for query in sources.evidence()
            if int(query.value(_VERSION) or 0) >= NOTES_ENDS
            for end in ends_of_rows(query.rows(NOTED), f"the evidence {query.path.name}")
        ]
