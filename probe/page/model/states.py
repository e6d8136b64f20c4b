"""Rule: what nobody knows is never shown as well, and one failure among many requests is never lost in them.

What a cell of the map is, from what was counted in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from operator import add
from typing import Final

from probe.core.records.verdict import Fault

FOUND: Final = (
    "ok", "slow", "stale", "inconclusive",
    "failed_cdn", "failed_origin", "failed_customer", "failed_path", "failed_vantage", "failed_agent", "failed_unknown",
)  # fmt: skip
# The figures of the evaluator are made of the first seven; all are columns of the table `grains`.
NAMES: Final = ("n", "errors_cdn", "unknown", "excluded", "clock_unsure", "due", "measured", *FOUND)
Counts = tuple[int, ...]
NOTHING: Final[Counts] = (0,) * len(NAMES)
_AT: Final = {name: index for index, name in enumerate(NAMES)}
_DUE, _MEASURED, _EXCLUDED = _AT["due"], _AT["measured"], _AT["excluded"]
_FIRST_FOUND: Final = _AT["ok"]


class State(StrEnum):
    """`partly`: all that was found is well, and of some requests nothing is known. `none`: nothing was due."""

    OK = "ok"
    PARTLY = "partly"
    SLOW = "slow"
    STALE = "stale"
    FAILED_CDN = "failed_cdn"
    FAILED_PATH = "failed_path"
    FAILED_CUSTOMER = "failed_customer"
    FAILED_ORIGIN = "failed_origin"
    FAILED_UNKNOWN = "failed_unknown"
    FAILED_VANTAGE = "failed_vantage"
    FAILED_AGENT = "failed_agent"
    INCONCLUSIVE = "inconclusive"
    MISSED = "missed"
    NONE = "none"


TROUBLE: Final = (
    State.FAILED_CDN, State.FAILED_PATH, State.FAILED_CUSTOMER, State.FAILED_ORIGIN, State.FAILED_UNKNOWN,
    State.STALE, State.SLOW,
)  # fmt: skip
"""The gravest first: a cell that holds any of these is it."""
OURS: Final = (State.FAILED_VANTAGE, State.FAILED_AGENT, State.INCONCLUSIVE)
UNKNOWN: Final = (*OURS, State.MISSED, State.NONE)
MARKS: Final = {
    State.SLOW: "~", State.STALE: "=", State.FAILED_CDN: "C", State.FAILED_PATH: "P", State.FAILED_CUSTOMER: "K",
    State.FAILED_ORIGIN: "O", State.FAILED_UNKNOWN: "?", State.FAILED_VANTAGE: "V", State.FAILED_AGENT: "A",
}  # fmt: skip
"""The signs beside the colours."""


def failed_by(fault: Fault | None) -> State:
    """The state of a failure."""
    return State(f"failed_{(fault or Fault.UNKNOWN).value}")


def found(counts: Counts) -> int:
    """Requests of which it is told what they were."""
    return sum(counts[_FIRST_FOUND:])


def count(counts: Counts, name: str) -> int:
    """One of `NAMES`."""
    return counts[_AT[name]]


def missed(counts: Counts) -> int:
    """Slots that were due and not measured."""
    return counts[_DUE] - counts[_MEASURED]


def is_excluded(counts: Counts) -> bool:
    """Whether a declaration touched it."""
    return counts[_EXCLUDED] > 0


def added(one: Counts, other: Counts) -> Counts:
    """Both together."""
    return tuple(map(add, one, other))


def state_of(counts: Counts) -> tuple[State, bool]:
    """The cell's state, and whether less than half of its requests are in it."""
    total = found(counts)
    for state in TROUBLE:
        if (number := counts[_AT[state.value]]) > 0:
            return state, number * 2 < total
    well, gone = counts[_FIRST_FOUND], missed(counts)
    known = [(counts[_AT[state.value]], state) for state in OURS]
    unknown = sum(number for number, _ in known)
    if well:
        return (State.PARTLY if unknown or gone else State.OK), False
    if unknown:
        return max(known, key=lambda pair: pair[0])[1], False
    return (State.MISSED if gone else State.NONE), False


def gravest(states: Sequence[State]) -> State:
    """Of several, such as those of the last minutes of several vantage points."""
    order = (*TROUBLE, *OURS, State.MISSED, State.PARTLY, State.OK)
    return next((state for state in order if state in states), State.NONE)
