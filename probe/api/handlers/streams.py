"""Rule: a reader sees its own streams only.

`GET /v1/streams`: which customers it may see, and how far each stream is.
"""

from __future__ import annotations

from aiohttp import web

from probe.api.http.problem import json_response
from probe.api.request.calls import Call
from probe.core.proof.chain import GENESIS, Head
from probe.store.read.reader import Reader


async def streams(call: Call) -> web.StreamResponse:
    """Every stream, with its signed head."""
    caller, services = call.who, call.services
    view = await services.link.view()  # before the heads: see results.py

    def read(reader: Reader) -> list[Head]:
        found = []
        for agent, customer, _ in reader.streams():
            if caller.sees(customer):
                reader.agent = agent
                found.append(reader.head(customer))
        return found

    heads = await services.pages.run(read)
    known = {head.customer for head in heads if head.agent == services.agent}
    heads += [
        Head(agent=services.agent, customer=name, seq=0, digest=GENESIS)
        for name in caller.token.customers
        if name != "*" and name not in known
    ]
    live = {} if view is None else view.complete_up_to
    listed = [
        {
            "agent": head.agent,
            "customer": head.customer,
            "seq": head.seq,
            "complete_up_to": max(
                filter(
                    None,
                    (head.complete_up_to, live.get(head.customer) if head.agent == services.agent else None),
                ),
                default=None,
            ),
            "head": services.signer.sign(head),
        }
        for head in sorted(heads, key=lambda head: (head.agent, head.customer))
    ]
    return json_response({"agent": services.agent, "public_key": services.public_key, "streams": listed})
