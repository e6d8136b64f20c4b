"""Trouble as spans, row by row: samples bound when it began and ended from both sides, and nothing is claimed between.

Needs no period: an agent or a page may feed it as rows come. One track is one thing that is looked at again and again:
all nodes from one vantage point, one node, one domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from probe.core.incidents.looks import Sight
from probe.core.model.value import replace
from probe.core.records.verdict import Fault
from probe.core.sla.periods import Span


class Ending(StrEnum):
    """What ended an episode: it was well again, or nobody knows: unknown looks or a silence, or it goes on."""

    WELL = "well"
    UNKNOWN = "unknown"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look of a track, at its due time. `key`: customer/seq, by which its row is found.

    Of trouble: `nodes` that are concerned, the row's `fault` and `reason`, and the id of its evidence.
    """

    at_us: int
    sight: Sight
    confirmed: bool = False
    key: str = ""
    nodes: tuple[str, ...] = ()
    fault: Fault | None = None
    reason: str | None = None
    evidence_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Trouble that was seen at `first_us` and last at `last_us`, by `looks`.

    It began after `well_before_us` and ended before `well_after_us`; None: nobody saw it well before, or after.
    """

    first_us: int
    last_us: int
    well_before_us: int | None
    well_after_us: int | None
    confirmed_us: int | None
    ending: Ending
    looks: tuple[Look, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The rows that show it."""
        return tuple(look.key for look in self.looks if look.key)

    @property
    def at_least_us(self) -> int:
        """From the first look that saw it to the last."""
        return self.last_us - self.first_us

    @property
    def at_most_us(self) -> int | None:
        """From the last look that saw it well to the next one; None: without bound."""
        if self.well_before_us is None or self.well_after_us is None:
            return None
        return self.well_after_us - self.well_before_us

    @property
    def shown(self) -> Span:
        """The instants at which it was surely there, at the least."""
        return Span(self.first_us, self.last_us)

    def lasted(self, over_us: int, *, strict: bool) -> tuple[bool, bool]:
        """Whether it is shown, and whether it is possible, that it lasted so long (`strict`: longer)."""
        shown, possible = self.at_least_us, self.at_most_us
        if strict:
            return shown > over_us, possible is None or possible > over_us
        return shown >= over_us, possible is None or possible >= over_us


class Track:
    """The episodes of one track. `at_most_gap_us`: a longer silence ends an episode as unknown; None: none does."""

    def __init__(self, at_most_gap_us: int | None = None) -> None:
        self._gap_us = at_most_gap_us
        self._well_us: int | None = None
        self._last_us: int | None = None
        self._open: Episode | None = None  # as it began; what was seen of it is in `_looks`
        self._looks: list[Look] = []

    @property
    def current(self) -> Episode | None:
        """The episode that goes on, as far as it is known."""
        if self._open is None:
            return None
        confirmed_us = next((look.at_us for look in self._looks if look.confirmed), None)
        return replace(
            self._open, last_us=self._looks[-1].at_us, confirmed_us=confirmed_us, looks=tuple(self._looks)
        )

    def feed(self, look: Look) -> Episode | None:
        """One look more, later than those before; the episode that it ends. Raises ValueError for an earlier one."""
        if self._last_us is not None and look.at_us < self._last_us:
            raise ValueError(f"looks come in order: {look.at_us} after {self._last_us}")
        silent = self._gap_us is not None and self._last_us is not None
        gone = silent and look.at_us - (self._last_us or 0) > (self._gap_us or 0)
        self._last_us = look.at_us
        ended = self._end(Ending.UNKNOWN) if gone else None
        if gone:
            self._well_us = None
        if look.sight is Sight.TROUBLE:
            self._see(look)
        elif look.sight is Sight.WELL:
            ended = self._end(Ending.WELL, look.at_us) or ended
            self._well_us = look.at_us
        else:
            ended = self._end(Ending.UNKNOWN) or ended
        return ended

    def _see(self, look: Look) -> None:
        """An outage may have very many looks: they are made one tuple when somebody asks."""
        if self._open is None:
            self._open = Episode(
                first_us=look.at_us,
                last_us=look.at_us,
                well_before_us=self._well_us,
                well_after_us=None,
                confirmed_us=None,
                ending=Ending.OPEN,
                looks=(),
            )
        self._looks.append(look)

    def _end(self, ending: Ending, well_us: int | None = None) -> Episode | None:
        """Unknown looks between do not say that it was well: the bound before stays that of the last good one."""
        current, self._open = self.current, None
        self._looks = []
        return None if current is None else replace(current, ending=ending, well_after_us=well_us)


def episodes(looks: Iterable[Look], at_most_gap_us: int | None = None) -> list[Episode]:
    """All of them, in order; one that goes on is the last."""
    track = Track(at_most_gap_us)
    found = [ended for look in looks if (ended := track.feed(look)) is not None]
    return found if track.current is None else [*found, track.current]


def at_once(tracks: Sequence[Sequence[Episode]]) -> list[Episode]:
    """When all tracks were in trouble together: bounds of the latest begin and the earliest end."""
    if not tracks:
        return []
    common = list(tracks[0])
    for track in tracks[1:]:
        common = list(_of_both(common, track))
    return common


def _of_both(ones: Sequence[Episode], others: Sequence[Episode]) -> Iterator[Episode]:
    """Of two tracks, each in order: those of the other that ended before this one began are passed by once."""
    at = 0
    for one in ones:
        while at < len(others) and others[at].last_us < one.first_us:
            at += 1
        for place in range(at, len(others)):
            both = _both(one, others[place])
            if both is None:
                break
            yield both


def _both(one: Episode, other: Episode) -> Episode | None:
    """None where they surely, or as far as was seen, had no time in common."""
    first_us, last_us = max(one.first_us, other.first_us), min(one.last_us, other.last_us)
    if first_us > last_us:
        return None
    befores = [e.well_before_us for e in (one, other) if e.well_before_us is not None]
    afters = [e.well_after_us for e in (one, other) if e.well_after_us is not None]
    confirmed = [e.confirmed_us for e in (one, other) if e.confirmed_us is not None]
    endings = {one.ending, other.ending}
    return Episode(
        first_us=first_us,
        last_us=last_us,
        well_before_us=max(befores, default=None),
        well_after_us=min(afters, default=None),
        confirmed_us=max(confirmed) if len(confirmed) == 2 else None,
        ending=next(e for e in (Ending.WELL, Ending.UNKNOWN, Ending.OPEN) if e in endings),
        looks=(*one.looks, *other.looks),
    )
