"""Rule: evidence is shown to readers who may see its row; others get 404, after as much time as if it did not exist.

`GET /v1/evidence/{id}`: the bundle of one slot, or the same as HAR 1.2.
"""

from __future__ import annotations

import asyncio
import re

import msgspec
from aiohttp import web

from probe.api.http.problem import json_response, not_found
from probe.api.request.calls import Call
from probe.core.records.codec import encode_any
from probe.core.results.har import har_of
from probe.store.read.reader import Reader

_ID = re.compile(r"[0-9a-f]{32}")
SETTLED_S = 0.05  # reading a bundle takes less, so the time of a 404 does not show whether there is one


async def evidence(call: Call) -> web.StreamResponse:
    """One bundle."""
    loop = asyncio.get_running_loop()
    answer_at = loop.time() + SETTLED_S
    as_har = call.values["format"] == "har"

    def read(reader: Reader) -> bytes | None:
        found = reader.bundle(call.tail)
        if found is None or not call.who.sees(found.record.customer):
            return None
        return msgspec.json.encode(har_of(found)) if as_har else encode_any(found)

    made = await call.services.sums.run(read) if _ID.fullmatch(call.tail) else None
    if made is None:
        await asyncio.sleep(max(0.0, answer_at - loop.time()))
        raise not_found()
    return json_response(msgspec.Raw(made))
