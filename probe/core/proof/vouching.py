"""Rule: a stamp proves that the lines before it existed, and what names it in the stream that those after it did not.

From when to when an authority vouches for each record of a stream.

- **Not later than**: a stamp on the head of line n was given at its time, so lines up to n existed then.
- **Not earlier than**: an event `head.stamped` holds the SHA-256 of the authority's reply, which nobody can know before
  the authority has made it. So that line, and each line after it (the digest of the one before is in it), was written
  after the stamp was given.

Both by the authority's own clock, with the accuracy that it states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from probe.core.model.times import utc_text_us
from probe.core.proof.findings import Kind, Problem, VouchedSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStamp:
    """A stamp whose token was verified. Times are microseconds since the epoch; `accuracy_us`: to both sides."""

    seq: int
    digest: str
    sha256: str
    given_us: int
    accuracy_us: int
    file: str | None = None
    line: int | None = None

    @property
    def earliest_us(self) -> int:
        """It was not given before."""
        return self.given_us - self.accuracy_us

    @property
    def latest_us(self) -> int:
        """It was not given after."""
        return self.given_us + self.accuracy_us


@dataclass(slots=True)
class Vouching:
    """Of one stream. `named`: SHA-256 of a reply -> (the line that names it first, the line that it stamps)."""

    named: dict[str, tuple[int, int]] = field(default_factory=dict)

    def name(self, seq: int, detail: Mapping[str, str]) -> None:
        """An event in the chain names a stamp. Raises KeyError or ValueError if it names none."""
        self.named.setdefault(detail["sha256"], (seq, int(detail["seq"])))

    def spans(
        self, stamps: Iterable[VerifiedStamp], fitting: Mapping[int, str], first: int, last: int
    ) -> tuple[tuple[VouchedSpan, ...], list[Problem]]:
        """From when to when the records `first` to `last` are vouched for, and stamps that contradict each other.

        `fitting`: seq -> digest of the lines that are as a signed head says. A stamp of another line counts not.
        """
        counting = [stamp for stamp in stamps if fitting.get(stamp.seq) == stamp.digest]
        ends: dict[int, int] = {}
        begins: dict[int, int] = {}
        for stamp in counting:
            if stamp.seq >= first:
                ends[stamp.seq] = min(stamp.latest_us, ends.get(stamp.seq, stamp.latest_us))
            if stamp.sha256 in self.named:
                at = max(first, self.named[stamp.sha256][0])
                begins[at] = max(stamp.earliest_us, begins.get(at, stamp.earliest_us))
        edges = sorted(
            {first, last + 1, *(seq + 1 for seq in ends if seq < last), *(b for b in begins if b <= last)}
        )
        not_later = _from_behind(ends, edges)
        spans: list[VouchedSpan] = []
        problems: list[Problem] = []
        earliest: int | None = None
        for low, following in pairwise(edges):
            if low in begins:
                earliest = begins[low] if earliest is None else max(earliest, begins[low])
            latest = not_later[low]
            if earliest is not None and latest is not None and earliest > latest:
                problems.append(_contradiction(low, following - 1, earliest, latest))
            spans.append(
                VouchedSpan(
                    first_seq=low,
                    last_seq=following - 1,
                    not_earlier=None if earliest is None else utc_text_us(earliest),
                    not_later=None if latest is None else utc_text_us(latest),
                )
            )
        return tuple(spans), problems[:1]

    def missing(self, here: Iterable[str]) -> list[tuple[int, int]]:
        """(line that names it, line that it stamps) of stamps that the stream names and that are not here, in order."""
        known = set(here)
        return sorted(where for sha256, where in self.named.items() if sha256 not in known)


def _from_behind(ends: Mapping[int, int], edges: list[int]) -> dict[int, int | None]:
    """For each edge the earliest of the times of the stamps on it and behind it."""
    found: dict[int, int | None] = {}
    left = sorted(ends.items())
    latest: int | None = None
    for low in reversed(edges):
        while left and left[-1][0] >= low:
            _, time_us = left.pop()
            latest = time_us if latest is None else min(latest, time_us)
        found[low] = latest
    return found


def _contradiction(first: int, last: int, earliest_us: int, latest_us: int) -> Problem:
    words = (
        f"records {first} to {last} follow a stamp given not before {utc_text_us(earliest_us)}, and were stamped not"
        f" after {utc_text_us(latest_us)}: the authority's clock was set back, or it stamps what times it is asked for"
    )
    return Problem(kind=Kind.BAD_STAMP, seq=first, last_seq=last, words=words)
