"""Rule: the inventory of nodes is the one that the `nodes` command shows.

`GET /v1/nodes`: which nodes were seen of a customer's domains, since when, from where, and whether still in use.
"""

from __future__ import annotations

from aiohttp import web

from probe.api.http.problem import json_response
from probe.api.request.calls import Call
from probe.core.config.node_labels import listed
from probe.core.nodes.values import gather


async def nodes(call: Call) -> web.StreamResponse:
    """The nodes of one customer."""
    customer, domain = call.values["customer"], call.values["domain"]
    await call.services.require_stream(call.caller, customer)
    config = await call.services.known.config()
    seen = await call.services.sums.run(lambda reader: reader.nodes(domain))
    now_s = call.services.clock.time_ns() / 1e9
    kept = gather([sighting for sighting in seen if sighting.customer == customer])
    found = listed(kept, () if config is None else config.customers, now_s)
    return json_response({"customer": customer, "nodes": found})
