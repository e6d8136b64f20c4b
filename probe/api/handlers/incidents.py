"""Rule: what the stream tells of incidents is given as it was told last; another customer's are not there.

`GET /v1/incidents`: open ones first, then closed ones, the last closed first.
"""

from __future__ import annotations

from aiohttp import web

from probe.api.http.problem import json_response
from probe.api.request.calls import Call
from probe.core.incidents.incident import Incident, shown
from probe.core.incidents.sentence import sentence
from probe.core.scheduling.grid import to_us
from probe.store.read.reader import Reader
from probe.store.read.told import incidents_of

LIMIT, MOST = 100, 1000
STATES = ("all", "open", "closed")


async def incidents(call: Call) -> web.StreamResponse:
    """Those of one customer."""
    customer, state = call.values["customer"], call.values["state"]
    await call.services.require_stream(call.caller, customer)
    since_us = None if call.values["since"] is None else to_us(call.values["since"])
    domain, identifier = call.values["domain"], call.values["id"]

    def wanted(one: Incident) -> bool:
        return (
            state in ("all", "open" if one.is_open else "closed")
            and (since_us is None or one.is_open or (one.closed_us or 0) >= since_us)
            and domain in (None, one.domain)
            and identifier in (None, one.id)
        )

    def read(reader: Reader) -> list[Incident]:
        return [one for one in incidents_of(reader, (customer,)) if wanted(one)]

    found = await call.services.sums.run(read)
    listed = [{**shown(one), "sentence": sentence(one)} for one in found[: call.values["limit"]]]
    return json_response(
        {"agent": call.services.agent, "customer": customer, "count": len(found), "incidents": listed}
    )
