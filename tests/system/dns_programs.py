"""DNS servers that no one here wrote, in the foreground: gdnsd (answers by client subnet), unbound (recursive, caching,
validating; over UDP, TCP, TLS and HTTPS) and nsd with whole zone files, as signed ones need.

Each takes `prefix`, such as `["ip", "netns", "exec", NAME]`, which runs it in a namespace; then addresses and port
are the caller's and nothing outside the namespace is touched. Ended by their own process id on leaving.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.system.programs import STARTED_WITHIN_S, find, free_port, need, process, wait_for_tcp

SOA = "@ SOA ns1 host 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Geo:
    """A resource of gdnsd: which pool a client's network is given. In a zone: `www 30 DYNA geoip!NAME`.

    `nets`: CIDR -> pool; `pools`: pool -> addresses (v4, v6 or both); clients of no net get `default`.
    """

    nets: Mapping[str, str]
    pools: Mapping[str, Sequence[str]]
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbound:
    """A running unbound. `tls_port` and `https_port` only where a certificate was given; `log` its own words."""

    address: str
    port: int
    tls_port: int | None
    https_port: int | None
    log: Path
    child: subprocess.Popen[bytes] = field(repr=False)


@contextmanager
def gdnsd(
    directory: Path,
    zones: Mapping[str, str],
    *,
    geo: Mapping[str, Geo] | None = None,
    listen: Sequence[str] = ("127.0.0.1",),
    port: int | None = None,
    nsid: str | None = None,
    prefix: Sequence[str] = (),
    soa: str = SOA,
) -> Iterator[int]:
    """gdnsd serving the zones (name -> records beside `soa`) on all addresses of `listen`; gives its port.

    `soa`: SOA, NS and that server's address.
    """
    need("gdnsd", *prefix[:1])
    port = port or (53 if prefix else _free_port(listen))
    for part in ("zones", "state"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    for name, records in zones.items():
        (directory / "zones" / name).write_text(soa + records)
    run = Path(tempfile.mkdtemp(prefix="gdnsd-"))  # holds a socket, whose path may have 107 bytes
    (directory / "config").write_text(_gdnsd_config(directory, run, listen, port, nsid, geo or {}))
    try:
        arguments = [*prefix, str(find("gdnsd")), "-c", str(directory), "start"]
        log = directory / "out.log"
        with process(arguments, log) as child:
            _wait(listen[0], port, child, log, prefix)
            yield port
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _gdnsd_config(
    directory: Path, run: Path, listen: Sequence[str], port: int, nsid: str | None, geo: Mapping[str, Geo]
) -> str:
    places = ", ".join(f'"{f"[{a}]" if ":" in a else a}:{port}"' for a in listen)
    text = (
        f'options => {{ listen => [ {places} ], run_dir => "{run}", state_dir => "{directory}/state",\n'
        f"  udp_threads => 1, tcp_threads => 1, edns_client_subnet => true\n"
        f"{f'  nsid_ascii => {nsid}' if nsid else ''} }}\n"
    )
    if not geo:
        return text
    maps = "".join(f"  {name} => {_geo_map(one)}\n" for name, one in geo.items())
    resources = "".join(f"  {name} => {_geo_resource(name, one)}\n" for name, one in geo.items())
    return (
        f"{text}plugins => {{ geoip => {{\n maps => {{\n{maps} }}\n resources => {{\n{resources} }}\n}} }}\n"
    )


def _geo_map(geo: Geo) -> str:
    order = [geo.default, *(pool for pool in geo.pools if pool != geo.default)]
    nets = ", ".join(f"{net} => [{pool}]" for net, pool in geo.nets.items())
    return f"{{ datacenters => [{', '.join(order)}], nets => {{ {nets} }} }}"


def _geo_resource(name: str, geo: Geo) -> str:
    pools = ", ".join(f"{pool} => {{ {_addresses(found)} }}" for pool, found in geo.pools.items())
    return f"{{ map => {name}, service_types => up, dcmap => {{ {pools} }} }}"


def _addresses(addresses: Sequence[str]) -> str:
    kinds = {
        "addrs_v4": [a for a in addresses if ":" not in a],
        "addrs_v6": [a for a in addresses if ":" in a],
    }
    return ", ".join(
        f"{kind} => {{ {', '.join(f'a{place} => {a}' for place, a in enumerate(found))} }}"
        for kind, found in kinds.items()
        if found
    )


@contextmanager
def unbound(
    directory: Path,
    *,
    stubs: Mapping[str, str],
    address: str = "127.0.0.1",
    port: int | None = None,
    certificate: tuple[bytes, bytes] | None = None,
    modules: str = "iterator",
    nsid: str | None = None,
    patience_ms: int = 800,
    more: str = "",
    prefix: Sequence[str] = (),
) -> Iterator[Unbound]:
    """unbound asking `stubs` (zone -> ADDRESS@PORT of its authoritative server).

    Every other name does not exist, unless `.` is a stub.
    `certificate`: chain and key in PEM, for TLS and HTTPS. `more`: further lines of its `server:` clause, each
    indented. `patience_ms`: a zone's server that took longer is held for dead, and SERVFAIL the answer; unbound's own
    120 s are far longer than any client waits. `modules`: module-config, such as `subnetcache validator iterator`.
    """
    need("unbound", *prefix[:1])
    directory.mkdir(parents=True, exist_ok=True)
    port = port or (53 if prefix else _free_port([address]))
    ports = (
        ((853, 443) if prefix else (_free_port([address]), _free_port([address])))
        if certificate
        else (None, None)
    )
    config = (
        _unbound_server(directory, address, port, modules, nsid, patience_ms) + _no_other_zones(stubs) + more
    )
    if certificate:
        config += _unbound_tls(directory, address, ports, certificate)
    config += "remote-control:\n  control-enable: no\n"
    config += "".join(f"stub-zone:\n  name: {zone}\n  stub-addr: {place}\n" for zone, place in stubs.items())
    (directory / "unbound.conf").write_text(config)
    log = directory / "out.log"
    arguments = [*prefix, str(find("unbound")), "-d", "-c", str(directory / "unbound.conf")]
    with process(arguments, log) as child:
        _wait(address, port, child, log, prefix)
        yield Unbound(
            address=address, port=port, tls_port=ports[0], https_port=ports[1], log=log, child=child
        )


def _unbound_server(
    directory: Path, address: str, port: int, modules: str, nsid: str | None, patience_ms: int
) -> str:
    return f"""server:
  interface: {address}@{port}
  chroot: ""
  username: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  logfile: ""
  log-servfail: yes
  num-threads: 1
  access-control: 0.0.0.0/0 allow
  access-control: ::0/0 allow
  do-not-query-localhost: no
  ede: yes
  infra-cache-min-rtt: 50
  infra-cache-max-rtt: {patience_ms}
  unknown-server-time-limit: 100
  infra-host-ttl: 1
  module-config: "{modules}"
{f'  nsid: "ascii_{nsid}"' if nsid else ""}
"""


def _no_other_zones(stubs: Mapping[str, str]) -> str:
    """Whatever is not a stub does not exist: a test asks no root server on the Internet."""
    if "." in stubs:
        return ""
    kept = "".join(f'  local-zone: "{zone}." transparent\n' for zone in stubs)
    # It answers for the root, as a resolver that is well does: a look-up's control question asks for that.
    return f'  local-zone: "." static\n  local-data: ". 3600 IN NS a.root-servers.net."\n{kept}'


def _unbound_tls(
    directory: Path, address: str, ports: Sequence[int | None], certificate: tuple[bytes, bytes]
) -> str:
    for name, content in zip(("cert.pem", "key.pem"), certificate, strict=True):
        (directory / name).write_bytes(content)
    return f"""  interface: {address}@{ports[0]}
  interface: {address}@{ports[1]}
  tls-port: {ports[0]}
  https-port: {ports[1]}
  tls-service-pem: "{directory}/cert.pem"
  tls-service-key: "{directory}/key.pem"
