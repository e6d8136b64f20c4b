"""Rule: the servers are programs that nobody here wrote, and they live exactly as long as the measuring.

nginx serves the objects over HTTP and HTTPS on two loopback addresses (edge and origin), nsd the alias from one zone
into another. As root nsd also answers on port 53 of a loopback address, which is the only port that the peer's
resolver knows. Where a program is missing, `missing` names it.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer_process import Ports
from benchmarks.server import CDN_NAME, EDGE, NAME, ORIGIN, body_of
from probe.lab.pki import Pki

START_S = 10.0
_PLACES = "/usr/local/sbin:/usr/sbin:/sbin"
_NGINX = """daemon off; {user} pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 1;
events {{ worker_connections 8192; multi_accept on; }}
http {{ {extra} access_log off; sendfile on; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
 fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
 default_type application/octet-stream;
 server {{ {listen} ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_protocols TLSv1.2 TLSv1.3;
  location / {{ root {dir}/objects; add_header Cache-Control "max-age=3600"; add_header X-Cache HIT; }} }} }}
"""
_NSD = """server:
  {listen}
  username: ""
  zonesdir: "{dir}"
  database: ""
  pidfile: "{dir}/nsd.pid"
  xfrdfile: "{dir}/xfrd.state"
  xfrdir: "{dir}"
  server-count: 1
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  logfile: "{dir}/nsd.log"
remote-control:
  control-enable: no
"""
_ZONES = {
    "bench.example": f"www 60 CNAME {CDN_NAME}.\n",
    "example.net": f"bench.cdn 60 A {EDGE}\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where everything listens. `resolver53`: the address whose port 53 answers DNS, where we may bind it."""

    ports: Ports
    resolver53: str | None


def find(name: str) -> str | None:
    """The program's path; also where only root's PATH leads."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")


def missing(*names: str) -> tuple[str, ...]:
    """Those that are not installed."""
    return tuple(name for name in names if find(name) is None)


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, ended on leaving."""
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL) as child,  # noqa: S603
    ):
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()


def wait_for(address: str, port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    """Until it accepts. Raises RuntimeError if it ended or takes too long."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    command = child.args[0] if isinstance(child.args, list) else child.args
    said = log.read_text(errors="replace")[-500:]
    raise RuntimeError(f"{Path(str(command)).name} did not start: {said}")


def free_port(*addresses: str, kinds: Sequence[int] = (socket.SOCK_STREAM,)) -> int:
    """A port that is free now on all addresses."""
    for _ in range(100):
        port = random.randint(20_000, 32_000)  # noqa: S311 - below the kernel's own choices
        if all(_is_free(address, port, kind) for address in addresses for kind in kinds):
            return port
    raise RuntimeError("no free port was found")


def _is_free(address: str, port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            return False
    return True


@contextmanager
def real_servers(directory: Path, sizes: Sequence[int], extra: str = "") -> Iterator[Servers]:
    """nginx and nsd with objects of these sizes at `/<size>`; `extra`: further directives of nginx.

    Raises RuntimeError if one does not start.
    """
    pki = Pki(directory / "pki")
    with ExitStack() as stack:
        http, https, h2 = stack.enter_context(
            _nginx(directory / "nginx", pki.leaf("server", [NAME]), sizes, extra)
        )
        dns, resolver53 = stack.enter_context(_nsd(directory / "nsd"))
        yield Servers(
            ports=Ports(http=http, https=https, dns=dns, ca=pki.ca_file, h2=h2), resolver53=resolver53
        )


@contextmanager
def _nginx(
    directory: Path, certificate: Path, sizes: Sequence[int], extra: str
) -> Iterator[tuple[int, int, int]]:
    (directory / "objects").mkdir(parents=True)
    for size in sizes:
        (directory / "objects" / str(size)).write_bytes(body_of(size))
    http, https, h2 = (free_port(ORIGIN, EDGE) for _ in range(3))
    listen = " ".join(
        f"listen {a}:{http}; listen {a}:{https} ssl; listen {a}:{h2} ssl http2;" for a in (ORIGIN, EDGE)
    )
    user = "user root;" if os.geteuid() == 0 else ""
    text = _NGINX.format(dir=directory, listen=listen, user=user, pem=certificate, extra=extra)
    (directory / "nginx.conf").write_text(text, encoding="utf-8")
    log = directory / "out.log"
    command = [str(find("nginx")), "-c", str(directory / "nginx.conf"), "-p", str(directory)]
    with running(command, log) as child:
        wait_for(EDGE, https, child, log)
        yield http, https, h2


@contextmanager
def _nsd(directory: Path) -> Iterator[tuple[int, str | None]]:
    directory.mkdir(parents=True)
    port, resolver53 = free_port(ORIGIN, kinds=(socket.SOCK_DGRAM, socket.SOCK_STREAM)), _own_address()
    listen = [f"ip-address: {ORIGIN}@{port}", *([f"ip-address: {resolver53}@53"] if resolver53 else [])]
    config = _NSD.format(listen="\n  ".join(listen), dir=directory)
    for name, records in _ZONES.items():
        head = f"$ORIGIN {name}.\n$TTL 300\n@ SOA ns1 host 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n"
        (directory / f"{name}.zone").write_text(head + records, encoding="utf-8")
        config += f'zone:\n  name: "{name}"\n  zonefile: "{name}.zone"\n'
    (directory / "nsd.conf").write_text(config, encoding="utf-8")
    log = directory / "out.log"
    with running([str(find("nsd")), "-d", "-c", str(directory / "nsd.conf")], log) as child:
        wait_for(ORIGIN, port, child, log)
        yield port, resolver53


def _own_address() -> str | None:
    """A loopback address of this process whose port 53 we may have."""
    address = f"127.53.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 2}"
    return address if all(_is_free(address, 53, k) for k in (socket.SOCK_DGRAM, socket.SOCK_STREAM)) else None
