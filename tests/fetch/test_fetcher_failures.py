"""Rows 22 to 37 of the hostile cases over real sockets and real TLS, each with its exact code."""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import os
import resource
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from probe.core.model.task import TlsPolicy
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation
from probe.net.failures import failure_of
from tests.codes.provoking import provokes, saw
from tests.support.awake import Awake
from tests.support.http_server import (
    HOST,
    Pki,
    Script,
    black_hole,
    closed_port,
    hang,
    make_fetcher,
    make_target,
    openssl_server,
    reply,
    reset,
    response,
    serve,
    then_hang,
    then_reset,
)

F = FailureType
SEEN: set[FailureType] = set()  # what these tests have produced; the last test looks at it
OK = b"HTTP/1.1 200 OK\r\n"
EACH_TLS = pytest.mark.usefixtures("each_tls")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def check(seen: Observation, phase: Phase, type_: FailureType) -> None:
    assert seen.failure is not None, seen
    assert (seen.failure.phase, seen.failure.type) == (phase, type_), seen.failure
    assert seen.failure.operation
    assert seen.failure.detail
    SEEN.add(type_)
    saw(seen)


async def ask(
    script: Script, *, tls: ssl.SSLContext | None = None, read: bool = True, **changes: Any
) -> Observation:
    if "tls_" in changes:
        changes["tls"] = changes.pop("tls_")
    async with serve(script, tls=tls, read=read) as server:
        return await make_fetcher().fetch(make_target(server.port, **changes))


# --- tcp (rows 20 to 25) ---------------------------------------------------------------------------


async def test_refused_and_the_other_address_well() -> None:
    async with serve(response(b"ok")) as server:
        dead = await make_fetcher().fetch(make_target(closed_port()))
        well = await make_fetcher().fetch(make_target(server.port))
    check(dead, Phase.TCP, F.TCP_REFUSED)
    assert dead.timing.connect_start_us is not None
    assert dead.timing.connect_end_us is None
    assert well.failure is None


@provokes("tcp.timed_out")
async def test_black_hole() -> None:
    with black_hole() as port:
        began = time.monotonic()
        async with Awake() as awake:
            seen = await make_fetcher().fetch(make_target(port, connect_us=100_000))
    check(seen, Phase.TCP, F.TCP_TIMED_OUT)
    assert time.monotonic() - began > 0.09
    assert awake.seconds < 2 * 0.1


async def test_total_deadline_bounds_the_connect() -> None:
    with black_hole() as port:
        seen = await make_fetcher().fetch(make_target(port, total_us=50_000))
    check(seen, Phase.TCP, F.TCP_TIMED_OUT)


@pytest.mark.parametrize(
    ("number", "phase", "type_"),
    [
        (errno.EHOSTUNREACH, Phase.TCP, F.TCP_ADDRESS_UNREACHABLE),
        (errno.ENETUNREACH, Phase.HOST, F.VANTAGE_NETWORK_DOWN),
        (errno.ENETDOWN, Phase.HOST, F.VANTAGE_NETWORK_DOWN),
        (errno.EPERM, Phase.HOST, F.VANTAGE_NETWORK_DOWN),
        (errno.ETIMEDOUT, Phase.TCP, F.TCP_TIMED_OUT),
        (errno.ECONNRESET, Phase.TCP, F.TCP_RESET),
        (errno.EADDRNOTAVAIL, Phase.HOST, F.VANTAGE_SOURCE_UNAVAILABLE),
        (errno.EINVAL, Phase.HOST, F.VANTAGE_SOURCE_UNAVAILABLE),
        (errno.ENOBUFS, Phase.HOST, F.AGENT_MEMORY_EXHAUSTED),
        (errno.EPROTO, Phase.TCP, F.TCP_FAILED),
    ],
)
async def test_connect_errors_by_number(
    monkeypatch: pytest.MonkeyPatch, number: int, phase: Phase, type_: FailureType
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "connect", fail)
    check(await make_fetcher().fetch(make_target(9)), phase, type_)


