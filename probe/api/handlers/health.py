"""Rule: alive means that this process answers; ready means that the agent measures and its store can be written.

`GET /healthz`, `GET /readyz`, `GET /metrics`.
"""

from __future__ import annotations

from aiohttp import web

from probe.api.http.problem import COMMON, Refused, json_response, unavailable
from probe.api.request.calls import Call


async def healthz(call: Call) -> web.StreamResponse:
    """This process answers."""
    return json_response({"alive": True})


async def readyz(call: Call) -> web.StreamResponse:
    """The agent answers, its store takes rows, and they can be read."""
    view = await call.services.link.view()
    if view is None:
        raise unavailable("the agent does not answer")
    if view.trouble is not None:
        raise unavailable(
            "the agent's store takes no rows at this moment, or somebody interferes with it; the agent's log says which"
        )
    try:
        await call.services.pages.run(lambda reader: reader.heads())
    except Refused:
        raise unavailable("the results cannot be read at this moment") from None
    return json_response({"ready": True})


async def metrics(call: Call) -> web.StreamResponse:
    """The agent's metrics and the server's own; the agent's are missing where it does not answer."""
    theirs = await call.services.link.metrics()
    call.services.counters.agent_answers.set(theirs is not None)
    text = (theirs or "").rstrip("\n")
    body = (text + "\n" if text else "") + call.services.counters.text()
    headers = {**COMMON, "Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=body.encode(), headers=headers)
