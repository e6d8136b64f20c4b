"""Rule: every figure that people know by name is derived from the W3C points in one place, here.

ResourceTiming (offsets) -> durations in microseconds. A phase that did not take place, or whose end was not
reached, is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from probe.core.records.dns import Resolution
from probe.core.records.transport import ResourceTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """The five phases that blackbox_exporter users know, and the two figures of the contracts.

    connect: TCP handshake; tls: TLS handshake; processing: request sent to first byte; transfer: first to last
    byte; ttfb and total: from the start of the connection (contract B and D measure an object, not a look-up).
    """

    resolve_us: int | None
    connect_us: int | None
    tls_us: int | None
    processing_us: int | None
    transfer_us: int | None
    ttfb_us: int | None
    total_us: int | None


def _between(start_us: int | None, end_us: int | None) -> int | None:
    return None if start_us is None or end_us is None else end_us - start_us


def phases(timing: ResourceTiming, resolution: Resolution | None = None) -> Phases:
    """The durations of one observation; `resolution` gives the time of the slot's look-up."""
    secure, connected = timing.secure_connection_start_us, timing.connect_end_us
    return Phases(
        resolve_us=_between(*(lookup_span_us(resolution) or (None, None))),
        connect_us=_between(timing.connect_start_us, connected if secure is None else secure),
        tls_us=_between(secure, connected),
        processing_us=_between(timing.request_start_us, timing.response_start_us),
        transfer_us=_between(timing.response_start_us, timing.response_end_us),
        ttfb_us=_between(timing.connect_start_us, timing.response_start_us),
        total_us=_between(timing.connect_start_us, timing.response_end_us),
    )


def lookup_span_us(resolution: Resolution | None) -> tuple[int, int] | None:
    """From the first message of the chain walk to its last answer, as offsets; None if nothing was asked."""
    walk = [q for q in resolution.queries if q.purpose == "chain"] if resolution is not None else []
    starts = [q.start_us for q in walk if q.start_us is not None]
    ends = [q.end_us for q in walk if q.end_us is not None]
    return (min(starts), max(ends)) if starts and ends else None
