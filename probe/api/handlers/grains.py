"""Rule: sums are handed out as they are kept: a page reads those of its grains, and no row.

`GET /v1/grains`: sums of five minutes as rows of the table `grains` (docs/tables.md), grain by grain.
"""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import web

from probe.api.http.problem import COMMON, Refused
from probe.api.request.calls import Call
from probe.core.scheduling.grid import to_us
from probe.core.sla.facts.grain_rows import RULE
from probe.core.tables.columns import GRAINS, Row
from probe.core.tables.text import json_line
from probe.store.read.grains import Grains
from probe.store.read.reader import Reader

LIMIT, MOST = 1000, 5_000
AT_ONCE = 288  # grains
CURSOR = r"[0-9]{1,10}\.[0-9]{1,7}"
NO_END = 2**32  # later than any grain

Place = tuple[int, int]  # a grain, and how many of its rows were sent


async def grains(call: Call) -> web.StreamResponse:
    """One page: rows of the grains that begin in the span, after a cursor."""
    customer, limit = call.values["customer"], call.values["limit"]
    await call.services.require_stream(call.caller, customer)
    first, end = _span(call)
    place: Place | None = max(_place(call.values["after"]), (first, 0))
    found: list[Row] = []
    while place is not None and len(found) < limit:
        room = limit - len(found)
        read = partial(_window, customer, call.values["domain"], place, end, room)
        rows, place = await call.services.sums.run(read, agent=call.values["agent"])
        found += rows
    summed = await call.services.sums.run(
        lambda reader: reader.grains(customer).summed(), agent=call.values["agent"]
    )
    page = {
        "kind": "page",
        "agent": call.values["agent"] or call.services.agent,
        "customer": customer,
        "after": call.values["after"],
        "next": None if place is None else f"{place[0]}.{place[1]}",
        "rows": len(found),
        "summed": [{"first_seq": first, "last_seq": last} for first, last in summed.spans],
        "complete_up_to": summed.complete_up_to,
    }
    body = b"".join(json_line(GRAINS, row) for row in found) + msgspec.json.encode(page) + b"\n"
    return web.Response(body=body, headers={**COMMON, "Content-Type": "application/x-ndjson"})


def _span(call: Call) -> Place:
    """The first grain and the one after the last: those that begin in the span."""
    since, until = (call.values[name] for name in ("since", "until"))
    first = 0 if since is None else -(-to_us(since) // RULE.length_us)
    end = NO_END if until is None else -(-to_us(until) // RULE.length_us)
    if since is not None and until is not None and to_us(since) >= to_us(until):
        raise Refused(400, "since is not before until")
    return first, end


def _place(after: str | None) -> Place:
    grain, _, sent = (after or "0.0").partition(".")
    return int(grain), int(sent)


def _window(
    customer: str, domain: str | None, place: Place, end: int, room: int, reader: Reader
) -> tuple[list[Row], Place | None]:
    """Up to `room` rows, and where to go on; None: there are no more."""
    kept = reader.grains(customer)
    at = kept.next(place[0], end)
    if at is None:
        return [], None
    sent = place[1] if at == place[0] else 0
    rows = kept.rows(at, at + 1, domain)[sent:]
    if len(rows) > room:
        return rows[:room], (at, sent + room)
    each = len(rows) + sent  # in a grain, perhaps
    more = AT_ONCE if not each else min(AT_ONCE, (room - len(rows)) // each)
    last = min(end, at + 1 + more)
    if more:
        rows += _by_time(kept, at + 1, last, domain)
    return _cut(rows, room, last)


def _by_time(kept: Grains, first: int, end: int, domain: str | None) -> list[Row]:
    return sorted(kept.rows(first, end, domain), key=lambda row: int(str(row["grain"])))


def _cut(rows: list[Row], room: int, following: int) -> tuple[list[Row], Place]:
    """What fits, and where to go on."""
    if len(rows) <= room:
        return rows, (following, 0)
    grain = int(str(rows[room]["grain"]))
    before = sum(row["grain"] == grain for row in rows[:room])
    return rows[:room], (grain, before)
