"""Rule: tasks that share remembered state have one worker; a change of the plan moves as few as possible.

What a slot learns is for the next ones: the origin's versions and how often it was asked, the nodes of a domain, the
bytes of a day. So a customer's tasks that are connected by a domain or an origin's host stay together, and all of them
where its bytes of a day are bounded. Such groups are spread by how much they ask for: the largest first, each to the
worker with the least (Graham 1969: at most 4/3 of the best). The same input gives the same answer on every host.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from probe.core.model.task import Task

UNEVEN = 1.25  # of the mean: beyond that groups move, up to it they stay where their memory is


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that stay together, by their ids; `load`: their slots a second."""

    tasks: tuple[str, ...]
    load: float


def groups_of(tasks: Sequence[Task]) -> tuple[Group, ...]:
    """Every task in exactly one group, in the order of the first of each."""
    parent: dict[Hashable, Hashable] = {}
    for task in tasks:
        first, *others = _shared(task)
        for other in others:
            parent[_root(parent, other)] = _root(parent, first)
        parent.setdefault(_root(parent, first), _root(parent, first))
    members: dict[Hashable, list[Task]] = {}
    for task in tasks:
        members.setdefault(_root(parent, _shared(task)[0]), []).append(task)
    return tuple(
        Group(tuple(task.id for task in group), sum(1e6 / task.period_us for task in group))
        for group in members.values()
    )


def spread(groups: Sequence[Group], workers: int, before: Mapping[str, int] | None = None) -> dict[str, int]:
    """Task id -> the number of its worker, from 0 on.

    `before`: the answer that was in force. A group stays where most of it was; only where one worker would have more
    than `UNEVEN` times its share do groups move, each to make the greatest difference. Raises ValueError for no worker.
    """
    if workers < 1:
        raise ValueError("tasks need a worker")
    loads = [0.0] * workers
    homes: dict[int, int] = {}
    for number, group in enumerate(groups):
        home = _home(group, before or {}, workers)
        if home is not None:
            homes[number] = home
            loads[home] += group.load
    for number in _largest_first(groups):
        if number not in homes:
            homes[number] = loads.index(min(loads))
            loads[homes[number]] += groups[number].load
    _even_out(groups, homes, loads)
    return {task: homes[number] for number, group in enumerate(groups) for task in group.tasks}


def _shared(task: Task) -> tuple[Hashable, ...]:
    """Names of what the task's slots remember together with others'."""
    if task.bytes_per_day is not None:
        return ((task.customer, "bytes"),)  # a property of the customer: all its tasks have it
    domain = (task.customer, "domain", task.domain)
    return (domain,) if task.origin is None else (domain, (task.customer, "origin", task.origin.address))


def _root(parent: dict[Hashable, Hashable], item: Hashable) -> Hashable:
    """The name of the set that it is in, with the ways to it made shorter."""
    while (above := parent.setdefault(item, item)) != item:
        parent[item] = parent[above]
        item = above
    return item


def _home(group: Group, before: Mapping[str, int], workers: int) -> int | None:
    """Where most of the group was; of several the one with the least number. None: nowhere that still is."""
    votes: dict[int, int] = {}
    for task in group.tasks:
        worker = before.get(task)
        if worker is not None and worker < workers:
            votes[worker] = votes.get(worker, 0) + 1
    return min(votes, key=lambda worker: (-votes[worker], worker)) if votes else None


def _largest_first(groups: Sequence[Group]) -> list[int]:
    return sorted(range(len(groups)), key=lambda number: (-groups[number].load, groups[number].tasks))


def _even_out(groups: Sequence[Group], homes: dict[int, int], loads: list[float]) -> None:
    """Move the largest group that fits into half of the gap from the fullest to the emptiest, while it is uneven.

    Each move makes the fullest of the two less full than it was: it ends.
    """
    order = _largest_first(groups)
    for _ in range(len(groups)):
        fullest, emptiest = loads.index(max(loads)), loads.index(min(loads))
        if loads[fullest] <= UNEVEN * sum(loads) / len(loads):
            return
        gap = loads[fullest] - loads[emptiest]
        chosen = next((n for n in order if homes[n] == fullest and 0 < groups[n].load <= gap / 2), None)
        if chosen is None:
            return
        homes[chosen] = emptiest
        loads[fullest] -= groups[chosen].load
        loads[emptiest] += groups[chosen].load
