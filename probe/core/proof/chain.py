"""Rule: what was written is proved by what came after it: each line carries the digest of the one before.

A stream (one agent's results for one customer) is a sequence of lines, each one record as JSON in UTF-8, kept and
handed out byte for byte. A head names the last line of a stream at some moment; signed and given away, it is a
witness that the stream up to there was so. docs/proof.md says what this proves and what not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

GENESIS = "0" * 64  # what the first line of a stream carries


def line_digest(line: bytes) -> str:
    """SHA-256, lower-case hexadecimal, of a record's line without its line feed."""
    return hashlib.sha256(line).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a stream: `seq` and digest of its last line; seq 0 and GENESIS where it has none.

    `complete_up_to`: what that line says (RFC 3339); None where it says nothing.
    """

    agent: str
    customer: str
    seq: int
    digest: str
    complete_up_to: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One record as it was stored: JSON without a line feed."""

    seq: int
    text: str
