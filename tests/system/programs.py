"""Programs that no one here wrote, started on loopback for one test and ended by their own process id.

Without a program the test is skipped; with REQUIRE_SYSTEM=1, as CI sets it, it fails instead.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.with_parent import WITH_PARENT

STARTED_WITHIN_S = 60.0


def need(*names: str) -> None:
    """Skip, or fail under REQUIRE_SYSTEM=1, unless all programs are installed."""
    missing = [name for name in names if find(name) is None]
    if missing:
        message = f"not installed: {', '.join(missing)}"
        if os.environ.get("REQUIRE_SYSTEM") == "1":
            pytest.fail(message)
        pytest.skip(message)


def find(name: str) -> str | None:
    """The program's path; sbin is looked through too."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_port(*addresses: str, kind: int = socket.SOCK_STREAM) -> int:
    """A port that is free on all the addresses."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, kind) as first:
            first.bind((addresses[0] if addresses else "127.0.0.1", 0))
            port: int = first.getsockname()[1]
        if all(_is_free(address, port, kind) for address in addresses):
            return port
    raise RuntimeError("no common free port")


def _is_free(address: str, port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


@contextmanager
def process(arguments: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child in the foreground, ended on leaving whatever happens."""
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*WITH_PARENT, *arguments], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(10)


def wait_for_tcp(address: str, port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    """Until something accepts there; fails with the program's own words."""
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"{child.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    """A running nginx: plain and TLS port on each of its addresses."""

    addresses: tuple[str, ...]
    port: int
    tls_port: int
    root: Path
    access_log: Path

    def requests(self) -> list[str]:
        """The access log, a line a request."""
        return self.access_log.read_text().splitlines()


NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn; {user}
events {{ worker_connections 512; }}
http {{
  log_format probe '$remote_addr $server_addr $request_method $request_uri $status $body_bytes_sent '
                   '$ssl_server_name $host';
  access_log {dir}/access.log probe;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  types {{ text/plain txt; application/javascript js; application/octet-stream bin; }}
  gzip on; gzip_types text/plain application/javascript; gzip_min_length 100;
  keepalive_timeout 0; sendfile on;
  server {{
    {listen}
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    root {root};
    location = /old {{ return 301 /new; }}
    location = /fails {{ return 503; }}
  }}
}}
"""


@contextmanager
def nginx(
    directory: Path, root: Path, addresses: tuple[str, ...], cert: bytes, key: bytes, *, h2: bool = False
) -> Iterator[Nginx]:
    """nginx serving `root` over HTTP and HTTPS on all addresses; it closes after each response.

    `h2`: over TLS it agrees on HTTP/2 too, and then says GOAWAY with each response.
    """
    need("nginx")
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port(*addresses)
    tls_port = free_port(*addresses)
    (directory / "cert.pem").write_bytes(cert)
    (directory / "key.pem").write_bytes(key)
    listen = "".join(
        f"listen {a}:{port}; listen {a}:{tls_port} ssl{' http2' if h2 else ''};\n" for a in addresses
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(NGINX.format(dir=directory, root=root, listen=listen, user=user))
    program = find("nginx")
    assert program is not None
    log = directory / "out.log"
    with process([program, "-c", str(directory / "nginx.conf"), "-p", str(directory)], log) as child:
        wait_for_tcp(addresses[0], port, child, log)
        yield Nginx(
            addresses=addresses, port=port, tls_port=tls_port, root=root, access_log=directory / "access.log"
        )


NSD = """
server:
  ip-address: {address}@{port}
  username: ""
  chroot: ""
  zonesdir: "{dir}"
  database: ""
  pidfile: "{dir}/nsd.pid"
  xfrdfile: "{dir}/xfrd.state"
  xfrdir: "{dir}"
  server-count: 1
  logfile: "{dir}/nsd.log"
remote-control:
  control-enable: no
"""


@contextmanager
def nsd(directory: Path, zones: dict[str, str], address: str = "127.0.0.1") -> Iterator[int]:
    """nsd serving the zones (name -> records, the root's name being empty); gives its port."""
    need("nsd")
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port(address)
    config = NSD.format(address=address, port=port, dir=directory)
    for name, records in zones.items():
        head = f"$ORIGIN {name}.\n$TTL 300\n@ SOA ns1 host 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n"
        (directory / f"{name}.zone").write_text(head + records)
        config += f'zone:\n  name: "{name or "."}"\n  zonefile: "{name}.zone"\n'
    (directory / "nsd.conf").write_text(config)
    program = find("nsd")
    assert program is not None
    log = directory / "out.log"
    with process([program, "-d", "-c", str(directory / "nsd.conf")], log) as child:
        wait_for_tcp(address, port, child, log)
        yield port
