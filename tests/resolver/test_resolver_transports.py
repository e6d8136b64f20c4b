"""Resolvers over TCP and TLS, and the mapping of exceptions to failures of the closed list."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from probe.core.dns.message import MalformedError
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType, Phase
from probe.core.syntax.values import RESOLVER_SCHEMES
from probe.host.clock import SystemClock
from probe.net.failures import SocketLateError
from probe.resolver import exchange
from probe.resolver.doh import HttpsError
from probe.resolver.exchange import ExchangeError, open_socket_to
from probe.resolver.failures import SilenceError, dns_failure
from probe.resolver.resolver import Resolver
from probe.resolver.transports import make_transports
from tests.codes.provoking import provokes, saw
from tests.support.awake import Awake
from tests.support.dns_server import DnsServer, zone

CLOCK = SystemClock()
HEALTHY = zone({"www.a CNAME": ["x.cdn"], "x.cdn A": ["127.0.0.1"]})


async def look_up(server: DnsServer, transport: str, deadline_us: int = 3_000_000, **tls: str) -> Resolution:
    spec = ResolverSpec(transport=transport, address=server.host, port=server.port, **tls)
    point = VantagePoint(name="v", resolvers=(spec,), client_subnet="203.0.113.0/24")
    asked = Resolver(CLOCK, ("127.0.0.0/8",))
    start_ns = CLOCK.monotonic_ns()
    return saw(await asked.resolve("www.a", "A", point, slot_start_ns=start_ns, deadline_us=deadline_us))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def tls_server(authority: trustme.CA, *names: str) -> DnsServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return DnsServer(HEALTHY, udp=False, tls=context)


def kind(resolution: Resolution) -> FailureType | None:
    return resolution.failure.type if resolution.failure else None


async def test_tcp() -> None:
    async with DnsServer(HEALTHY, udp=False) as server:
        found = await look_up(server, "tcp")
        assert [query.transport for query in server.queries] == ["tcp"]
    assert (found.failure, found.transport, found.resolver) == (None, "tcp", f"tcp://127.0.0.1:{server.port}")
    assert [record.address for record in found.addresses] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("names", "tls"), [(("dns.example",), {"tls_name": "dns.example"}), (("127.0.0.1",), {})]
)
async def test_tls(authority: trustme.CA, ca_file: str, names: tuple[str, ...], tls: dict[str, str]) -> None:
    async with tls_server(authority, *names) as server:
        found = await look_up(server, "tls", tls_ca=ca_file, **tls)
        assert [query.transport for query in server.queries] == ["tls"]
    assert (found.failure, found.transport, found.resolver) == (None, "tls", f"tls://127.0.0.1:{server.port}")
    assert [record.address for record in found.addresses] == ["127.0.0.1"]
    assert [link.target for link in found.cname_chain] == ["x.cdn"]


@provokes("dns.tls_failed")
async def test_tls_certificate_for_another_name(authority: trustme.CA, ca_file: str) -> None:
    async with tls_server(authority, "other.example") as server:
        found = await look_up(server, "tls", tls_ca=ca_file, tls_name="dns.example")
        assert server.queries == [], "nothing is asked of who cannot prove its name"
    assert (kind(found), found.queries[0].transport) == (FailureType.DNS_TLS_FAILED, "tls")


async def test_tls_unknown_authority(authority: trustme.CA, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    async with tls_server(authority, "dns.example") as server:
        found = await look_up(server, "tls", tls_ca=str(stranger), tls_name="dns.example")
    assert kind(found) is FailureType.DNS_TLS_FAILED


async def test_tls_authority_file_missing(authority: trustme.CA, tmp_path: Path) -> None:
    async with tls_server(authority, "dns.example") as server:
        found = await look_up(server, "tls", tls_ca=str(tmp_path / "none.pem"), tls_name="dns.example")
    assert kind(found) is FailureType.DNS_TLS_FAILED
    assert found.failure is not None
    assert found.failure.operation == "tls_ca"


async def test_tls_of_a_server_that_speaks_none(ca_file: str) -> None:
    async def speak_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 no TLS here\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak_plainly, "127.0.0.1", 0)
    async with server:
        fake = DnsServer(HEALTHY, port=server.sockets[0].getsockname()[1])
        found = await look_up(fake, "tls", tls_ca=ca_file)
    assert kind(found) is FailureType.DNS_TLS_FAILED


async def test_tls_handshake_that_never_ends_keeps_the_deadline(ca_file: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake = DnsServer(HEALTHY, port=listener.getsockname()[1])
        async with Awake() as awake:
            found = await look_up(fake, "tls", deadline_us=200_000, tls_ca=ca_file)
        assert awake.seconds < 0.35
    assert kind(found) is FailureType.DNS_TIMED_OUT


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_stream_refused(transport: str, ca_file: str) -> None:
    async with DnsServer(HEALTHY, tcp=False) as server:
        found = await look_up(server, transport, tls_ca=ca_file)
    assert kind(found) is FailureType.DNS_UNREACHABLE


async def test_a_socket_that_our_host_does_not_make_in_time_is_our_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the resolver's silence, nor a line that is gone."""

    async def never(*_: object) -> socket.socket:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(exchange, "open_socket", never)
    line = VantagePoint(name="bj-ct", netns="bj-ct")
    to = ResolverSpec(transport="udp", address="192.0.2.53", port=53)
    with pytest.raises(ExchangeError) as raised:
        await open_socket_to(to, line, socket.SOCK_DGRAM, asyncio.get_running_loop().time() + 0.01)
    failure = raised.value.failure
    assert (failure.phase, failure.type) == (Phase.HOST, FailureType.AGENT_SOCKET_LATE)


