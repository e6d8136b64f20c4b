"""Rule: what was written is proved by what came after it: each line carries the digest of the one before.

Theory of operation. A stream (one agent's results for one customer) is a sequence of lines, each one record as JSON
in UTF-8, kept and handed out byte for byte. Line n holds in `previous` the SHA-256 of line n - 1 (the first:
GENESIS). So the digest of one line fixes all lines before it: whoever changes, removes or adds one must rewrite every
line after it. A head names the number and digest of the last line at some moment. A head that was signed and given
away therefore proves the whole stream up to there; lines after the last such head are proved by nothing yet. The
chain alone does not prevent a rewrite by the holder of all lines; heads kept by others do. docs/proof.md says what
this proves and what not.
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
