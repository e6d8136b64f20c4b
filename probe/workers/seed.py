"""Rule: what the store knows is read once for those who measure: by a start for all, by a worker for its share.

Reads the store and decides nothing; for a thread where there may be much. Gives a `messages.Seed`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from probe.core.content.origin_keys import origin_in, origin_key
from probe.core.model.task import Task
from probe.core.model.times import utc_text
from probe.core.records.origin import OriginVersion
from probe.core.scheduling.bandwidth_budget import DAY_S
from probe.store.store import Store
from probe.workers.messages import Seed


def seed_of(store: Store, tasks: Sequence[Task], now_ns: int) -> Seed:
    """What a worker is to know of the objects of these tasks before it measures them."""
    origins = {(task.customer, task.origin.address) for task in tasks if task.origin is not None}
    domains = {(task.customer, task.domain) for task in tasks}
    histories: dict[tuple[str, str], list[OriginVersion]] = {}
    for customer, key, version in store.all_origin_versions():
        if (customer, origin_in(key)) in origins:
            histories.setdefault((customer, key), []).append(version)
    nodes, learning = store.nodes()
    bounded = {task.customer for task in tasks if task.bytes_per_day is not None}
    served = {(task.customer, origin_key(task.origin)) for task in tasks if task.origin is not None}
    return Seed(
        standings=tuple(kept for kept in store.origin_standings() if kept[:2] in served),
        histories=tuple((*key, tuple(versions)) for key, versions in histories.items()),
        nodes=tuple(node for node in nodes if (node.customer, node.domain) in domains),
        learning=tuple(known for known in learning if (known.customer, known.domain) in domains),
        spent=tuple(spent_today(store, bounded, now_ns).items()),
    )


def spent_today(store: Store, customers: Collection[str], now_ns: int) -> dict[str, int]:
    """Customer -> bytes of the bodies of its rows since midnight (UTC)."""
    midnight = utc_text(now_ns / 1e9 // DAY_S * DAY_S)
    return {customer: store.body_bytes_since(customer, midnight) for customer in customers}
