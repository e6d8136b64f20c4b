"""Rule: an export holds what was due in its span, all of it, and names what is missing from it.

Lines of a customer's stream by the time at which each was due (events: at which they happened).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from probe.core.model.times import utc_text_us
from probe.core.model.units import parse_duration_us
from probe.core.proof.chain import Line
from probe.store.base.query import stored_time
from probe.store.base.schema import StoreError

PAGE = 500


class _Time(msgspec.Struct):
    kind: str
    scheduled_at: str | None = None
    at: str | None = None


_TIME = msgspec.json.Decoder(_Time)
_AGO = re.compile(r"[0-9.]+ ?[a-z]+")


def _typed(text: str | None, now_us: int | None) -> str | None:
    """A time as stored."""
    if text is not None and now_us is not None and _AGO.fullmatch(text):
        return stored_time(utc_text_us(now_us - parse_duration_us(text)))
    try:
        return stored_time(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: write 2026-11-22T10:00:00Z, 2026-11-22, or how long ago: 90m, 2h, 7d"
        ) from None


@dataclass(frozen=True, slots=True)
class Span:
    """[since, until), as stored times; None: no limit."""

    since: str | None = None
    until: str | None = None

    @classmethod
    def of(cls, since: str | None, until: str | None, now_us: int | None = None) -> Span:
        """From what a person typed: RFC 3339, a date, or how long before `now_us` (`2h`). Raises ValueError."""
        made = cls(_typed(since, now_us), _typed(until, now_us))
        if made.since is not None and made.until is not None and made.since >= made.until:
            raise ValueError(f"{since} is not before {until}")
        return made

    def holds(self, when: str) -> bool:
        """Whether a stored time lies in it."""
        return (self.since is None or when >= self.since) and (self.until is None or when < self.until)


ALL_TIME = Span()


def lines_in(
    lines: Iterable[Line], span: Span, tick: Callable[[int], None] = lambda lines: None
) -> Iterator[Line]:
    """The lines of a stream due in the span, in the order of storing. Raises StoreError.

    What stands for a dropped span has no time; it is among them where a line next to it is. `tick` is called with how
    many more were read.
    """
    before = span.since is None
    gaps: list[Line] = []
    last = 0
    for line in lines:
        if line.seq - last >= PAGE:
            tick(line.seq - last)
            last = line.seq
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


def _when(line: Line) -> str | None:
    try:
        seen = _TIME.decode(line.text)
    except msgspec.DecodeError as error:
        raise StoreError(f"record {line.seq} cannot be read: {error}") from error
    return None if seen.kind == "dropped" else seen.scheduled_at or seen.at or ""
