"""Caddy, which serves HTTP/1.1, HTTP/2 and HTTP/3 on one port (Debian's only server of HTTP/3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.http_server import HOST, Pki
from tests.support.quic_server import pem
from tests.system.programs import find, free_port, need, process, wait_for_tcp

_CONFIGURATION = """
{{
  admin off
  auto_https disable_redirects
  log {{
    output file {directory}/caddy.log
  }}
  servers {{
    protocols {protocols}
  }}
}}
https://{host}:{port} {{
  bind {addresses}
  tls {directory}/chain.pem {directory}/key.pem {{
    {tls}
  }}
  root * {root}
  header /slow X-Slow yes
  {routes}
  file_server
}}
"""


@dataclass(frozen=True, slots=True)
class Caddy:
    """A running one."""

    port: int
    root: Path


@contextmanager
def caddy(
    directory: Path,
    pki: Pki,
    addresses: tuple[str, ...] = ("127.0.0.1",),
    *,
    protocols: str = "h1 h2 h3",
    tls: str = "",
    routes: str = "",
    port: int = 0,
    prefix: tuple[str, ...] = (),
) -> Iterator[Caddy]:
    """`tls`: a line of its TLS, such as `curves secp384r1`; `routes`: lines of its site.

    `prefix`: before the command, as to run it in a namespace; then `port` must be given.
    """
    need("caddy")
    root = directory / "site"
    root.mkdir(parents=True, exist_ok=True)
    made = pem(pki)
    (directory / "chain.pem").write_bytes(made.chain)
    (directory / "key.pem").write_bytes(made.key)
    port = port or free_port(*addresses)
    configuration = directory / "Caddyfile"
    configuration.write_text(
        _CONFIGURATION.format(
            directory=directory,
            root=root,
            host=HOST,
            port=port,
            addresses=" ".join(addresses),
            protocols=protocols,
            tls=tls,
            routes=routes,
        )
    )
    program = str(find("caddy"))
    home = ["env", f"XDG_DATA_HOME={directory}", f"XDG_CONFIG_HOME={directory}", f"HOME={directory}"]
    command = [*prefix, *home, program, "run", "--adapter", "caddyfile", "--config", str(configuration)]
    log = directory / "output.log"
    with process(command, log) as child:
        if prefix:
            _wait_for_words(directory / "caddy.log", log, child)
        else:
            wait_for_tcp(addresses[0], port, child, log)
        yield Caddy(port, root)


def _wait_for_words(told: Path, log: Path, child: object) -> None:
    import time

    until = time.monotonic() + 60
    while time.monotonic() < until:
        words = (told.read_text(errors="replace") if told.exists() else "") + log.read_text(errors="replace")
        if "serving initial configuration" in words:
            return
        time.sleep(0.05)
    raise AssertionError(f"caddy did not start: {log.read_text(errors='replace')[-2000:]}")
