"""Rule: a node once seen answering for a domain stays known, so that a failure can be held against all of them.

The inventory of each (customer, domain, IP version): which addresses the CDN gave to which vantage point, and since
when. It learns from look-ups that passed the CDN, and never from what may not be a node. Wall-clock times in
seconds since the epoch come in with every call. Memory: at most NODES_AT_MOST addresses of each, the oldest
forgotten first.
"""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.model.task import Task
from probe.core.nodes.domain_inventory import NodesOfDomain
from probe.core.nodes.eligibility import learnable, visitable
from probe.core.nodes.values import Changes, Learning, Sighting
from probe.core.records.dns import Resolution
from probe.core.records.surroundings import NodeFacts

NODES_AT_MOST = 4096

_Key = tuple[str, str, int]


class Inventory:
    """Every domain's nodes, as learned by all vantage points of this agent. For one thread."""

    def __init__(self, nodes_at_most: int = NODES_AT_MOST) -> None:
        self._at_most = nodes_at_most
        self._domains: dict[_Key, NodesOfDomain] = {}
        self._touched: dict[_Key, None] = {}

    def facts(self, task: Task, resolution: Resolution, now_s: float) -> NodeFacts:
        """What is known before this slot's answer is learned from."""
        domain = self._of(task)
        known = domain.known(task, now_s)
        return NodeFacts(
            known=len(known),
            settled=domain.settled(task.vantage_point.name, now_s),
            strangers=tuple(a for a in visitable(resolution) if a not in known),
        )

    def known(self, task: Task, now_s: float) -> tuple[str, ...]:
        """The nodes that may be swept for this task, those seen last at the end."""
        return tuple(self._of(task).known(task, now_s))

    def learn(self, task: Task, resolution: Resolution, now_s: float) -> None:
        """Remember the nodes that a look-up led to."""
        learned = learnable(task, resolution)
        if learned.addresses:
            self._touched[_key(task)] = None
            self._of(task).learn(task.vantage_point.name, learned, now_s)

    def vouch(self, task: Task, addresses: Iterable[str]) -> None:
        """These served as agreed: no longer on trial."""
        self._touched[_key(task)] = None
        self._of(task).vouch(addresses)

    def take_changes(self, *, final: bool = False) -> Changes:
        """What the store has to write now; with `final` also what was written less than a minute ago."""
        nodes: list[Sighting] = []
        learning: list[Learning] = []
        touched, self._touched = self._touched, {}
        for key in self._domains if final else touched:
            changes = self._domains[key].take_changes(final=final)
            nodes.extend(changes.nodes)
            learning.extend(changes.learning)
        return Changes(nodes=tuple(nodes), learning=tuple(learning))

    def restore(self, nodes: Iterable[Sighting], learning: Iterable[Learning]) -> None:
        """Take over what an earlier run kept; the longest unseen first. Nothing of it counts as a change."""
        for sighting in nodes:
            self._domain(sighting.customer, sighting.domain, sighting.ip_version).restore(sighting)
        for known in learning:
            self._domain(known.customer, known.domain, known.ip_version).restore_learning(known)

    def _of(self, task: Task) -> NodesOfDomain:
        return self._domain(*_key(task))

    def _domain(self, customer: str, domain: str, ip_version: int) -> NodesOfDomain:
        key = (customer, domain, ip_version)
        if key not in self._domains:
            self._domains[key] = NodesOfDomain(*key, at_most=self._at_most)
        return self._domains[key]


def _key(task: Task) -> _Key:
    return task.customer, task.domain, task.ip_version