"""


@contextmanager
def nsd_files(
    directory: Path,
    zones: Mapping[str, str],
    *,
    listen: Sequence[str] = ("127.0.0.1",),
    port: int | None = None,
    nsid: str | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[int]:
    """nsd serving whole zone files (name -> text, SOA and NS included); gives its port."""
    need("nsd", *prefix[:1])
    directory.mkdir(parents=True, exist_ok=True)
    port = port or (53 if prefix else _free_port(listen))
    config = "server:\n" + "".join(f"  ip-address: {address}@{port}\n" for address in listen)
    config += f'  nsid: "ascii_{nsid}"\n' if nsid else ""
    config += (
        f'  username: ""\n  chroot: ""\n  database: ""\n  server-count: 1\n  zonesdir: "{directory}"\n'
        f'  pidfile: "{directory}/nsd.pid"\n  xfrdfile: "{directory}/xfrd.state"\n  xfrdir: "{directory}"\n'
        "remote-control:\n  control-enable: no\n"
    )
    for name, text in zones.items():
        (directory / f"{name}.zone").write_text(text)
        config += f'zone:\n  name: "{name}"\n  zonefile: "{name}.zone"\n'
    (directory / "nsd.conf").write_text(config)
    log = directory / "out.log"
    arguments = [*prefix, str(find("nsd")), "-d", "-c", str(directory / "nsd.conf")]
    with process(arguments, log) as child:
        _wait(listen[0], port, child, log, prefix)
        yield port


def _free_port(listen: Sequence[str]) -> int:
    """A port free for UDP and TCP on the IPv4 addresses."""
    addresses = [address for address in listen if ":" not in address] or ["127.0.0.1"]
    for _ in range(100):
        port = free_port(*addresses)
        if all(_udp_free(address, port) for address in addresses):
            return port
    raise RuntimeError("no common free port")


def _udp_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _wait(address: str, port: int, child: subprocess.Popen[bytes], log: Path, prefix: Sequence[str]) -> None:
    """Until it answers; in a namespace a program of that namespace has to ask."""
    if not prefix:
        wait_for_tcp(address, port, child, log)
        return
    need("dig")
    ask = [*prefix, "dig", f"@{address}", "-p", str(port), ".", "NS", "+tcp", "+tries=1", "+time=1"]
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until and child.poll() is None:
        if subprocess.run(ask, capture_output=True, check=False, timeout=10).returncode == 0:
            return
        time.sleep(0.05)
    pytest.fail(f"{child.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
