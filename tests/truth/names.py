"""The DNS of the small Internet: a root, a customer's and the CDN's authorities, and recursive resolvers with faults.

Names are chosen by what is wrong with them (`www`, `moved`, `dangling` ...), so that most scenarios need no server of
their own. nsd has the root, the two top-level domains and the customers' zones; gdnsd has the CDN's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.system.dns_programs import gdnsd, nsd_files
from tests.system.programs import find, process
from tests.system.signed_zones import sign
from tests.system.sites import until
from tests.truth.internet import BROKEN, CDNS, CUSTOMERS, EDGES, FORWARDER, RESOLVER, ROOT, STRANGER, Internet

SUFFIX = "cdn.test"
WEB = ("nginx", "varnish", "haproxy")
SECURE = ("nginx", "haproxy")  # varnish speaks no TLS
_SOA = "@ 30 SOA ns1 host 1 3600 600 86400 5\n@ 60 NS ns1\n"


def _zone(name: str, server: str, records: str) -> str:
    origin = "." if name == "." else f"{name}."
    return f"$ORIGIN {origin}\n$TTL 60\n{_SOA}ns1 60 A {server}\n{records}"


def _delegated(zone: str, server: str) -> str:
    return f"{zone}. 60 NS ns1.{zone}.\nns1.{zone}. 60 A {server}\n"


_CUSTOMERS = (
    "".join(f"{name} 5 CNAME {name}.{SUFFIX}.\n" for name in ("www", "secure", "single", "six", "lonely"))
    + f"dangling 5 CNAME gone.{SUFFIX}.\n"
    + "dead-cdn 5 CNAME www.dead.test.\n"
    + "moved 5 CNAME www.hosting.test.\n"
    + f"plain 5 A {STRANGER}\n"
)
ZONES: Mapping[str, str] = {
    ".": _zone(".", ROOT, _delegated("example", ROOT) + _delegated("test", ROOT)),
    "example": _zone(
        "example",
        ROOT,
        "".join(
            _delegated(f"{name}.example", server)
            for name, server in (
                ("acme", CUSTOMERS),
                ("bogus", CUSTOMERS),
                ("silent", BROKEN),
                ("lame", CDNS),
            )
        ),
    ),
    "test": _zone(
        "test",
        ROOT,
        _delegated(SUFFIX, CDNS) + _delegated("dead.test", BROKEN) + _delegated("hosting.test", CUSTOMERS),
    ),
    "acme.example": _zone("acme.example", CUSTOMERS, _CUSTOMERS),
    "hosting.test": _zone("hosting.test", CUSTOMERS, f"www 5 A {STRANGER}\n"),
}
_CDN_NAMES = {
    "www": WEB,
    "secure": SECURE,
    "single": ("nginx",),
    "lonely": ("haproxy",),
}


@contextmanager
def authorities(net: Internet, directory: Path) -> Iterator[None]:
    """The root's, the customers' and the CDN's own servers."""
    records = "".join(f"{name} 5 A {EDGES[edge]}\n" for name, edges in _CDN_NAMES.items() for edge in edges)
    records += "six 5 AAAA fd94::1\n"
    zones = {**ZONES, "bogus.example": _BOGUS}
    with (
        nsd_files(directory / "nsd", zones, listen=(ROOT, CUSTOMERS), prefix=net.inside("dns")),
        gdnsd(
            directory / "gdnsd",
            {SUFFIX: records},
            soa=f"{_SOA}ns1 60 A {CDNS}\n",
            listen=(CDNS,),
            prefix=net.inside("dns"),
        ),
    ):
        yield


# --- resolvers --------------------------------------------------------------------------------------

_SERVER = """server:
  interface: {address}@53
  outgoing-interface: {address}
  chroot: ""
  username: ""
  directory: "{dir}"
  pidfile: "{dir}/unbound.pid"
  use-syslog: no
  logfile: ""
  do-ip6: no
  num-threads: 1
  {access}
  ede: yes
  root-hints: "{dir}/root.hints"
  infra-cache-max-rtt: 1500
  infra-host-ttl: 1
  local-zone: "test." nodefault
  cache-max-negative-ttl: 1
  module-config: "{modules}"
  trust-anchor-signaling: no
{server}remote-control:
  control-enable: no
{clauses}"""
_ALL = "access-control: 0.0.0.0/0 allow"


