"""What an edge or its HTTPS records advertise, and what is made of it, with real servers on loopback."""

from __future__ import annotations

import asyncio
from dataclasses import replace as changed
from pathlib import Path

import pytest

pytest.importorskip("qh3")
pytest.importorskip("aioquic")

from probe.core.records.observation import Alternative, Role
from tests.codes.provoking import provokes
from tests.measure import test_http3_slots as http3
from tests.measure.test_http3_slots import EDGE_2, OK, Triple, World, cdn, measured, triple
from tests.support import build
from tests.support.dns_server import Query, reply, zone
from tests.support.dns_server import Script as DnsScript
from tests.support.http2 import ALTSVC, PREFACE, data, frame, head, saying, tls_of
from tests.support.http_server import HOST, Script, response
from tests.support.quic_server import OK_BODY, well
from tests.support.slots import NAMES, Setting, measure


def advertising() -> Script:
    """A reply that advertises HTTP/3 at its own port."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        await response(OK_BODY, f'Alt-Svc: h3=":{port}"; ma=86400')(reader, writer)

    return script


@provokes("http.advertised_unserved")
async def test_what_is_advertised_and_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note stands beside the verdict, which its own witnesses make."""
    monkeypatch.setattr(http3, "tcp_reply", advertising)
    row = await measured(World(quic="silent", anchor=well), tmp_path)
    assert (row.outcome, row.fault) == ("failed", "cdn"), row.summary
    (note,) = [finding for finding in row.findings if finding.reason == "http.advertised_unserved"]
    assert (note.fault, note.severity, note.observation) == (None, "warning", 0)
    assert note.detail is not None
    assert note.detail.startswith('Alt-Svc: h3=":')


async def test_nobody_is_accused_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http3, "tcp_reply", advertising)
    row = await measured(World(quic="silent"), tmp_path)
    assert row.fault != "cdn"
    assert "http.advertised_unserved" in {finding.reason for finding in row.findings}


# --- tried by the check, never followed ----------------------------------------------------------------

CHECK = {"availability": {}, "advertised": {}}
UNSERVED = "http.advertised_unserved"


def blocked(fault: str) -> Triple:
    return "inconclusive", fault, "quic.blocked"


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(World(quic=well), OK, id="served"),
        pytest.param(World(quic="silent", anchor=well), cdn(UNSERVED), id="silent, h3 elsewhere works"),
        pytest.param(World(quic=None, anchor=well), cdn(UNSERVED), id="refused, h3 elsewhere works"),
        pytest.param(
            World(quic="silent", quic_2=well, nodes=(http3.EDGE, EDGE_2)),
            cdn(UNSERVED),
            id="another node serves it",
        ),
        pytest.param(World(quic="silent"), blocked("unknown"), id="silent, nobody else to ask"),
        pytest.param(World(quic=None), blocked("unknown"), id="refused, nobody else to ask"),
        pytest.param(
            World(quic="silent", anchor="silent"),
            blocked("path"),
            id="no UDP on this line",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_whose_fault_it_is(
    world: World, expected: Triple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http3, "tcp_reply", advertising)
    row = await measured(changed(world, protocol="auto", checks=CHECK), tmp_path)
    assert triple(row) == expected, row.summary
    edge = row.observations[0]
    port = edge.port
    assert edge.advertised == (Alternative(protocol="h3", host="", port=port, max_age_s=86_400),)
    asked = [o for o in row.observations if o.role is Role.CHECK]
    assert {(o.ask, o.port, o.method) for o in asked} == {(f"advertised.h3:{port}", port, "HEAD")}
    assert edge.response is not None
    assert edge.response.next_hop_protocol == "http/1.1", "what is advertised is not followed"
    if row.outcome == "failed":
        assert "is advertised to serve" in row.summary
        assert row.confirmed, "only what was seen twice accuses"


async def test_without_the_check_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http3, "tcp_reply", advertising)
    row = await measured(World(quic="silent", anchor=well, protocol="auto"), tmp_path)
    assert triple(row) == OK
    assert Role.CHECK not in {o.role for o in row.observations}
    assert row.observations[0].advertised, "and yet it is on record"


# --- HTTPS records and ALTSVC frames ---------------------------------------------------------------------


def with_records(*texts: str, silent: bool = False) -> DnsScript:
    """A resolver that has these HTTPS records for whatever is asked."""
    others = zone(NAMES)

    def script(query: Query) -> object:
        if query.qtype != "HTTPS":
            return others(query)
        return None if silent else reply(query, *(f"{query.name}. 60 HTTPS {text}" for text in texts))

    return script


def over_http2(*frames: bytes) -> Script:
    return saying(PREFACE + b"".join(frames) + head() + data(OK_BODY, end=True))


