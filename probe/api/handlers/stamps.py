"""Rule: whoever may read a stream may read who else vouches for it.

`GET /v1/stamps`: the time stamps of a stream, byte for byte as they are kept, and a last line that marks the end.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from probe.api.http.problem import COMMON, Refused, unavailable
from probe.api.request.calls import Call
from probe.core.proof.chain import line_digest
from probe.seal.stamps import files
from probe.store.read.reader import Reader

MOST = 500
NDJSON = "application/x-ndjson"


async def stamps(call: Call) -> web.StreamResponse:
    """A page of them."""
    customer, after, digest = (call.values[name] for name in ("customer", "after", "digest"))
    await call.services.require_stream(call.caller, customer)
    agent = call.values["agent"] or call.services.agent
    file = files.stamps_file(call.services.directory, agent, customer)

    def read(reader: Reader) -> tuple[list[bytes], int]:
        first = max(0, after - 1) if digest is not None else after
        lines, count = files.page(file, first, call.values["limit"] + after - first)
        if after > count:
            raise Refused(409, f"there are {count} time stamps, and you have {after}: ask for all again")
        if digest is not None and after:
            if line_digest(lines[0]) != digest:
                raise Refused(409, f"time stamp {after} here is another than yours: ask for all again")
            lines = lines[1:]
        return lines, count

    try:
        lines, count = await call.services.sums.run(read)
    except OSError:
        raise unavailable("the time stamps cannot be read at this moment; the agent's log says why") from None
    end = {
        "kind": "stamps",
        "agent": agent,
        "customer": customer,
        "after": after,
        "next": after + len(lines),
        "count": count,
    }
    body = b"".join(line + b"\n" for line in (*lines, msgspec.json.encode(end)))
    return web.Response(body=body, headers={**COMMON, "Content-Type": NDJSON})
