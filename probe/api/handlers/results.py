"""Rule: a page is the stored lines, byte for byte, and a last line that marks its end: without it the page was cut.

`GET /v1/results`. The store is read in short pieces, the next one only when the reader has taken the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from probe.api.http.compression import Coder, coder, negotiate
from probe.api.http.problem import COMMON, Refused
from probe.api.request import queries
from probe.api.request.calls import Call
from probe.core.proof.chain import Head
from probe.core.scheduling.grid import to_us
from probe.store.confirmations import ApiDbError, Pulled
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

LIMIT, MOST = 1000, 10_000
WAIT_MOST_S = 60
PIECE_LINES, PIECE_BYTES = 500, 1 << 20
NDJSON = "application/x-ndjson"


@dataclass(slots=True)
class _Page:
    """What was sent so far. `live`: the agent's own watermark, asked before any row of the page was read."""

    after: int
    upto: int  # the head when it began: up to here all that is kept was there to be read
    live: str | None
    next: int
    rows: int = 0
    complete_up_to: str | None = None
    whole: bool = False  # it reached the end of the stream

    def watermark(self, head: Head) -> str | None:
        """Every slot due before this time is in the page or in those before it."""
        stored = self.complete_up_to
        if stored is None and self.next == head.seq:
            stored = head.complete_up_to
        if not self.whole or self.live is None:
            return stored
        return self.live if stored is None or to_us(self.live) > to_us(stored) else stored


async def results(call: Call) -> web.StreamResponse:
    """One page of a stream after a cursor."""
    coding = negotiate(call.request.headers.get("Accept-Encoding"))
    await call.services.require_stream(call.caller, call.values["customer"])
    page = await _begin(call)
    if page.upto == page.after and call.values["wait"] and _own(call):
        await call.services.watch.wait(call.values["customer"], page.after, call.values["wait"])
        page = await _begin(call)
    response = web.StreamResponse(
        headers={**COMMON, "Content-Type": NDJSON, "Content-Encoding": coding, "Vary": "Accept-Encoding"}
    )
    if coding == "identity":
        del response.headers["Content-Encoding"]
    await _send(call, response, page, coder(coding))
    return response


def _own(call: Call) -> bool:
    return call.values["agent"] in (None, call.services.agent)


async def _begin(call: Call) -> _Page:
    """Where the page begins, verified. Raises Refused (409)."""
    customer, after, digest = (call.values[name] for name in ("customer", "after", "digest"))
    head, said = await call.services.pages.run(
        lambda reader: (
            reader.head(customer),
            None if digest is None else queries.said_of(reader, customer, after, digest),
        ),
        agent=call.values["agent"],
    )
    if after > head.seq:
        raise Refused(
            409,
            f"the stream ends at {head.seq}, before your cursor {after}: one of us has lost results. Was the"
            " results directory put back from a copy, or is this another host? The head is given beside this.",
            head=call.services.signer.sign(head),
        )
    if said == "wrong":
        raise Refused(
            409,
            f"the line {after} here has another digest than yours: it is not the same stream",
            head=call.services.signer.sign(head),
        )
    # The agent's watermark covers the rows stored when it was given: it is requested before they are read, so that
    # every row that it covers is among them. Far from the head it is not requested at all.
    near = _own(call) and head.seq - after <= call.values["limit"]
    view = await call.services.link.view() if near else None
    live = None if view is None else view.complete_up_to.get(customer)
    return _Page(after=after, upto=head.seq, live=live, next=after)


async def _send(call: Call, response: web.StreamResponse, page: _Page, coding: Coder) -> None:
    counters = call.services.counters
    why = "error"
    try:
        async with asyncio.timeout(call.services.deadlines.page):
            await _write(call, response, page, coding)
            return
    except TimeoutError:
        why = "slow_reader"
    except ConnectionError:
        why = "reader_gone"
    except Refused as refused:
        if not response.prepared:
            raise
        log.error("api.page_cut", extra=fields(problem=refused.detail))
    counters.cut.labels(why).inc()
    if why != "reader_gone":
        log.warning("api.page_cut", extra=fields(token=call.who.token.name, why=why, rows=page.rows))
    _abort(call.request)


def _abort(request: web.BaseRequest) -> None:
    """End the connection so that nobody takes what was sent for the whole."""
    if request.transport is not None:
        request.transport.abort()


async def _write(call: Call, response: web.StreamResponse, page: _Page, coding: Coder) -> None:
    customer, left, lines = call.values["customer"], call.values["limit"], min(50, call.values["limit"])
    while left > 0 and not page.whole:
        asked = min(lines, left)
        piece, data = await _piece(call, customer, page.next, asked, coding)
        await _put(call, response, data)
        left -= piece.count
        page.rows += piece.count
        page.next = piece.last
        page.complete_up_to = piece.complete_up_to or page.complete_up_to
        page.whole = piece.count < asked
        lines = _fitting(piece)
    if page.whole:
        page.next = max(page.next, page.upto)
    end = await _page_line(call, page)
    await _put(call, response, coding.feed(end) + coding.finish())
    async with asyncio.timeout(call.services.deadlines.write):
        await response.write_eof()
    call.services.counters.rows.inc(page.rows)
    await _note(call, page)


def _fitting(piece: queries.Chunk) -> int:
    """How many lines of this size make one piece."""
    if not piece.count:
        return PIECE_LINES
    return max(1, min(PIECE_LINES, PIECE_BYTES * piece.count // max(1, len(piece.data))))


async def _piece(
    call: Call, customer: str, after: int, count: int, coding: Coder
) -> tuple[queries.Chunk, bytes]:
    def read(reader: Any) -> tuple[queries.Chunk, bytes]:
        piece = queries.chunk(reader, customer, after, count)
        return piece, coding.feed(piece.data)

    return await call.services.pages.run(read, agent=call.values["agent"])


async def _page_line(call: Call, page: _Page) -> bytes:
    customer = call.values["customer"]
    head = await call.services.pages.run(lambda reader: reader.head(customer), agent=call.values["agent"])
    line = {
        "kind": "page",
        "agent": head.agent,
        "customer": customer,
        "after": page.after,
        "next": page.next,
        "rows": page.rows,
        "complete_up_to": page.watermark(head),
        "head": call.services.signer.sign(head),
    }
    return msgspec.json.encode(line) + b"\n"


async def _put(call: Call, response: web.StreamResponse, data: bytes) -> None:
    """Send a piece; TimeoutError where the reader does not take it."""
    async with asyncio.timeout(call.services.deadlines.write):
        if not response.prepared:
            await response.prepare(call.request)
        if data:
            await response.write(data)
    call.services.counters.sent_bytes.inc(len(data))


async def _note(call: Call, page: _Page) -> None:
    """Record who received these rows, and when: after the last byte was sent, never before."""
    if page.next == page.after:
        return
    pull = Pulled(
        reader=call.who.token.name,
        agent=call.values["agent"] or call.services.agent,
        customer=call.values["customer"],
        first=page.after + 1,
        last=page.next,
        at=call.services.now(),
    )
    with contextlib.suppress(ApiDbError):  # one confirmation less; the page itself was complete
        await call.services.db.pulled(pull)
