"""Rule: an export holds what was due in its span, all of it, and names what is missing from it.

Lines of a customer's stream by the time at which each was due (events: at which they happened).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from probe.core.proof.chain import Line
from probe.store.base.query import stored_time
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader

PAGE = 500


class _Time(msgspec.Struct):
    kind: str
    scheduled_at: str | None = None
    at: str | None = None


_TIME = msgspec.json.Decoder(_Time)


@dataclass(frozen=True, slots=True)
class Span:
    """[since, until), as stored times; None: no limit."""

    since: str | None = None
    until: str | None = None

    @classmethod
    def of(cls, since: str | None, until: str | None) -> Span:
        """From RFC 3339. Raises ValueError."""
        made = cls(stored_time(since), stored_time(until))
        if made.since is not None and made.until is not None and made.since >= made.until:
            raise ValueError(f"{since} is not before {until}")
        return made

    def holds(self, when: str) -> bool:
        """Whether a stored time lies in it."""
        return (self.since is None or when >= self.since) and (self.until is None or when < self.until)


def lines_in(
    reader: Reader, customer: str, span: Span, tick: Callable[[int], None] = lambda lines: None
) -> Iterator[Line]:
    """The lines of a stream due in the span, in the order of storing. Raises StoreError.

    What stands for a dropped span has no time; it is among them where a line next to it is.
    """
    before = span.since is None
    gaps: list[Line] = []
    for line in _all(reader, customer, tick):
        when = _when(line)
        if when is None:
            gaps.append(line)
            continue
        inside = span.holds(when)
        if inside or before:
            yield from gaps
        gaps = []
        if inside:
            yield line
        before = inside
    if before:
        yield from gaps


def _all(reader: Reader, customer: str, tick: Callable[[int], None]) -> Iterator[Line]:
    """Up to where the stream ends now."""
    end, after = reader.head(customer).seq, 0
    while after < end:
        page = reader.lines(customer, after, PAGE)
        for line in page:
            if line.seq > end:
                return
            yield line
        if not page:
            return
        tick(page[-1].seq - after)
        after = page[-1].seq


def _when(line: Line) -> str | None:
    try:
        seen = _TIME.decode(line.text)
    except msgspec.DecodeError as error:
        raise StoreError(f"record {line.seq} cannot be read: {error}") from error
    return None if seen.kind == "dropped" else seen.scheduled_at or seen.at or ""
