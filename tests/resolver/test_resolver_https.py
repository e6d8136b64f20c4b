"""DNS over HTTPS, RFC 8484: what is an answer, what is not, and that nothing holds it up."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from probe.core.model.task import ResolverSpec
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType
from probe.resolver.bootstrap import NamedResolvers
from probe.resolver.doh import MAX_BODY_BYTES
from tests.codes.provoking import provokes
from tests.support.awake import Awake
from tests.support.dns_server import CLOSE, DnsServer, Query, Script, reply, zone
from tests.support.doh_face import MEDIA, Said
from tests.support.resolving import Asking, Authority, addresses, face, face_spec, kind, look_up

BOTH = ("https", "https1")
GOOD = zone({"www.a CNAME": ["x.cdn"], "x.cdn A": ["127.0.0.1"]})


@pytest.fixture(params=BOTH)
def doh(request: pytest.FixtureRequest, resolver_authority: Authority) -> Asking:
    return Asking(request.param, resolver_authority)


@pytest.fixture
def h2_only(resolver_authority: Authority) -> Asking:
    return Asking("https", resolver_authority)


def wire(query: Query, *lines: str) -> bytes:
    made: bytes = reply(query, *(lines or ("www.a. 60 A 127.0.0.1",))).to_wire(max_size=65535)
    return made


def saying(**more: object) -> Script:
    return lambda query: Said(body=wire(query), **more)  # type: ignore[arg-type]


def words(resolution: Resolution) -> str:
    assert resolution.failure is not None
    return resolution.failure.detail or ""


async def test_whole_look_up(doh: Asking) -> None:
    async with doh.server(GOOD) as server:
        found = await look_up(doh.spec(server))
        assert [(query.transport, query.message.id) for query in server.queries] == [("https", 0)]
    assert (found.failure, found.transport, addresses(found)) == (None, "https", ["127.0.0.1"])
    assert found.resolver == f"https://127.0.0.1:{server.port}/dns-query"
    (query,) = found.queries
    assert (query.transport, query.resolver, query.rcode) == ("https", found.resolver, "NOERROR")


async def test_each_question_has_its_own_connection_and_record(doh: Asking) -> None:
    script = zone({"www.a CNAME": ["x.cdn"], "x.cdn A": ["127.0.0.1"]}, recursive=False)
    async with doh.server(script) as server:
        found = await look_up(doh.spec(server))
        assert len({query.port for query in server.queries}) == len(found.queries) == 2


@provokes("dns.https_failed")
@pytest.mark.parametrize("status", [204, 301, 400, 404, 415, 429, 500, 503])
async def test_other_status_is_no_answer(doh: Asking, status: int) -> None:
    found = await doh(saying(status=status) if status != 204 else lambda q: Said(status=204))
    assert kind(found) is FailureType.DNS_HTTPS_FAILED
    assert words(found).startswith(f"status {status}")
    assert [query.failure and query.failure.type for query in found.queries] == [FailureType.DNS_HTTPS_FAILED]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ((("content-type", "text/html; charset=utf-8"),), "text/html"),
        ((("content-type", "application/dns-json"),), "application/dns-json"),
        ((), "no media type"),
        ((MEDIA, ("content-encoding", "gzip")), "content coding gzip"),
    ],
)
async def test_other_media_type_is_no_answer(
    doh: Asking, fields: tuple[tuple[str, str], ...], said: str
) -> None:
    found = await doh(saying(fields=fields))
    assert kind(found) is FailureType.DNS_HTTPS_FAILED
    assert said in words(found)


async def test_media_type_is_compared_as_one(doh: Asking) -> None:
    found = await doh(saying(fields=(("content-type", "Application/DNS-Message; x=y"),)))
    assert addresses(found) == ["127.0.0.1"]


async def test_the_longest_message_is_taken(doh: Asking) -> None:
    """65,535 octets: one answer, and behind it what dnspython is told to forgive."""
    found = await doh(lambda q: Said(body=wire(q).ljust(MAX_BODY_BYTES, b"\0")))
    assert addresses(found) == ["127.0.0.1"]


async def test_one_octet_more_is_not(doh: Asking) -> None:
    found = await doh(lambda q: Said(body=wire(q).ljust(MAX_BODY_BYTES + 1, b"\0")))
    assert kind(found) is FailureType.DNS_HTTPS_FAILED
    assert "65535" in words(found)


async def test_empty_body_is_no_message(doh: Asking) -> None:
    assert kind(await doh(lambda q: Said())) is FailureType.DNS_MALFORMED


async def test_age_is_taken_off_the_ttl(doh: Asking) -> None:
    """RFC 8484 section 5.1."""
    found = await doh(saying(fields=(MEDIA, ("age", "25"))))
    assert found.ttl_s == 35
    found = await doh(saying(fields=(MEDIA, ("age", "3600"))))
    assert found.ttl_s == 0
    found = await doh(saying(fields=(MEDIA, ("age", "-5"))))
    assert found.ttl_s == 60


async def test_closed_without_a_response_is_unreachable(doh: Asking) -> None:
    assert kind(await doh(lambda q: CLOSE)) is FailureType.DNS_UNREACHABLE


async def test_refused(doh: Asking) -> None:
    spec = ResolverSpec(transport="https", address="127.0.0.1", port=1, tls_ca=doh.authority.file)
    assert kind(await look_up(spec)) is FailureType.DNS_UNREACHABLE


async def test_silence_keeps_the_deadline(doh: Asking) -> None:
    async with Awake() as awake:
        found = await doh(lambda q: None, deadline_us=250_000)
    assert kind(found) is FailureType.DNS_TIMED_OUT
    assert awake.seconds < 1.5


async def test_another_name_and_another_authority(doh: Asking, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    async with doh.server(GOOD) as server:
        good = doh.spec(server)
        for more in ({"tls_name": "other.example"}, {"tls_ca": str(stranger)}):
            spec = ResolverSpec(**{field: getattr(good, field) for field in good.__slots__} | more)
            assert kind(await look_up(spec)) is FailureType.DNS_TLS_FAILED
        assert server.queries == [], "nothing is asked of who cannot prove its name"


async def test_without_alpn_it_is_http_1(resolver_authority: Authority) -> None:
    server = DnsServer(GOOD, udp=False, tls=resolver_authority.context(), https=True)
    async with server:
        found = await look_up(face_spec(server, "https", resolver_authority))
    assert addresses(found) == ["127.0.0.1"]


async def test_server_that_wants_another_protocol(resolver_authority: Authority) -> None:
    """`dot` alone is offered: OpenSSL's servers go on without ALPN; it takes the request for the start of a message."""
    async with face(GOOD, "tls", resolver_authority) as server:
        found = await look_up(face_spec(server, "https", resolver_authority), deadline_us=300_000)
    assert kind(found) is FailureType.DNS_TIMED_OUT


