"""Rule: what verification found is reported with its place, the first bad record first."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from probe.core.proof.signed_head import SignedHead

MOST = 20


class Kind(StrEnum):
    """What is wrong. docs/proof.md says what each means."""

    CHANGED = "changed"
    REWRITTEN = "rewritten"
    MISSING = "missing"
    EXTRA = "extra"
    UNREADABLE = "unreadable"
    FOREIGN = "foreign"
    UNCHAINED = "unchained"
    TRUNCATED = "truncated"
    FORKED = "forked"
    UNDECLARED_GAP = "undeclared_gap"
    BAD_SIGNATURE = "bad_signature"
    OTHER_KEY = "other_key"
    UNSIGNED = "unsigned"
    MISSING_SEGMENT = "missing_segment"
    FILE = "file"
    EVIDENCE = "evidence"
    BAD_STAMP = "bad_stamp"
    MISSING_STAMP = "missing_stamp"


BESIDE_LINES = frozenset({Kind.EVIDENCE, Kind.BAD_STAMP, Kind.MISSING_STAMP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. `seq`: where it shows; `since_seq`: the first record that it may be about;
    `last_seq`: end of a span. `file`, `line`: where that stands, lines from 1; a row of a store has none.
    """

    kind: Kind
    words: str
    seq: int | None = None
    since_seq: int | None = None
    last_seq: int | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredGap:
    """A span that is not here any more, and that the agent itself has put on record as dropped or lost."""

    first_seq: int
    last_seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedSpan:
    """From when to when a time-stamping authority vouches for these records: they were written in between.

    RFC 3339, the authority's clock with its accuracy. None: nothing says so.
    """

    first_seq: int
    last_seq: int
    not_earlier: str | None
    not_later: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """One stream, as found in one source (`store`, `segments`, `lines`, `tables`).

    `signed_up_to`: `seq` of the newest signed head that fits; what comes after it is chained, and signed by nobody.
    `unproven_up_to`: lines written by a version that did not chain them. `heads`: signed heads held against it.
    `stamps`: time stamps whose tokens were verified and whose heads fit; `vouched`: what they say, none left out.
    """

    agent: str
    customer: str
    source: str
    lines: int = 0
    records: int = 0
    first_seq: int | None = None
    last_seq: int | None = None
    last_digest: str | None = None
    complete_up_to: str | None = None
    unproven_up_to: int | None = None
    signed_up_to: int | None = None
    signed_head: SignedHead | None = None
    heads: int = 0
    stamps: int = 0
    vouched: tuple[VouchedSpan, ...] = ()
    gaps: tuple[DeclaredGap, ...] = ()
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Problems:
    """Of one stream; only so many are kept, for one cut makes many."""

    found: list[Problem] = field(default_factory=list)
    left_out: int = 0

    def add(self, problem: Problem) -> None:
        """One more."""
        if len(self.found) < MOST:
            self.found.append(problem)
        else:
            self.left_out += 1

    @property
    def hold_together(self) -> bool:
        """Whether none is about the lines themselves."""
        return not self.left_out and all(problem.kind in BESIDE_LINES for problem in self.found)

    def in_order(self) -> tuple[Problem, ...]:
        """By the record that each is about; those about no record last."""
        return tuple(sorted(self.found, key=lambda problem: (problem.seq is None, problem.seq or 0)))
