"""HAR 1.2 of a slot: valid, and saying what the record says."""

from __future__ import annotations

import base64
import json
from typing import Any

import jsonschema
import pytest

from probe.checks import CHECKS
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.rows import SlotRecord
from probe.core.records.transport import QuicInfo, ResourceTiming, TimingUncertainty, Tls
from probe.core.results.bundle import Exchange
from probe.core.results.har import har
from probe.core.results.rows import measured_row
from tests.support import build
from tests.support.har_schema import HAR_1_2


def row(*observations: Observation) -> SlotRecord:
    made = measured_row(build.task(), build.evidence(*observations), CHECKS, finished_at=build.AT)
    return replace(made, seq=7)


def entries(made: dict[str, Any]) -> list[dict[str, Any]]:
    jsonschema.Draft202012Validator(HAR_1_2).validate(made)
    json.dumps(made, allow_nan=False)
    found: list[dict[str, Any]] = made["log"]["entries"]
    return found


HTTPS = ResourceTiming(
    domain_lookup_start_us=100,
    domain_lookup_end_us=2_100,
    connect_start_us=3_000,
    secure_connection_start_us=4_000,
    connect_end_us=9_000,
    request_start_us=9_000,
    response_start_us=29_000,
    response_end_us=59_000,
)


def test_a_healthy_slot_has_an_entry_for_each_observation_in_order() -> None:
    made = har(row(build.seen(), build.seen(Role.ORIGIN)))
    found = entries(made)
    assert [(e["_index"], e["_role"], e["serverIPAddress"]) for e in found] == [
        (0, "edge", build.EDGE),
        (1, "origin", build.ORIGIN),
    ]
    (page,) = made["log"]["pages"]
    assert page["id"] == "acme/7" == found[0]["pageref"] == found[1]["pageref"]
    assert page["title"] == "www.acme.example/a.js from bj-ct: ok"


def test_times_are_milliseconds_and_connect_contains_ssl() -> None:
    (entry,) = entries(har(row(build.seen(timing=HTTPS))))
    assert entry["timings"] == {
        "blocked": -1,
        "dns": 2.0,
        "connect": 6.0,
        "ssl": 5.0,
        "send": 0.0,
        "wait": 20.0,
        "receive": 30.0,
    }
    assert entry["time"] == 58.0, "ssl is part of connect and counted once"
    assert entry["startedDateTime"] == "2026-11-22T10:00:00.000100Z"


def test_by_how_much_a_time_may_be_too_long_is_told_where_it_is_known() -> None:
    late = replace(HTTPS, uncertainty=TimingUncertainty(tls_us=1_500, response_end_us=40_000))
    sure, unsure = entries(har(row(build.seen(timing=HTTPS), build.seen(Role.ORIGIN, timing=late))))
    assert "_uncertainty" not in sure
    assert unsure["_uncertainty"] == {
        "connect_us": 0,
        "tls_us": 1_500,
        "response_start_us": 0,
        "response_end_us": 40_000,
    }


def test_the_look_up_is_told_of_edges_only() -> None:
    (entry,) = entries(har(row(build.seen(Role.SWEEP, timing=HTTPS))))
    assert entry["timings"]["dns"] == -1


def test_a_failure_is_an_entry_without_a_response_that_says_why() -> None:
    failed = build.broken(FailureType.TCP_REFUSED, Phase.TCP)
    (entry,) = entries(har(row(failed)))
    assert (entry["response"]["status"], entry["response"]["_error"]) == (0, "tcp.refused")
    assert entry["comment"].startswith("tcp.refused")
    assert entry["timings"]["connect"] == -1
    assert entry["time"] == 0


def test_a_request_that_failed_says_over_which_version_it_was_asked() -> None:
    silent = replace(build.broken(FailureType.QUIC_REFUSED, Phase.QUIC), quic_info=QuicInfo())
    over_tcp = build.seen(Role.ELSEWHERE)
    entry, beside = entries(har(replace(row(silent, over_tcp), protocol="h3")))
    assert (entry["request"]["httpVersion"], entry["response"]["httpVersion"]) == ("HTTP/3", "")
    assert beside["request"]["httpVersion"] == "HTTP/1.1"
    refused = build.broken(FailureType.TLS_NO_APPLICATION_PROTOCOL, Phase.TLS)
    anchor = build.broken(FailureType.TCP_REFUSED, Phase.TCP, Role.ANCHOR)
    entry, beside = entries(har(replace(row(refused, anchor), protocol="h2")))
    assert (entry["request"]["httpVersion"], beside["request"]["httpVersion"]) == ("HTTP/2", "HTTP/1.1")


