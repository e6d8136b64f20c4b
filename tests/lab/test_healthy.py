"""Without a fault the lab is a CDN as it should be."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import pytest
from cryptography import x509

from probe.lab.lab import Lab
from probe.lab.pki import Pki
from probe.lab.servers.dns import DnsServer
from probe.lab.servers.listener import LabError, Listener, free_port
from probe.lab.servers.origin import CATALOGUE, content_of
from probe.lab.servers.server import HttpServer
from probe.lab.servers.world import (
    ANCHORS,
    API,
    DOMAINS,
    EDGES,
    IMG,
    OTHER_ADDRESS,
    VANTAGES,
    VOD,
    WWW,
    Vantage,
)
from probe.lab.servers.zones import Zones
from tests.lab.ask import BEIJING, SHANGHAI, addresses, get, lookup, rcode, records

# --- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vantage", VANTAGES, ids=lambda v: v.name)
@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: d.name)
async def test_a_vantage_point_is_given_its_nodes(lab: Lab, domain, vantage: Vantage) -> None:
    assert await addresses(lab, domain, vantage) == [EDGES[edge] for edge in vantage.edges]


async def test_one_resolver_gives_the_whole_chain_the_other_the_alias_alone(lab: Lab) -> None:
    whole = records(await lookup(lab, WWW.name, vantage=BEIJING))
    assert whole == {"CNAME": [WWW.cdn_name], "A": ["127.0.1.1", "127.0.1.2"]}
    alone = await lookup(lab, WWW.name, vantage=SHANGHAI)
    assert records(alone) == {"CNAME": [WWW.cdn_name]}
    assert not alone.authority, "an SOA here would make it NODATA"


async def test_the_subnet_outweighs_the_resolver_and_the_scope_says_so(lab: Lab) -> None:
    answer = await lookup(lab, WWW.cdn_name, vantage=BEIJING, subnet="198.51.100.0/24")
    assert records(answer)["A"] == [EDGES[edge] for edge in SHANGHAI.edges]
    option = answer.options[0]
    assert isinstance(option, dns.edns.ECSOption)
    assert (option.address, option.srclen, option.scopelen) == ("198.51.100.0", 24, 24)


async def test_an_unknown_subnet_and_an_untailored_name_change_nothing(lab: Lab) -> None:
    unknown = await lookup(lab, WWW.cdn_name, vantage=SHANGHAI, subnet="192.0.2.0/24")
    assert records(unknown)["A"] == [EDGES[edge] for edge in SHANGHAI.edges]
    alias = await lookup(lab, WWW.name, vantage=SHANGHAI, subnet="198.51.100.0/24")
    assert alias.options[0].scopelen == 0, "the customer's alias is the same for all"


async def test_it_looks_like_a_resolver_over_udp_and_tcp(lab: Lab) -> None:
    for tcp in (False, True):
        answer = await lookup(lab, WWW.name, tcp=tcp)
        assert answer.flags & dns.flags.RA
        assert not answer.flags & dns.flags.AA
        assert rcode(answer) == "NOERROR"
    assert [asked.transport for asked in lab.resolvers[BEIJING.resolvers[0]].log] == ["udp", "tcp"]


async def test_negative_answers_carry_the_soa_of_their_zone(lab: Lab) -> None:
    no_data = await lookup(lab, WWW.cdn_name, "AAAA")
    assert (rcode(no_data), no_data.answer) == ("NOERROR", [])
    assert no_data.authority[0].name.to_text() == "lab-cdn.example."
    missing = await lookup(lab, "nobody.shop.example")
    assert (rcode(missing), missing.authority[0].name.to_text()) == ("NXDOMAIN", "shop.example.")
    assert rcode(await lookup(lab, "www.elsewhere.test")) == "REFUSED"


async def test_ipv6_on_demand(lab: Lab) -> None:
    lab.zones.ipv6[WWW.cdn_name] = ("::1",)
    assert records(await lookup(lab, WWW.cdn_name, "AAAA")) == {"AAAA": ["::1"]}


async def test_every_question_is_logged(lab: Lab) -> None:
    await lookup(lab, WWW.name, subnet="203.0.113.0/24")
    asked = lab.resolvers["127.0.53.1"].log[-1]
    assert (asked.qname, asked.qtype, asked.client_subnet, asked.rcode) == (
        "www.shop.example",
        "A",
        "203.0.113.0/24",
        "NOERROR",
    )


async def test_what_does_not_fit_is_truncated_and_comes_whole_over_tcp(lab: Lab) -> None:
    lab.zones.ipv6[WWW.cdn_name] = tuple(f"2001:db8::{i:x}" for i in range(60))
    assert (await lookup(lab, WWW.cdn_name, "AAAA")).flags & dns.flags.TC
    whole = records(await lookup(lab, WWW.cdn_name, "AAAA", tcp=True))
    assert len(whole["AAAA"]) == 60


def test_rubbish_gets_no_answer() -> None:
    server = DnsServer("127.0.53.1", 0, Zones(), BEIJING, chasing=True)
    assert server.respond(b"\0\1\2", "127.0.0.1", "udp") is None
    answer = dns.message.make_response(dns.message.make_query("www.shop.example", "A"))
    assert server.respond(answer.to_wire(), "127.0.0.1", "udp") is None


# --- origins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: d.name)
async def test_the_origin_serves_its_objects(lab: Lab, domain) -> None:
    for path in domain.paths:
        got = await get(lab, domain, path, address=domain.origin)
        assert (got.status, got.whole) == (200, True)
        if domain is API:
            assert got.fields["cache-control"] == "no-store"
        else:
            assert got.body == content_of(path, 1)
            assert got.fields["cache-control"] == "max-age=2"
            assert got.fields["etag"] == '"v1"'


def test_sizes_are_as_announced() -> None:
    assert {path: len(content_of(path, 1)) for path in CATALOGUE} == {
        "/": 2_000,
        "/static/app.js": 20_000,
        "/img/hero.bin": 300_000,
        "/large.bin": 1_000_000,
        "/segment.bin": 100_000,
        "/api/time": 0,
    }


async def test_conditional_requests(lab: Lab) -> None:
    first = await get(lab, IMG, address=IMG.origin)
    by_tag = await get(lab, IMG, address=IMG.origin, if_none_match=first.fields["etag"])
    assert (by_tag.status, by_tag.body) == (304, b"")
    by_date = await get(lab, IMG, address=IMG.origin, if_modified_since=first.fields["last-modified"])
    assert by_date.status == 304
    both = await get(
        lab,
        IMG,
        address=IMG.origin,
        if_none_match='"v0"',
        if_modified_since=first.fields["last-modified"],
    )
    assert both.status == 200, "If-None-Match wins"


async def test_a_change_makes_another_version(lab: Lab) -> None:
    before = await get(lab, IMG, address=IMG.origin)
    assert lab.origins[IMG.name].change("/img/hero.bin") == 2
    after = await get(lab, IMG, address=IMG.origin, if_none_match=before.fields["etag"])
    assert (after.status, after.fields["etag"], after.body) == (200, '"v2"', content_of("/img/hero.bin", 2))


async def test_gzip_is_negotiated(lab: Lab) -> None:
    app = WWW.paths[1]
    zipped = await get(lab, WWW, app, address=WWW.origin, accept_encoding="br, gzip")
    assert (zipped.fields["content-encoding"], zipped.fields["vary"]) == ("gzip", "Accept-Encoding")
    assert zipped.content == content_of(app, 1)
    assert len(zipped.body) < len(zipped.content)
    for refusing in ("identity", "gzip;q=0"):
        plain = await get(lab, WWW, app, address=WWW.origin, accept_encoding=refusing)
        assert ("content-encoding" in plain.fields, plain.body) == (False, content_of(app, 1))


async def test_what_there_is_not(lab: Lab) -> None:
    assert (await get(lab, IMG, "/nothing", address=IMG.origin)).status == 404
    assert (await get(lab, IMG, address=IMG.origin, method="POST")).status == 405
    head = await get(lab, IMG, address=IMG.origin, method="HEAD")
    assert (head.status, head.fields["content-length"], head.body) == (200, "300000", b"")


# --- edges --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: d.name)
async def test_edges_serve_what_the_origin_serves(lab: Lab, domain, edge: str) -> None:
    got = await get(lab, domain, edge=edge)
    assert (got.status, got.whole, got.fields["via"]) == (200, True, f"1.1 {edge}")
    if domain is not API:
        assert got.body == content_of(domain.paths[0], 1)


async def test_a_miss_then_a_hit(lab: Lab) -> None:
    miss = await get(lab, IMG)
    assert miss.fields["cache-status"] == "edge-1; fwd=miss; fwd-status=200; stored"
    hit = await get(lab, IMG)
    assert hit.fields["cache-status"] == "edge-1; hit"
    assert hit.fields["age"] == "0"
    assert hit.fields["date"] == miss.fields["date"], "a cache keeps the origin's Date"
    assert len(lab.origins[IMG.name].server.log) == 1


async def test_expired_is_revalidated_then_replaced(lab: Lab) -> None:
    await get(lab, IMG)
    lab.expire(IMG)
    confirmed = await get(lab, IMG)
    assert confirmed.fields["cache-status"] == "edge-1; fwd=stale; fwd-status=304"
    assert confirmed.body == content_of("/img/hero.bin", 1)
    assert (await get(lab, IMG)).fields["cache-status"] == "edge-1; hit", "the 304 made it fresh again"
    lab.origins[IMG.name].change("/img/hero.bin")
    lab.expire(IMG)
    replaced = await get(lab, IMG)
    assert replaced.fields["cache-status"] == "edge-1; fwd=stale; fwd-status=200; stored"
    assert replaced.body == content_of("/img/hero.bin", 2)


async def test_a_lifetime_ends(lab: Lab) -> None:
    now_s = 1_000.0
    lab.edges["edge-1"].now_s = lambda: now_s
    await get(lab, IMG)
    now_s = 1_001.9
    last = await get(lab, IMG)
    assert (last.fields["cache-status"], last.fields["age"]) == ("edge-1; hit", "1")
    now_s = 1_002.0
    assert "fwd=stale" in (await get(lab, IMG)).fields["cache-status"]


async def test_what_must_not_be_stored_is_not(lab: Lab) -> None:
    for _ in range(2):
        got = await get(lab, API)
        assert got.fields["cache-status"] == "edge-1; fwd=miss; fwd-status=200"
        assert "age" not in got.fields


async def test_codings_are_stored_apart(lab: Lab) -> None:
    zipped = await get(lab, WWW, accept_encoding="gzip")
    plain = await get(lab, WWW)
    assert plain.fields["cache-status"].endswith("; stored"), "no hit on the other coding"
    assert zipped.content == plain.body


async def test_a_client_may_revalidate_at_the_edge(lab: Lab) -> None:
    first = await get(lab, IMG)
    again = await get(lab, IMG, if_none_match=first.fields["etag"])
    assert (again.status, again.body, again.fields["cache-status"]) == (304, b"", "edge-1; hit")


async def test_a_name_that_is_not_served(lab: Lab) -> None:
    assert (await get(lab, IMG, host="www.elsewhere.test")).status == 421


async def test_warm_edges_ask_nobody(lab: Lab) -> None:
    await lab.warm()
    for domain in (WWW, IMG, VOD):
        for path in domain.paths:
            assert (await get(lab, domain, path, edge="edge-3")).fields["cache-status"] == "edge-3; hit"


async def test_an_expired_version_is_not_served_for_an_origin_that_fails(lab: Lab) -> None:
    await get(lab, IMG)
    await lab.origins[IMG.name].server.close()
    assert (await get(lab, IMG)).status == 200, "fresh: nobody needs to ask"
    lab.expire(IMG)
    refused = await get(lab, IMG)
    assert refused.status == 502
    assert refused.fields["cache-status"] == "edge-1; fwd=stale; detail=ConnectionRefusedError"


async def test_an_origin_that_never_answers_is_a_504(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.lab.servers.upstream.TIMEOUT_S", 0.05)
    lab.origins[IMG.name].delay_s = 3.0
    assert (await get(lab, IMG)).status == 504


async def test_the_log_tells_who_asked(lab: Lab) -> None:
    await get(lab, WWW, source=SHANGHAI.source, edge="edge-3")
    logged = lab.edges["edge-3"].server.log[-1]
    assert (logged.source, logged.scheme, logged.host, logged.path, logged.status) == (
        "127.0.2.2",
        "https",
        "www.shop.example",
        "/",
        200,
    )
    assert lab.origins[WWW.name].server.log[-1].source == EDGES["edge-3"]


async def test_connections_are_kept_for_further_requests(lab: Lab) -> None:
    reader, writer = await asyncio.open_connection(ANCHORS[0], lab.http_port)
    for _ in range(2):
        writer.write(b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.write(b"nonsense\r\n\r\n")
    assert await reader.read() == b"", "what is no request ends the connection"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("address", "body"), [*((a, b"ok\n") for a in ANCHORS), (OTHER_ADDRESS, None)])
async def test_anchors_and_bystander_answer(lab: Lab, address: str, body: bytes | None) -> None:
    got = await get(lab, API, "/ok", address=address)
    assert got.status == 200
    assert got.body == (body or b"welcome to another company\n")


# --- certificates -------------------------------------------------------------------------------------


def test_certificates(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    file = pki.leaf("edge", ["www.shop.example", "vod.media.example"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    leaf = x509.load_pem_x509_certificate(file.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["www.shop.example", "vod.media.example"]
    week = datetime.now(UTC) + timedelta(days=7)
    assert abs(leaf.not_valid_after_utc - week) < timedelta(minutes=1)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.ca_file.read_bytes()))
    old = x509.load_pem_x509_certificate(pki.leaf("old", ["a.example"], expired=True).read_bytes())
    assert old.not_valid_after_utc < datetime.now(UTC)


async def test_another_authority_is_not_trusted(lab: Lab) -> None:
    async with Lab() as other:
        lab.ca_pem = other.ca_pem
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(lab, WWW)


# --- up and down --------------------------------------------------------------------------------------


def _all_free(lab: Lab) -> bool:
    tcp = [s.address for s in lab.http_servers()]
    places = [(a, p, socket.SOCK_STREAM) for a in tcp for p in (lab.http_port, lab.https_port)]
    for address in lab.resolvers:
        places += [(address, lab.dns_port, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    for address, port, kind in places:
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            sock.bind((address, port))
    return True


async def test_nothing_is_left_behind() -> None:
    async with Lab() as lab:
        await get(lab, VOD)
        idle, writer = await asyncio.open_connection(EDGES["edge-1"], lab.http_port)
        silent, opened = await asyncio.open_connection(EDGES["edge-1"], lab.https_port)
        await lookup(lab, WWW.name, tcp=True)
        async with lab.fault("edge_down"):
            pass
        await get(lab, IMG)
    assert await idle.read() == b""
    assert await silent.read() == b""
    for stream in (writer, opened):
        stream.close()
        await stream.wait_closed()
    assert _all_free(lab)
    assert len(asyncio.all_tasks()) == 1
    del lab, idle, silent, writer, opened, stream
    gc.collect()  # a socket that nobody closed would warn here


async def test_a_port_that_is_taken_is_told_and_the_rest_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port([SHANGHAI.resolvers[1]], udp=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((SHANGHAI.resolvers[1], port))
        lab = Lab()
        real = free_port
        monkeypatch.setattr("probe.lab.lab.free_port", lambda a, udp=False: port if udp else real(a))
        with pytest.raises(LabError, match=r"127\.0\.53\.12"):
            async with lab:
                pytest.fail("the last resolver cannot have its port")
    assert _all_free(lab)
    assert len(asyncio.all_tasks()) == 1


async def test_no_port_at_all_is_told() -> None:
    with pytest.raises(LabError, match="must be usable"):
        free_port(["192.0.2.1"])


async def test_a_listener_comes_back_on_its_port() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")

    port = free_port(["127.0.1.1"])
    listener = Listener("127.0.1.1", port, greet)
    for _ in range(3):
        listener.open()
        listener.open()  # no harm
        assert listener.listening
        reader, writer = await asyncio.open_connection("127.0.1.1", port)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()
        await listener.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.1.1", port)


async def test_a_handler_that_is_asked_for_no_host_answers_400() -> None:
    async def never(request: object) -> object:
        raise AssertionError("not asked")

    port = free_port(["127.0.1.1"])
    server = HttpServer(never, "127.0.1.1", port)  # type: ignore[arg-type]
    server.open()
    reader, writer = await asyncio.open_connection("127.0.1.1", port)
    writer.write(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    writer.close()
    await writer.wait_closed()
    await server.close()


async def test_every_server_has_an_address_of_its_own(lab: Lab) -> None:
    addresses_of_all = [server.address for server in lab.http_servers()]
    assert len(addresses_of_all) == len(set(addresses_of_all)) == 3 + len(DOMAINS) + 2 + 1
