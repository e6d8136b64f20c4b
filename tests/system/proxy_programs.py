"""Proxies that no one here wrote, on loopback, ended by their own process id: microsocks, dante, tinyproxy, squid.

Each goes out from an address of its own, so that servers' logs show that it was really used, and sees a hosts file
of its own, in a mount namespace, so that it can look up names that no DNS has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.programs import find, free_port, need, process, wait_for_tcp

USER, PASSWORD = "probe", "s3cr3t-0f-the-proxy"
LISTEN = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealProxy:
    """A running proxy. `program`: its name; `source`: the address that it connects from; `log`: its own words."""

    program: str
    scheme: str
    port: int
    source: str
    log: Path
    child: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        """As a vantage point names it."""
        return f"{self.scheme}://{LISTEN}:{self.port}"

    def kill(self) -> None:
        """At once, as a crash would."""
        self.child.kill()
        self.child.wait(10)


Start = Callable[..., AbstractContextManager[RealProxy]]


@contextmanager
def _running(
    directory: Path, arguments: list[str], hosts: dict[str, str], scheme: str, port: int, source: str
) -> Iterator[RealProxy]:
    need("unshare", "mount")
    table = directory / "hosts"
    table.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {name}\n" for name, a in hosts.items()))
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    own_hosts = ["unshare", *rights, "--mount", "--propagation", "private", "sh", "-c",
                 'mount --bind "$0" /etc/hosts && exec "$@"', str(table)]  # fmt: skip
    log = directory / "out.log"
    with process([*own_hosts, *arguments], log) as child:
        wait_for_tcp(LISTEN, port, child, log)
        name = Path(arguments[0]).name
        yield RealProxy(program=name, scheme=scheme, port=port, source=source, log=log, child=child)


def _program(name: str) -> str:
    need(name)
    found = find(name)
    assert found is not None
    return found


def _directory(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def microsocks(directory: Path, hosts: dict[str, str], *, password: bool = False) -> Iterator[RealProxy]:
    """SOCKS5, with user and password if wanted."""
    program, port, source = _program("microsocks"), free_port(LISTEN), "127.0.8.1"
    arguments = [program, "-i", LISTEN, "-p", str(port), "-b", source]
    arguments += ["-u", USER, "-P", PASSWORD] if password else []
    with _running(_directory(directory), arguments, hosts, "socks5", port, source) as running:
        yield running


DANTE = """
logoutput: stderr
internal: {listen} port = {port}
external: {source}
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
"""


@contextmanager
def dante(directory: Path, hosts: dict[str, str]) -> Iterator[RealProxy]:
    """SOCKS5 without credentials."""
    program, port, source = _program("danted"), free_port(LISTEN), "127.0.8.2"
    file = _directory(directory) / "danted.conf"
    file.write_text(DANTE.format(listen=LISTEN, port=port, source=source))
    arguments = [program, "-f", str(file), "-p", str(directory / "danted.pid"), "-N", "1"]
    with _running(directory, arguments, hosts, "socks5", port, source) as running:
        yield running


TINYPROXY = """
Port {port}
Listen {listen}
Bind {source}
Timeout 60
MaxClients 50
Allow 127.0.0.0/8
"""


@contextmanager
def tinyproxy(directory: Path, hosts: dict[str, str], *, password: bool = False) -> Iterator[RealProxy]:
    """CONNECT, with Basic credentials if wanted."""
    program, port, source = _program("tinyproxy"), free_port(LISTEN), "127.0.8.3"
    file = _directory(directory) / "tinyproxy.conf"
    secret = f"BasicAuth {USER} {PASSWORD}\n" if password else ""
    file.write_text(TINYPROXY.format(listen=LISTEN, port=port, source=source) + secret)
    with _running(directory, [program, "-d", "-c", str(file)], hosts, "http", port, source) as running:
        yield running


SQUID = """
http_port {listen}:{port}
http_access allow all
tcp_outgoing_address {source}
cache deny all
cache_mem 8 MB
access_log none
cache_log {dir}/cache.log
coredump_dir {dir}
hosts_file {dir}/hosts
dns_nameservers 127.0.8.53
dns_timeout 2 seconds
shutdown_lifetime 0 seconds
pid_filename none
pinger_enable off
netdb_filename none
visible_hostname squid.test
cache_effective_user {user}
"""


@contextmanager
def squid(directory: Path, hosts: dict[str, str]) -> Iterator[RealProxy]:
    """CONNECT to any port. It will not run as root, and shares memory under a name of its own."""
    program, port, source = _program("squid"), free_port(LISTEN), "127.0.8.4"
    service = f"probe{os.getpid()}p{port}"
    _directory(directory)
    user = "proxy" if os.geteuid() == 0 else str(os.geteuid())
    if os.geteuid() == 0:
        shutil.chown(directory, user)
    file = directory / "squid.conf"
    file.write_text(SQUID.format(listen=LISTEN, port=port, source=source, dir=directory, user=user))
    arguments = [program, "-N", "-n", service, "-f", str(file)]
    try:
        with _running(directory, arguments, hosts, "http", port, source) as running:
            yield running
    finally:
        for left in Path("/dev/shm").glob(f"{service}-*"):  # where squid, killed, leaves it
            left.unlink(missing_ok=True)


KINDS: dict[str, Start] = {"microsocks": microsocks, "dante": dante, "tinyproxy": tinyproxy, "squid": squid}
