"""Rule: a bundle assigns bytes to observations; bytes that cannot be assigned to one are left out.

Takes a row and what its slot collected, gives the bundle that is stored beside the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import (
    BODY_HEAD_BYTES,
    BUNDLE_VERSION,
    MESSAGES_AT_MOST,
    Bundle,
    Difference,
    DnsMessages,
    Exchange,
    bundle_id,
    difference,
)
from probe.evidence.capture import Captured, Collector

COMPARED_BYTES = 1024 * 1024
_DOUBTED = frozenset({Relation.UNKNOWN_VERSION, Relation.UNSEEN_VERSION, Relation.OLDER})


def bundle_of(row: SlotRecord, definition: str, collected: Collector) -> Bundle:
    """Everything kept of the slot. `definition`: the task in force as JSON text."""
    exchanges_kept = collected.exchanges
    found = [_of(observation, exchanges_kept) for observation in row.observations]
    origin = _whole_body(row.observations, found)
    exchanges = tuple(
        _exchange(index, observation, captured, origin)
        for index, (observation, captured) in enumerate(zip(row.observations, found, strict=True))
        if captured is not None
    )
    return Bundle(
        bundle_version=BUNDLE_VERSION,
        id=bundle_id(row),
        record=row,
        definition=definition,
        exchanges=exchanges,
        dns=tuple(islice(_messages(row, collected), MESSAGES_AT_MOST)),
    )


def _of(observation: Observation, captured: Sequence[Captured]) -> Captured | None:
    return next((c for c in captured if c.belongs_to(observation)), None)


def _whole_body(observations: Sequence[Observation], found: Sequence[Captured | None]) -> bytes | None:
    """The origin's body, as it was last fetched whole in this slot."""
    for observation, captured in zip(reversed(observations), reversed(found), strict=True):
        status = observation.response.status_code if observation.response is not None else 0
        if observation.role is Role.ORIGIN and captured is not None and captured.whole and status == 200:
            return captured.body
    return None


def _exchange(index: int, observation: Observation, captured: Captured, origin: bytes | None) -> Exchange:
    return Exchange(
        observation=index,
        request_head=captured.request_head,
        response_head=captured.response_head,
        body_head=captured.body[:BODY_HEAD_BYTES],
        certificates=captured.certificates,
        difference=_difference(observation, captured, origin),
    )


def _difference(observation: Observation, captured: Captured, origin: bytes | None) -> Difference | None:
    comparison = observation.comparison
    doubted = comparison is not None and comparison.relation in _DOUBTED
    return difference(captured.body, origin) if doubted and captured.whole and origin is not None else None


def _messages(row: SlotRecord, collected: Collector) -> list[DnsMessages]:
    """The messages in the order of the resolution's queries."""
    queries = list(row.resolution.queries) if row.resolution is not None else []
    return [
        DnsMessages(query=queries.index(kept.query), sent=kept.sent, received=kept.received)
        for kept in collected.messages
        if kept.query in queries
    ]
