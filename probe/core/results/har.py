"""Rule: an export says what the record says, in the format that browsers' developer tools open; nothing is made up.

HAR 1.2 (W3C web performance group's HTTP Archive) of one slot: an entry for each observation in order, one page for
the slot. What was not measured is -1, as the format has it; our own members begin with an underscore. `_uncertainty`,
where there is one, is the record's (`TimingUncertainty`): by how many microseconds its spans may be too long.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import asdict

from probe.core.model.protocols import H2, H3, HTTP_1_1
from probe.core.model.times import epoch_s, utc_text
from probe.core.records.observation import Observation, Role
from probe.core.records.phases import phases
from probe.core.records.response import Response
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import Bundle, Exchange

_UNKNOWN = -1
_ASKED_AS_WRITTEN = frozenset({Role.EDGE, Role.CONFIRM, Role.SWEEP})


def har_of(bundle: Bundle) -> dict[str, Any]:
    """The whole archive of one slot, as JSON-able values."""
    exchanges = {exchange.observation: exchange for exchange in bundle.exchanges}
    return har(bundle.record, exchanges)


def har(row: SlotRecord, exchanges: Mapping[int, Exchange] | None = None) -> dict[str, Any]:
    """The same without a bundle: heads and bodies are then not known beyond what the record has."""
    known = exchanges or {}
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "cdn-probe", "version": row.host.agent_version},
            "pages": [_page(row)],
            "entries": [
                _entry(row, index, observation, known.get(index))
                for index, observation in enumerate(row.observations)
            ],
        }
    }


def _page(row: SlotRecord) -> dict[str, Any]:
    return {
        "startedDateTime": row.started_at or row.scheduled_at,
        "id": _page_id(row),
        "title": f"{row.domain}{row.path} from {row.vantage_point}: {row.outcome}",
        "pageTimings": {},
        "comment": row.summary or "",
    }


def _page_id(row: SlotRecord) -> str:
    return f"{row.customer}/{row.seq if row.seq is not None else row.task}"


def _entry(
    row: SlotRecord, index: int, observation: Observation, exchange: Exchange | None
) -> dict[str, Any]:
    timing = observation.timing
    begin_us = next((v for v in (timing.domain_lookup_start_us, timing.connect_start_us) if v is not None), 0)
    timings = _timings(observation)
    entry: dict[str, Any] = {
        "pageref": _page_id(row),
        "startedDateTime": utc_text(epoch_s(row.started_at or row.scheduled_at) + begin_us / 1e6),
        "time": sum(v for k, v in timings.items() if v > 0 and k != "ssl"),
        "request": _request(row, observation, exchange),
        "response": _response(observation, exchange),
        "cache": {},
        "timings": timings,
        "serverIPAddress": observation.address,
        "connection": observation.source or "",
        "_role": observation.role.value,
        "_index": index,
    }
    if timing.uncertainty is not None:
        entry["_uncertainty"] = asdict(timing.uncertainty)
    if observation.failure is not None:
        entry["response"]["_error"] = observation.failure.type.value
        entry["comment"] = f"{observation.failure.type}: {observation.failure.detail or ''}"
    return entry


def _timings(observation: Observation) -> dict[str, float]:
    """Milliseconds. In HAR `connect` contains `ssl`; what did not take place is -1."""
    timing, durations = observation.timing, phases(observation.timing)
    lookup_us = (
        timing.domain_lookup_end_us - timing.domain_lookup_start_us
        if observation.role is Role.EDGE
        and timing.domain_lookup_start_us is not None
        and timing.domain_lookup_end_us is not None
        else None
    )
    connect_us = None if durations.connect_us is None else durations.connect_us + (durations.tls_us or 0)
    return {
        "blocked": _UNKNOWN,
        "dns": _ms(lookup_us),
        "connect": _ms(connect_us),
        "ssl": _ms(durations.tls_us),
        "send": 0.0,
        "wait": max(_ms(durations.processing_us), 0.0),
        "receive": max(_ms(durations.transfer_us), 0.0),
    }


def _ms(value_us: int | None) -> float:
    return _UNKNOWN if value_us is None else value_us / 1000


def _request(row: SlotRecord, observation: Observation, exchange: Exchange | None) -> dict[str, Any]:
    head = exchange.request_head if exchange is not None else ""
    fields = _fields_of(head)
    return {
        "method": observation.method,
        "url": observation.url,
        "httpVersion": _asked_over(row, observation, head),
        "cookies": [],
        "headers": fields,
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(urlsplit(observation.url).query, keep_blank_values=True)
        ],
        "headersSize": len(head.encode()) if head else _UNKNOWN,
        "bodySize": 0,
    }


def _asked_over(row: SlotRecord, observation: Observation, head: str) -> str:
    """The version of the request, as it was written; where none is kept, by what was agreed on or asked for."""
    written = head.partition("\r\n")[0].rpartition(" ")[2]
    agreed = None if observation.tls is None else observation.tls.alpn
    if observation.quic_info is not None:
        agreed = H3
    elif agreed is None and row.protocol == H2 and observation.role in _ASKED_AS_WRITTEN:
        agreed = H2  # the handshake did not come to its end, and nothing else was offered in it
    return written or _version(agreed or HTTP_1_1)


def _version(alpn: str) -> str:
    """HTTP/1.1, HTTP/2, HTTP/3: as browsers write it."""
    return f"HTTP/{alpn[1:]}" if alpn in ("h2", "h3") else alpn.upper()


def _fields_of(head: str) -> list[dict[str, str]]:
    lines = head.split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return [{"name": name, "value": value.strip()} for name, _, value in pairs]


def _response(observation: Observation, exchange: Exchange | None) -> dict[str, Any]:
    response = observation.response
    if response is None:
        return _no_response()
    head_bytes = len(exchange.response_head) if exchange is not None and exchange.response_head else _UNKNOWN
    return {
        "status": response.status_code,
        "statusText": response.reason_phrase,
        "httpVersion": _version(response.next_hop_protocol),
        "cookies": _cookies(response.fields),
        "headers": [{"name": name, "value": value} for name, value in response.fields],
        "content": _content(response, exchange),
        "redirectURL": next((v for n, v in response.fields if n == "location"), ""),
        "headersSize": head_bytes,
        "bodySize": _UNKNOWN if response.encoded_body_bytes is None else response.encoded_body_bytes,
    }


def _no_response() -> dict[str, Any]:
    return {
        "status": 0,
        "statusText": "",
        "httpVersion": "",
        "cookies": [],
        "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"},
        "redirectURL": "",
        "headersSize": _UNKNOWN,
        "bodySize": _UNKNOWN,
    }


def _content(response: Response, exchange: Exchange | None) -> dict[str, Any]:
    """The size, and the bytes kept: `comment` says where that is not all of them."""
    size = response.decoded_body_bytes or 0
    mime = next((v for n, v in response.fields if n == "content-type"), "x-unknown")
    content: dict[str, Any] = {"size": size, "mimeType": mime}
    if response.encoded_body_bytes is not None:
        content["compression"] = size - response.encoded_body_bytes
    if exchange is not None and exchange.body_head:
        content |= _text(exchange.body_head)
        if len(exchange.body_head) < size:
            content["comment"] = f"the first {len(exchange.body_head)} of {size} bytes"
    return content


def _text(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode("ascii"), "encoding": "base64"}


def _cookies(fields: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for name, value in fields:
        if name == "set-cookie":
            jar: SimpleCookie = SimpleCookie()
            try:
                jar.load(value)
            except CookieError:
                continue  # the field itself is among the headers
            found.extend({"name": key, "value": morsel.value} for key, morsel in jar.items())
    return found
