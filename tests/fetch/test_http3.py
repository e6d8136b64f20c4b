"""Fetches over HTTP/3 from a server that does well, and from one that does all that can be wrong: exact codes."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("qh3")
pytest.importorskip("aioquic")

from aioquic.buffer import encode_uint_var

from probe.core.records.failure import FailureType as F
from probe.core.records.failure import Phase
from probe.core.records.observation import Observation
from tests.codes.provoking import provokes, saw
from tests.support.http_server import HOST, Pki, make_fetcher, make_target
from tests.support.quic_server import (
    DATA,
    GOAWAY,
    HEADERS,
    OK_BODY,
    PUSH_PROMISE,
    SETTINGS,
    Ask,
    How,
    frame,
    pem,
    serve_datagrams,
    serve_quic,
    version_negotiation,
    well,
)

SHORT: dict[str, int] = {
    "first_byte_us": 400_000,
    "connect_us": 400_000,
    "tls_us": 400_000,
    "total_us": 900_000,
}
PATIENT = dict.fromkeys(SHORT, 6_000_000)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def fetched(port: int, pki: Pki, **changes: Any) -> Observation:
    target = make_target(
        port, **{"scheme": "https", "protocol": "h3", "tls": pki.policy(), **SHORT, **changes}
    )
    async with asyncio.timeout(60):
        return saw(await make_fetcher().fetch(target))


# --- what goes well -----------------------------------------------------------------------------------------


async def test_a_response_is_whole_once_with_its_times_and_facts(pki: Pki, tmp_path: Path) -> None:
    async with serve_quic(pki, tmp_path) as server:
        before_ns = time.monotonic_ns()
        seen = await fetched(server.port, pki, fields=(("X-One", "1"),), **PATIENT)
        whole_us = (time.monotonic_ns() - before_ns) // 1000
    assert seen.failure is None
    assert (server.connections, server.handshakes, len(server.requests)) == (1, 1, 1)
    section = dict(server.requests[0])
    assert section[b":path"] == b"/object"
    assert section[b":authority"] == f"{HOST}:{server.port}".encode()
    assert section[b"x-one"] == b"1"
    assert {b"host", b"connection"}.isdisjoint(section)
    response, timing, info = seen.response, seen.timing, seen.quic_info
    assert response is not None
    assert (response.status_code, response.next_hop_protocol) == (200, "h3")
    assert (response.encoded_body_bytes, response.body_complete) == (len(OK_BODY), True)
    assert seen.tcp_info is None
    assert info is not None
    assert (info.version, info.address_validation, info.lost_packets) == (1, "handshake", 0)
    assert info.rtt_us is not None
    assert 0 < info.rtt_us <= whole_us
    assert timing.connect_start_us is not None
    assert timing.connect_start_us == timing.secure_connection_start_us
    assert timing.connect_end_us is not None
    assert timing.request_start_us is not None
    assert timing.response_start_us is not None
    assert timing.response_end_us is not None
    assert (
        timing.connect_start_us
        < timing.connect_end_us
        <= timing.request_start_us
        < timing.response_start_us
        <= timing.response_end_us
    )
    assert seen.tls is not None
    assert (seen.tls.version, seen.tls.alpn, seen.tls.verify_error) == ("TLSv1.3", "h3", None)
    assert HOST in seen.tls.names


async def test_a_large_body_does_not_stall(pki: Pki, tmp_path: Path) -> None:
    body = os.urandom(1 << 21)

    def answer(ask: Ask) -> None:
        ask.fields((b"content-length", b"%d" % len(body)))
        ask.data(body)

    async with serve_quic(pki, tmp_path, answer) as server:
        seen = await fetched(server.port, pki, total_us=20_000_000)
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.encoded_body_bytes == len(body)


@dataclass(frozen=True)
class Case:
    """`expected`: the failure and its phase; None: it went well. `notes`: flags of the response."""

    how: How
    expected: tuple[F, Phase] | None = None
    notes: frozenset[str] = frozenset()
    target: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    kind: str = "good"

    @property
    def deadlines(self) -> dict[str, int]:
        """Short where the server is silent, long where a busy machine may need its time for what is said."""
        silent = self.expected is not None and self.expected[0].value.endswith("timed_out")
        return SHORT if silent else PATIENT


def http(failure: F, phase: Phase = Phase.HTTP) -> tuple[F, Phase]:
    return failure, phase


VIOLATION = http(F.HTTP_PROTOCOL_VIOLATION)
VIOLATION_IN_BODY = http(F.HTTP_PROTOCOL_VIOLATION, Phase.BODY)


def raw(*parts: bytes, fin: bool = True) -> How:
    def answer(ask: Ask) -> None:
        ask.raw(b"".join(parts), fin=fin)

    return How(answer)


def section(*fields: tuple[bytes, bytes], body: bytes = b"", fin: bool = True) -> How:
    def answer(ask: Ask) -> None:
        ask.raw(ask.section_raw(*fields) + (frame(DATA, body) if body else b""), fin=fin)

    return How(answer)


def control(*parts: bytes, fin: bool = False, replies: bool = False) -> How:
    """Bytes on the server's control stream, after its SETTINGS."""

    def answer(ask: Ask) -> None:
        ask.raw(b"".join(parts), fin=fin, stream=ask.http._local_control_stream_id)
        if replies:
            ask.send()
            well(ask)

    return How(answer)


