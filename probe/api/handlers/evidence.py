"""Rule: evidence is shown to readers who may see its row; others get 404, after as much time as if it did not exist.

`GET /v1/evidence/{id}`: the bundle of one slot, byte for byte as its row vouches for it, or the same as HAR 1.2. One
that is not what the row's digest says is not handed out: 500, and an error in the log.
"""

from __future__ import annotations

import asyncio
import logging
import re

import msgspec
from aiohttp import web

from probe.api.http.problem import Refused, json_response, not_found
from probe.api.request.calls import Call
from probe.core.results.bundle import BundleError, read_bundle
from probe.core.results.har import har_of
from probe.store.read.evidence import EvidenceAlteredError
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

_ID = re.compile(r"[0-9a-f]{32}")
SETTLED_S = 0.05  # reading a bundle takes less, so the time of a 404 does not show whether there is one


async def evidence(call: Call) -> web.StreamResponse:
    """One bundle."""
    loop = asyncio.get_running_loop()
    answer_at = loop.time() + SETTLED_S
    as_har = call.values["format"] == "har"

    def read(reader: Reader) -> bytes | None:
        row = reader.evidence_row(call.tail)
        if row is None or not call.who.sees(row.customer):
            return None
        try:
            text = reader.evidence(row.evidence_id, row.evidence_sha256)
            return msgspec.json.encode(har_of(read_bundle(text))) if as_har and text is not None else text
        except (EvidenceAlteredError, BundleError) as error:
            log.error("evidence.altered", extra=fields(customer=row.customer, seq=row.seq, error=str(error)))
            raise Refused(500, f"{row.customer}/{row.seq}: {error}") from error

    made = await call.services.sums.run(read) if _ID.fullmatch(call.tail) else None
    if made is None:
        await asyncio.sleep(max(0.0, answer_at - loop.time()))
        raise not_found()
    return json_response(msgspec.Raw(made))
