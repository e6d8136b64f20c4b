"""nginx in a network namespace, to be stopped and started again, and what it logged of each connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.system.programs import STARTED_WITHIN_S, find, process

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn; user root;
events {{ worker_connections 256; }}
http {{
  log_format who '$remote_addr:$remote_port $server_addr $request_method $request_uri $status';
  access_log {dir}/access.log who;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  keepalive_timeout 0;
  server {{ {listen} root {root}; location = /ok {{ return 204; }} {more} }}
}}
"""


def until(true: Callable[[], Any], what: str, within_s: float = 60.0) -> Any:
    """Wait for a condition, not for a time; gives its first true value."""
    end = time.monotonic() + within_s
    while not (value := true()):
        if time.monotonic() > end:
            pytest.fail(f"not within {within_s} s: {what}")
        time.sleep(0.05)
    return value


def _listens(pid: int) -> bool:
    """Whether something accepts on port 80 in this process's namespace; asked of the kernel."""
    nobody = {"tcp": "0" * 8, "tcp6": "0" * 32}
    return any(
        f":0050 {one}:0000 0A" in Path(f"/proc/{pid}/net/{name}").read_text() for name, one in nobody.items()
    )


@dataclass(slots=True)
class Site:
    """nginx on some addresses of one namespace; may be stopped and started again.

    IPv6 ones in brackets. `more`: further directives of its `server`.
    """

    directory: Path
    root: Path
    addresses: tuple[str, ...]
    prefix: Sequence[str]
    more: str = ""
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Until it listens; asks nothing of it, so that its log holds the agent's requests only."""
        self.directory.mkdir(parents=True, exist_ok=True)
        listen = "".join(f"listen {address}:80; " for address in self.addresses)
        config = self.directory / "nginx.conf"
        config.write_text(NGINX.format(dir=self.directory, root=self.root, listen=listen, more=self.more))
        log = self.directory / "out.log"
        arguments = [*self.prefix, str(find("nginx")), "-c", str(config), "-p", str(self.directory)]
        child = self._stack.enter_context(process(arguments, log))
        until(
            lambda: child.poll() is None and _listens(child.pid) and (self.directory / "nginx.pid").exists(),
            f"nginx on {self.addresses}: {log.read_text(errors='replace')[-500:]}",
            STARTED_WITHIN_S,
        )

    def stop(self) -> None:
        """From now on its port is closed; its log is kept."""
        self._stack.close()

    def requests(self) -> list[tuple[str, str, str]]:
        """(client:port, own address, path) of each request so far."""
        log = self.directory / "access.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(line.split()[0], line.split()[1], line.split()[3]) for line in lines]