def one_way(*parts: bytes, fin: bool = False, replies: bool = True) -> How:
    """A further stream of the server's."""

    def answer(ask: Ask) -> None:
        number = ask.quic.get_next_available_stream_id(is_unidirectional=True)
        ask.raw(b"".join(parts), fin=fin, stream=number)
        if replies:
            ask.send()
            well(ask)

    return How(answer)


def then(*steps: Callable[[Ask], None]) -> How:
    def answer(ask: Ask) -> None:
        for step in steps:
            step(ask)
            ask.send()

    return How(answer)


def with_length(declared: int, body: bytes) -> How:
    def answer(ask: Ask) -> None:
        ask.fields((b"content-length", b"%d" % declared))
        ask.data(body)

    return How(answer)


def encoder(*parts: bytes) -> How:
    """Bytes on the server's QPACK encoder stream (RFC 9204 section 4.3)."""

    def answer(ask: Ask) -> None:
        ask.raw(b"".join(parts), stream=ask.http._local_encoder_stream_id)

    return How(answer)


def interim(count: int, status: bytes = b"103") -> How:
    def answer(ask: Ask) -> None:
        for _ in range(count):
            ask.raw(ask.section_raw((b":status", status), (b"link", b"</a>")))
        ask.raw(
            ask.section_raw((b":status", b"200"), (b"content-length", b"2")) + frame(DATA, b"ok"), fin=True
        )

    return How(answer)


def coded(body: bytes) -> How:
    def answer(ask: Ask) -> None:
        ask.fields((b"content-encoding", b"gzip"))
        ask.data(body)

    return How(answer)


