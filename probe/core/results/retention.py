"""Rule: what nobody has confirmed yet goes only beyond the operator's hard limit; failures outlive successes.

Which file of the store goes next, decided from what is known of the files. One step at a time: the caller does it,
looks at the files again, and asks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Stream = tuple[str, str]
"""Agent and customer. A directory may hold streams of earlier names of its agent, each with numbers of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPolicy:
    """Ages in microseconds since a part was closed; sizes of all parts together in bytes."""

    failures_us: int
    healthy_us: int
    size_bytes: int
    hard_size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """A closed part. `closed_us`: wall-clock time, microseconds since the epoch. `heads`: stream -> its last `seq`.

    `thinned`: its healthy rows are gone already.
    """

    number: int
    size_bytes: int
    closed_us: int
    thinned: bool = False
    heads: Mapping[Stream, int] = field(default_factory=dict)


class Step(StrEnum):
    """drop: the whole part; thin: its rows that are ok, and its missed slots."""

    DROP = "drop"
    THIN = "thin"


@dataclass(frozen=True, slots=True)
class Action:
    """What to do next, and why: `age`, `size`, or `hard_size`, where rows go that nobody has confirmed."""

    step: Step
    number: int
    reason: str


def next_action(
    parts: Sequence[PartFacts],
    confirmed: Mapping[Stream, int],
    now_us: int,
    policy: KeepPolicy,
    *,
    newest_bytes: int = 0,
) -> Action | None:
    """The next step, or None. `parts`: the closed ones, oldest first; `newest_bytes`: of the one that is written.

    `confirmed`: stream -> `seq` up to which every reader that confirms has confirmed; a stream that is not in it has no
    such reader, and its rows wait for nobody.
    """
    total = newest_bytes + sum(part.size_bytes for part in parts)
    free = [part for part in parts if _all_confirmed(part, confirmed)]
    for part in free:
        age_us = now_us - part.closed_us
        if age_us > policy.failures_us:
            return Action(Step.DROP, part.number, "age")
        if age_us > policy.healthy_us and not part.thinned:
            return Action(Step.THIN, part.number, "age")
    if total > policy.size_bytes and free:
        thick = [part for part in free if not part.thinned]
        if thick:
            return Action(Step.THIN, thick[0].number, "size")
        return Action(Step.DROP, free[0].number, "size")
    if total > policy.hard_size_bytes and parts:
        return Action(Step.DROP, parts[0].number, "hard_size")
    return None


def _all_confirmed(part: PartFacts, confirmed: Mapping[Stream, int]) -> bool:
    return all(confirmed.get(stream, head) >= head for stream, head in part.heads.items())


def evidence_to_drop(
    files: Sequence[tuple[int, int, int]], now_us: int, age_us: int, size_bytes: int
) -> list[int]:
    """Numbers of the closed files of evidence that go. `files`: (number, bytes, closed_us), oldest first."""
    total = sum(size for _, size, _ in files)
    gone = []
    for number, size, closed_us in files:
        if now_us - closed_us > age_us or total > size_bytes:
            gone.append(number)
            total -= size
    return gone
