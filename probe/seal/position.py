"""Rule: sealing continues where the sealed files end; a note beside them allows old segments to be moved away.

The end of what is sealed of a stream: the furthest of its last manifest, of HEAD.json and of `_seal.json`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from probe.core.proof.chain import GENESIS
from probe.core.proof.manifest import ENDING, Manifest, parse_manifest, parse_stem
from probe.core.proof.signed_head import SignedHead, parse_head
from probe.host.files import write_whole
from probe.seal.keys import Keys

log = logging.getLogger("probe.sealing")

STATE, HEAD = "_seal.json", "HEAD.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Up to where a stream is sealed; `manifest`: SHA-256 of the file of its last manifest, where it is known."""

    seq: int = 0
    digest: str = GENESIS
    manifest: str | None = None


def position_of(directory: Path, keys: Keys, agent: str, customer: str) -> Position:
    """Where the sealer of this stream stands. Raises OSError."""
    found = [Position(), *_noted(_notes(directory).get(f"{agent}/{customer}"))]
    found += _of_manifest(directory, agent, customer)
    head = read_head(directory / customer / HEAD)
    if head is not None and (head.agent, head.customer) == (agent, customer):
        if keys.public.verifies(head.signature, head.text()):
            found.append(Position(seq=head.seq, digest=head.digest))
        else:
            log.error("seal.foreign_head", extra={"fields": {"customer": customer, "key": head.key}})
    return max(found, key=lambda each: (each.seq, each.manifest is not None))


def manifests(place: Path, agent: str) -> Iterator[tuple[int, int, Path]]:
    """(first seq, last seq, file) of an agent's manifests below a customer's directory, in no order."""
    for path in place.glob(f"*/{agent}-*{ENDING}"):
        parsed = parse_stem(path.name.removesuffix(ENDING))
        if parsed is not None and parsed[0] == agent:
            yield parsed[1], parsed[2], path


def _of_manifest(directory: Path, agent: str, customer: str) -> Iterator[Position]:
    for _, _, path in sorted(manifests(directory / customer, agent), key=lambda each: each[1], reverse=True):
        data = path.read_bytes()
        try:
            manifest = parse_manifest(data)
        except ValueError as error:
            fields = {"file": str(path), "error": str(error)}
            log.error("seal.manifest_unreadable", extra={"fields": fields})
            continue
        yield position_after(manifest, data)
        return


def position_after(manifest: Manifest, data: bytes) -> Position:
    """Where a stream stands once this segment is sealed; `data`: the manifest's file."""
    return Position(
        seq=manifest.last_seq, digest=manifest.head.digest, manifest=hashlib.sha256(data).hexdigest()
    )


def read_head(path: Path) -> SignedHead | None:
    """A signed head in a file; None if it is not there or is none. Its signature is not looked at."""
    try:
        return parse_head(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_head(directory: Path, aside: Path, head: SignedHead) -> None:
    """Replace a customer's HEAD.json. Raises OSError."""
    data = json.dumps(head.to_json(), indent=1).encode() + b"\n"
    write_whole(directory / head.customer / HEAD, data, 0o644, aside=aside)


def note(directory: Path, agent: str, customer: str, position: Position) -> None:
    """Write down where a stream stands. Raises OSError."""
    known = _notes(directory)
    known[f"{agent}/{customer}"] = {
        "seq": position.seq,
        "digest": position.digest,
        "manifest": position.manifest,
    }
    text = json.dumps({"version": 1, "streams": known}, indent=1, sort_keys=True)
    write_whole(directory / STATE, text.encode() + b"\n", 0o600)


def noted_streams(directory: Path) -> dict[tuple[str, str], Position]:
    """Where the streams of a results directory stand by the sealer's own note: (agent, customer) -> position.

    Raises OSError.
    """
    found = {}
    for name, entry in _notes(directory).items():
        agent, slash, customer = str(name).partition("/")
        for position in _noted(entry):
            if slash:
                found[agent, customer] = position
    return found


def _noted(entry: object) -> Iterator[Position]:
    if isinstance(entry, dict):
        seq, digest, manifest = entry.get("seq"), entry.get("digest"), entry.get("manifest")
        if isinstance(seq, int) and isinstance(digest, str):
            yield Position(seq=seq, digest=digest, manifest=manifest if isinstance(manifest, str) else None)


def _notes(directory: Path) -> dict[str, object]:
    """What is written down; nothing where the file is not there or is damaged: the manifests know it too."""
    try:
        value = json.loads((directory / STATE).read_bytes())
        streams = value["streams"]
        return dict(streams)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
