"""One authority, one certificate and one small CDN of nginx and nsd for the system tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.system.programs import Nginx, nginx, nsd

DOMAIN = "www.acme.example"
CANONICAL = "www.acme.example.cdn.test"
EDGES = ("127.0.4.1", "127.0.4.2")
ORIGIN = "127.0.4.9"
OBJECTS = {
    "app.js": b"console.log('cdn-probe');\n" * 800,
    "small.txt": b"hello\n",
    "10k.bin": bytes(range(256)) * 40,
    "1m.bin": bytes(range(256)) * 4096,
    "5m.bin": bytes(range(255, -1, -1)) * 20480,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallCdn:
    """nginx on two edge addresses and on the origin's, nsd with the alias from one zone into another."""

    edges: Nginx
    origin: Nginx
    dns_port: int
    ca_file: Path


@pytest.fixture(scope="module")
def small_cdn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCdn]:
    directory = tmp_path_factory.mktemp("cdn")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    root = directory / "root"
    root.mkdir()
    for name, body in OBJECTS.items():
        (root / name).write_bytes(body)
        os.utime(root / name, (1_790_000_000, 1_790_000_000))
    authority = trustme.CA()
    leaf = authority.issue_cert(DOMAIN)
    cert = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    key = leaf.private_key_pem.bytes()
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    zones = {
        "acme.example": f"www 120 CNAME {CANONICAL}.\n",
        "cdn.test": "".join(f"{CANONICAL}. 30 A {address}\n" for address in EDGES),
    }
    with (
        nginx(directory / "edges", root, EDGES, cert, key) as edges,
        nginx(directory / "origin", root, (ORIGIN,), cert, key) as origin,
        nsd(directory / "nsd", zones) as dns_port,
    ):
        yield SmallCdn(edges=edges, origin=origin, dns_port=dns_port, ca_file=ca_file)
