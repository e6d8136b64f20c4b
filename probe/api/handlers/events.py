"""Rule: events are the stored lines, byte for byte; a page says how far it searched, so that none is skipped.

`GET /v1/events`: what happened to the agent and to its ledger, out of a customer's stream.
"""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import web

from probe.api.http.problem import COMMON
from probe.api.request import queries
from probe.api.request.calls import Call
from probe.core.scheduling.grid import to_us

SEARCHED = 20_000  # events, for one page
AT_ONCE = 1000
LIMIT, MOST = 1000, 10_000


class _When(msgspec.Struct):
    at: str | None = None


_WHEN = msgspec.json.Decoder(_When)


async def events(call: Call) -> web.StreamResponse:
    """One page of events after a cursor."""
    customer, after = call.values["customer"], call.values["after"]
    await call.services.require_stream(call.caller, customer)
    since, until = (
        None if call.values[name] is None else to_us(call.values[name]) for name in ("since", "until")
    )
    found: list[str] = []
    at, searched = after, 0
    head = await call.services.sums.run(lambda reader: reader.head(customer).seq)
    while searched < SEARCHED and len(found) < call.values["limit"] and at < head:
        lines, last, count = await call.services.sums.run(
            partial(queries.events, customer=customer, after=at, most=AT_ONCE)
        )
        room = call.values["limit"] - len(found)
        wanted = [(seq, text) for seq, text in lines if _between(text, since, until)]
        found += [text for _, text in wanted[:room]]
        # Where not all fit, the next page begins after the last event of this one.
        at = wanted[room - 1][0] if len(wanted) > room else max(at, last)
        searched += count
        if not count:
            at = head
    page = {"kind": "page", "agent": call.services.agent, "customer": customer, "after": after, "next": at}
    end = msgspec.json.encode({**page, "rows": len(found), "more": at < head}).decode()
    body = "\n".join([*found, end, ""]).encode()
    return web.Response(body=body, headers={**COMMON, "Content-Type": "application/x-ndjson"})


def _between(text: str, since: int | None, until: int | None) -> bool:
    if since is None and until is None:
        return True
    at = _WHEN.decode(text).at
    if at is None:
        return True  # a dropped span has no time of its own: it is included rather than skipped
    moment = to_us(at)
    return (since is None or moment >= since) and (until is None or moment < until)
