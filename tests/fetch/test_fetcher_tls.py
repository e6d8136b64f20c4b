"""Fetches over TLS that go well: complete, once each, described as the handshake was."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from pathlib import Path

import pytest

from probe.core.model.task import TlsPolicy
from probe.tls.client import client_for, parse_certificate
from tests.support.http_server import HOST, Pki, make_fetcher, make_target, reply, response, serve
from tests.support.sizes import scaled

MEGABYTE = os.urandom(1 << 20)
pytestmark = pytest.mark.usefixtures("each_tls")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.mark.scaled
async def test_downloads_of_a_server_that_closes_after_each_are_whole(pki: Pki) -> None:
    """What another event loop lost the tails of (1 MB over TLS, closed after the response)."""
    digest = hashlib.sha256(MEGABYTE).hexdigest()
    async with serve(response(MEGABYTE), tls=pki.issued()) as server:
        fetcher, gate, downloads = make_fetcher(), asyncio.Semaphore(20), scaled(300, 60)

        async def one() -> str | None:
            async with gate:
                seen = await fetcher.fetch(
                    make_target(server.port, scheme="https", tls=pki.policy(), total_us=60_000_000)
                )
            assert seen.failure is None, seen.failure
            assert seen.response is not None
            return seen.response.digest

        digests = await asyncio.gather(*(one() for _ in range(downloads)))
    assert set(digests) == {digest}
    assert (server.connections, len(server.requests)) == (downloads, downloads)


async def test_large_body_read_slowly_is_whole(pki: Pki) -> None:
    """The reader is held up, so that aiohttp stops and starts the transport while the server has long closed."""
    body = MEGABYTE * 8
    taken = 0

    def sink(piece: bytes) -> None:
        nonlocal taken
        taken += len(piece)

    async with serve(response(body), tls=pki.issued()) as server:
        target = make_target(server.port, scheme="https", tls=pki.policy(), body_sink=sink)
        seen = await make_fetcher().fetch(target)
    assert seen.failure is None
    assert taken == len(body)


async def test_what_is_recorded_of_the_handshake(pki: Pki) -> None:
    async with serve(response(b"ok"), tls=pki.issued(HOST, "alt.example", "192.0.2.7")) as server:
        seen = await make_fetcher().fetch(make_target(server.port, scheme="https", tls=pki.policy()))
    assert seen.failure is None
    tls = seen.tls
    assert tls is not None
    assert (tls.version, tls.server_name, tls.second_connection, tls.verify_error) == (
        "TLSv1.3",
        HOST,
        False,
        None,
    )
    assert tls.cipher is not None
    assert tls.cipher.startswith("TLS_")
    assert set(tls.names) == {HOST, "alt.example", "192.0.2.7"}
    assert tls.issuer is not None
    assert "trustme" in tls.issuer
    assert tls.not_before is not None
    assert tls.not_after is not None
    assert tls.not_before < tls.not_after
    assert tls.not_after.endswith("Z")
    assert [len(digest) for digest in tls.chain_sha256] == [64]
    at = seen.timing
    assert at.secure_connection_start_us is not None
    assert at.connect_start_us is not None
    assert at.connect_end_us is not None
    assert at.connect_start_us <= at.secure_connection_start_us < at.connect_end_us


async def test_chain_is_recorded_leaf_first(pki: Pki) -> None:
    intermediate = pki.trusted.create_child_ca()
    leaf = intermediate.issue_cert(HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    async with serve(response(b"ok"), tls=context) as server:
        seen = await make_fetcher().fetch(make_target(server.port, scheme="https", tls=pki.policy()))
    assert seen.failure is None
    assert seen.tls is not None
    assert len(seen.tls.chain_sha256) == 2
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    assert seen.tls.chain_sha256[0] == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(
    ("host", "policy_name", "certificate", "sni"),
    [
        (HOST, None, HOST, HOST),
        (HOST, "origin.example", "origin.example", "origin.example"),
        ("127.0.0.1", None, "127.0.0.1", None),
    ],
)
async def test_server_name(
    pki: Pki, host: str, policy_name: str | None, certificate: str, sni: str | None
) -> None:
    asked: list[str | None] = []
    context = pki.issued(certificate)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with serve(response(b"ok"), tls=context) as server:
        seen = await make_fetcher().fetch(
            make_target(server.port, scheme="https", host=host, tls=pki.policy(server_name=policy_name))
        )
    assert seen.failure is None
    assert asked == [sni]
    assert seen.tls is not None
    assert seen.tls.server_name == sni
    assert server.requests[0].split(b"\r\n")[1] == f"Host: {host}:{server.port}".encode()


async def test_verification_can_be_switched_off(pki: Pki) -> None:
    async with serve(response(b"ok"), tls=pki.odd("self_signed")) as server:
        seen = await make_fetcher().fetch(
            make_target(server.port, scheme="https", tls=TlsPolicy(verify=False))
        )
    assert seen.failure is None
    assert seen.tls is not None
    assert seen.tls.names == (HOST,)


async def test_close_without_close_notify_is_flagged_where_it_ends_the_body(pki: Pki) -> None:
    async def abrupt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        writer.transport.abort()

    for script, flags in (
        (abrupt, ("no_close_notify",)),
        (reply(b"HTTP/1.1 200 OK\r\n\r\nhello"), ()),
        (response(b"hello"), ()),
    ):
        async with serve(script, tls=pki.issued()) as server:
            seen = await make_fetcher().fetch(make_target(server.port, scheme="https", tls=pki.policy()))
        assert seen.failure is None
        assert seen.response is not None
        assert (seen.response.encoded_body_bytes, seen.response.flags) == (5, flags)


def test_context_is_kept_until_the_ca_file_changes(pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(pki.ca).read_bytes())
    policy = TlsPolicy(ca=str(path))
    first = client_for(policy)
    assert client_for(TlsPolicy(ca=f"file:{path}")) is first
    os.utime(path, ns=(1, 1))
    assert client_for(policy) is not first


def test_odd_certificate_is_told_by_its_fingerprint() -> None:
    odd = parse_certificate(b"\x30\x03\x02\x01\x01")
    assert odd.sha256 == hashlib.sha256(b"\x30\x03\x02\x01\x01").hexdigest()
    assert (odd.subject, odd.names) == (None, ())
