"""Through proxies: honest ones, hostile ones, and none at all. Whatever they do, the CDN is not accused of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import logging
from typing import Any

import pytest

from probe.core.model.task import ProxySpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.codec import encode_any
from probe.core.records.dns import AddressRecord, Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation
from probe.fetch import connector
from probe.fetch import proxy as proxies
from probe.fetch.connector import open_connection
from probe.fetch.proxy import ProxyAddresses, speak
from probe.host.clock import SystemClock
from probe.net.failures import SocketLateError
from tests.codes.provoking import provokes, saw
from tests.support import build
from tests.support.awake import Awake
from tests.support.http2 import healthy, plain, speaking
from tests.support.http_server import (
    HOST,
    Pki,
    Script,
    black_hole,
    closed_port,
    hang,
    make_fetcher,
    make_target,
    reset,
    response,
    serve,
    then_hang,
)
from tests.support.proxy_server import (
    BOUND_NAME,
    BOUND_V4,
    BOUND_V6,
    ESTABLISHED,
    PASSWORD,
    SECRETS,
    Proxy,
    proxy,
    says,
    spec_of,
)

F = FailureType
BODY = b"the content" * 100
BOTH = pytest.mark.parametrize("scheme", ["socks5", "http"])
METHOD = b"\x05\x00"
SHORT = {"connect_us": 300_000}
UNREACHABLE = Phase.HOST, F.VANTAGE_PROXY_UNREACHABLE
REFUSED = Phase.HOST, F.VANTAGE_PROXY_REFUSED


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def fetch(port: int, through: ProxySpec, **changes: Any) -> Observation:
    return await make_fetcher(SECRETS).fetch(make_target(port, proxy=through, **changes))


def failed(seen: Observation) -> tuple[Phase, FailureType]:
    saw(seen)
    assert seen.failure is not None
    assert seen.response is None
    assert seen.failure.operation == "proxy connect"
    assert seen.failure.detail
    assert seen.proxy is not None
    return seen.failure.phase, seen.failure.type


def well(seen: Observation, body: bytes = BODY) -> None:
    assert seen.failure is None
    assert seen.response is not None
    assert (seen.response.status_code, seen.response.encoded_body_bytes) == (200, len(body))


# --- honest proxies -------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("user", [None, "probe"])
async def test_plain_http(scheme: str, bytewise: bool, user: str | None) -> None:
    async with serve(response(BODY)) as server, proxy(scheme, bytewise=bytewise, user=user) as made:
        seen = await fetch(server.port, made.spec())
        well(seen)
        assert made.asked == [("127.0.0.1", server.port)]
        assert made.users == ([] if user is None else [user])
    assert (seen.address, seen.port, seen.proxy) == (
        "127.0.0.1",
        server.port,
        f"{scheme}://127.0.0.1:{made.port}",
    )
    assert server.requests[0].startswith(b"GET /object HTTP/1.1\r\nHost: " + HOST.encode()), "origin form"
    timing = seen.timing
    assert timing.connect_start_us is not None
    assert timing.connect_end_us is not None
    assert timing.request_start_us is not None
    assert timing.connect_start_us < timing.connect_end_us <= timing.request_start_us


@BOTH
async def test_tls_to_the_edge_inside_the_tunnel(scheme: str, pki: Pki) -> None:
    async with serve(response(BODY), tls=pki.issued()) as server, proxy(scheme) as made:
        seen = await fetch(server.port, made.spec(), scheme="https", tls=pki.policy())
    well(seen)
    assert seen.tls is not None
    assert (seen.tls.server_name, seen.tls.names) == (HOST, (HOST,))
    assert seen.timing.secure_connection_start_us is not None


@BOTH
async def test_http_2_inside_the_tunnel(scheme: str, pki: Pki) -> None:
    async with speaking(pki, healthy(plain(BODY))) as server, proxy(scheme) as made:
        seen = await fetch(server.port, made.spec(), scheme="https", tls=pki.policy(), protocol="h2")
    well(seen)
    assert seen.response is not None
    assert (seen.response.next_hop_protocol, made.asked) == ("h2", [("127.0.0.1", server.port)])


@BOTH
async def test_a_bad_certificate_is_read_again_through_the_proxy(scheme: str, pki: Pki) -> None:
    async with serve(response(BODY), tls=pki.odd("expired")) as server, proxy(scheme) as made:
        seen = await fetch(server.port, made.spec(), scheme="https", tls=pki.policy())
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.TLS, F.TLS_CERT_DATE_INVALID)
    assert made.asked == [("127.0.0.1", server.port)] * 2
    assert seen.tls is not None
    assert (seen.tls.second_connection, len(seen.tls.chain_sha256)) == (True, 1)


@BOTH
async def test_names_are_handed_over_where_the_proxy_looks_them_up(scheme: str) -> None:
    async with serve(response(BODY)) as server, proxy(scheme, names={HOST: "127.0.0.1"}) as made:
        seen = await fetch(server.port, made.spec(resolve="proxy"), address=HOST)
    well(seen)
    assert (made.asked, seen.address) == ([(HOST, server.port)], HOST)


@BOTH
async def test_ipv6_through_a_proxy_that_is_reached_over_ipv4(scheme: str) -> None:
    async with serve(response(BODY), host="::1") as server, proxy(scheme) as made:
        well(await fetch(server.port, made.spec(), address="::1"))
    assert made.asked == [("::1", server.port)]


@pytest.mark.parametrize(
    ("scheme", "success"),
    [
        ("socks5", BOUND_V6),
        ("socks5", BOUND_NAME),
        ("http", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("http", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ESTABLISHED),
    ],
    ids=["v6", "name", "framing to be ignored", "interim"],
)
async def test_other_forms_of_success(scheme: str, success: bytes) -> None:
    async with serve(response(BODY)) as server, proxy(scheme, success=success) as made:
        well(await fetch(server.port, made.spec()))


@BOTH
@pytest.mark.parametrize("bound", [None, "other"])
async def test_a_server_that_speaks_first_loses_no_byte(scheme: str, bound: str | None) -> None:
    other = {"socks5": BOUND_V6, "http": b"HTTP/1.1 100 Continue\r\n\r\n" + ESTABLISHED}
    banner = b"220 ready\r\n" * 30

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(banner)
        await reader.read()

    success = other[scheme] if bound else None
    async with serve(greet, read=False) as server, proxy(scheme, glued=True, success=success) as made:
        sock = await open_connection(VantagePoint(name="here"), "127.0.0.1", made.port)
        dialogue = (proxies.Socks5 if scheme == "socks5" else proxies.HttpConnect)("127.0.0.1", server.port)
        loop = asyncio.get_running_loop()
        with sock:
            await speak(sock, dialogue, loop.time() + 5)
            got = b""
            while len(got) < len(banner):
                got += await asyncio.wait_for(loop.sock_recv(sock, 65536), 60)
    assert got == banner


@BOTH
async def test_an_early_reply_glued_to_the_proxys_answer_is_read_as_what_it_is(scheme: str) -> None:
    whole = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    async with serve(then_hang(whole), read=False) as server, proxy(scheme, glued=True) as made:
        well(await fetch(server.port, made.spec()))


@BOTH
async def test_connect_only_goes_through_too(scheme: str) -> None:
    async with serve(hang, read=False) as server, proxy(scheme) as made:
        seen = await make_fetcher().connect_only(make_target(server.port, proxy=made.spec()))
    assert (seen.failure, seen.method, seen.proxy) == (None, "CONNECT", str(made.spec()))
    assert made.asked == [("127.0.0.1", server.port)]


@BOTH
async def test_the_source_address_is_used_towards_the_proxy(scheme: str) -> None:
    async with serve(response(BODY)) as server, proxy(scheme) as made:
        seen = await fetch(server.port, made.spec(), source_v4="127.0.5.7")
    well(seen)
    assert seen.source is not None
    assert seen.source.startswith("127.0.5.7:")


# --- what the proxy says of the target ------------------------------------------------------------


@BOTH
async def test_a_target_that_refuses(scheme: str) -> None:
    async with proxy(scheme) as made:
        kind = F.TCP_REFUSED if scheme == "socks5" else F.TCP_FAILED
        assert failed(await fetch(closed_port(), made.spec())) == (Phase.TCP, kind)


async def answered(scheme: str, *steps: Any, **changes: Any) -> Observation:
    """The observation where the proxy answers this; the password is known to it."""
    async with serve(says(*steps), read=False) as server:
        credentials = {"user": "probe", "password": proxies_password()}
        return await fetch(9, spec_of(scheme, server.port, **credentials), **changes)


def proxies_password() -> Any:
    return Proxy(scheme="http", user="probe").spec().password


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((METHOD, b"\x05\x05\x00\x01"), (Phase.TCP, F.TCP_REFUSED)),
        pytest.param(
            (METHOD, b"\x05\x03\x00\x01"),
            (Phase.TCP, F.TCP_ADDRESS_UNREACHABLE),
            marks=provokes("tcp.address_unreachable"),
        ),
        ((METHOD, b"\x05\x06"), (Phase.TCP, F.TCP_ADDRESS_UNREACHABLE)),
        ((METHOD, b"\x05\x01\x00\x01"), REFUSED),
        ((METHOD, b"\x05\x08\x00\x01"), REFUSED),
        ((b"\x05\xff",), REFUSED),
        ((b"\x05\x02", b"\x01\x01"), REFUSED),
        ((b"\x05\x02", b"\x01\x00", b"\x05\x02\x00\x01"), REFUSED),
        ((b"\x04\x5a",), UNREACHABLE),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), UNREACHABLE),
        ((METHOD, b"\x05\x00\x00\x09"), UNREACHABLE),
        ((METHOD, b"garbage"), UNREACHABLE),
        ((None,), UNREACHABLE),
        ((METHOD, None), UNREACHABLE),
        ((reset,), UNREACHABLE),
        ((METHOD, reset), UNREACHABLE),
        ((b"\x05\x02", None), UNREACHABLE),
    ],
)
async def test_socks5_answers(steps: tuple[Any, ...], expected: tuple[Phase, FailureType]) -> None:
    assert failed(await answered("socks5", *steps)) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n",),
            (Phase.TCP, F.TCP_FAILED),
            marks=provokes("tcp.failed"),
        ),
        ((b"HTTP/1.1 503 Service Unavailable\r\n\r\n",), (Phase.TCP, F.TCP_FAILED)),
        ((b"HTTP/1.1 504 Gateway Timeout\r\n\r\n",), (Phase.TCP, F.TCP_TIMED_OUT)),
        ((b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",), REFUSED),
        ((b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nbody!",), REFUSED),
        ((b"HTTP/1.1 405 Method Not Allowed\r\n\r\n",), REFUSED),
        ((b"SSH-2.0-x\r\n",), UNREACHABLE),
        ((b"\x05\xff",), UNREACHABLE),
        ((b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 4000,), UNREACHABLE),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,), UNREACHABLE),
        ((None,), UNREACHABLE),
        ((reset,), UNREACHABLE),
    ],
)
async def test_connect_answers(steps: tuple[Any, ...], expected: tuple[Phase, FailureType]) -> None:
    assert failed(await answered("http", *steps)) == expected


def partly(scheme: str, *steps: bytes, then: str) -> Script:
    """Answers all steps but the last in full, of that only a part, and then closes or resets."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for step in steps:
            await reader.read(65536)
            writer.write(step)
            await writer.drain()
        if then == "reset":
            await asyncio.sleep(0.05)
            reset(writer)
        elif then == "silence":
            await reader.read()

    return script