def setting(dns: DnsScript, protocol: str = "auto", edge: Script | None = None) -> Setting:
    return Setting(
        dns=dns,
        edge=edge or over_http2(),
        tls=tls_of,
        request={"protocol": protocol},
        origin=response(OK_BODY),
        checks=build.checks(availability={}),
    )


async def test_https_records_are_recorded_and_not_followed(tmp_path: Path) -> None:
    dns = with_records('1 . alpn="h3,h2" port="8443" ipv4hint="192.0.2.9"', "0 elsewhere.example.")
    task, row = await measure(setting(dns), tmp_path)
    assert row.outcome == "ok", row.summary
    resolution = row.resolution
    assert resolution is not None
    name = f"_{task.request.port}._https.{HOST}"
    first, alias = resolution.https_records
    assert (first.owner, first.priority, first.target, first.alpn, first.port) == (
        name,
        1,
        "",
        ("h3", "h2"),
        8443,
    )
    assert (first.hints, first.default_alpn, first.ttl_s) == (("192.0.2.9",), True, 60)
    assert (alias.priority, alias.target) == (0, "elsewhere.example")
    (query,) = [q for q in resolution.queries if q.purpose == "https"]
    assert (query.qname, query.qtype, query.rcode) == (name, "HTTPS", "NOERROR")
    edge = row.observations[0]
    assert [(str(each), each.by) for each in edge.advertised] == [
        ('h3=":8443"', "https"),
        ('h2=":8443"', "https"),
        ('http/1.1=":8443"', "https"),
    ]
    assert edge.port == task.request.port
    assert all(o.address != "192.0.2.9" for o in row.observations)


@pytest.mark.parametrize("dns", [with_records(silent=True), with_records(), zone(NAMES)])
async def test_no_answer_accuses_nobody(dns: DnsScript, tmp_path: Path) -> None:
    _, row = await measure(setting(dns), tmp_path)
    assert (row.outcome, row.fault, row.findings) == ("ok", None, ()), row.summary
    assert row.resolution is not None
    assert row.resolution.https_records == ()
    assert {q.purpose for q in row.resolution.queries if q.qtype == "HTTPS"} == {"https"}


@pytest.mark.parametrize(("checks", "asked"), [({}, False), ({"advertised": {}}, True)])
async def test_without_the_check_it_is_asked_now_and_then(
    tmp_path: Path, checks: dict[str, dict[str, object]], asked: bool
) -> None:
    """It would add to the cost of each slot."""
    made = setting(with_records('1 . alpn="h2"'))
    made = changed(made, slots_before=1, checks=build.checks(availability={}, **checks))
    _, row = await measure(made, tmp_path)
    assert row.resolution is not None
    assert ("HTTPS" in {query.qtype for query in row.resolution.queries}) == asked
    assert bool(row.resolution.https_records) == asked, "nothing is kept for the next slot"


async def test_under_h1_nobody_asks(tmp_path: Path) -> None:
    dns = with_records('1 . alpn="h3"')
    _, row = await measure(setting(dns, "h1", response(OK_BODY)), tmp_path)
    assert row.resolution is not None
    assert "HTTPS" not in {query.qtype for query in row.resolution.queries}


async def test_a_record_that_leads_to_a_dead_port(tmp_path: Path) -> None:
    """HTTP/2 advertised at a port at which nobody listens."""
    made = setting(with_records('1 . alpn="h2" no-default-alpn port="1"'))
    row = (await measure(changed(made, checks=build.checks(**CHECK)), tmp_path))[1]
    assert triple(row) == cdn(UNSERVED), row.summary
    (finding,) = [f for f in row.findings if f.reason == UNSERVED]
    assert finding.detail == 'seen: tcp.refused, HTTPS record: h2=":1"'
    assert finding.confirmed


async def test_frames_of_http2(tmp_path: Path) -> None:
    """RFC 7838 section 4: on our stream without an origin, on stream 0 with ours; others' are not this server's."""

    def altsvc(origin: bytes, value: bytes, stream: int) -> bytes:
        return frame(ALTSVC, len(origin).to_bytes(2, "big") + origin + value, 0, stream)

    frames = (
        altsvc(b"", b'h3=":8443"; ma=60', 1),
        altsvc(b"https://other.example", b'h3=":1"', 0),
        altsvc(b"", b'h3=":2"', 0),
        altsvc(b"https://" + HOST.encode(), b'h3=":3"', 0),  # the origin at port 443, which is another one
    )
    _, row = await measure(setting(zone(NAMES), edge=over_http2(*frames)), tmp_path)
    assert row.outcome == "ok", row.summary
    assert row.observations[0].advertised == (
        Alternative(protocol="h3", host="", port=8443, max_age_s=60, by="altsvc"),
    )
