"""Rule: what a reader confirms is compared with the store, and is on the disk before the response is sent.

`POST /v1/ack`, `GET /v1/acks`.
"""

from __future__ import annotations

import logging
from typing import Annotated

import msgspec
from aiohttp import web

from probe.api.http.problem import Refused, json_response, unavailable
from probe.api.request import queries
from probe.api.request.calls import Call
from probe.core.records.codec import encode_any
from probe.store.confirmations import Ack, ApiDbError
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

MOST_BYTES = 4096


class AckBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """I have this customer's stream up to `seq`, whose line has this SHA-256."""

    customer: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    agent: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None


_BODY = msgspec.json.Decoder(AckBody)


async def acknowledge(call: Call) -> web.StreamResponse:
    """Keep a confirmation; an earlier one than is kept changes nothing."""
    if call.request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "the body is JSON: send Content-Type: application/json")
    data = await call.body(MOST_BYTES)
    try:
        body = _BODY.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(400, f"the body cannot be used: {error}") from None
    await call.services.require_stream(call.caller, body.customer)
    head, said = await call.services.pages.run(
        lambda reader: (
            reader.head(body.customer),
            queries.said_of(reader, body.customer, body.seq, body.digest),
        ),
        agent=body.agent,
    )
    if said != "right":
        why = (
            f"the stream ends at {head.seq}, before {body.seq}"
            if body.seq > head.seq
            else f"the line {body.seq} has another digest here"
            if said == "wrong"
            else f"the line {body.seq} is no longer here, and nothing tells its digest"
        )
        raise Refused(409, f"not confirmed: {why}", head=call.services.signer.sign(head))
    ack = Ack(
        reader=call.who.token.name,
        agent=head.agent,
        customer=body.customer,
        seq=body.seq,
        digest=body.digest,
        at=call.services.now(),
    )
    try:
        return json_response(await call.services.db.acknowledge(ack))
    except ApiDbError as error:
        log.error("api.ack_not_kept", extra=fields(problem=str(error)))
        raise unavailable("the confirmation could not be written; nothing was confirmed") from None


async def acks(call: Call) -> web.StreamResponse:
    """What this reader confirmed."""
    try:
        kept = await call.services.db.acks()
    except ApiDbError:
        raise unavailable("the confirmations cannot be read at this moment") from None
    mine = [a for a in kept if a.reader == call.who.token.name and call.who.sees(a.customer)]
    return json_response({"acks": [msgspec.json.decode(encode_any(a)) for a in mine]})
