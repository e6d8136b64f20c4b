"""Rule: what a dispute file holds has one place each, and the place of a copy that a pull makes.

`Contents` is what the file cannot derive: lines, heads, stamps, evidence, the key. Unpacked it is a copy
(docs/pulling.md) with more beside it.

index.html                                          for people
dispute.json                                        what is in it, every member with its digest
<agent>/agent.pub                                   the agent's public key
<agent>/<customer>/000000000042.ndjson              the records from 42 on, and on to a signed head
<agent>/<customer>/heads.ndjson, stamps.ndjson      signed heads, and the time stamps on them
<agent>/<customer>/evidence/000000000042-<id>.json  the bundle of record 42
<agent>/<customer>/har/000000000042.har             the same for browsers
<agent>/<customer>/certificates/000000000042-0.pem  the chain of its request 0
declared/<agent>/<customer>/000000009000.ndjson     later events that say what is gone, and on to a signed head
declared/<agent>/<customer>/heads.ndjson            those heads
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from probe.core.records.rows import Record

PAGE, SUMMARY, DECLARED = "index.html", "dispute.json", "declared"
GONE = b'{"kind":"dropped"'  # how a line begins that stands for records that are gone
LINES = re.compile(r"([0-9]{12,19})\.ndjson")
BUNDLE = re.compile(r"([0-9]{12,19})-([0-9a-f]{32})\.json")


@dataclass(frozen=True, slots=True)
class Span:
    """Lines of the stream, one behind the other, byte for byte without line feeds. `first_seq`: of the first.

    `lines` may be gone through again and again; where they are read from a file, none is held.
    """

    first_seq: int
    lines: Iterable[bytes]

    def text(self) -> Iterator[bytes]:
        """As a file of lines, piece by piece."""
        return (line + b"\n" for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Of one stream. `first_seq` to `last_seq` are in dispute; `records` goes on to the head that signs them.

    `declared`: later spans, each from an event that says what is gone of the records or their evidence, to a head.
    `heads`, `stamps`: lines as they were kept. `evidence`: id -> (record, text), in the order of the records; of a file
    that is read a text is had when it is asked for. `key`: PEM.
    """

    agent: str
    customer: str
    first_seq: int
    last_seq: int
    records: Span
    declared: tuple[Span, ...] = ()
    heads: tuple[bytes, ...] = ()
    declared_heads: tuple[bytes, ...] = ()
    stamps: tuple[bytes, ...] = ()
    evidence: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    key: bytes | None = None

    @property
    def place(self) -> str:
        """Where a copy has the stream."""
        return f"{self.agent}/{self.customer}"

    def given(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """The members that nothing else in the file gives: name, and what is in it, piece by piece."""
        place = self.place
        if self.key is not None:
            yield f"{self.agent}/agent.pub", (self.key,)
        yield f"{place}/{self.records.first_seq:012d}.ndjson", self.records.text()
        for name, lines in (("heads", self.heads), ("stamps", self.stamps)):
            if lines:
                yield f"{place}/{name}.ndjson", (line + b"\n" for line in lines)
        for identifier in self.evidence:
            seq, text = self.evidence[identifier]
            yield f"{place}/evidence/{seq:012d}-{identifier}.json", (text,)
        for span in self.declared:
            yield f"{DECLARED}/{place}/{span.first_seq:012d}.ndjson", span.text()
        if self.declared_heads:
            yield f"{DECLARED}/{place}/heads.ndjson", (line + b"\n" for line in self.declared_heads)


def seq_of(record: Record) -> int:
    """Its number; 0 where it has none."""
    return record.seq or 0