def endless(first: bytes, piece: bytes, stream: Callable[[Ask], int]) -> How:
    """A beginning, and then ever more of the same, at once: 4 MB."""

    def answer(ask: Ask) -> None:
        number = stream(ask)
        ask.raw(first, stream=number)
        for _ in range(4 * 1024 * 1024 // len(piece)):
            ask.raw(piece, stream=number)

    return How(answer)


def bad_trailer(ask: Ask) -> None:
    ask.fields()
    ask.data(b"ok", fin=False)
    ask.send()
    ask.raw(ask.section_raw((b":status", b"200")), fin=True)


def good_trailer(ask: Ask) -> None:
    ask.fields()
    ask.data(b"ok", fin=False)
    ask.raw(ask.section_raw((b"x-checksum", b"1")), fin=True)


def pushing(ask: Ask) -> None:
    promise = (
        encode_uint_var(0)
        + ask.section_raw(
            (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/b")
        )[2:]
    )
    ask.raw(frame(PUSH_PROMISE, promise))
    number = ask.quic.get_next_available_stream_id(is_unidirectional=True)
    ask.raw(b"\x01\x00" + ask.section_raw((b":status", b"200")) + frame(DATA, b"pushed"), stream=number)
    ask.send()
    well(ask)


def bad_streams(quic: Any) -> None:
    quic._remote_max_streams_uni = 10_000
    quic.send_stream_data(4 * 9_000 + 3, b"x")


GREASE = frame(0x1F * 5 + 0x21, b"grease")
SEEN: dict[str, Case] = {
    "reset before the head": Case(
        then(lambda ask: ask.quic.reset_stream(ask.stream, 0x102)), http(F.HTTP_STREAM_RESET)
    ),
    "request rejected": Case(
        then(lambda ask: ask.quic.reset_stream(ask.stream, 0x10B)), http(F.HTTP_STREAM_REFUSED)
    ),
    "HTTP/1.1 required": Case(
        then(lambda ask: ask.quic.reset_stream(ask.stream, 0x110)), http(F.HTTP_1_1_REQUIRED)
    ),
    "reset within the body": Case(
        then(
            lambda ask: (ask.fields((b"content-length", b"9999")), ask.data(b"some", fin=False)),
            lambda ask: ask.quic.reset_stream(ask.stream, 0x102),
        ),
        http(F.HTTP_STREAM_RESET, Phase.BODY),
    ),
    "stop sending, no reply": Case(
        then(lambda ask: ask.quic.stop_stream(ask.stream, 0x10B)), http(F.HTTP_STREAM_STOPPED)
    ),
    "stop sending, and a reply": Case(then(lambda ask: ask.quic.stop_stream(ask.stream, 0x100), well)),
    "goaway below our stream": Case(control(frame(GOAWAY, b"\0")), http(F.HTTP_STREAM_REFUSED)),
    "goaway, and the end within the response": Case(
        then(
            lambda ask: ask.raw(frame(GOAWAY, b"\4"), stream=ask.http._local_control_stream_id),
            lambda ask: ask.quic.close(0x100, None, ""),
        ),
        http(F.HTTP_GOAWAY),
    ),
    "goaway above our stream": Case(control(frame(GOAWAY, b"\4"), replies=True)),
    "end without a response": Case(raw(b""), VIOLATION),
    "end within the head": Case(raw(frame(HEADERS, bytes(100))[:40]), VIOLATION),
    "end within content, no length": Case(
        then(lambda ask: (ask.fields(), ask.raw(frame(DATA, b"x" * 500)[:200], fin=True))),
        http(F.BODY_TRUNCATED, Phase.BODY),
    ),
    "less than declared": Case(with_length(100, b"x" * 50), http(F.BODY_TRUNCATED, Phase.BODY)),
    "more than declared": Case(with_length(10, b"x" * 50), VIOLATION_IN_BODY),
    "content before the head": Case(raw(frame(DATA, b"x")), VIOLATION),
    "settings twice": Case(control(frame(SETTINGS, b"")), VIOLATION),
    "content on the control stream": Case(control(frame(DATA, b"x")), VIOLATION),
    "the control stream ends": Case(control(fin=True), VIOLATION),
    "a second control stream": Case(one_way(b"\0", replies=False), VIOLATION),
    "settings on our stream": Case(raw(frame(SETTINGS, b"")), VIOLATION),
    "goaway that is no number": Case(control(frame(GOAWAY, b"\x40")), VIOLATION),
    "goaway with more behind": Case(control(frame(GOAWAY, b"\4zz")), VIOLATION),
    "a section that is no QPACK": Case(
        raw(frame(HEADERS, b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff")), VIOLATION
    ),
    "an empty section": Case(raw(frame(HEADERS, b"")), VIOLATION),
    "a static index that is none": Case(raw(frame(HEADERS, b"\0\0\xff\x80\x01")), VIOLATION),
    "QPACK instructions that are none": Case(
        encoder(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), VIOLATION
    ),
    "a table beyond what we admit": Case(encoder(b"\x3f\xff\xff\xff\xff\x07"), VIOLATION),
    "blocked by QPACK for ever": Case(
        raw(frame(HEADERS, b"\x02\x00\x80"), fin=False), http(F.HTTP_TIMED_OUT)
    ),
    "no status": Case(section((b"x-a", b"1")), VIOLATION),
    "two statuses": Case(section((b":status", b"200"), (b":status", b"204")), VIOLATION),
    "a status that is none": Case(section((b":status", b"2_0")), VIOLATION),
    "status behind fields": Case(
        section((b"x-a", b"1"), (b":status", b"200")), None, frozenset({"misplaced_pseudo_header"})
    ),
    "a pseudo-header of requests": Case(
        section((b":status", b"200"), (b":path", b"/")), None, frozenset({"misplaced_pseudo_header"})
    ),
    "capitals in a name": Case(section((b":status", b"200"), (b"X-A", b"1")), VIOLATION),
    "a line break in a value": Case(
        section((b":status", b"200"), (b"x-a", b"1\r\nx-b: 2")), None, frozenset({"invalid_field_value"})
    ),
    "a name that none may be": Case(
        section((b":status", b"200"), (b"x a", b"1")), None, frozenset({"invalid_field_name"})
    ),
    "lengths that differ": Case(
        section((b":status", b"200"), (b"content-length", b"1"), (b"content-length", b"2"), body=b"x"),
        VIOLATION,
    ),
    **{
        f"a field of the connection: {name.decode()}": Case(
            section((b":status", b"200"), (name, value), body=b"x"), VIOLATION
        )
        for name, value in (
            (b"connection", b"keep-alive"),
            (b"keep-alive", b"timeout=5"),
            (b"proxy-connection", b"close"),
            (b"transfer-encoding", b"chunked"),
        )
    },
    "Upgrade": Case(
        section((b":status", b"200"), (b"upgrade", b"h2"), body=b"x"), None, frozenset({"connection_field"})
    ),
    "a head of 300 kB": Case(
        section((b":status", b"200"), *((b"x-%d" % n, b"y" * 3000) for n in range(100))),
        http(F.HTTP_FIELDS_TOO_LARGE),
    ),
    "a head over our own limit": Case(
        section((b":status", b"200"), *((b"x-%d" % n, b"y" * 300) for n in range(50))),
        http(F.AGENT_LIMIT_HEAD),
        target={"head_bytes": 8192},
    ),
    "interim heads": Case(interim(3), None, frozenset({"interim_response"})),
    "many interim heads": Case(interim(120), None, frozenset({"interim_response"})),
    "too many interim heads": Case(interim(1_100), VIOLATION),
    "switching protocols": Case(interim(1, b"101"), VIOLATION),
    "trailers": Case(How(good_trailer)),
    "a pseudo-header in trailers": Case(How(bad_trailer), None, frozenset({"misplaced_pseudo_header"})),
    "unknown frames": Case(then(lambda ask: ask.raw(GREASE), well)),
    "an unknown stream": Case(one_way(b"\x21what", fin=True)),
    "pushed content": Case(How(pushing), VIOLATION),
    "an endless unknown frame": Case(
        endless(encode_uint_var(0x21) + encode_uint_var(1 << 30), b"z" * 16_384, lambda ask: ask.stream),
        http(F.HTTP_EXCESSIVE_FRAMES),
        target={"first_byte_us": 5_000_000, "total_us": 9_000_000},
    ),
    "an endless head": Case(
        endless(encode_uint_var(HEADERS) + encode_uint_var(1 << 30), b"z" * 16_384, lambda ask: ask.stream),
        VIOLATION,
    ),
    "an endless frame beside it": Case(
        endless(
            encode_uint_var(0x21) + encode_uint_var(1 << 30),
            b"z" * 16_384,
            lambda ask: ask.http._local_control_stream_id,
        ),
        http(F.HTTP_EXCESSIVE_FRAMES),
        target={"first_byte_us": 5_000_000, "total_us": 9_000_000},
    ),
    "content where none may be": Case(
        section((b":status", b"204"), body=b"x"), None, frozenset({"surplus_bytes"})
    ),
    "a body that stops": Case(
        then(lambda ask: (ask.fields((b"content-length", b"100")), ask.data(b"x", fin=False))),
        http(F.BODY_TIMED_OUT, Phase.BODY),
    ),
    "no end behind the declared length": Case(
        then(lambda ask: (ask.fields((b"content-length", b"4")), ask.data(b"okay", fin=False)))
    ),
    "no reply": Case(then(lambda ask: None), http(F.HTTP_TIMED_OUT)),
    "gzip": Case(coded(gzip.compress(OK_BODY))),
    "gzip cut": Case(coded(gzip.compress(os.urandom(2000))[:-900]), http(F.BODY_DECODE_FAILED, Phase.BODY)),
    "too much content": Case(
        with_length(5000, b"x" * 5000), http(F.BODY_TOO_LARGE, Phase.BODY), target={"body_bytes": 1000}
    ),
    "closed by its HTTP": Case(
        then(lambda ask: ask.quic.close(0x10C, None, "bye")), http(F.QUIC_CLOSED_BY_APPLICATION)
    ),
    "closed by its transport": Case(then(lambda ask: ask.quic.close(0x1, 6, "oh")), http(F.QUIC_CLOSED)),
    "closed within the body": Case(
        then(
            lambda ask: (ask.fields((b"content-length", b"100")), ask.data(b"x", fin=False)),
            lambda ask: ask.quic.close(0x1, 6, "oh"),
        ),
        http(F.QUIC_CLOSED, Phase.BODY),
    ),
    "closed after the response": Case(
        then(lambda ask: (ask.fields(), ask.data(b"ok")), lambda ask: ask.quic.close(0x100, None, ""))
    ),
    "a stream beyond what we admit": Case(
        How(on_handshake=bad_streams, answer=lambda ask: None), http(F.QUIC_PROTOCOL_ERROR)
    ),
    "silent after the handshake": Case(How(silent_after_handshake=True), http(F.HTTP_TIMED_OUT)),
    "idle": Case(
        How(answer=lambda ask: None, silent_after_handshake=True),
        http(F.QUIC_IDLE_TIMED_OUT),
        target={"first_byte_us": 4_000_000, "total_us": 5_000_000},
        settings={"idle_timeout": 0.2},
    ),
    "another application protocol": Case(
        How(), (F.TLS_NO_APPLICATION_PROTOCOL, Phase.TLS), settings={"alpn_protocols": ["hq-interop"]}
    ),
    "another version of QUIC": Case(
        How(), (F.QUIC_VERSION_UNSUPPORTED, Phase.QUIC), settings={"supported_versions": [0x6B3343CF]}
    ),
    "retry": Case(How(retry=True)),
    "expired": Case(How(), (F.TLS_CERT_DATE_INVALID, Phase.TLS), kind="expired"),
    "not yet valid": Case(How(), (F.TLS_CERT_DATE_INVALID, Phase.TLS), kind="not_yet"),
    "another name": Case(How(), (F.TLS_CERT_NAME_INVALID, Phase.TLS), kind="wrong_host"),
    "self-signed": Case(How(), (F.TLS_CERT_SELF_SIGNED, Phase.TLS), kind="self_signed"),
    "untrusted": Case(How(), (F.TLS_CERT_AUTHORITY_INVALID, Phase.TLS), kind="untrusted"),
    "an incomplete chain": Case(How(), (F.TLS_CERT_INCOMPLETE_CHAIN, Phase.TLS), kind="incomplete"),
    "a chain beyond what may be sent at once": Case(How(), kind="long"),
    "nothing large passes": Case(How(sent=lambda data: [data] if len(data) <= 1200 else [])),
    "garbage beside every datagram": Case(
        How(sent=lambda data: [os.urandom(40), b"\xc0" + os.urandom(200), data, b"\x40" + os.urandom(60)])
    ),
    "each datagram twice": Case(How(sent=lambda data: [data, data])),
    "versions announced that we speak": Case(How(first=lambda data: [version_negotiation(data, 1, 2)])),
    "versions announced to somebody else": Case(
        How(first=lambda data: [version_negotiation(data, 0x6B3343CF, swapped=False)])
    ),
}


def _case(name: str) -> Any:
    expected = SEEN[name].expected
    own = expected is not None and expected[0].value.startswith("agent.")
    return pytest.param(name, marks=() if expected is None or own else provokes(expected[0].value))


@pytest.mark.parametrize("name", [_case(name) for name in SEEN])
async def test_what_a_server_does_has_its_code(name: str, pki: Pki, tmp_path: Path) -> None:
    case = SEEN[name]
    certificate = pem(pki, case.kind)
    async with serve_quic(pki, tmp_path, case.how, certificate, **case.settings) as server:
        seen = await fetched(server.port, pki, **{**case.deadlines, **case.target})
    found = None if seen.failure is None else (seen.failure.type, seen.failure.phase)
    assert found == case.expected, seen.failure
    assert server.connections <= 1 + case.how.retry, "nothing is tried again unseen"
    if case.notes:
        assert seen.response is not None
        assert case.notes <= set(seen.response.flags)
    if case.kind not in ("good", "long"):
        assert seen.tls is not None
        assert seen.tls.verify_error is not None
        assert seen.tls.chain_sha256
        assert not server.requests
    if name == "retry":
        assert seen.quic_info is not None
        assert seen.quic_info.address_validation == "retry"


# --- what no server of QUIC would send ----------------------------------------------------------------------


@provokes("quic.timed_out")
async def test_a_port_that_says_nothing(pki: Pki) -> None:
    async with serve_datagrams(lambda data: []) as (port, wire):
        seen = await fetched(port, pki)
    assert seen.failure is not None
    assert (seen.failure.type, seen.failure.phase) == (F.QUIC_TIMED_OUT, Phase.QUIC)
    assert wire.came >= 1
    assert seen.quic_info is not None
    assert (seen.quic_info.datagrams_received, seen.quic_info.version) == (0, None)


@provokes("quic.refused")
async def test_a_port_where_nobody_listens(pki: Pki) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    seen = await fetched(port, pki, connect_us=3_000_000, total_us=4_000_000)
    assert seen.failure is not None
    assert (seen.failure.type, seen.failure.phase) == (F.QUIC_REFUSED, Phase.QUIC)
    assert seen.quic_info is not None
    assert seen.quic_info.unreachable >= 3


@pytest.mark.parametrize("size", [1, 20, 1200])
async def test_garbage_alone_is_silence(size: int, pki: Pki) -> None:
    async with serve_datagrams(lambda data: [os.urandom(size) for _ in range(50)]) as (port, _):
        seen = await fetched(port, pki)
    assert seen.failure is not None
    assert seen.failure.type is F.QUIC_TIMED_OUT


async def test_a_retry_that_nobody_signed_is_passed_over(pki: Pki) -> None:
    def forged(data: bytes) -> list[bytes]:
        length = data[5]
        at = 6 + length
        ours = data[at + 1 : at + 1 + data[at]]
        return [b"\xf0\0\0\0\1" + bytes((len(ours),)) + ours + b"\x08" + bytes(8) + b"token" + bytes(16)]

    async with serve_datagrams(forged) as (port, _):
        seen = await fetched(port, pki)
    assert seen.failure is not None
    assert seen.failure.type is F.QUIC_TIMED_OUT
    assert seen.quic_info is not None
    assert seen.quic_info.address_validation is None


@provokes("quic.stateless_reset")
async def test_a_stateless_reset_is_known_by_its_token(pki: Pki, tmp_path: Path) -> None:
    connections: list[Any] = []

    def resetting(ask: Ask) -> None:
        token = ask.quic._host_cids[0].stateless_reset_token
        address = ask.quic._network_paths[0].addr
        ask.protocol._transport.sendto(
            b"\x5f" + os.urandom(40) + bytes(16), address
        )  # another token: no reset
        ask.protocol._transport.sendto(b"\x5f" + os.urandom(40) + token, address)

    async with serve_quic(pki, tmp_path, How(resetting, on_made=connections.append)) as server:
        seen = await fetched(server.port, pki)
    assert seen.failure is not None
    assert (seen.failure.type, seen.failure.phase) == (F.QUIC_STATELESS_RESET, Phase.HTTP)


async def test_a_client_certificate_that_we_do_not_have(pki: Pki, tmp_path: Path) -> None:
    def asking(quic: Any) -> None:
        begun = quic._initialize

        def initialize(peer: bytes) -> None:
            begun(peer)
            quic.tls._request_client_certificate = True

        quic._initialize = initialize

    def refusing(quic: Any) -> None:
        quic.close(0x100 + 116, 6, "")

    async with serve_quic(pki, tmp_path, How(on_made=asking, on_handshake=refusing)) as server:
        seen = await fetched(server.port, pki)
    assert seen.failure is not None
    assert seen.failure.type is F.TLS_BAD_CLIENT_AUTH_CERT


async def test_transport_parameters_of_another_connection(pki: Pki, tmp_path: Path) -> None:
    def other(quic: Any) -> None:
        quic._local_initial_source_connection_id = bytes(8)

    async with serve_quic(pki, tmp_path, How(on_made=other)) as server:
        seen = await fetched(server.port, pki)
    assert seen.failure is not None
    assert seen.failure.type is F.QUIC_PROTOCOL_ERROR


async def test_a_certificate_is_not_asked_about_where_none_is_to_be_verified(
    pki: Pki, tmp_path: Path
) -> None:
    async with serve_quic(pki, tmp_path, well, pem(pki, "untrusted")) as server:
        seen = await fetched(server.port, pki, tls=pki.policy(verify=False), **PATIENT)
    assert seen.failure is None


async def test_a_head_has_no_content(pki: Pki, tmp_path: Path) -> None:
    def answer(ask: Ask) -> None:
        ask.fields((b"content-length", b"5000"), fin=True)

    async with serve_quic(pki, tmp_path, answer) as server:
        seen = await fetched(server.port, pki, method="HEAD", **PATIENT)
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.body_complete


async def test_a_thousand_empty_frames_are_no_hang(pki: Pki, tmp_path: Path) -> None:
    def answer(ask: Ask) -> None:
        ask.fields()
        ask.raw(frame(DATA, b"") * 20_000)
        ask.data(b"ok")

    async with serve_quic(pki, tmp_path, answer) as server:
        seen = await fetched(server.port, pki, **PATIENT)
    assert seen.failure is None
