"""Rule: what a stream's events tell of incidents is their newest state; no row is looked at for it."""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.incidents.incident import EVENTS, Ending, Incident, from_detail, time_us
from probe.core.model.value import replace
from probe.core.records.rows import EventRecord

REMOVED = "customer.removed"
_MARKS = tuple(f'"event":"{event}"' for event in EVENTS)


def is_of_incident(text: str) -> bool:
    """Whether a stored line may be an event of an incident: a look before it is decoded."""
    return any(mark in text for mark in _MARKS)


def told(events: Iterable[EventRecord]) -> list[Incident]:
    """Each incident as its newest event has it: the open ones first, the oldest first; then closed ones, newest first.

    Where a customer is measured no longer (`customer.removed`, the last event of a stream), nobody sees it end: it is
    closed by then. Events of other kinds, and what cannot be read, are passed over.
    """
    newest: dict[str, Incident] = {}
    removed_us: dict[str, int] = {}
    for event in events:
        if event.event == REMOVED:
            removed_us[event.customer] = max(removed_us.get(event.customer, 0), time_us(event.at))
        if event.event not in EVENTS:
            continue
        try:
            incident = from_detail(event.detail)
        except ValueError:
            continue
        known = newest.get(incident.id)
        if known is None or known.revision < incident.revision:
            newest[incident.id] = incident
    return in_order(_ended(one, removed_us.get(one.customer or "", 0)) for one in newest.values())


def _ended(one: Incident, removed_us: int) -> Incident:
    if not one.is_open or one.last_failing_us > removed_us:
        return one
    return replace(one, closed_us=removed_us, ending=Ending.UNKNOWN)


def in_order(incidents: Iterable[Incident]) -> list[Incident]:
    """Open ones first, the oldest first; then the others, the last closed first."""
    return sorted(
        incidents,
        key=lambda one: (
            not one.is_open,
            one.first_failing_us if one.is_open else -(one.closed_us or 0),
            one.id,
        ),
    )
