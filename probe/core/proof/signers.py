"""Rule: a signed head binds whoever signed it: two that disagree are proof against the signer.

What is known of the lines of one stream from elsewhere, by `seq`: signed heads whose signatures have been verified, and
what whoever keeps the lines noted of them. A note proves nothing to others; it finds accidents.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from probe.core.proof.findings import Kind, Problem
from probe.core.proof.signed_head import SignedHead


@dataclass(frozen=True, slots=True)
class Claim:
    """The line `seq` has this digest. `words`: who says so, after `the line that ...`; `head`: None for a note."""

    seq: int
    digest: str
    words: str
    head: SignedHead | None = None


@dataclass(slots=True)
class KnownHeads:
    """Of one stream. `partial`: the lines are a copy that may not be whole yet: heads beyond its end accuse nobody."""

    partial: bool = False
    heads: int = 0
    matched: SignedHead | None = None
    fitting: dict[int, str] = field(
        default_factory=dict
    )  # seq -> digest of lines that are as a signed head says
    _at: dict[int, tuple[Claim, ...]] = field(default_factory=dict)
    _end: Claim | None = None  # the stream goes at least so far
    _further: Claim | None = None  # and at its host so far

    def add(self, head: SignedHead, *, strict: bool = False) -> Problem | None:
        """A signed head; a problem if another one says something else of the same line.

        `strict`: the lines up to it must be there, even where they are a copy in the making.
        """
        known = self._at.get(head.seq, ())
        claim = Claim(head.seq, head.digest, f"was signed at {head.at}", head)
        if strict or not self.partial:
            self._end = _further(self._end, claim)
        else:
            self._further = _further(self._further, claim)
        if any(other.digest == head.digest and other.head is not None for other in known):
            return None
        self.heads += 1
        self._at[head.seq] = (*known, claim)
        for other in known:
            if other.head is not None:
                return Problem(
                    kind=Kind.FORKED,
                    seq=head.seq,
                    words=f"two heads signed with the agent's key, at {other.head.at} and at {head.at}, say that record"
                    f" {head.seq} is two different lines: whoever has the key has signed two histories",
                )
        return None

    def note(self, seq: int, digest: str, words: str) -> None:
        """What whoever keeps the lines noted of the line `seq` when it was there."""
        claim = Claim(seq, digest, words)
        self._end = _further(self._end, claim)
        known = self._at.get(seq, ())
        if all(other.digest != digest for other in known):
            self._at[seq] = (*known, claim)

    def at(self, seq: int) -> tuple[Claim, ...] | None:
        """What is known of this line."""
        return self._at.get(seq)

    def match(self, claims: tuple[Claim, ...]) -> None:
        """The line is as these say."""
        for claim in claims:
            self.matched = claim.head or self.matched
            if claim.head is not None:
                self.fitting[claim.seq] = claim.digest

    def missing_after(self, seq: int) -> Claim | None:
        """What says that the stream goes on behind this line, if anything does."""
        return self._end if self._end is not None and self._end.seq > seq else None

    def further_than(self, seq: int) -> Claim | None:
        """What says that the host has more than this copy."""
        return self._further if self._further is not None and self._further.seq > seq else None


def _further(known: Claim | None, claim: Claim) -> Claim:
    return claim if known is None or claim.seq > known.seq else known
