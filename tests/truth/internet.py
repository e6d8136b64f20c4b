"""A small Internet of network namespaces, made once and used by many scenarios: lines, a CDN, an origin, the DNS.

Every place has a line to a backbone that routes. The agent lives in `one` and may use `two` as a second vantage point.
All addresses are of 10.94.0.0/16 and exist inside the namespaces only.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.netns import Places, add, delete, ip
from tests.system.programs import find

PREFIX = "10.94.0.0/16"
BACKBONE, UPLINK = "bb", "uplink"
# place -> its network 10.94.N.0/24: the backbone is .1 there, the place .10
PLACES = {"one": 1, "two": 2, "cdn": 4, "org": 5, "net": 6, "dns": 7, "res": 8}
EDGES = {"nginx": "10.94.101.1", "varnish": "10.94.101.2", "haproxy": "10.94.101.3"}
STRANGER = "10.94.102.1"  # a host that is no edge: where hijackers and other providers lead
ORIGIN = "10.94.80.1"
ANCHORS = ("10.94.71.1", "10.94.72.1")
PORTAL = "10.94.73.1"
ROOT, CUSTOMERS, CDNS, BROKEN = "10.94.51.1", "10.94.52.1", "10.94.53.1", "10.94.54.1"
RESOLVER, SECOND, FORWARDER = "10.94.61.1", "10.94.62.1", "10.94.63.1"
FURTHER = {
    "cdn": (*EDGES.values(), STRANGER),
    "org": (ORIGIN,),
    "net": (*ANCHORS, PORTAL),
    "dns": (ROOT, CUSTOMERS, CDNS, BROKEN),
    "res": (RESOLVER, SECOND, FORWARDER),
}
CDN_LEAVES_BY = "10.94.4.10"  # the CDN's own requests to the origin come from here
BEHIND_ORIGIN = "10.94.5.10"
_numbers = itertools.count()
_tables = itertools.count()


@dataclass(slots=True)
class Internet(Places):
    """The places; how packets between them fare may be changed for the time of a `with` block."""

    name: str
    directory: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def nft(self, place: str, family: str, *chains: str) -> Iterator[None]:
        """A table of nftables in one place while the block lasts. Each chain: `type ...; rules`."""
        table = f"t{next(_tables)}"
        made = " ".join(f"chain c{n} {{ {chain} }};" for n, chain in enumerate(chains))
        self.run(place, str(find("nft")), f"table {family} {table} {{ {made} }}")
        try:
            yield
        finally:
            with suppress(AssertionError):
                self.run(place, str(find("nft")), f"delete table {family} {table}")

    @contextmanager
    def dropped(self, place: str, *matches: str) -> Iterator[None]:
        """Packets that come in or leave at a place's line and fit one of the matches vanish, and nobody is told.

        At the device: on the output hook the sender itself would get EPERM.
        """
        rules = "; ".join(f"{match} drop" for match in matches)
        hooks = (
            f"type filter hook {way} device {UPLINK} priority 0; {rules};" for way in ("ingress", "egress")
        )
        with self.nft(place, "netdev", *hooks):
            yield

    def _add_place(self, place: str) -> None:
        ns, network = self.ns(place), f"10.94.{PLACES[place]}"
        add(ns)
        ip(
            "link",
            "add",
            place,
            "netns",
            self.ns(BACKBONE),
            "type",
            "veth",
            "peer",
            "name",
            UPLINK,
            "netns",
            ns,
        )
        for address in (f"{network}.10/24", *(f"{one}/32" for one in FURTHER.get(place, ()))):
            ip("addr", "add", address, "dev", UPLINK, ns=ns)
        ip("link", "set", UPLINK, "up", ns=ns)
        ip("addr", "add", f"{network}.1/24", "dev", place, ns=self.ns(BACKBONE))
        ip("link", "set", place, "up", ns=self.ns(BACKBONE))
        for address in FURTHER.get(place, ()):
            ip("route", "add", f"{address}/32", "via", f"{network}.10", ns=self.ns(BACKBONE))
        ip("route", "add", "default", "via", f"{network}.1", ns=ns)


@contextmanager
def internet(directory: Path) -> Iterator[Internet]:
    """The places and their lines; nothing of them is left afterwards, whatever happens. Needs root."""
    made = Internet(f"cp{os.getpid()}t{next(_numbers)}", directory)
    with ExitStack() as stack:
        stack.callback(_delete, made.name)
        add(made.ns(BACKBONE))
        made.run(BACKBONE, str(find("sysctl")), "-qw", "net.ipv4.ip_forward=1")
        for place in PLACES:
            made._add_place(place)
        yield made


def _delete(name: str) -> None:
    for file in Path("/run/netns").glob(f"{name}-*"):
        delete(file.name)