@provokes("vantage.source_unavailable")
async def test_source_that_is_gone() -> None:
    check(
        await make_fetcher().fetch(make_target(9, source_v4="192.0.2.1")),
        Phase.HOST,
        F.VANTAGE_SOURCE_UNAVAILABLE,
    )
    check(
        await make_fetcher().fetch(make_target(9, source_v4="::1")), Phase.HOST, F.VANTAGE_SOURCE_UNAVAILABLE
    )
    check(
        await make_fetcher().fetch(make_target(9, interface="nosuch0")),
        Phase.HOST,
        F.VANTAGE_SOURCE_UNAVAILABLE,
    )


@provokes("agent.descriptors_exhausted")
async def test_descriptors_exhausted() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serve(response(b"ok")) as server:
        target = make_target(server.port)
        probe = socket.socket()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno(), hard))
            seen = await make_fetcher().fetch(target)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            probe.close()
        assert (await make_fetcher().fetch(target)).failure is None
    check(seen, Phase.HOST, F.AGENT_DESCRIPTORS_EXHAUSTED)


async def test_memory_exhausted() -> None:
    def sink(_: bytes) -> None:
        raise MemoryError

    check(await ask(response(b"ok"), body_sink=sink), Phase.HOST, F.AGENT_MEMORY_EXHAUSTED)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.1.2.3", "::ffff:127.0.0.1", "fe80::1", "www.acme.example"]
)
async def test_address_is_checked_at_the_moment_of_connecting(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket.socket, "connect", never)
    fetcher = make_fetcher()
    for fetch in (fetcher.fetch, fetcher.connect_only):
        seen = await fetch(make_target(80, address=address))
        check(seen, Phase.TCP, F.TCP_ADDRESS_BLOCKED)
        assert seen.timing.connect_start_us is None


async def test_reset_in_the_body_keeps_what_came() -> None:
    seen = await ask(then_reset(OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 600))
    check(seen, Phase.BODY, F.TCP_RESET)
    assert seen.response is not None
    assert (seen.response.status_code, seen.response.encoded_body_bytes) == (200, 600)
    assert (seen.response.body_complete, seen.response.content_digest) == (False, None)
    assert seen.timing.response_start_us is not None
    assert seen.timing.response_end_us is None


async def test_reset_in_a_body_that_ends_with_the_connection() -> None:
    seen = await ask(then_reset(OK + b"\r\n" + b"x" * 600))
    check(seen, Phase.BODY, F.TCP_RESET)
    assert seen.response is not None
    assert (seen.response.encoded_body_bytes, seen.response.body_complete) == (600, False)


async def test_reset_after_the_whole_body_is_no_failure() -> None:
    seen = await ask(then_reset(OK + b"Content-Length: 600\r\n\r\n" + b"x" * 600))
    assert seen.failure is None


async def test_reset_before_the_reply() -> None:
    check(await ask(then_reset()), Phase.HTTP, F.TCP_RESET)


@pytest.mark.parametrize("piece", [b"", b"HTTP/1.1 2", OK + b"Content-Le"])
async def test_closed_before_a_whole_head(piece: bytes) -> None:
    seen = await ask(reply(piece))
    check(seen, Phase.HTTP, F.TCP_CLOSED)
    assert seen.response is None


async def test_accepts_and_never_replies() -> None:
    seen = await ask(hang, first_byte_us=100_000)
    check(seen, Phase.HTTP, F.HTTP_TIMED_OUT)
    assert seen.timing.request_start_us is not None
    assert seen.timing.response_start_us is None


async def test_first_byte_deadline_starts_again_after_an_interim_head() -> None:
    seen = await ask(then_hang(b"HTTP/1.1 103 Early Hints\r\n\r\n"), first_byte_us=100_000)
    check(seen, Phase.HTTP, F.HTTP_TIMED_OUT)
    assert seen.timing.response_start_us is None


