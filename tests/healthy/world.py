"""A service that is well: nginx on two edges and on the origin, nsd for the names, objects of 10 kB to 1 MB."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
import yaml

from tests.system.programs import Nginx, nginx, nsd

PROGRAMS = ("nginx", "nsd")
EDGES, ORIGIN = ("127.0.4.1", "127.0.4.2"), "127.0.4.9"
PROTOCOLS = ("h1", "h2")
DOMAINS = {"http": "plain.acme.example", "https": "www.acme.example"}
LAST_CHANGED_S = 1_790_000_000
_WORDS = ("edge", "origin", "cache", "client", "server", "resolver", "object", "agent")


def objects() -> dict[str, bytes]:
    """Path -> content, the same in every run. The scripts are text, which nginx compresses while it sends it."""
    made = random.Random(20)
    sizes = {"10k": 10_000, "50k": 50_000, "200k": 200_000, "1m": 1_000_000}
    content = {f"/{name}.bin": made.randbytes(size) for name, size in sizes.items()}
    for name in ("10k", "200k"):
        text = " ".join(made.choices(_WORDS, k=sizes[name]))
        content[f"/{name}.js"] = text.encode()[: sizes[name]]
    return content


@contextmanager
def healthy_world(directory: Path, protocols: tuple[str, ...] = PROTOCOLS) -> Iterator[Path]:
    """Everything is started, and the agent's configuration written: gives the path of agent.yaml.

    `protocols`: HTTP versions; plain HTTP beside TLS only with `h1`.
    """
    root = directory / "root"
    root.mkdir(parents=True)
    for path, body in objects().items():
        file = root / path[1:]
        file.write_bytes(body)
        os.utime(file, (LAST_CHANGED_S, LAST_CHANGED_S))
    authority = trustme.CA()
    leaf = authority.issue_cert(*DOMAINS.values())
    cert = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    key = leaf.private_key_pem.bytes()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    with (
        nginx(directory / "edges", root, EDGES, cert, key, h2=True) as edges,
        nginx(directory / "origin", root, (ORIGIN,), cert, key) as origin,
        nsd(directory / "nsd", _zones()) as dns_port,
    ):
        yield _write_config(directory, edges, origin, dns_port, protocols)


def _zones() -> dict[str, str]:
    """With a root: a look-up that goes wrong is followed by a question for it, which a good resolver answers."""
    aliases = "".join(f"{name}. 120 CNAME {name}.cdn.test.\n" for name in DOMAINS.values())
    nodes = "".join(f"{name}.cdn.test. 30 A {edge}\n" for name in DOMAINS.values() for edge in EDGES)
    return {"": "acme.example. NS ns1\ncdn.test. NS ns1\n", "acme.example": aliases, "cdn.test": nodes}


def _write_config(
    directory: Path, edges: Nginx, origin: Nginx, dns_port: int, protocols: tuple[str, ...]
) -> Path:
    agent = {
        "agent": "healthy",
        "results": "results",
        "customers": "customers/",
        "vantage_points": [
            {
                "name": "here",
                "source": "127.0.5.1",
                "resolvers": [f"udp://127.0.0.1:{dns_port}"],
                "anchors": [f"tcp://{ORIGIN}:{origin.port}"],
            }
        ],
        "allow_addresses": ["127.0.0.0/8"],
    }
    customer = {
        "customer": "acme",
        "defaults": {"interval": "60s", "timeout": "10s"},
        "domains": [
            _domain(scheme, edges, origin, directory / "ca.pem", protocols)
            for scheme in DOMAINS
            if scheme == "https" or "h1" in protocols
        ],
    }
    (directory / "customers").mkdir()
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    return directory / "agent.yaml"


def _domain(
    scheme: str, edges: Nginx, origin: Nginx, ca_file: Path, protocols: tuple[str, ...]
) -> dict[str, Any]:
    tls = scheme == "https"
    checks: dict[str, Any] = {
        "availability": {"status": [200]},
        "response_time": {"ttfb": "1s", "total": "4s"},
        "integrity": {"mode": "exact"},
        "alias": {},
        "headers": {"present": ["ETag"], "absent": ["X-Powered-By"]},
        **({"certificate": {"days_left": 2}} if tls else {}),
    }
    return {
        "domain": DOMAINS[scheme],
        "scheme": scheme,
        "port": edges.tls_port if tls else edges.port,
        **({"tls": {"ca": f"file:{ca_file}"}, "protocol": list(protocols)} if tls else {}),
        "cdn": {"suffixes": ["cdn.test"]},
        "origin": {"address": ORIGIN, "scheme": "http", "port": origin.port, "interval": "60s"},
        "edges": "all",
        "accept_encoding": "gzip",
        "objects": [{"path": path, "checks": checks} for path in objects()],
    }
