"""Rule: one row a path: its parameters, who may ask, what answers. The OpenAPI document is made from this table."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from probe.api import openapi
from probe.api.handlers import (
    acks,
    configs,
    coverage,
    events,
    evidence,
    grains,
    health,
    incidents,
    nodes,
    results,
    stamps,
    streams,
)
from probe.api.http.problem import json_response
from probe.api.request.calls import Call, Route
from probe.api.request.params import MOST_SEQ, choice, matching, moment, own_name, whole
from probe.api.schemas import MAYBE, OBJECT, TEXT, TIME, WHOLE, listed, ref, thing

CUSTOMER = own_name("customer", "The customer whose stream is meant", required=True)
AGENT = own_name("agent", "Streams of an agent that wrote here before; default: the one that runs")
AFTER = whole(
    "after", "The cursor: lines after this seq; 0: from the start", least=0, most=MOST_SEQ, default=0
)
DIGEST = r"[0-9a-f]{64}"
HEXADECIMAL = "64 hexadecimal digits, lower case"
SINCE = moment("since", "From this time on (RFC 3339 with its offset, or a date)")
DOMAIN = matching("domain", "Only this domain", r"[a-z0-9_.-]{1,253}", "a domain name in lower case")
UNTIL = moment("until", "Before this time (RFC 3339 with its offset, or a date)")


ACK = {
    **thing(
        {
            "customer": dict(CUSTOMER.schema),
            "seq": {"type": "integer", "minimum": 1, "maximum": MOST_SEQ},
            "digest": {"type": "string", "pattern": f"^{DIGEST}$"},
        }
    ),
    "additionalProperties": False,
}
ACK["properties"] = {**ACK["properties"], "agent": dict(AGENT.schema)}


def _json(schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {media: {"schema": schema}}


def _lines(*schemas: str) -> dict[str, Any]:
    return {results.NDJSON: {"schema": {"type": "string"}, "x-lines": [ref(name) for name in schemas]}}


async def _document(call: Call) -> web.StreamResponse:
    return json_response(openapi.document(ROUTES))


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/v1/results",
        verb="results",
        handler=results.results,
        summary="A page of a stream: the stored lines byte for byte, and a last line with the next cursor",
        params=(
            CUSTOMER,
            AFTER,
            whole("limit", "Most lines of the page", least=1, most=results.MOST, default=results.LIMIT),
            whole(
                "wait",
                "Seconds to wait for a new line where there is none",
                least=0,
                most=results.WAIT_MOST_S,
                default=0,
            ),
            matching(
                "digest", "SHA-256 of your line `after`: 409 if it is another here", DIGEST, HEXADECIMAL
            ),
            AGENT,
        ),
        answers=_lines("SlotRecord", "EventRecord", "Dropped", "Page"),
        statuses=(404, 406, 409),
    ),
    Route(
        method="POST",
        path="/v1/ack",
        verb="ack",
        handler=acks.acknowledge,
        summary="Confirm that you have a stream up to a line; what nobody has yet is kept longer",
        body=_json(ACK),
        answers=_json(ref("Ack")),
        statuses=(404, 408, 409, 413, 415),
    ),
    Route(
        method="GET",
        path="/v1/acks",
        verb="ack",
        handler=acks.acks,
        summary="What you confirmed",
        answers=_json(thing({"acks": listed(ref("Ack"))})),
    ),
    Route(
        method="GET",
        path="/v1/streams",
        verb="results",
        handler=streams.streams,
        summary="The streams that you may see, each with its signed head",
        answers=_json(
            thing(
                {
                    "agent": TEXT,
                    "public_key": MAYBE,
                    "streams": listed(
                        thing(
                            {
                                "agent": TEXT,
                                "customer": TEXT,
                                "seq": {"type": "integer"},
                                "complete_up_to": TIME,
                                "head": ref("Head"),
                            }
                        )
                    ),
                }
            )
        ),
    ),
    Route(
        method="GET",
        path="/v1/stamps",
        verb="results",
        handler=stamps.stamps,
        summary="Time stamps by a third party on heads of a stream, as they were given; a last line with their number",
        params=(
            CUSTOMER,
            whole("after", "How many you have: those behind them", least=0, most=MOST_SEQ, default=0),
            whole("limit", "Most stamps of the page", least=1, most=stamps.MOST, default=stamps.MOST),
            matching("digest", "SHA-256 of your last stamp: 409 if it is another here", DIGEST, HEXADECIMAL),
            AGENT,
        ),
        answers=_lines("Stamp", "StampPage"),
        statuses=(404, 409),
    ),
    Route(
        method="GET",
        path="/v1/coverage",
        verb="coverage",
        handler=coverage.coverage,
        summary="What was due, measured and missed, and the gaps, of each task; at most 32 days",
        params=(
            CUSTOMER,
            SINCE,
            UNTIL,
            matching("task", "Only this task", r"[0-9a-f]{16}", "16 hexadecimal digits, lower case"),
        ),
        answers=_json(
            thing(
                {
                    "customer": TEXT,
                    "since": TIME,
                    "until": TIME,
                    "complete_up_to": TIME,
                    "dropped": listed(thing({"first_seq": WHOLE, "last_seq": WHOLE})),
                    "tasks": listed(ref("TaskCoverage")),
                }
            )
        ),
        statuses=(404,),
    ),
    Route(
        method="GET",
        path="/v1/grains",
        verb="coverage",
        handler=grains.grains,
        summary="Sums of five minutes by object, vantage point and address, and a last line with the next cursor",
        params=(
            CUSTOMER,
            matching(
                "after", "The cursor: `next` of the page before", grains.CURSOR, "what a page gave as `next`"
            ),
            whole("limit", "Most rows of the page", least=1, most=grains.MOST, default=grains.LIMIT),
            SINCE,
            UNTIL,
            DOMAIN,
            AGENT,
        ),
        answers=_lines("GrainRow", "GrainPage"),
        statuses=(404,),
    ),
    Route(
        method="GET",
        path="/v1/events",
        verb="events",
        handler=events.events,
        summary="Events out of a stream: starts, stops, gaps, changes of configuration, the clock, lines",
        params=(
            CUSTOMER,
            AFTER,
            whole("limit", "Most events of the page", least=1, most=events.MOST, default=events.LIMIT),
            SINCE,
            UNTIL,
        ),
        answers=_lines("EventRecord", "Dropped", "EventPage"),
        statuses=(404,),
    ),
    Route(
        method="GET",
        path="/v1/incidents",
        verb="events",
        handler=incidents.incidents,
        summary="Incidents of a customer's domains and of the vantage points that look at them: open ones first",
        params=(
            CUSTOMER,
            choice("state", "Only those", incidents.STATES),
            DOMAIN,
            matching("id", "Only this incident", r"[0-9a-f]{16}", "16 hexadecimal digits, lower case"),
            moment(
                "since", "Open ones, and those closed from this time on (RFC 3339 with its offset, or a date)"
            ),
            whole("limit", "Most incidents", least=1, most=incidents.MOST, default=incidents.LIMIT),
        ),
        answers=_json(
            thing({"agent": TEXT, "customer": TEXT, "count": WHOLE, "incidents": listed(ref("Incident"))})
        ),
        statuses=(404,),
    ),
    Route(
        method="GET",
        path="/v1/evidence/{id}",
        verb="evidence",
        handler=evidence.evidence,
        summary="The evidence bundle that a row names as `evidence_id`; also as HAR 1.2",
        params=(choice("format", "Bundle, or HAR 1.2", ("json", "har")),),
        answers=_json(OBJECT),
        statuses=(404,),
    ),
    Route(
        method="GET",
        path="/v1/nodes",
        verb="nodes",
        handler=nodes.nodes,
        summary="The inventory of a customer's nodes",
        params=(
            CUSTOMER,
            DOMAIN,
        ),
        answers=_json(thing({"customer": TEXT, "nodes": listed(ref("ListedNode"))})),
        statuses=(404,),
    ),
    Route(
        method="GET",
        path="/v1/config",
        verb="config",
        handler=configs.config,
        summary="Every version of the configuration that was in force, redacted",
        params=(
            matching("digest", "Only this version, with its text", DIGEST, HEXADECIMAL),
            choice("text", "Whether a list holds texts", ("no", "yes")),
        ),
        answers=_json(thing({"versions": listed(OBJECT)})),
        statuses=(404,),
    ),
    Route(
        method="GET",
        path="/healthz",
        verb=None,
        handler=health.healthz,
        summary="This server answers",
        answers=_json(thing({"alive": {"type": "boolean"}})),
    ),
    Route(
        method="GET",
        path="/readyz",
        verb=None,
        handler=health.readyz,
        summary="The agent answers, and its store can be written and read",
        answers=_json(thing({"ready": {"type": "boolean"}})),
    ),
    Route(
        method="GET",
        path="/metrics",
        verb="metrics",
        handler=health.metrics,
        summary="Metrics of agent and server for Prometheus",
        answers={"text/plain": {"schema": TEXT}},
    ),
    Route(
        method="GET",
        path="/v1/openapi.json",
        verb=None,
        handler=_document,
        summary="This document",
        answers=_json(OBJECT),
    ),
)
