"""Rule: a missing span is a declared loss only if the agent itself recorded it; else it was removed.

What names a dropped span as such: an event in the chain after it (`retention.dropped`, `store.damaged`), or a signed
manifest. Where a stream has lost its beginning, the events that named older spans went with them. Only retention
explains that: an event which says that the oldest rows of all went, up to a line, speaks for everything before it.
Damage takes what it takes, wherever it is, and speaks for nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from probe.core.proof.chain import GENESIS
from probe.core.proof.findings import DeclaredGap, Kind, Problem
from probe.core.text.spans import uncovered, union

RETENTION, DAMAGED = "retention.dropped", "store.damaged"
DECLARING = frozenset({RETENTION, DAMAGED})


@dataclass(frozen=True, slots=True)
class _Gap:
    first: int
    last: int
    digest: str
    reason: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class _Declared:
    """`rows`: how many rows of the span went; None: all. `digest`: of the last line, where it is known.

    `oldest`: nothing of the stream was left before the span.
    """

    first: int
    last: int
    rows: int | None = None
    digest: str | None = None
    oldest: bool = False


@dataclass(slots=True)
class Gaps:
    """Of one stream."""

    _found: list[_Gap] = field(default_factory=list)
    _declared: list[_Declared] = field(default_factory=list)

    def add(self, first: int, last: int, digest: str, reason: str, file: str, line: int) -> None:
        """A span without rows."""
        if self._found and self._found[-1].last + 1 == first and self._found[-1].reason == reason:
            before = self._found.pop()
            first, file, line = before.first, before.file, before.line
        self._found.append(_Gap(first, last, digest, reason, file, line))

    def declare(self, event: str, detail: Mapping[str, str]) -> None:
        """An event in the chain. Raises KeyError or ValueError if it names no span."""
        first, last = int(detail["first_seq"]), int(detail["last_seq"])
        whole = event == RETENTION and detail.get("what") == "all"
        rows = int(detail["rows"]) if event == RETENTION and not whole else None
        oldest = (
            whole and detail.get("oldest", "yes") == "yes"
        )  # version 0.1 did not say, and took the oldest first
        self._declared.append(_Declared(first, last, rows, detail.get("digest"), oldest))

    def vouch(self, first: int, last: int, digest: str) -> None:
        """A signed manifest names the span."""
        self._declared.append(_Declared(first, last, None, digest))

    def finish(self) -> tuple[tuple[DeclaredGap, ...], list[Problem]]:
        """The spans that are declared, and what is wrong with the others."""
        whole = union((d.first, d.last) for d in self._declared)
        declared: list[DeclaredGap] = []
        problems: list[Problem] = []
        ends = {d.last: d.digest for d in self._declared if d.digest not in (None, GENESIS)}
        for gap in self._found:
            bare = uncovered(gap.first, gap.last, whole)
            if gap.first == 1:
                gone = max((d.last for d in self._declared if d.oldest and d.last <= gap.last), default=0)
                bare = [(max(first, gone + 1), last) for first, last in bare if last > gone]
            if not bare and ends.get(gap.last, gap.digest) == gap.digest:
                declared.append(DeclaredGap(first_seq=gap.first, last_seq=gap.last, reason=gap.reason))
                continue
            first, last = bare[0] if bare else (gap.first, gap.last)
            problems.append(_problem(gap, first, last))
        return tuple(declared), [*problems, *self._too_many()]

    def _too_many(self) -> Iterable[Problem]:
        """Spans in which more is gone than the agent says that it dropped."""
        all_of = union((d.first, d.last) for d in self._declared if d.rows is None)
        firsts = [gap.first for gap in self._found]
        for span in self._declared:
            if span.rows is None:
                continue
            gone = 0
            at = max(0, bisect_right(firsts, span.first) - 1)
            while at < len(self._found) and self._found[at].first <= span.last:
                gap = self._found[at]
                low, high = max(gap.first, span.first), min(gap.last, span.last)
                gone += sum(b - a + 1 for a, b in uncovered(low, high, all_of))
                at += 1
            if gone > span.rows:
                yield Problem(
                    kind=Kind.UNDECLARED_GAP,
                    seq=span.first,
                    last_seq=span.last,
                    words=f"from {span.first} to {span.last} {gone} records are gone, and the agent put only"
                    f" {span.rows} on record as dropped",
                )


def _problem(gap: _Gap, first: int, last: int) -> Problem:
    return Problem(
        kind=Kind.UNDECLARED_GAP,
        seq=first,
        last_seq=last,
        file=gap.file,
        line=gap.line,
        words=f"records {first} to {last} are said to be dropped ({gap.reason or 'no reason given'}), and nothing that"
        " the agent wrote or signed says so",
    )
