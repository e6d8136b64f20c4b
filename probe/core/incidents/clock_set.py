"""Rule: a clock that is set makes no trouble longer, shorter, or another: what was seen is as long ago as before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from probe.core.incidents.episode import Episode, Subject, Track
from probe.core.incidents.incident import Kind
from probe.core.incidents.looks import ClockStep

SAME_STEP_US = 2_000_000  # one setting of a clock is told in each stream, and to the agent's own parts before


def is_new(known: dict[str, ClockStep], whose: str, step: ClockStep) -> bool:
    """Whether an agent or a stream was not shifted by it yet; it counts as done then."""
    before, known[whose] = known.get(whose), step
    if before is None or before.delta_us != step.delta_us:
        return True
    return abs(before.at_us - step.at_us) > SAME_STEP_US


def shift(
    tracks: Mapping[Subject, Mapping[str, Track]],
    places: Iterable[Mapping[Subject, Episode]],
    kind: Kind,
    whose: str,
    delta_us: int,
) -> None:
    """Tracks of an agent or a stream, and the episodes that no other shows."""
    for subject, known in tracks.items():
        mine = {key for key in known if key.startswith(f"{whose}\t")} if subject.kind is kind else set()
        for key in mine:
            known[key].shift(delta_us)
        for place in places:
            episode = place.get(subject)
            if mine and episode is not None and mine.issuperset(episode.shown_by):
                episode.shift(delta_us)