@pytest.mark.parametrize("then", ["close", "reset", "silence"])
@pytest.mark.parametrize(
    ("scheme", "steps"),
    [
        ("socks5", (b"\x05",)),
        ("socks5", (METHOD, b"\x05\x00\x00")),
        ("socks5", (METHOD, BOUND_V4[:-1])),
        ("socks5", (METHOD, BOUND_V6[:10])),
        ("http", (b"HTTP/1.1 200 OK\r\nVia: x",)),
        ("http", (b"HT",)),
    ],
)
async def test_an_answer_that_ends_in_the_middle(scheme: str, steps: tuple[bytes, ...], then: str) -> None:
    async with serve(partly(scheme, *steps, then=then), read=False) as server:
        assert failed(await fetch(9, spec_of(scheme, server.port), **SHORT)) == UNREACHABLE


# --- silence --------------------------------------------------------------------------------------


async def test_silence_after_the_request_is_the_targets_silence() -> None:
    swallowed = Phase.TCP, F.TCP_TIMED_OUT
    assert failed(await answered("socks5", METHOD, **SHORT)) == swallowed
    async with serve(hang, read=False) as server:
        assert failed(await fetch(9, spec_of("http", server.port), **SHORT)) == swallowed
    assert failed(await answered("http", b"HTTP/1.1 100 Continue\r\n\r\n", **SHORT)) == swallowed


