"""Servers of HTTP/2 that no one here wrote, on one address with the same objects: nginx, haproxy before it, Caddy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.system.programs import find, free_port, need, nginx, process, wait_for_tcp

ADDRESS, HOST = "127.0.4.7", "www.acme.example"
SERVERS = ("nginx", "haproxy", "caddy")
OBJECTS = {
    "empty.bin": b"",
    "10k.bin": bytes(range(256)) * 40,
    "1m.bin": bytes(range(256)) * 4096,
    "app.js": b"console.log('cdn-probe');\n" * 800,
}
HAPROXY_AGREES_ON = """
global
  maxconn 200
  tune.ssl.default-dh-param 2048
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend edge
  bind {address}:{port} ssl crt {pem} alpn """
_HAPROXY = (
    HAPROXY_AGREES_ON
    + """h2,http/1.1
  http-response set-header alt-svc 'h3=":{port}"; ma=60'
  default_backend origin
backend origin
  server origin {address}:{behind}
"""
)
_CADDY = """
{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2
  }}
}}
https://{host}:{port} {{
  bind {address}
  tls {cert} {key}
  root * {root}
  encode gzip
  respond /fails 503
  redir /old /new 301
  file_server
}}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """Where each of them listens."""

    ports: dict[str, int]
    ca: Path
    nginx_log: Path


@contextmanager
def running(directory: Path, names: tuple[str, ...] = SERVERS) -> Iterator[Running]:
    """Those that are named, all over TLS with one certificate. Skips, or fails in CI, where one is not installed."""
    need("nginx", *names)
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    root = directory / "root"
    root.mkdir()
    for name, body in OBJECTS.items():
        (root / name).write_bytes(body)
        os.utime(root / name, (1_790_000_000, 1_790_000_000))
    authority = trustme.CA()
    leaf = authority.issue_cert(HOST)
    cert = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    key = leaf.private_key_pem.bytes()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    (directory / "cert.pem").write_bytes(cert)
    (directory / "key.pem").write_bytes(key)
    (directory / "both.pem").write_bytes(cert + key)
    with ExitStack() as stack:
        edge = stack.enter_context(nginx(directory / "nginx", root, (ADDRESS,), cert, key, h2=True))
        ports = {"nginx": edge.tls_port}
        for name in set(names) - {"nginx"}:
            port = free_port(ADDRESS)
            text = (_HAPROXY if name == "haproxy" else _CADDY).format(
                address=ADDRESS, host=HOST, port=port, behind=edge.port, root=root, pem=directory / "both.pem",
                cert=directory / "cert.pem", key=directory / "key.pem",
            )  # fmt: skip
            file, log = directory / f"{name}.conf", directory / f"{name}.log"
            file.write_text(text)
            program = str(find(name))
            command = (
                [program, "-db", "-f", str(file)]
                if name == "haproxy"
                else [
                    "env",
                    f"HOME={directory}",
                    program,
                    "run",
                    "--adapter",
                    "caddyfile",
                    "--config",
                    str(file),
                ]
            )
            child = stack.enter_context(process(command, log))
            wait_for_tcp(ADDRESS, port, child, log)
            ports[name] = port
        yield Running(ports, directory / "ca.pem", edge.access_log)
