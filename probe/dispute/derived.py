"""Rule: what follows from the records and their evidence is made by one function, so that a change of it is found.

The page, HAR, certificates and `dispute.json` of a dispute file. Whoever verifies makes them again and compares bytes.
`LAYOUT` is counted up with every change of what is made here: a file says by which it was made.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from probe.core.proof.evidence import NamedEvidence, evidence_named
from probe.core.proof.line import decode_line
from probe.core.proof.signed_head import parse_head
from probe.core.records.codec import decode
from probe.core.records.rows import Record, SlotRecord
from probe.core.results.bundle import Bundle, read_bundle
from probe.core.results.har import har_of
from probe.dispute.contents import GONE, PAGE, SUMMARY, Contents, seq_of
from probe.dispute.page import Overview, Shown, page

LAYOUT = 1


def members_of(contents: Contents) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Every member of the file in order: name, and what is in it, piece by piece. Holds one member at a time.

    What is kept is gone through twice: `dispute.json` comes before what it lists. Raises ValueError where records,
    heads or evidence cannot be read, or were not the same the second time.
    """
    overview, summary = _looked_at(contents)
    first = page(_shown(contents, overview, summary))
    listed = [_listed(PAGE, (first,)), *(_listed(name, pieces) for name, pieces in _apart(contents))]
    yield PAGE, (first,)
    yield SUMMARY, (_text(summary, listed),)
    told = iter(listed[1:])
    for name, pieces in _apart(contents):
        yield name, _as_listed(next(told, None), name, pieces)


def _as_listed(told: dict[str, Any] | None, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if told is None or (told["name"], told["sha256"]) != (name, digest.hexdigest()):
        raise ValueError(f"{name} changed while the file was made, by retention or otherwise: make it again")


def digests_of(contents: Contents) -> dict[str, str]:
    """The SHA-256 of every member, in order. Holds one member at a time. Raises as `members_of`."""
    overview, summary = _looked_at(contents)
    first = _listed(PAGE, (page(_shown(contents, overview, summary)),))
    listed = [first, *(_listed(name, pieces) for name, pieces in _apart(contents))]
    found = {each["name"]: each["sha256"] for each in listed}
    return {PAGE: found.pop(PAGE), SUMMARY: _sha256(_text(summary, listed)), **found}


def _apart(contents: Contents) -> Iterator[tuple[str, Iterable[bytes]]]:
    """All members but the page and the summary."""
    yield from contents.given()
    for seq, text in contents.evidence.values():
        yield from _beside(contents.place, seq, read_bundle(text)).items()


def _beside(place: str, seq: int, bundle: Bundle) -> dict[str, tuple[bytes]]:
    """HAR and certificates of one bundle."""
    har = json.dumps(har_of(bundle), indent=1, ensure_ascii=False) + "\n"
    made = {f"{place}/har/{seq:012d}.har": (har.encode(),)}
    for exchange in bundle.exchanges:
        if exchange.certificates:
            name = f"{place}/certificates/{seq:012d}-{exchange.observation}.pem"
            made[name] = (b"".join(map(_pem, exchange.certificates)),)
    return made


def _shown(contents: Contents, overview: Overview, summary: dict[str, Any]) -> Shown:
    def bundle(row: SlotRecord) -> Bundle | None:
        kept = contents.evidence.get(row.evidence_id or "")
        return None if kept is None else read_bundle(kept[1])

    heads = tuple(parse_head(line) for line in contents.heads)
    return Shown(overview=overview, bundle=bundle, heads=heads, place=contents.place, summary=summary)


def _looked_at(contents: Contents) -> tuple[Overview, dict[str, Any]]:
    """Each record is looked at once, and none is held."""
    overview, gone = Overview(), list[tuple[int, int]]()
    slots, configs, versions, asked = 0, set[str](), set[str](), list[NamedEvidence]()
    for line in contents.records.lines:
        if (named := evidence_named(line)) is not None and _in_dispute(contents, named.seq):
            asked.append(named)
        if line.startswith(GONE):
            gone += _span_gone(contents, line)
            continue
        record = decode(line)
        if not _in_dispute(contents, seq_of(record)):
            continue
        overview.add(record)
        slots += isinstance(record, SlotRecord)
        configs.add(_config(record))
        versions.add(_version(record))
    digested = [each for each in asked if each.sha256 is not None]
    return overview, {
        "kind": "cdn-probe dispute file",
        "layout": LAYOUT,
        "agent": contents.agent,
        "customer": contents.customer,
        "first_seq": contents.first_seq,
        "last_seq": contents.last_seq,
        "keys": sorted({parse_head(line).key for line in contents.heads}),
        "config_digests": sorted(configs),
        "agent_versions": sorted(versions),
        "slots": slots,
        "records_gone": gone,
        "evidence": len(contents.evidence),
        "evidence_gone": [each.seq for each in digested if each.identifier not in contents.evidence],
        "evidence_under_no_digest": [each.seq for each in asked if each.sha256 is None],
        "time_stamps": len(contents.stamps),
    }


def _in_dispute(contents: Contents, seq: int) -> bool:
    return contents.first_seq <= seq <= contents.last_seq


def _span_gone(contents: Contents, line: bytes) -> list[tuple[int, int]]:
    """(first, last) of the records in dispute that a line says are gone; none where it says that of others."""
    seen = decode_line(line)
    first = max(seen.first_seq or 0, contents.first_seq)
    last = min(seen.last_seq or 0, contents.last_seq)
    return [(first, last)] if first <= last else []


def _listed(name: str, pieces: Iterable[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return {"name": name, "bytes": size, "sha256": digest.hexdigest()}


def _text(summary: dict[str, Any], listed: list[dict[str, Any]]) -> bytes:
    return (json.dumps({**summary, "members": listed}, indent=1, ensure_ascii=False) + "\n").encode()


def _config(record: Record) -> str:
    return record.host.config_digest if isinstance(record, SlotRecord) else record.config_digest


def _version(record: Record) -> str:
    return record.host.agent_version if isinstance(record, SlotRecord) else record.agent_version


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
