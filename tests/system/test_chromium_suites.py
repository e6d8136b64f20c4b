"""Debian's Chromium and we agree: with whichever TLS 1.2 suite a server comes, what a browser loads we measure."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from probe.tls.client import bundled_client, system_client
from probe.tls.session import TlsClient
from tests.support.handshake import shake_hands
from tests.support.http_server import HOST
from tests.system.programs import find, need, process, wait_for_tcp
from tests.tls.test_offer_and_stapling import certificate, key, named

pytestmark = [pytest.mark.system, pytest.mark.long]

# Every suite of TLS 1.2 with certificates that Debian's openssl can serve (no anonymous, PSK, SRP or DSS ones).
KINDS = "ALL:!PSK:!SRP:!aNULL:!aDSS:@SECLEVEL=0"
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--ignore-certificate-errors", "--allow-running-insecure-content", "--virtual-time-budget=30000", "--dump-dom",
)  # fmt: skip
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)  # a GIF of one pixel
PAGE = """<body><script>
for (const [suite, port] of %s) {
  const image = new Image();
  image.onload = () => document.body.append(" loaded:" + suite + " ");
  image.src = "https://127.0.0.1:" + port + "/pixel.gif";
}
</script></body>"""


def suites() -> list[str]:
    """OpenSSL's names of the suites that can be served."""
    listed = subprocess.run(
        ["openssl", "ciphers", "-s", "-tls1_2", KINDS], capture_output=True, text=True, check=True
    )
    return listed.stdout.strip().split(":")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """suite -> port of an `openssl s_server` that speaks it and no other."""
    need("openssl", "chromium")
    place = tmp_path_factory.mktemp("suites")
    (place / "pixel.gif").write_bytes(b"HTTP/1.0 200 OK\r\nContent-Type: image/gif\r\n\r\n" + PIXEL)
    for name, bits in (("ecdsa", 0), ("rsa", 2048)):
        own = key(bits)
        made: x509.Certificate = certificate(HOST, own, HOST, own, named(HOST))
        (place / f"{name}.pem").write_bytes(
            made.public_bytes(Encoding.PEM)
            + own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    with ExitStack() as running:
        ports: dict[str, int] = {}
        for suite in suites():
            pem = place / ("ecdsa.pem" if "ECDSA" in suite else "rsa.pem")
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                ports[suite] = free.getsockname()[1]
            command = [
                "env", "-C", str(place), find("openssl") or "", "s_server", "-accept", f"127.0.0.1:{ports[suite]}",
                "-cert", str(pem), "-key", str(pem), "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0", "-HTTP", "-quiet",
            ]  # fmt: skip
            log = place / f"{suite}.log"
            wait_for_tcp("127.0.0.1", ports[suite], running.enter_context(process(command, log)), log)
        yield ports


def test_what_chromium_loads_we_measure(servers: dict[str, int], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE % [[suite, port] for suite, port in servers.items()])
    shown = subprocess.run(
        [*CHROMIUM, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True, text=True, timeout=90, check=False,
    ).stdout  # fmt: skip
    loaded = {suite for suite in servers if f" loaded:{suite} " in shown}
    assert len(loaded) >= 8, shown  # else the browser loaded nothing, and nothing is shown
    assert loaded < set(servers)  # and refused the weak ones
    for client in (
        bundled_client(None, verify=False, minimum="TLSv1.2"),
        system_client(None, verify=False, minimum="TLSv1.2"),
    ):
        measured = {suite for suite, port in servers.items() if cipher_with(client, port) == suite}
        assert loaded - measured == set()


def cipher_with(client: TlsClient, port: int) -> str | None:
    """What is negotiated with the server on `port`; None: it refuses."""
    session, failure = shake_hands(client, port)
    return session.cipher() if failure is None else None
