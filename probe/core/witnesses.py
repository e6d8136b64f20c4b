"""Rule: a signed head binds whoever signed it: two that disagree are proof against the signer.

The signed heads known of one stream, whose signatures have been verified, by `seq`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from probe.core.signed import SignedHead
from probe.core.verified import Kind, Problem


@dataclass(slots=True)
class Witnesses:
    """Of one stream. Of equal heads the one signed first is kept: the older the witness, the more it says."""

    count: int = 0
    matched: SignedHead | None = None
    _at: dict[int, tuple[SignedHead, ...]] = field(default_factory=dict)
    _top: SignedHead | None = None

    def add(self, head: SignedHead) -> Problem | None:
        """One more; a problem if another head says something else of the same line."""
        known = self._at.get(head.seq, ())
        for other in known:
            if other.digest == head.digest:
                return None
        self._at[head.seq] = (*known, head)
        self.count += 1
        if self._top is None or head.seq > self._top.seq:
            self._top = head
        if not known:
            return None
        return Problem(
            kind=Kind.FORKED,
            seq=head.seq,
            words=f"two heads signed with the agent's key, at {known[0].at} and at {head.at}, say that record"
            f" {head.seq} is two different lines: whoever has the key has signed two histories",
        )

    def at(self, seq: int) -> tuple[SignedHead, ...] | None:
        """What is signed of this line."""
        return self._at.get(seq)

    def match(self, head: SignedHead) -> None:
        """The line at this head is as signed."""
        self.matched = head

    def beyond(self, seq: int) -> Iterator[SignedHead]:
        """The furthest head, if it lies behind this line."""
        if self._top is not None and self._top.seq > seq:
            yield self._top
