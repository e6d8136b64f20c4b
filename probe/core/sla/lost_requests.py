"""Requests that were lost because a node was down, by the contract's formula, from a file of traffic.

Lost = that node's mean requests in the same grain of the seven days before, times the share of the grain that it was
dead. A day is 24 hours: where clocks are put forward the lag stays that of UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

DAY_S = 86_400
DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRule:
    """`missing_counts`: a day without a figure is left out of the mean; else nothing is known of the loss.

    `all_grains`: the mean over all grains of the seven days, the other reading of the text.
    """

    length_s: int = 300
    missing_counts: bool = False
    all_grains: bool = False


def lost_requests(traffic: Mapping[int, int], grain: int, dead_s: int, rule: LostRule) -> Fraction | None:
    """Of one node in one grain; None where the file does not tell. `traffic`: grain -> requests of this node.

    Raises ValueError if it was dead for longer than the grain.
    """
    if not 0 <= dead_s <= rule.length_s:
        raise ValueError(f"a node is dead for 0 to {rule.length_s} s of a grain, not {dead_s}")
    if dead_s == 0:
        return Fraction(0)
    day = DAY_S // rule.length_s
    lags: Iterable[int] = range(grain - DAYS * day, grain) if rule.all_grains else _same(grain, day)
    known = [traffic.get(number) for number in lags]
    told = [requests for requests in known if requests is not None]
    if not told or (len(told) < len(known) and not rule.missing_counts):
        return None
    return Fraction(sum(told) * dead_s, len(told) * rule.length_s)


def _same(grain: int, day: int) -> list[int]:
    return [grain - lag * day for lag in range(1, DAYS + 1)]


def is_over(errors: int, lost: Fraction, received: int, over: Fraction, *, lost_in_denominator: bool) -> bool:
    """Whether errors and lost requests are more than the admitted share; by multiplying out, strictly."""
    whole = received + (lost if lost_in_denominator else 0)
    return errors + lost > whole * over