# --- HTTP/2 alone ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 2, 7, 8, 11])
async def test_reset_stream(h2_only: Asking, code: int) -> None:
    found = await h2_only(saying(reset=code))
    assert kind(found) is FailureType.DNS_HTTPS_FAILED
    assert f"RST_STREAM, error {code}" in words(found)


@pytest.mark.parametrize(("code", "last"), [(0, 0), (11, 1), (2, 0)])
async def test_goaway_that_gives_up_our_stream(h2_only: Asking, code: int, last: int) -> None:
    found = await h2_only(saying(goaway=(code, last)))
    assert kind(found) is FailureType.DNS_HTTPS_FAILED
    assert f"GOAWAY, error {code}, last stream {last}" in words(found)


@pytest.mark.parametrize("last", [1, 2**31 - 1])
async def test_goaway_that_lets_our_stream_finish(h2_only: Asking, last: int) -> None:
    """Servers that close after one request say so before its response."""
    assert addresses(await h2_only(saying(goaway=(0, last)))) == ["127.0.0.1"]


async def test_padding_is_acknowledged_and_no_part_of_the_message(h2_only: Asking) -> None:
    """One octet a frame, each with 255 of padding: twice the client's window on the wire."""
    found = await h2_only(lambda q: Said(body=wire(q).ljust(500, b"\0"), chunk=1, pad=255))
    assert addresses(found) == ["127.0.0.1"]


async def test_padding_without_end_is_cut_off(h2_only: Asking) -> None:
    found = await h2_only(lambda q: Said(body=wire(q).ljust(1500, b"\0"), chunk=1, pad=255))
    assert kind(found) is FailureType.DNS_HTTPS_FAILED
    assert "bytes and no response" in words(found)


async def test_informational_responses_are_passed_over(h2_only: Asking) -> None:
    assert addresses(await h2_only(saying(informational=3))) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "flood",
    [
        b"\0\0\x08\x06\0\0\0\0\0" + b"\0" * 8,  # PING
        b"\0\0\0\x04\0\0\0\0\0",  # SETTINGS
        b"\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10",  # PRIORITY
    ],
)
async def test_endless_frames_are_cut_off(resolver_authority: Authority, flood: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(100)
            writer.write(b"\0\0\0\x04\0\0\0\0\0")
            while True:
                writer.write(flood * 500)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=resolver_authority.context("h2"))
    async with server:
        port = server.sockets[0].getsockname()[1]
        spec = ResolverSpec(transport="https", address="127.0.0.1", port=port, tls_ca=resolver_authority.file)
        found = await look_up(spec)
    assert kind(found) is FailureType.DNS_HTTPS_FAILED
    assert "bytes and no response" in words(found)


async def test_resolver_given_by_name(doh: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with DNS over TLS: looked up once by the host's own resolver, verified by its name."""

    async def find(self: NamedResolvers, name: str, within_s: float) -> None:
        assert name == "dns.example"
        self._found[name] = "127.0.0.1"

    monkeypatch.setattr(NamedResolvers, "_find", find)
    async with doh.server(GOOD) as server:
        spec = ResolverSpec(
            transport="https", address="dns.example", port=server.port, tls_name="dns.example",
            tls_ca=doh.authority.file, path="/dns-query",
        )  # fmt: skip
        found = await look_up(spec)
    assert addresses(found) == ["127.0.0.1"]
