"""What an agent's plan can show of a contract, and what more of each kind of sample would bring and cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from probe.core.config.plan import Plan
from probe.core.model.task import Task
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.rules import grain_rule
from probe.core.sla.figures import GrainRule
from probe.core.sla.report.plan import Shows, resolves, shows

DAY_US = 86_400_000_000
RATES = tuple(Fraction(text) for text in ("0.001", "0.002", "0.005", "0.01", "0.05", "0.5"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of sampling a domain. `name`: of WAYS; requests a day to its nodes."""

    name: str
    shows: Shows
    requests_a_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Of one domain: tasks, and what each way shows; the first is today's. `resolves`: as in `report.plan`."""

    domain: str
    tasks: int
    vantage_points: int
    interval_us: int
    ways: tuple[Way, ...]
    resolves: int


# Twice the vantage points, twice the nodes in a slot and half the interval bring and cost the same: requests. What
# differs is what they see beside the rate: other lines, other nodes, shorter outages.
WAYS = (("now", 1), ("twice", 2), ("five times", 5), ("ten times", 10), ("a hundred times", 100))


def planned(agreed: Agreed, plan: Plan, nodes: int) -> list[Planned]:
    """Each domain of the agreement that the plan has tasks of. `nodes`: asked in a slot where all are.

    Raises NotComputableError for contracts without grains.
    """
    rule = grain_rule(agreed)
    made = []
    for domain in agreed.agreement.domains:
        tasks = [t for t in plan.tasks if (t.customer, t.domain) == (agreed.agreement.customer, domain)]
        if tasks:
            made.append(_of(domain, tasks, rule, nodes))
    return made


def _of(domain: str, tasks: Sequence[Task], rule: GrainRule, nodes: int) -> Planned:
    a_grain, a_day = _requests(tasks, rule.length_us, nodes), _requests(tasks, DAY_US, nodes)
    ways = tuple(
        Way(name=name, shows=shows(max(1, int(a_grain * times)), rule), requests_a_day=int(a_day * times))
        for name, times in WAYS
    )
    return Planned(
        domain=domain,
        tasks=len(tasks),
        vantage_points=len({task.vantage_point.name for task in tasks}),
        interval_us=min(task.period_us for task in tasks),
        ways=ways,
        resolves=resolves(rule),
    )


def _requests(tasks: Iterable[Task], length_us: int, nodes: int) -> Fraction:
    return sum((Fraction(length_us, task.period_us) * _asked(task, nodes) for task in tasks), Fraction(0))


def _asked(task: Task, nodes: int) -> int:
    policy = task.edges
    most = {"one": 1, "all": nodes}.get(policy.kind, policy.count)
    return min(most, nodes)
