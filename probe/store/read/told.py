"""Rule: incidents are read from the events that tell of them, the newest first; no row is read for it."""

from __future__ import annotations

from collections.abc import Collection

from probe.core.incidents.incident import EVENTS, Incident
from probe.core.incidents.told import REMOVED, told
from probe.core.records.codec import CodecError, decode
from probe.core.records.rows import EventRecord
from probe.store.read.reader import Reader

MOST_EVENTS = 2_000  # of one stream


def incidents_of(reader: Reader, customers: Collection[str]) -> list[Incident]:
    """What the streams of these customers tell: open ones first, then closed ones, the last closed first.

    Raises StoreError. A vantage point's incident, which stands in several streams, is given once.
    """
    events = []
    for customer in customers:
        for line in reader.last_events(customer, (*EVENTS, REMOVED), MOST_EVENTS):
            try:
                event = decode(line.text)
            except CodecError:
                continue
            if isinstance(event, EventRecord):
                events.append(event)
    return told(events)