def os_error(code: int) -> OSError:
    return OSError(code, "words")


@pytest.mark.parametrize(
    ("error", "operation", "expected"),
    [
        (os_error(errno.EMFILE), "socket", FailureType.AGENT_DESCRIPTORS_EXHAUSTED),
        (os_error(errno.ENFILE), "tls_ca", FailureType.AGENT_DESCRIPTORS_EXHAUSTED),
        (os_error(errno.ENOBUFS), "send", FailureType.AGENT_MEMORY_EXHAUSTED),
        (SocketLateError("no socket was made in time"), "bind", FailureType.AGENT_SOCKET_LATE),
        (os_error(errno.EADDRNOTAVAIL), "bind", FailureType.VANTAGE_SOURCE_UNAVAILABLE),
        (os_error(errno.EADDRNOTAVAIL), "connect", FailureType.VANTAGE_SOURCE_UNAVAILABLE),
        (os_error(errno.EPERM), "bind", FailureType.VANTAGE_SOURCE_UNAVAILABLE),
        (os_error(errno.ENODEV), "bind", FailureType.VANTAGE_SOURCE_UNAVAILABLE),
        (os_error(errno.ENETUNREACH), "connect", FailureType.VANTAGE_NETWORK_DOWN),
        (os_error(errno.ENETDOWN), "send", FailureType.VANTAGE_NETWORK_DOWN),
        (os_error(errno.EAFNOSUPPORT), "socket", FailureType.VANTAGE_NETWORK_DOWN),
        (os_error(errno.EPERM), "send", FailureType.VANTAGE_NETWORK_DOWN),
        (os_error(errno.EHOSTUNREACH), "read", FailureType.DNS_UNREACHABLE),
        (os_error(errno.ECONNREFUSED), "read", FailureType.DNS_UNREACHABLE),
        (os_error(errno.ECONNRESET), "read", FailureType.DNS_UNREACHABLE),
        (os_error(errno.ECONNRESET), "handshake", FailureType.DNS_TLS_FAILED),
        (os_error(errno.EACCES), "tls_ca", FailureType.DNS_TLS_FAILED),
        (os_error(errno.ETIMEDOUT), "connect", FailureType.DNS_TIMED_OUT),
        (asyncio.IncompleteReadError(b"", 2), "read", FailureType.DNS_UNREACHABLE),
        (asyncio.IncompleteReadError(b"", 2), "handshake", FailureType.DNS_TLS_FAILED),
        (ssl.SSLError(1, "words"), "handshake", FailureType.DNS_TLS_FAILED),
        (ssl.SSLCertVerificationError("words"), "handshake", FailureType.DNS_TLS_FAILED),
        (SilenceError(0, 0), "read", FailureType.DNS_TIMED_OUT),
        (SilenceError(0, 3), "read", FailureType.DNS_TIMED_OUT),
        (SilenceError(1, 0), "read", FailureType.DNS_MALFORMED),
        (MalformedError("words"), "read", FailureType.DNS_MALFORMED),
        (HttpsError("status 404"), "read", FailureType.DNS_HTTPS_FAILED),
        (EOFError("closed without a response"), "read", FailureType.DNS_UNREACHABLE),
        (os_error(errno.EXDEV), "read", FailureType.AGENT_INTERNAL_ERROR),
        (ZeroDivisionError(), "read", FailureType.AGENT_INTERNAL_ERROR),
    ],
)
def test_mapping(error: Exception, operation: str, expected: FailureType) -> None:
    failure = dns_failure(error, operation)
    assert failure.type is expected
    assert failure.phase is (Phase.DNS if expected.value.startswith("dns.") else Phase.HOST)
    assert failure.operation == operation
    assert failure.detail


def test_every_scheme_that_a_configuration_may_name_has_a_transport() -> None:
    transports = make_transports()
    assert set(transports) == set(RESOLVER_SCHEMES)
    assert all(transport.scheme == scheme for scheme, transport in transports.items())
    assert {t.after_truncation for t in transports.values()} - {None} <= set(transports)
