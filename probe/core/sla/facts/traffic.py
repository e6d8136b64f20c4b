"""What somebody else counted: all requests of a domain by node, with those that were lost to nodes that were down.

By the contract's own formula, beside our figures and never in their word: our records do not prove the file. A node is
dead in a grain in which all our requests to it failed by the CDN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from probe.core.sla.figures import GrainRule
from probe.core.sla.grains import Grain
from probe.core.sla.lost_requests import LostRule, is_over, lost_requests
from probe.core.sla.periods import US
from probe.core.sla.runs import counted, joined

ByNode = Mapping[str, Mapping[int, tuple[int, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFigure:
    """Sums of a period. `unknown`: grains of which the file says nothing, or not what was lost."""

    requests: int
    errors: int
    lost: Fraction
    unknown: int
    bad: int
    unavailable: int
    total: int

    def met(self, objective: Fraction) -> bool:
        """Whether good time is at least the promised share, unknown time taken as good."""
        return self.unavailable * objective.denominator <= self.total * (
            objective.denominator - objective.numerator
        )


def by_traffic(
    traffic: ByNode,
    seen: Mapping[str, Mapping[int, Grain]],
    rule: GrainRule,
    lost_rule: LostRule,
    bounds: tuple[int, int],
    *,
    lost_in_denominator: bool,
) -> TrafficFigure:
    """`traffic`: node -> grain -> (requests, errors); `seen`: our grains by node; `bounds`: grains of the period."""
    first, end = bounds
    told = {number for grains in traffic.values() for number in grains if first <= number < end}
    bad: list[tuple[int, int]] = []
    unknown = (end - first) - len(told)
    requests = errors = 0
    lost_in_all = Fraction(0)
    of_node = {node: {n: row[0] for n, row in grains.items()} for node, grains in traffic.items()}
    for number in sorted(told):
        rows = [grains[number] for grains in traffic.values() if number in grains]
        received, failed = sum(row[0] for row in rows), sum(row[1] for row in rows)
        requests, errors = requests + received, errors + failed
        dead = [node for node, grains in seen.items() if node in of_node and _is_dead(grains.get(number))]
        losses = [lost_requests(of_node[node], number, rule.length_us // US, lost_rule) for node in dead]
        if any(loss is None for loss in losses):
            unknown += 1
            continue
        lost = sum((loss for loss in losses if loss is not None), Fraction(0))
        lost_in_all += lost
        if is_over(failed, lost, received, rule.over, lost_in_denominator=lost_in_denominator):
            bad.append((number, number))
    runs = [run for run in joined(bad) if run.grains >= rule.run_grains]
    return TrafficFigure(
        requests=requests,
        errors=errors,
        lost=lost_in_all,
        unknown=unknown,
        bad=len(bad),
        unavailable=sum(counted(run, first, end) for run in runs),
        total=end - first,
    )


def _is_dead(grain: Grain | None) -> bool:
    return grain is not None and grain.n > 0 and grain.errors == grain.n