async def test_head_that_never_ends() -> None:
    check(await ask(then_hang(OK), total_us=100_000), Phase.HTTP, F.HTTP_TIMED_OUT)


# --- tls (rows 26, 27) -----------------------------------------------------------------------------


@EACH_TLS
@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("expired", F.TLS_CERT_DATE_INVALID),
        ("not_yet", F.TLS_CERT_DATE_INVALID),
        ("wrong_host", F.TLS_CERT_NAME_INVALID),
        ("self_signed", F.TLS_CERT_SELF_SIGNED),
        ("untrusted", F.TLS_CERT_AUTHORITY_INVALID),
        ("untrusted_with_root", F.TLS_CERT_AUTHORITY_INVALID),
        ("incomplete", F.TLS_CERT_INCOMPLETE_CHAIN),
    ],
)
async def test_certificates(pki: Pki, kind: str, type_: FailureType) -> None:
    async with serve(response(b"secret"), tls=pki.odd(kind)) as server:
        seen = await make_fetcher().fetch(make_target(server.port, scheme="https", tls=pki.policy()))
        assert server.requests == []
    check(seen, Phase.TLS, type_)
    assert seen.response is None
    assert seen.tls is not None
    assert seen.tls.second_connection
    assert seen.tls.verify_error
    assert seen.tls.names == (("other.example",) if kind == "wrong_host" else (HOST,))
    assert seen.tls.not_after is not None
    assert len(seen.tls.chain_sha256) == (2 if kind == "untrusted_with_root" else 1)


@EACH_TLS
async def test_wrong_address_in_the_certificate(pki: Pki) -> None:
    seen = await ask(
        response(), tls=pki.issued("127.0.0.9"), scheme="https", host="127.0.0.1", tls_=pki.policy()
    )
    check(seen, Phase.TLS, F.TLS_CERT_NAME_INVALID)


async def ask_tls(pki: Pki, context: ssl.SSLContext, script: Script, **changes: Any) -> Observation:
    return await ask(script, tls=context, scheme="https", tls_=pki.policy(**changes))


async def ask_openssl(pki: Pki, context: ssl.SSLContext, protocol: str = "h1", **changes: Any) -> Observation:
    async with openssl_server(context) as port:
        target = make_target(port, scheme="https", tls=pki.policy(**changes), protocol=protocol)
        return await make_fetcher().fetch(target)


@EACH_TLS
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_old_protocol(pki: Pki) -> None:
    context = pki.issued()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    seen = await ask_openssl(pki, context)
    check(seen, Phase.TLS, F.TLS_VERSION_OR_CIPHER_MISMATCH)
    allowed = await ask_openssl(pki, context, minimum_version="TLSv1.1")
    assert allowed.failure is None
    assert allowed.tls is not None
    assert allowed.tls.version == "TLSv1.1"


@EACH_TLS
async def test_minimum_version_is_honoured(pki: Pki) -> None:
    context = pki.issued()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    seen = await ask_openssl(pki, context, minimum_version="TLSv1.3")
    check(seen, Phase.TLS, F.TLS_VERSION_OR_CIPHER_MISMATCH)


@EACH_TLS
async def test_no_shared_cipher(pki: Pki) -> None:
    context = pki.issued()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-SHA")  # the certificate is of another kind
    check(await ask_openssl(pki, context), Phase.TLS, F.TLS_VERSION_OR_CIPHER_MISMATCH)


