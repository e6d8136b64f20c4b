"""Web servers of the small Internet: nginx, varnish and haproxy as edges, nginx as origin, anchors and portal.

Each may be started anew with another behaviour, stopped, or frozen; what it does is in its own configuration language.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.programs import STARTED_WITHIN_S, find, process
from tests.system.sites import until
from tests.truth.internet import ORIGIN

_NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn; user root;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_timeout 0; server_tokens off;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  types {{ text/plain txt; application/javascript js; application/octet-stream bin; text/html html; }}
  limit_req_zone $server_addr zone=few:1m rate=20r/m;
  proxy_cache_path {dir}/cache keys_zone=kept:1m use_temp_path=off;
  proxy_connect_timeout 1s; proxy_read_timeout 3s; proxy_set_header Host $host;
  server {{ {listen} {behaviour} }}
}}
"""
_VARNISH = """
vcl 4.1;
import vtc;
backend origin {{ .host = "{origin}"; .port = "80"; .connect_timeout = 1s; .first_byte_timeout = 3s; }}
{behaviour}
"""
_HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout client 10s
  timeout connect 1s
  timeout server 3s
  retries 0
frontend all
  bind {address}:80
  {tls}
  {behaviour}
backend origin
  server origin {origin}:80
backend nowhere
  server nowhere {address}:9
"""
WELL = {
    "nginx": f"location / {{ proxy_pass http://{ORIGIN}; proxy_cache kept; "
    "add_header X-Cache-Status $upstream_cache_status always; }",
    "varnish": "",
    "haproxy": "default_backend origin",
}


@dataclass(slots=True)
class Server:
    """One real web server on ports 80 and (with a certificate) 443 of its addresses."""

    program: str
    directory: Path
    addresses: tuple[str, ...]
    prefix: Sequence[str]
    behaviour: str
    certificate: tuple[bytes, bytes] | None = None  # chain and key, PEM
    upstream: str = ORIGIN
    _stack: ExitStack = field(default_factory=ExitStack)
    _child: subprocess.Popen[bytes] | None = None

    def start(self, behaviour: str | None = None, certificate: tuple[bytes, bytes] | None = None) -> None:
        """Until it listens; with other than its usual behaviour or certificate, where given."""
        self.directory.mkdir(parents=True, exist_ok=True)
        chain, key = certificate or self.certificate or (b"", b"")
        (self.directory / "cert.pem").write_bytes(chain)
        (self.directory / "key.pem").write_bytes(key)
        (self.directory / "both.pem").write_bytes(chain + key)
        arguments = self._arguments(self.behaviour if behaviour is None else behaviour, tls=bool(chain))
        log = self.directory / "out.log"
        child = self._stack.enter_context(process([*self.prefix, *arguments], log))
        self._child = child
        ports = ("0050", "01BB") if chain and self.program != "varnish" else ("0050",)
        until(
            lambda: child.poll() is None and all(_listens(child.pid, port) for port in ports),
            f"{self.program} at {self.addresses}: {log.read_text(errors='replace')[-800:]}",
            STARTED_WITHIN_S,
        )

    def stop(self) -> None:
        """Its ports are closed from now on."""
        self._stack.close()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Not running: connections are refused."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def behaving(
        self, behaviour: str | None = None, certificate: tuple[bytes, bytes] | None = None
    ) -> Iterator[None]:
        """Running with another behaviour or certificate."""
        self.stop()
        self.start(behaviour, certificate)
        try:
            yield
        finally:
            self.stop()
            self.start()

    @contextmanager
    def replaced_by(self, *others: Server) -> Iterator[None]:
        """Others run in its place."""
        self.stop()
        try:
            for other in others:
                other.start()
            yield
        finally:
            for other in others:
                other.stop()
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The kernel takes connections for it and nobody answers: all of its processes stand still."""
        assert self._child is not None, "a server that runs"
        family = [self._child.pid, *_children(self._child.pid)]
        for pid in family:
            _signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in family:
                _signal(pid, signal.SIGCONT)

    def _arguments(self, behaviour: str, *, tls: bool) -> list[str]:
        program = {"nginx": "nginx", "varnish": "varnishd", "haproxy": "haproxy"}[self.program]
        return [str(find(program)), *getattr(self, f"_{self.program}")(behaviour, tls)]

    def _nginx(self, behaviour: str, tls: bool) -> list[str]:
        listen = "".join(f"listen {one}:80; " for one in self.addresses)
        if tls:
            listen += "".join(f"listen {one}:443 ssl; " for one in self.addresses)
            listen += (
                f"ssl_certificate {self.directory}/cert.pem; ssl_certificate_key {self.directory}/key.pem; "
            )
        text = _NGINX.format(dir=self.directory, listen=listen, behaviour=behaviour)
        return ["-c", self._written("nginx.conf", text), "-p", str(self.directory)]

    def _varnish(self, behaviour: str, tls: bool) -> list[str]:
        vcl = self._written("edge.vcl", _VARNISH.format(origin=self.upstream, behaviour=behaviour))
        work = str(self.directory / "work")
        return ["-F", "-n", work, "-a", f"{self.addresses[0]}:80", "-f", vcl, "-s", "malloc,16m",
                "-p", "thread_pool_min=10", "-j", "none"]  # fmt: skip

    def _haproxy(self, behaviour: str, tls: bool) -> list[str]:
        bind = f"bind {self.addresses[0]}:443 ssl crt {self.directory}/both.pem" if tls else ""
        text = _HAPROXY.format(address=self.addresses[0], origin=self.upstream, tls=bind, behaviour=behaviour)
        return ["-db", "-f", self._written("haproxy.cfg", text)]

    def _written(self, name: str, text: str) -> str:
        (self.directory / name).write_text(text)
        return str(self.directory / name)


def _listens(pid: int, port: str) -> bool:
    """Whether something accepts on that port (hexadecimal) in this process's namespace; asked of the kernel."""
    try:
        lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return False
    own = _sockets(pid)
    return any(
        line.split()[1].endswith(f":{port}") and line.split()[3] == "0A" and line.split()[9] in own
        for line in lines
    )


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets that the process or its children hold."""
    found = set()
    for one in (pid, *_children(pid)):
        try:
            links = [entry.readlink().name for entry in Path(f"/proc/{one}/fd").iterdir()]
        except OSError:
            continue
        found |= {link[8:-1] for link in links if link.startswith("socket:")}
    return found


def _children(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in map(int, listed) for found in (child, *_children(child))]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