async def test_silence_before_the_request_is_the_proxys() -> None:
    async with serve(hang, read=False) as server:
        assert failed(await fetch(9, spec_of("socks5", server.port), **SHORT)) == UNREACHABLE
    assert failed(await answered("socks5", b"\x05\x02", **SHORT)) == UNREACHABLE


@BOTH
async def test_one_deadline_covers_the_connection_and_the_dialogue(scheme: str) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        for _ in range(1000):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n"[:1] if scheme == "http" else b"")
            await asyncio.sleep(0.01)

    async with serve(drip, read=False) as server, Awake() as awake:
        seen = await fetch(9, spec_of(scheme, server.port), connect_us=300_000)
    assert failed(seen) == UNREACHABLE
    assert awake.seconds < 2 * 0.3


@BOTH
async def test_no_proxy_there(scheme: str) -> None:
    assert failed(await fetch(9, spec_of(scheme, closed_port()))) == UNREACHABLE
    with black_hole() as port:
        assert failed(await fetch(9, spec_of(scheme, port), **SHORT)) == UNREACHABLE


async def test_our_own_line_stays_our_own_line() -> None:
    seen = await fetch(9, spec_of("socks5", 9), source_v4="203.0.113.250")
    assert failed(seen) == (Phase.HOST, F.VANTAGE_SOURCE_UNAVAILABLE)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EMFILE, (Phase.HOST, F.AGENT_DESCRIPTORS_EXHAUSTED)),
        (errno.ENETUNREACH, (Phase.HOST, F.VANTAGE_NETWORK_DOWN)),
        (errno.EHOSTUNREACH, UNREACHABLE),
        (errno.ETIMEDOUT, UNREACHABLE),
    ],
)
async def test_what_our_own_host_lacks_is_not_called_the_proxys(
    number: int, expected: tuple[Phase, FailureType], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lacking(*_: Any) -> None:
        raise OSError(number, "words")

    monkeypatch.setattr(proxies, "open_connection", lacking)
    assert failed(await fetch(9, spec_of("socks5", 9))) == expected


@BOTH
async def test_what_the_making_of_the_socket_took_is_no_part_of_the_proxys_time(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is short of time makes it late, in another namespace: longer than the whole time for connecting."""
    made_by = connector.open_socket

    async def late(*arguments: Any) -> Any:
        await asyncio.sleep(0.5)
        return await made_by(*arguments)

    monkeypatch.setattr(connector, "open_socket", late)
    async with serve(response(BODY)) as server, proxy(scheme) as made:
        well(await fetch(server.port, made.spec(), connect_us=400_000))


@BOTH
async def test_a_socket_that_is_never_made_is_our_own_hosts(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        raise SocketLateError("network namespace ct: not entered within 1 s")

    monkeypatch.setattr(connector, "open_socket", never)
    assert failed(await fetch(9, spec_of(scheme, 9))) == (Phase.HOST, F.AGENT_SOCKET_LATE)


# --- the tunnel -----------------------------------------------------------------------------------


@BOTH
async def test_a_tunnel_that_is_cut_keeps_what_came(scheme: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    async with proxy(scheme) as made:

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head + BODY[:100])
            await writer.drain()
            await asyncio.sleep(0.05)
            made.hang_up()

        async with serve(half) as server:
            seen = await fetch(server.port, made.spec())
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) in {
        (Phase.BODY, F.BODY_TRUNCATED), (Phase.BODY, F.TCP_RESET),
    }  # fmt: skip
    assert seen.response is not None
    assert seen.response.encoded_body_bytes == 100


@BOTH
async def test_sockets_are_closed_whatever_happened(scheme: str) -> None:
    """Unclosed sockets are warnings, and warnings are errors: this gives them the occasion."""
    for steps in ((None,), (b"garbage",), (reset,)):
        await answered(scheme, *steps, **SHORT)
    async with serve(hang, read=False) as server:
        task = asyncio.create_task(fetch(9, spec_of(scheme, server.port)))
        while server.connections == 0:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


# --- what may be asked for ------------------------------------------------------------------------


@BOTH
async def test_the_address_policy_guards_the_target_and_not_the_proxy(scheme: str) -> None:
    async with proxy(scheme) as made:
        seen = await fetch(80, made.spec(resolve="proxy"), address="169.254.169.254")
        assert seen.failure is not None
        assert seen.failure.type is F.TCP_ADDRESS_BLOCKED
    assert made.asked == []


@BOTH
@pytest.mark.parametrize("address", ["a" * 60 + ".x" * 120, "localhost", "0x7f.1", "2130706433", "a b"])
async def test_names_that_no_proxy_is_given_are_not_even_connected_for(scheme: str, address: str) -> None:
    async with proxy(scheme, names={address: "127.0.0.1"}) as made:
        seen = await fetch(80, made.spec(resolve="proxy"), address=address)
        assert seen.failure is not None
        assert (seen.failure.phase, seen.failure.type) == (Phase.TCP, F.TCP_ADDRESS_BLOCKED)
        assert "is not given to a proxy" in (seen.failure.detail or "")
    assert (made.asked, made.live) == ([], [])


async def test_without_a_proxy_that_looks_up_a_name_is_no_address() -> None:
    async with proxy("socks5", names={HOST: "127.0.0.1"}) as made:
        for through in (made.spec(), None):
            seen = await make_fetcher().fetch(make_target(80, proxy=through, address=HOST))
            assert seen.failure is not None
            assert seen.failure.type is F.TCP_ADDRESS_BLOCKED
    assert made.asked == []


# --- the password ---------------------------------------------------------------------------------


def appears(text: str) -> bool:
    """Also a part of it, or as Basic sends it."""
    basic = base64.b64encode(f"probe:{PASSWORD}".encode()).decode()
    return any(secret[:8] in text for secret in (PASSWORD, basic))


@pytest.mark.parametrize(
    "echo",
    [
        b"HTTP/1.1 407 wrong: " + PASSWORD.encode() + b"\r\n\r\n",
        b"HTTP/1.1 502 " + b"x" * 168 + PASSWORD.encode() + b"\r\n\r\n",  # where the words are cut
        b"HTTP/1.1 503 no\r\nX-Squid-Error: " + base64.b64encode(b"probe:" + PASSWORD.encode()) + b"\r\n\r\n",
        b"garbage " + PASSWORD.encode() + b"\r\n\r\n",
    ],
)
async def test_a_proxy_that_repeats_the_password_gets_it_nowhere(
    echo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seen = await answered("http", echo)
    record = encode_any(seen).decode()
    assert "redacted" in record or "x" * 100 in record
    assert not appears(record)
    assert not appears(caplog.text)


@BOTH
async def test_the_password_is_in_no_record_log_or_exception(
    scheme: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve(response(BODY)) as server, proxy(scheme, user="probe", password="another") as made:
        seen = await fetch(server.port, made.spec())
        assert failed(seen) == REFUSED
        assert not appears(encode_any(seen).decode())
        assert not appears(repr(proxies.ProxyWay(proxy=made.spec(), at="", password=PASSWORD, redact=str)))

        async def defect(*_: Any) -> None:
            raise RuntimeError(f"a defect that names {PASSWORD}")

        monkeypatch.setattr(proxies, "speak", defect)
        seen = await fetch(server.port, made.spec())
    assert seen.failure is not None
    assert seen.failure.type is F.AGENT_INTERNAL_ERROR
    assert not appears(encode_any(seen).decode() + caplog.text)
    assert "a defect that names [redacted]" in caplog.text


async def test_a_password_that_is_gone_is_our_own_fault() -> None:
    made = Proxy(scheme="http", port=9, user="probe")
    seen = await make_fetcher({}).fetch(make_target(9, proxy=made.spec()))
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.HOST, F.AGENT_INTERNAL_ERROR)


# --- a proxy given by name ------------------------------------------------------------------------


class Names:
    """A resolver with one name; counts."""

    def __init__(self, answer: Resolution, *, only: str = "A") -> None:
        self.answer, self.only = answer, only
        self.asked: list[str] = []

    async def resolve(self, qname: str, qtype: str, vantage: VantagePoint, **_: Any) -> Resolution:
        self.asked.append(f"{vantage.name} {qname} {qtype}")
        if qtype == self.only:
            return self.answer
        return replace(self.answer, addresses=(), failure=Failure(phase=Phase.DNS, type=F.DNS_NO_DATA))


def led_to(address: str, ttl_s: int = 60) -> Resolution:
    return build.resolution(addresses=(AddressRecord(address=address, ttl_s=ttl_s, refused="loopback"),))


class Still:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_ns = 10**18

    def monotonic_ns(self) -> int:
        return self.now_ns

    def time_ns(self) -> int:
        return self.now_ns


BY_NAME = ProxySpec(scheme="socks5", host="proxy.example.net", port=1080)
HERE = VantagePoint(name="here")


async def test_its_address_is_kept_for_its_ttl_and_each_line_asks_for_itself() -> None:
    clock, names = Still(), Names(led_to("192.0.2.80", 30))
    found = ProxyAddresses(clock, names)  # type: ignore[arg-type]
    for _ in range(3):
        assert await found.find(HERE, BY_NAME, 1_000_000) == "192.0.2.80"
    assert names.asked == ["here proxy.example.net A"]
    assert await found.find(replace(HERE, name="there"), BY_NAME, 1_000_000) == "192.0.2.80"
    clock.now_ns += 30 * 10**9
    await found.find(HERE, BY_NAME, 1_000_000)
    assert len(names.asked) == 3


@pytest.mark.parametrize(("ttl_s", "after_s", "asked"), [(0, 0, 2), (86_400, 59, 1), (86_400, 60, 2)])
async def test_neither_longer_than_its_ttl_nor_than_a_minute(ttl_s: int, after_s: int, asked: int) -> None:
    clock, names = Still(), Names(led_to("192.0.2.80", ttl_s))
    found = ProxyAddresses(clock, names)  # type: ignore[arg-type]
    await found.find(HERE, BY_NAME, 1_000_000)
    clock.now_ns += after_s * 10**9
    await found.find(HERE, BY_NAME, 1_000_000)
    assert len(names.asked) == asked


@pytest.mark.parametrize(
    ("versions", "asked"), [((), ["A", "AAAA"]), ((6,), ["AAAA"]), ((4,), ["A"]), ((4, 6), ["A", "AAAA"])]
)
async def test_over_the_ip_versions_that_the_line_carries(
    versions: tuple[int, ...], asked: list[str]
) -> None:
    names = Names(led_to("2001:db8::80"), only="AAAA")
    found = ProxyAddresses(Still(), names)  # type: ignore[arg-type]
    with contextlib.suppress(proxies.ProxyError):
        assert await found.find(replace(HERE, ip_versions=versions), BY_NAME, 1_000_000) == "2001:db8::80"
    assert names.asked == [f"here proxy.example.net {qtype}" for qtype in asked]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(phase=Phase.DNS, type=F.DNS_NAME_NOT_RESOLVED), F.VANTAGE_PROXY_UNREACHABLE),
        (Failure(phase=Phase.DNS, type=F.DNS_TIMED_OUT), F.VANTAGE_PROXY_UNREACHABLE),
        (Failure(phase=Phase.HOST, type=F.AGENT_DESCRIPTORS_EXHAUSTED), F.AGENT_DESCRIPTORS_EXHAUSTED),
    ],
)
async def test_a_proxy_that_is_not_found(failure: Failure, kind: FailureType) -> None:
    fetcher = make_fetcher()
    fetcher._proxies = ProxyAddresses(
        SystemClock(),
        Names(build.resolution(addresses=(), failure=failure)),  # type: ignore[arg-type]
    )
    seen = await fetcher.fetch(make_target(9, proxy=BY_NAME))
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.HOST, kind)
    assert (seen.failure.operation, seen.proxy) == ("find proxy", "socks5://proxy.example.net:1080")


async def test_a_proxy_by_name_on_loopback_is_used() -> None:
    async with serve(response(BODY)) as server, proxy("socks5") as made:
        fetcher = make_fetcher()
        fetcher._proxies = ProxyAddresses(SystemClock(), Names(led_to("127.0.0.1")))  # type: ignore[arg-type]
        seen = await fetcher.fetch(make_target(server.port, proxy=made.spec(host="proxy.example.net")))
    well(seen)
    assert seen.proxy == f"socks5://proxy.example.net:{made.port}"
