"""Rule: what a verdict of fault rests on is kept beside the row as it crossed the wire, bounded and redacted.

A row says what was concluded from the bytes; a bundle holds the bytes: DNS messages, certificates, heads, the first
and the differing bytes of bodies. One bundle for each slot that is not well. The row names the SHA-256 of the bundle's
text, so that the chain of rows vouches for the bundle too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from probe.core.records.codec import encode_any
from probe.core.records.rows import SlotRecord

BUNDLE_VERSION = 1
BODY_HEAD_BYTES = 4096
DIFFERENCE_BYTES = 512  # shown before and after the first byte that differs
HEAD_BYTES = 64 * 1024
MESSAGES_AT_MOST = 256
BUNDLE_MOST_BYTES = 64 * 1024 * 1024  # of a bundle's text


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where an edge's decoded body leaves the origin's. Bytes from `from_byte` on, of each side.

    `offset`: of the first byte that differs; where one body is the beginning of the other, the shorter one's length.
    """

    offset: int
    from_byte: int
    edge: bytes
    origin: bytes
    edge_bytes: int
    origin_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What crossed the wire for one observation. `observation` indexes the row's observations.

    `request_head` as sent, secrets redacted; `response_head` as received, before any parsing, cut at HEAD_BYTES and
    redacted; `body_head`: the first decoded bytes; `certificates`: DER, leaf first.
    """

    observation: int
    request_head: str = ""
    response_head: bytes = b""
    body_head: bytes = b""
    certificates: tuple[bytes, ...] = ()
    difference: Difference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsMessages:
    """One question and the response to it as they crossed the wire. `query` indexes the resolution's queries."""

    query: int
    sent: bytes
    received: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything kept for one slot that is not well; the row itself is part of it.

    `id`: 32 hexadecimal digits, the same as the row's `evidence_id`. `definition`: the task in force, as JSON text.
    `record` is the row as it was before the store took it: without `seq`, `previous`, `complete_up_to` and the
    digest of this bundle.
    """

    bundle_version: int
    id: str
    record: SlotRecord
    definition: str
    exchanges: tuple[Exchange, ...] = ()
    dns: tuple[DnsMessages, ...] = ()


def bundle_id(row: SlotRecord) -> str:
    """Names the bundle of one measurement. A slot that falls due again, as the clock goes back, has another one."""
    text = f"{row.host.agent} {row.task} {row.scheduled_at} {row.started_at}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class BundleError(ValueError):
    """A text that is no bundle; the message says why."""


def bundle_text(bundle: Bundle) -> bytes:
    """The bundle as JSON, bytes as Base64: what is kept, handed out, and under the digest of its row."""
    return encode_any(bundle)


def bundle_digest(text: bytes) -> str:
    """SHA-256 of a bundle's text, lower-case hexadecimal: `evidence_sha256` of its row."""
    return hashlib.sha256(text).hexdigest()


def read_bundle(text: bytes) -> Bundle:
    """The bundle of a text. Raises BundleError."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BundleError(f"an evidence bundle cannot be read: {error}") from error


_DECODER = msgspec.json.Decoder(Bundle)


def difference(edge: bytes, origin: bytes) -> Difference | None:
    """Where the two bodies part; None if they are equal."""
    if edge == origin:
        return None
    offset = _parting(edge, origin)
    start = max(0, offset - DIFFERENCE_BYTES)
    end = offset + DIFFERENCE_BYTES
    return Difference(
        offset=offset,
        from_byte=start,
        edge=edge[start:end],
        origin=origin[start:end],
        edge_bytes=len(edge),
        origin_bytes=len(origin),
    )


def _parting(one: bytes, other: bytes) -> int:
    """The first offset at which they differ, by halving: comparing bytes one by one would hold up the loop."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