@provokes("tls.bad_client_auth_cert")
@EACH_TLS
async def test_client_certificate_wanted(pki: Pki) -> None:
    """TLS 1.3 says so after our handshake is done; TLS 1.2 with the alert that any mismatch gives, after asking for it.

    The alert races with the reset that our unread request provokes; where the kernel drops it nobody can know it.
    """
    context = pki.issued()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.ca)
    for _ in range(30):
        seen = await ask_openssl(pki, context)
        assert seen.failure is not None
        if seen.failure.type not in (F.TCP_RESET, F.TCP_CLOSED):
            break
    check(seen, Phase.TLS, F.TLS_BAD_CLIENT_AUTH_CERT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    check(await ask_openssl(pki, context), Phase.TLS, F.TLS_BAD_CLIENT_AUTH_CERT)


@EACH_TLS
async def test_a_client_certificate_that_is_only_wished_for(pki: Pki) -> None:
    """Under either version: who asks and goes on without one is no failure."""
    context = pki.issued()
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(pki.ca)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        assert (await ask_openssl(pki, context)).failure is None


@provokes("tls.protocol.error")
@EACH_TLS
async def test_plain_text_on_the_tls_port(pki: Pki) -> None:
    seen = await ask(
        reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"), read=False, scheme="https", tls_=pki.policy()
    )
    check(seen, Phase.TLS, F.TLS_PROTOCOL_ERROR)


@provokes("tls.closed")
@EACH_TLS
@pytest.mark.parametrize("kind", ["closed", "reset"])
async def test_ended_in_the_handshake(pki: Pki, kind: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        if kind == "reset":
            reset(writer)

    check(await ask(script, read=False, scheme="https", tls_=pki.policy()), Phase.TLS, F.TLS_CLOSED)


@provokes("tls.timed_out")
@EACH_TLS
async def test_stall_in_the_handshake(pki: Pki) -> None:
    seen = await ask(hang, read=False, scheme="https", tls_=pki.policy(), tls_us=100_000)
    check(seen, Phase.TLS, F.TLS_TIMED_OUT)
    assert seen.timing.secure_connection_start_us is not None
    assert seen.timing.connect_end_us is None


@EACH_TLS
async def test_diagnosis_that_stalls_does_not_change_the_verdict(pki: Pki) -> None:
    seen_once = False

    def server_name(_socket: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> int | None:
        nonlocal seen_once
        refuse, seen_once = seen_once, True
        return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR if refuse else None

    context = pki.odd("expired")
    context.sni_callback = server_name
    seen = await ask_tls(pki, context, response())
    check(seen, Phase.TLS, F.TLS_CERT_DATE_INVALID)
    assert seen.tls is not None
    assert (seen.tls.verify_error, seen.tls.chain_sha256) == ("certificate has expired", ())


async def test_ca_file_that_is_missing_or_no_pem(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("not a certificate")
    for path in (tmp_path / "missing.pem", tmp_path / "no.pem"):
        seen = await ask(hang, scheme="https", tls_=TlsPolicy(ca=str(path)))
        check(seen, Phase.HOST, F.AGENT_TRUST_MISSING)
        assert seen.failure is not None
        assert str(path) in (seen.failure.detail or "")


async def test_http_2_alone(pki: Pki) -> None:
    settings = bytes.fromhex("000000040000000000")
    seen = await ask_tls(pki, pki.issued(), reply(settings))
    check(seen, Phase.HOST, F.AGENT_PROTOCOL_UNSUPPORTED)
    check(await ask(reply(settings)), Phase.HTTP, F.HTTP_PROTOCOL_VIOLATION)


@provokes("tls.no_application_protocol")
@EACH_TLS
async def test_http_2_asked_of_a_server_without_it(pki: Pki) -> None:
    """Which passes over our offer, or chooses HTTP/1.1 although it was not offered."""
    for offered in ((), ("http/1.1",)):
        context = pki.issued()
        if offered:
            context.set_alpn_protocols(list(offered))
        seen = await ask_openssl(pki, context, protocol="h2")
        check(seen, Phase.TLS, F.TLS_NO_APPLICATION_PROTOCOL)


@EACH_TLS
async def test_auto_speaks_http_1_to_a_server_without_http_2(pki: Pki) -> None:
    context = pki.issued()
    context.set_alpn_protocols(["http/1.1"])
    seen = await ask_openssl(pki, context, protocol="auto")
    assert seen.response is not None
    assert seen.tls is not None
    assert (seen.response.next_hop_protocol, seen.tls.alpn) == ("http/1.1", "http/1.1")


def test_the_alert_that_no_protocol_is_in_common() -> None:
    """We offer HTTP/1.1 alone (RFC 7301 section 3.2)."""
    alert = ssl.SSLError(1, "alert")
    alert.reason = "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
    found = failure_of(alert, Phase.TLS, "handshake")
    assert (found.phase, found.type) == (Phase.HOST, F.AGENT_PROTOCOL_UNSUPPORTED)


@provokes("agent.internal_error")
async def test_a_defect_of_ours_is_ours() -> None:
    def broken(piece: bytes) -> None:
        raise RuntimeError("a defect")

    check(await ask(response(b"x"), body_sink=broken), Phase.HOST, F.AGENT_INTERNAL_ERROR)


# --- http (rows 30 to 32) --------------------------------------------------------------------------

VIOLATIONS = {
    "http/0.9": b"<html>hello</html>",
    "garbage": b"\x15\x03\x01\x00\x02\x02\x28",
    "status not a number": b"HTTP/1.1 two hundred\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "gzip as transfer coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked with a parameter": OK + b"Transfer-Encoding: chunked;q=1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "space before the colon of chunked": OK + b"Transfer-Encoding : chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked in http/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nul": OK + b"X: a\0b\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
}


@pytest.mark.parametrize("wire", VIOLATIONS.values(), ids=VIOLATIONS.keys())
async def test_protocol_violations_are_never_a_status(wire: bytes) -> None:
    seen = await ask(then_hang(wire))
    check(seen, Phase.HTTP, F.HTTP_PROTOCOL_VIOLATION)
    assert seen.response is None


@pytest.mark.parametrize(
    "wire",
    [b"3\r\nhel\r\nzz\r\n", b"5\r\nhelXX\r\nlo", b"2\r\nokay\r\n0\r\n\r\n"],
    ids=["size", "data", "longer"],
)
async def test_malformed_chunks(wire: bytes) -> None:
    seen = await ask(then_hang(OK + b"Transfer-Encoding: chunked\r\n\r\n" + wire))
    check(seen, Phase.BODY, F.HTTP_PROTOCOL_VIOLATION)
    assert seen.response is not None
    assert seen.response.status_code == 200
    assert seen.response.encoded_body_bytes in (2, 3, 5)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
# What browsers or curl deliver whole: the content is there, and each breach has its word.
TOLERATED = {
    "http/2": (b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", "odd_version"),
    "lower case": (b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "odd_version"),
    "empty line first": (b"\r\n" + OK + b"Content-Length: 2\r\n\r\nok", "leading_bytes"),
    "two spaces": (b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", "odd_status_line"),
    "same length twice": (
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "repeated_content_length",
    ),
    "list of lengths": (OK + b"Content-Length: 2, 2\r\n\r\nok", "repeated_content_length"),
    "signed length": (OK + b"Content-Length: +2\r\n\r\nok", "invalid_content_length"),
    "no length": (OK + b"Content-Length: many\r\n\r\nok", "invalid_content_length"),
    "length and chunked": (
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n", 1),
        "length_beside_chunked",
    ),
    "chunked twice": (CHUNKED.replace(b"chunked", b"chunked, chunked"), "repeated_chunked"),
    "identity": (
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
        "identity_transfer_coding",
    ),
    "unknown coding": (
        OK + b"Transfer-Encoding: foo\r\nContent-Length: 2\r\n\r\nok",
        "unknown_transfer_coding",
    ),
    "bare cr": (OK + b"X: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok", "bare_cr"),
    "folded": (OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", "folded_field"),
    "no colon": (OK + b"nonsense\r\nContent-Length: 2\r\n\r\nok", "line_without_colon"),
    "odd name": (OK + b"a b: c\r\nContent-Length: 2\r\n\r\nok", "invalid_field_name"),
    "space before the colon": (OK + b"Content-Length : 2\r\n\r\nok", "space_before_colon"),
    "after the last chunk": (CHUNKED + b"HTTP/1.1 200 OK\r\n\r\n", "surplus_bytes"),
    "after the declared length": (OK + b"Content-Length: 2\r\n\r\nokay", "surplus_bytes"),
    "nul behind a size": (CHUNKED.replace(b"2\r\n", b"2;\0\r\n", 1), "nul_in_chunk_extension"),
    "trailer without a colon": (CHUNKED.replace(b"0\r\n", b"0\r\nx\r\n"), "line_without_colon"),
}


@pytest.mark.parametrize(("wire", "word"), TOLERATED.values(), ids=TOLERATED.keys())
async def test_what_arrives_whole_is_no_failure_and_the_breach_is_named(wire: bytes, word: str) -> None:
    seen = await ask(reply(wire))
    assert seen.failure is None
    assert seen.response is not None
    assert (seen.response.status_code, seen.response.encoded_body_bytes) == (200, 2)
    assert seen.response.content_digest == hashlib.sha256(b"ok").hexdigest()
    assert seen.response.flags == (word,)


@pytest.mark.parametrize(
    "wire", [OK + b"Content-Length: 2 0\r\n\r\nokay", OK + b"Content-Length: 0x4\r\n\r\nokay"]
)
async def test_surplus_behind_a_malformed_length_may_be_the_body(wire: bytes) -> None:
    check(await ask(reply(wire)), Phase.BODY, F.HTTP_PROTOCOL_VIOLATION)


async def test_a_body_where_none_is_due_is_surplus() -> None:
    seen = await ask(reply(b"HTTP/1.1 304 Not Modified\r\n\r\nbody"))
    assert seen.failure is None
    assert seen.response is not None
    assert (seen.response.encoded_body_bytes, seen.response.flags) == (0, ("surplus_bytes",))


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()


def endless(head: bytes, piece: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await flood(reader, writer, piece)

    return script


@pytest.mark.parametrize(
    "script",
    [
        reply(OK + b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\n"),
        reply(OK + b"X: " + b"y" * 263_000 + b"\r\n\r\n"),
        then_hang(OK + b"X: " + b"y" * 263_000),
        then_hang(OK + b"X: y\r\n" * 50_000),
        endless(OK + b"X: ", b"y" * 65536),
        endless(b"HTTP/1.1 200 ", b"O" * 65536),
    ],
    ids=[
        "100,000 fields",
        "263 kB",
        "263 kB unended",
        "50,000 fields",
        "endless field",
        "endless reason",
    ],
)
async def test_heads_that_browsers_refuse_in_bounded_time_and_memory(script: Script) -> None:
    await refused_within_bounds(script, F.HTTP_FIELDS_TOO_LARGE)


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ({"head_bytes": 4096}, F.AGENT_LIMIT_HEAD),
        ({"field_bytes": 4096}, F.AGENT_LIMIT_FIELD),
        ({"fields_count": 100}, F.AGENT_LIMIT_FIELDS),
    ],
)
async def test_of_a_head_over_a_limit_of_ours_is_known_what_came_before(
    limits: dict[str, int], kind: F
) -> None:
    head = b"HTTP/1.1 503 Busy\r\nA: b\r\n" + b"X: y\r\n" * 300 + b"Y: " + b"z" * 5000 + b"\r\n\r\n"
    seen = await ask(reply(head), **limits)
    check(seen, Phase.HTTP, kind)
    assert seen.timing.response_start_us is not None
    assert seen.answer is not None
    assert (seen.answer.status_code, seen.answer.fields[0]) == (503, ("a", "b"))
    assert "fields_cut" in seen.answer.flags
    assert seen.answer.digest is None
    assert seen.failure is not None
    assert f"limits.{kind.value.rpartition('.')[2]}: {next(iter(limits.values()))}" in seen.failure.detail


async def test_of_repeated_fields_the_first_lines_are_kept_and_every_name() -> None:
    fields = [f"Link: </{n}.css>; rel=preload" for n in range(300)]
    seen = await ask(response(b"ok", *fields, "Cache-Control: max-age=60"))
    assert seen.failure is None
    assert seen.response is not None
    assert len(seen.response.fields) == 256
    assert dict(seen.response.fields)["cache-control"] == "max-age=60"


async def test_endless_interim_heads_in_bounded_time_and_memory() -> None:
    script = endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
    await refused_within_bounds(script, F.HTTP_PROTOCOL_VIOLATION)


async def refused_within_bounds(script: Script, kind: F) -> None:
    tracemalloc.start()
    # A reading without end would end as the deadline's failure.
    seen = await ask(script, first_byte_us=20_000_000, total_us=20_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    check(seen, Phase.HTTP, kind)
    assert peak < 16 << 20


# --- body (rows 34 to 37) --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "counted"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhel", 3),
        (OK + b"Content-Length: 5\r\n\r\n", 0),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", 3),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhel", 3),
    ],
)
async def test_length_and_bytes_disagree(wire: bytes, counted: int) -> None:
    seen = await ask(reply(wire))
    check(seen, Phase.BODY, F.BODY_TRUNCATED)
    assert seen.response is not None
    assert (seen.response.status_code, seen.response.encoded_body_bytes) == (200, counted)
    assert (seen.response.body_complete, seen.response.content_digest) == (False, None)


async def test_surplus_that_comes_later() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 3\r\n\r\nhel")
        await asyncio.sleep(0.01)
        writer.write(b"lo")

    seen = await ask(script)
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.flags == ("surplus_bytes",)


@EACH_TLS
async def test_truncated_over_tls(pki: Pki) -> None:
    seen = await ask_tls(pki, pki.issued(), reply(OK + b"Content-Length: 70000\r\n\r\n" + b"x" * 60_000))
    check(seen, Phase.BODY, F.BODY_TRUNCATED)
    assert seen.response is not None
    assert seen.response.encoded_body_bytes == 60_000


async def test_endless_chunks_meet_the_cap() -> None:
    script = endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n")
    tracemalloc.start()
    seen = await ask(script, body_bytes=2_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    check(seen, Phase.BODY, F.BODY_TOO_LARGE)
    assert seen.response is not None
    assert seen.response.encoded_body_bytes is not None
    assert 2_000_000 < seen.response.encoded_body_bytes < 4_000_000
    assert peak < 16 << 20


async def test_one_byte_at_a_time_meets_the_total_deadline() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)

    seen = await ask(script, total_us=200_000)
    check(seen, Phase.BODY, F.BODY_TIMED_OUT)
    assert seen.response is not None
    assert 3 < (seen.response.encoded_body_bytes or 0) < 20


def zstd_bomb(size: int) -> bytes:
    engine = zstandard.ZstdCompressor().compressobj()
    return b"".join(engine.compress(bytes(1 << 20)) for _ in range(size >> 20)) + engine.flush()


@pytest.mark.parametrize(
    ("coding", "make"),
    [
        ("gzip", lambda size: gzip.compress(bytes(size), 1)),
        ("deflate", lambda size: zlib.compress(bytes(size), 1)),
        ("br", lambda size: brotli.compress(bytes(size), quality=1)),
        ("zstd", zstd_bomb),
        ("gzip, gzip", lambda size: gzip.compress(gzip.compress(bytes(size), 1), 1)),
    ],
)
async def test_bombs_in_bounded_memory(coding: str, make: Callable[[int], bytes]) -> None:
    bomb = make(64 << 20)
    tracemalloc.start()
    seen = await ask(
        response(bomb, f"Content-Encoding: {coding}"), decoded_bytes=16 << 20, accept_encoding="*"
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    check(seen, Phase.BODY, F.BODY_DECODED_TOO_LARGE)
    assert seen.response is not None
    assert seen.response.content_digest is None
    assert peak < 20 << 20


@pytest.mark.parametrize(
    "coded",
    [
        gzip.compress(b"x" * 5000, mtime=0)[:-9],
        gzip.compress(b"x" * 5000, mtime=0)[:-1] + b"\xff",
        b"<html>not compressed</html>",
    ],
    ids=["cut", "checksum", "plain"],
)
async def test_content_coding_that_does_not_hold(coded: bytes) -> None:
    seen = await ask(response(coded, "Content-Encoding: gzip"), accept_encoding="gzip")
    check(seen, Phase.BODY, F.BODY_DECODE_FAILED)
    assert seen.response is not None
    assert (seen.response.encoded_body_bytes, seen.response.body_complete) == (len(coded), True)
    assert seen.response.digest is not None
    # Where only the sum is wrong all of the content came: who knows what it should be can tell whether it is right.
    wrong_sum = "coding_checksum_wrong" in seen.response.flags
    known = hashlib.sha256(b"x" * 5000).hexdigest() if wrong_sum else None
    assert (seen.response.content_digest, wrong_sum) == (known, coded[-1:] == b"\xff")


@pytest.mark.parametrize(
    ("coded", "word"),
    [
        (gzip.compress(b"x" * 5000, mtime=0) + b"<script>", "bytes_after_coding"),
        (gzip.compress(b"x" * 5000, mtime=0) + bytes(512), "bytes_after_coding"),
        (gzip.compress(b"x" * 5000, mtime=0)[:-3], "coding_trailer_cut"),
        (gzip.compress(b"x" * 5000, mtime=0)[:-8], "coding_trailer_cut"),
    ],
    ids=["junk", "padding", "half a checksum", "no checksum"],
)
async def test_whole_content_with_an_odd_end_is_delivered(coded: bytes, word: str) -> None:
    seen = await ask(response(coded, "Content-Encoding: gzip"), accept_encoding="gzip")
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.content_digest == hashlib.sha256(b"x" * 5000).hexdigest()
    assert seen.response.flags == (word,)


async def test_truncation_is_not_called_a_decoding_failure() -> None:
    coded = gzip.compress(bytes(range(256)) * 20)
    head = OK + f"Content-Encoding: gzip\r\nContent-Length: {len(coded)}\r\n\r\n".encode()
    check(await ask(reply(head + coded[:-10]), accept_encoding="gzip"), Phase.BODY, F.BODY_TRUNCATED)


# --- the whole list --------------------------------------------------------------------------------


def test_every_failure_that_a_fetch_can_give_was_produced(request: pytest.FixtureRequest) -> None:
    collected = {getattr(item, "originalname", item.name) for item in request.session.items}
    if not {name for name in globals() if name.startswith("test_")} <= collected:
        pytest.skip("only means something when the whole file runs")
    elsewhere = {F.HTTP_REDIRECT_LOOP, F.HTTP_REDIRECT_INVALID, F.HTTP_REDIRECT_BLOCKED}  # test_redirects
    elsewhere |= {F.VANTAGE_PROXY_UNREACHABLE, F.VANTAGE_PROXY_REFUSED}  # test_proxy
    elsewhere |= {F.AGENT_SECRET_MISSING, F.AGENT_SOCKET_LATE}  # test_failures, test_line
    elsewhere |= {F.AGENT_LIMIT_REDIRECTS, F.AGENT_LIMIT_DNS_RECORDS}  # test_redirects, test_message
    elsewhere |= {
        F.HTTP_STREAM_REFUSED,
        F.HTTP_STREAM_RESET,
        F.HTTP_GOAWAY,
        F.HTTP_1_1_REQUIRED,
    }  # test_http2
    elsewhere |= {F.HTTP_EXCESSIVE_FRAMES}
    elsewhere |= {F.HTTP_STREAM_STOPPED, *(t for t in F if t.value.startswith("quic."))}  # test_http3
    table = {F.TLS_CERT_REVOKED, F.TLS_CERT_INVALID}  # test_failures: no CRL is read, so only from the table
    ours = {type_ for type_ in F if not type_.value.startswith("dns.")}
    assert ours - SEEN - elsewhere - table == set()