def _bogus() -> tuple[str, str]:
    """A signed zone whose address was changed after signing, and the trust anchor of its key."""
    signed, anchor = sign("bogus.example", f"{_SOA}ns1 60 A {CUSTOMERS}\nwww 5 A {STRANGER}\n")
    return signed.replace(f"A {STRANGER}", f"A {EDGES['nginx']}"), anchor


_BOGUS, _ANCHOR = _bogus()


def _forward(zone: str, to: str) -> str:
    return f"forward-zone:\n  name: {zone}\n  forward-addr: {to}\n"


# what is wrong with it: lines of its `server:` clause, further clauses
FAULTS: Mapping[str, tuple[str, str]] = {
    "well": ("", ""),
    "forwarder": ("", _forward(".", FORWARDER)),  # as well as whoever listens at FORWARDER
    "zone_lost": ("", _forward("acme.example", f"{FORWARDER}@5399")),
    "cdn_zone_lost": ("", _forward(SUFFIX, f"{FORWARDER}@5399")),
    "nothing_exists": ('  local-zone: "." static\n', ""),
    "empty": ('  local-zone: "." redirect\n  local-data: ". 60 TXT nothing"\n', ""),
    "invents": (f'  local-zone: "." redirect\n  local-data: ". 60 A {STRANGER}"\n', ""),
    "liar": (f'  local-zone: "acme.example." redirect\n  local-data: "acme.example. 60 A {STRANGER}"\n', ""),
    "denies_zone": ('  local-zone: "acme.example." always_nxdomain\n', ""),
    "validates": (f'  trust-anchor: "{_ANCHOR}"\n', ""),
    # still answers what the customer's zone said before the name was led into the CDN
    "outdated": (
        '  local-zone: "www.acme.example." static\n'
        '  local-data: "www.acme.example. 300 CNAME www.hosting.test."\n'
        f'  local-data: "www.hosting.test. 300 A {STRANGER}"\n',
        "",
    ),
    "forwarder_too": ("", _forward(".", f"{FORWARDER}@5399")),
    "refuses_zone": ('  local-zone: "acme.example." always_refuse\n', ""),
}


@contextmanager
def unbound(net: Internet, directory: Path, address: str, fault: str = "well") -> Iterator[None]:
    """unbound at port 53 of `address`, recursive by the root hints; `fault`: of FAULTS, or `refuses` everybody."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "root.hints").write_text(f". 3600 NS ns1.\nns1. 3600 A {ROOT}\n")
    server, clauses = FAULTS.get(fault, ("", ""))
    access = "access-control: 0.0.0.0/0 refuse" if fault == "refuses" else _ALL
    modules = "validator iterator" if fault == "validates" else "iterator"
    text = _SERVER.format(
        address=address, dir=directory, access=access, server=server, clauses=clauses, modules=modules
    )
    (directory / "unbound.conf").write_text(text)
    log = directory / "out.log"
    arguments = [*net.inside("res"), str(find("unbound")), "-d", "-c", str(directory / "unbound.conf")]
    with process(arguments, log) as child:
        until(
            lambda: child.poll() is None and _binds(child.pid, address),
            f"unbound at {address}: {log.read_text(errors='replace')[-500:]}",
        )
        yield


def _binds(pid: int, address: str) -> bool:
    """Whether UDP port 53 of the address is bound in this process's namespace."""
    place = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    try:
        return f" {place}:0035 " in Path(f"/proc/{pid}/net/udp").read_text()
    except OSError:
        return False


@contextmanager
def resolving(net: Internet, directory: Path) -> Iterator[None]:
    """The authorities and one resolver that is well, at RESOLVER."""
    with ExitStack() as stack:
        stack.enter_context(authorities(net, directory))
        stack.enter_context(unbound(net, directory / "unbound", RESOLVER))
        yield
