"""Rule: a reader sees the configuration under which its rows were made, and no other customer's.

`GET /v1/config`: every version that was in force, by digest (rows carry it as `config_digest`), redacted. Who may see
all customers is shown all files; others those of their customers.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from probe.api.http.problem import json_response, not_found
from probe.api.request.auth import Caller
from probe.api.request.calls import Call
from probe.core.config.snapshot import ShownFile, apart


async def config(call: Call) -> web.StreamResponse:
    """The versions, oldest first; one of them where `digest` names it."""
    digest = call.values["digest"]
    versions = await call.services.sums.run(lambda reader: reader.config_versions())
    chosen = [v for v in versions if digest is None or v[0] == digest]
    if digest is not None and not chosen:
        raise not_found()
    shown = [
        _version(call.who, *version, with_text=digest is not None or call.values["text"] == "yes")
        for version in chosen
    ]
    return json_response({"versions": shown})


def _version(caller: Caller, digest: str, at: str, text: str, *, with_text: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"digest": digest, "at": at}
    if with_text:
        files = apart(text) or [ShownFile("", None, text)]  # kept by an earlier version: in one piece
        made["files"] = [
            {"name": f.name, "customer": f.customer, "text": f.text} for f in files if _may_see(caller, f)
        ]
    return made


def _may_see(caller: Caller, file: ShownFile) -> bool:
    return caller.sees_all or (file.customer is not None and caller.sees(file.customer))
