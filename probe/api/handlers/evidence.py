"""Rule: evidence is shown to who may see its row; to all others it is not there, and takes as long not to be.

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
SETTLED_S = 0.05  # reading a bundle takes less: how long a 404 takes does not tell whether there is one


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
