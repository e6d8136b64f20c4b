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

    @property
    def earliest_us(self) -> int:
        """It was not given before."""
        return self.given_us - self.accuracy_us

    @property
    def latest_us(self) -> int:
        """It was not given after."""
        return self.given_us + self.accuracy_us


@dataclass(frozen=True, slots=True)
class Vouched:
    """What the stamps of one stream say, what is wrong with them, and what else is to be said."""

    stamps: int = 0
    spans: tuple[VouchedSpan, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Vouching:
    """Of one stream.

    `asked`: an authority was named, so that stamps which the stream names must be here. `partial`: in a copy that may
    not be whole yet the newest ones may be missing. `unverified`: stamps that are here while nobody named an authority.
    `named`: SHA-256 of a reply -> (the line that names it first, the line that it stamps).
    """

    stamps: list[VerifiedStamp] = field(default_factory=list)
    asked: bool = False
    partial: bool = False
    unverified: int = 0
    named: dict[str, tuple[int, int]] = field(default_factory=dict)

    def name(self, seq: int, detail: Mapping[str, str]) -> None:
        """An event in the chain names a stamp. Raises KeyError or ValueError if it names none."""
        self.named.setdefault(detail["sha256"], (seq, int(detail["seq"])))

    def finish(self, fitting: Mapping[int, str], first: int, last: int, *, whole: bool) -> Vouched:
        """Of the records `first` to `last`. `fitting`: seq -> digest of the lines that are as a signed head says.

        `whole`: nothing is wrong with the lines; else no times are given, for a stamp says something of those before
        it only where every line leads to the next.
        """
        if not self.asked:
            return Vouched(notes=self._unasked())
        problems, notes = self._missing()
        counting = [stamp for stamp in self.stamps if fitting.get(stamp.seq) == stamp.digest]
        spans: tuple[VouchedSpan, ...] = ()
        if self.stamps and whole and last >= first:
            spans, wrong = self.spans(counting, first, last)
            problems += wrong
        elif not self.stamps and not self.named and last >= first:
            notes.append("no time stamp is here or named: no third party says from when these records are")
        elif self.stamps and not whole:
            notes.append("from when to when is not said of records that do not hold together")
        return Vouched(len({stamp.sha256 for stamp in counting}), spans, tuple(problems), tuple(notes))

    def _unasked(self) -> tuple[str, ...]:
        if not self.unverified:
            return ()
        are = "1 time stamp is" if self.unverified == 1 else f"{self.unverified} time stamps are"
        return (f"{are} here and not verified: name the authority's certificates with --stamp-ca",)

    def _missing(self) -> tuple[list[Problem], list[str]]:
        """Stamps that the stream names and that are not here: taken away, or not pulled yet."""
        known = {stamp.sha256 for stamp in self.stamps}
        gone = sorted(where for sha256, where in self.named.items() if sha256 not in known)
        newest = max((where for sha256, where in self.named.items() if sha256 in known), default=None)
        problems, notes = [], []
        for by, seq in gone:
            words = f"the time stamp of record {seq}, which record {by} names, is not here"
            if self.partial and newest is not None and by > newest[0]:
                notes.append(f"{words} yet: pull on to have it")
            else:
                problems.append(Problem(kind=Kind.MISSING_STAMP, seq=by, words=words))
        return problems, notes

    def spans(
        self, counting: Iterable[VerifiedStamp], first: int, last: int
    ) -> tuple[tuple[VouchedSpan, ...], list[Problem]]:
        """From when to when the records `first` to `last` are vouched for, and stamps that contradict each other.

        `counting`: the stamps whose lines are here and fit.
        """
        ends: dict[int, int] = {}
        begins: dict[int, int] = {}
        for stamp in counting:
            if stamp.seq >= first:
                ends[stamp.seq] = min(stamp.latest_us, ends.get(stamp.seq, stamp.latest_us))
        for stamp in self.stamps:  # also where the line that it stamps is gone
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
