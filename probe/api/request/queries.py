"""Rule: what the API asks of the store, in pages that end; nothing here knows HTTP or SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from probe.core.proof.chain import GENESIS, line_digest
from probe.store.read.reader import Reader

Said = Literal["right", "wrong", "unknown"]


class _Dropped(msgspec.Struct):
    """The line that stands for a span without rows."""

    kind: str
    first_seq: int
    last_seq: int
    digest: str


class _Marks(msgspec.Struct):
    """What a page says of its last line."""

    kind: str
    complete_up_to: str | None = None


_KIND = msgspec.json.Decoder(_Marks)
_NO_MARK = (
    b'"complete_up_to":null'  # as the agent writes it; within a text the quotation marks would be escaped
)
_DROPPED = msgspec.json.Decoder(_Dropped)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines one after another. `last`: seq of the last one; `data`: them, each with its line feed."""

    count: int
    last: int
    data: bytes
    complete_up_to: str | None


def chunk(reader: Reader, customer: str, after: int, limit: int) -> Chunk:
    """The next lines of a stream as bytes; `count` less than `limit`: there are no more."""
    lines = reader.texts(customer, after, limit)
    if not lines:
        return Chunk(0, after, b"", None)
    texts = [text for _, text in lines]
    mark = next((m for text in reversed(texts) if (m := _mark(text)) is not None), None)
    return Chunk(len(lines), lines[-1][0], b"\n".join([*texts, b""]), mark)


def _mark(text: bytes) -> str | None:
    return _KIND.decode(text).complete_up_to


def said_of(reader: Reader, customer: str, seq: int, digest: str) -> Said:
    """Whether a digest is that of the line `seq`. `unknown`: the line was dropped, with its digest."""
    if seq == 0:
        return "right" if digest == GENESIS else "wrong"
    for line in reader.lines(customer, seq - 1, 1):
        if _KIND.decode(line.text).kind == "dropped":
            gone = _DROPPED.decode(line.text)
            if gone.last_seq != seq or not gone.digest:
                return "unknown"
            return "right" if gone.digest == digest else "wrong"
        if line.seq == seq:
            return "right" if line_digest(line.text.encode()) == digest else "wrong"
    return "unknown"


def events(reader: Reader, customer: str, after: int, most: int) -> tuple[list[tuple[int, str]], int, int]:
    """The next events with their seq; the last seq, and how many: none, where there are no more."""
    found = [(line.seq, line.text) for line in reader.events(customer, after, most)]
    return found, found[-1][0] if found else after, len(found)