def test_a_response_cut_in_its_body_has_both() -> None:
    cut = replace(build.seen(), failure=build.broken(FailureType.BODY_TRUNCATED, Phase.BODY).failure)
    (entry,) = entries(har(row(cut)))
    assert (entry["response"]["status"], entry["response"]["_error"]) == (200, "body.truncated")


def test_fields_cookies_and_query_are_split() -> None:
    fields = (
        ("content-type", "text/html"),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
        ("set-cookie", "\x00;;broken"),
        ("location", "/new"),
    )
    seen = build.seen(fields=fields, url="https://www.acme.example/a?x=1&y=&token=[redacted]")
    (entry,) = entries(har(row(seen)))
    assert entry["response"]["headers"] == [{"name": n, "value": v} for n, v in fields]
    assert [c["name"] for c in entry["response"]["cookies"]] == ["a", "b"]
    assert entry["response"]["redirectURL"] == "/new"
    assert {q["name"]: q["value"] for q in entry["request"]["queryString"]} == {
        "x": "1",
        "y": "",
        "token": "[redacted]",
    }


def with_body(body: bytes, size: int) -> Observation:
    response = Response(
        status_code=200,
        fields=(("content-type", "text/plain"),),
        encoded_body_bytes=size,
        decoded_body_bytes=size,
        body_complete=True,
    )
    return replace(build.seen(), response=response)


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"plain text", None), (b"\xff\x00binary", "base64")], ids=["text", "binary"]
)
def test_the_bytes_kept_are_the_content(body: bytes, encoding: str | None) -> None:
    exchange = Exchange(
        observation=0,
        request_head="GET /a.js HTTP/1.1\r\nHost: www.acme.example\r\nX-Secret: [redacted]\r\n\r\n",
        response_head=b"HTTP/1.1 200 OK\r\n\r\n",
        body_head=body,
    )
    (entry,) = entries(har(row(with_body(body, len(body))), {0: exchange}))
    content = entry["response"]["content"]
    text = content["text"].encode()
    assert (base64.b64decode(text) if encoding else text) == body
    assert content.get("encoding") == encoding
    assert "comment" not in content
    assert entry["request"]["headers"] == [
        {"name": "Host", "value": "www.acme.example"},
        {"name": "X-Secret", "value": "[redacted]"},
    ]
    assert entry["response"]["headersSize"] == 19


def test_a_body_that_was_kept_in_part_says_so() -> None:
    exchange = Exchange(observation=0, body_head=b"begin")
    (entry,) = entries(har(row(with_body(b"begin", 900)), {0: exchange}))
    assert entry["response"]["content"]["comment"] == "the first 5 of 900 bytes"


@pytest.mark.parametrize(("alpn", "shown"), [("http/1.1", "HTTP/1.1"), ("h2", "HTTP/2"), ("h3", "HTTP/3")])
def test_the_version_is_that_which_was_spoken(alpn: str, shown: str) -> None:
    """Of the request by what was written, or by what was agreed on where nothing of it is kept."""
    seen = build.seen()
    assert seen.response is not None
    seen = replace(seen, tls=Tls(alpn=alpn), response=replace(seen.response, next_hop_protocol=alpn))
    failed = replace(seen, response=None)
    written = Exchange(observation=0, request_head=f"GET /a.js {shown}\r\nhost: a\r\n\r\n")
    for made in (har(row(seen)), har(row(seen), {0: written})):
        (entry,) = entries(made)
        assert (entry["request"]["httpVersion"], entry["response"]["httpVersion"]) == (shown, shown)
    (entry,) = entries(har(row(failed)))
    assert entry["request"]["httpVersion"] == shown
