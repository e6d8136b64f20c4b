"""nginx and varnish as edges in front of an nginx origin, each in a directory of the test, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.system.programs import find, free_port, need, process, wait_for_tcp

DOMAIN = "www.acme.example"
CANONICAL = "www.acme.example.cdn.test"
NGINX_EDGE, VARNISH_EDGE, ORIGIN = "127.0.4.21", "127.0.4.22", "127.0.4.29"
LIFETIME_S = 3

_NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn; {user}
events {{ worker_connections 256; }}
http {{
  log_format told '$msec $uri $status $http_x_edge';
  access_log {dir}/access.log told;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  {http}
}}
"""
_ORIGIN = """
  server {{
    listen {address}:{port}; root {root};
    location = /fast.txt {{ add_header Cache-Control "max-age={lifetime_s}"; }}
    location = /kept.txt {{ add_header Cache-Control "max-age={lifetime_s}"; }}
    location = /hour.txt {{ add_header Cache-Control "max-age=3600"; }}
    location = /none.txt {{ add_header Cache-Control "no-store"; }}
  }}
"""
# `kept`: this edge was made to ignore what the origin says.
_EDGE = """
  proxy_cache_path {dir}/cache keys_zone=kept:1m use_temp_path=off;
  proxy_set_header Host $host; proxy_set_header X-Edge nginx; proxy_connect_timeout 2s;
  proxy_cache kept;
  add_header X-Cache-Status $upstream_cache_status always;
  server {{
    listen {address}:{port};
    location / {{ proxy_pass http://{origin}; }}
    location = /kept.txt {{
      proxy_pass http://{origin};
      proxy_ignore_headers Cache-Control Expires X-Accel-Expires; proxy_cache_valid 200 10m;
    }}
  }}
"""
_VCL = """
vcl 4.1;
backend origin {{ .host = "{host}"; .port = "{port}"; .connect_timeout = 2s; }}
sub vcl_backend_fetch {{ set bereq.http.X-Edge = "varnish"; }}
sub vcl_backend_response {{
  set beresp.grace = 0s;
  set beresp.keep = 0s;
  if (bereq.url == "/kept.txt") {{ set beresp.ttl = 10m; }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """An origin and two edges in front of it, which listen on one port of two addresses."""

    root: Path
    origin_port: int
    edge_port: int
    origin: subprocess.Popen[bytes]
    origin_log: Path

    def publish(self, name: str, content: str) -> None:
        """Put a file in place at once: nobody ever gets half of it."""
        made = self.root / f".{name}"
        made.write_text(content)
        made.chmod(0o644)
        made.rename(self.root / name)

    def fetched(self, edge: str, path: str, since_s: float) -> float | None:
        """When that edge first got the object whole from the origin after a moment (Unix time)."""
        for line in self.origin_log.read_text().splitlines():
            at, uri, status, who = line.split()
            if (uri, status, who) == (path, "200", edge) and float(at) >= since_s:
                return float(at)
        return None

    def stop_origin(self) -> None:
        """The origin is gone from now on."""
        self.origin.send_signal(signal.SIGTERM)
        self.origin.wait(20)


@contextmanager
def _nginx(directory: Path, address: str, port: int, http: str) -> Iterator[subprocess.Popen[bytes]]:
    directory.mkdir(parents=True)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_NGINX.format(dir=directory, user=user, http=http))
    log = directory / "out.log"
    program = find("nginx")
    assert program is not None
    with process([program, "-c", str(directory / "nginx.conf"), "-p", str(directory)], log) as child:
        wait_for_tcp(address, port, child, log)
        yield child


@contextmanager
def _varnish(directory: Path, address: str, port: int, vcl: str) -> Iterator[None]:
    directory.mkdir(parents=True)
    (directory / "edge.vcl").write_text(vcl)
    program = find("varnishd")
    assert program is not None
    arguments = [
        *(program, "-F", "-n", str(directory / "work"), "-a", f"{address}:{port}"),
        *("-f", str(directory / "edge.vcl"), "-s", "malloc,16m", "-p", "thread_pool_min=10", "-j", "none"),
    ]
    log = directory / "out.log"
    with process(arguments, log) as child:
        wait_for_tcp(address, port, child, log)
        yield


@contextmanager
def sites(directory: Path) -> Iterator[Sites]:
    """Origin and edges with an object of each kind, in their first version."""
    need("nginx", "varnishd")
    root = directory / "root"
    root.mkdir(parents=True)
    for parent in (root, directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    origin_port, edge_port = free_port(ORIGIN), free_port(NGINX_EDGE, VARNISH_EDGE)
    served = _ORIGIN.format(address=ORIGIN, port=origin_port, root=root, lifetime_s=LIFETIME_S)
    edge = _EDGE.format(
        dir=directory / "nginx", address=NGINX_EDGE, port=edge_port, origin=f"{ORIGIN}:{origin_port}"
    )
    vcl = _VCL.format(host=ORIGIN, port=origin_port)
    with _nginx(directory / "origin", ORIGIN, origin_port, served) as origin:
        made = Sites(
            root=root,
            origin_port=origin_port,
            edge_port=edge_port,
            origin=origin,
            origin_log=directory / "origin" / "access.log",
        )
        for name in ("fast.txt", "kept.txt", "hour.txt", "none.txt"):
            made.publish(name, f"{name} first\n")
        with (
            _nginx(directory / "nginx", NGINX_EDGE, edge_port, edge),
            _varnish(directory / "varnish", VARNISH_EDGE, edge_port, vcl),
        ):
            yield made
