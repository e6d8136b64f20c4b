"""Rule: what follows from the records and their evidence is made by one function, so that a change of it is found.

The page, HAR, certificates and `dispute.json` of a dispute file. Whoever verifies makes them again and compares bytes.
`LAYOUT` is counted up with every change of what is made here: a file says by which it was made.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from probe.core.proof.evidence import evidence_named
from probe.core.proof.line import decode_line
from probe.core.proof.signed_head import SignedHead, parse_head
from probe.core.records.rows import Record, SlotRecord
from probe.core.results.bundle import Bundle, read_bundle
from probe.core.results.har import har_of
from probe.dispute.contents import GONE, PAGE, SUMMARY, Contents, records_in, seq_of
from probe.dispute.page import Shown, page

LAYOUT = 1


def members_of(contents: Contents) -> dict[str, bytes]:
    """Every member of the file in order. Raises ValueError where records, heads or evidence cannot be read."""
    made = contents.given()
    records = [
        record
        for record in records_in(contents.records.lines)
        if record is not None and contents.first_seq <= seq_of(record) <= contents.last_seq
    ]
    bundles = {seq: read_bundle(text) for seq, text in contents.evidence.values()}
    for seq, bundle in sorted(bundles.items()):
        made |= _beside(contents.place, seq, bundle)
    heads = [parse_head(line) for line in contents.heads]
    summary = _summary(contents, records, heads)
    shown = Shown(
        records=tuple(records), bundles=bundles, heads=tuple(heads), place=contents.place, summary=summary
    )
    made = {PAGE: page(shown), **made}
    listed = [{"name": name, "bytes": len(data), "sha256": _sha256(data)} for name, data in made.items()]
    text = json.dumps({**summary, "members": listed}, indent=1, ensure_ascii=False) + "\n"
    return {PAGE: made.pop(PAGE), SUMMARY: text.encode(), **made}


def _beside(place: str, seq: int, bundle: Bundle) -> dict[str, bytes]:
    """HAR and certificates of one bundle."""
    har = json.dumps(har_of(bundle), indent=1, ensure_ascii=False) + "\n"
    made = {f"{place}/har/{seq:012d}.har": har.encode()}
    for exchange in bundle.exchanges:
        if exchange.certificates:
            name = f"{place}/certificates/{seq:012d}-{exchange.observation}.pem"
            made[name] = b"".join(map(_pem, exchange.certificates))
    return made


def _summary(contents: Contents, records: list[Record], heads: list[SignedHead]) -> dict[str, Any]:
    rows = [record for record in records if isinstance(record, SlotRecord)]
    named = [named for line in contents.records.lines if (named := evidence_named(line)) is not None]
    asked = [each for each in named if contents.first_seq <= each.seq <= contents.last_seq]
    digested = [each for each in asked if each.sha256 is not None]
    return {
        "kind": "cdn-probe dispute file",
        "layout": LAYOUT,
        "agent": contents.agent,
        "customer": contents.customer,
        "first_seq": contents.first_seq,
        "last_seq": contents.last_seq,
        "keys": sorted({head.key for head in heads}),
        "config_digests": sorted({_config(record) for record in records}),
        "agent_versions": sorted({_version(record) for record in records}),
        "slots": len(rows),
        "records_gone": spans_gone(contents),
        "evidence": len(contents.evidence),
        "evidence_gone": [each.seq for each in digested if each.identifier not in contents.evidence],
        "evidence_under_no_digest": [each.seq for each in asked if each.sha256 is None],
        "time_stamps": len(contents.stamps),
    }


def spans_gone(contents: Contents) -> list[tuple[int, int]]:
    """(first, last) of spans in dispute whose records are gone."""
    found = []
    for line in contents.records.lines:
        if line.startswith(GONE):
            seen = decode_line(line)
            first = max(seen.first_seq or 0, contents.first_seq)
            last = min(seen.last_seq or 0, contents.last_seq)
            if first <= last:
                found.append((first, last))
    return found


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
