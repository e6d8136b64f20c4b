"""A small Internet of network namespaces: a backbone that routes, three carriers, a CDN, a customer's origin.

Everything is made with Debian's iproute2 and ended with it. No address here exists outside of the namespaces; the
agent lives in one of its own, `home`, that has a working line, so that a socket which leaves by the wrong line
succeeds and stands in the servers' logs as HOME.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.system.dns_packets import Packet, packets
from tests.system.dns_programs import Geo, gdnsd, unbound
from tests.system.netns import Places, add, delete, inside, ip, link, need_root
from tests.system.programs import find, need, process
from tests.system.sites import Site, until

DOMAIN, CANONICAL = "www.acme.example", "www.acme.example.cdn.test"
BACKBONE, UPLINK = "bb", "uplink"
# place -> its network 10.91.N.0/24: the backbone is .1 there, the place .10
PLACES = {"ct": 1, "cu": 2, "cm": 3, "cdn": 4, "dns": 5, "res": 6, "net": 7, "home": 9}
CARRIERS = ("ct", "cu", "cm")
HOME = "10.91.9.10"
SOURCE = {"ct": "10.91.1.10", "cu": "10.91.2.10", "cm": "10.91.3.11"}
NODE = {"ct": "10.91.101.1", "cu": "10.91.102.1", "cm": "10.91.103.1", "shared": "10.91.110.1"}
RESOLVER = {"ct": "10.91.51.53", "cu": "10.91.62.53", "cm": "10.91.53.53"}  # cu: a recursive one, of its own
ANCHORS = {"ct": ("10.91.71.1", "10.91.71.2"), "cu": ("10.91.72.1", "10.91.72.2"),
           "cm": ("10.91.73.1", "10.91.73.2")}  # fmt: skip
ORIGIN = "10.91.80.1"
# further addresses of a place, routed to it
FURTHER = {
    "cm": (SOURCE["cm"],),
    "cdn": tuple(NODE.values()),
    "dns": (RESOLVER["ct"], RESOLVER["cm"]),
    "res": (RESOLVER["cu"],),
    "net": (*itertools.chain(*ANCHORS.values()), ORIGIN),
}
BODY = b"console.log('cdn-probe');\n" * 400
_worlds = itertools.count()


def ip_batch(ns: str, *lines: str) -> None:
    """Several commands of `ip -n NS`; fails with its own words."""
    done = subprocess.run(
        [str(find("ip")), "-n", ns, "-batch", "-"],
        input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{ns}: {lines}: {done.stderr}"


@dataclass(frozen=True, slots=True)
class World(Places):
    """The running world. `nodes`: by the carrier that each serves, and `shared`."""

    directory: Path
    name: str
    nodes: dict[str, Site]
    origin: Site
    anchors: Site

    def dns(self) -> list[Packet]:
        """What gdnsd was asked over the network, and its answers."""
        return packets(self.directory / "dns.pcap")

    # --- lines --------------------------------------------------------------------------------------

    def add_place(self, place: str) -> None:
        """A namespace with its addresses, its line to the backbone and its default route."""
        ns, network = self.ns(place), f"10.91.{PLACES[place]}"
        add(ns)
        link(self.ns(BACKBONE), place, ns, UPLINK)
        addresses = (f"{network}.10/24", *(f"{address}/32" for address in FURTHER.get(place, ())))
        ip_batch(ns, *(f"addr add {address} dev {UPLINK}" for address in addresses), f"link set {UPLINK} up")
        ip_batch(self.ns(BACKBONE), f"addr add {network}.1/24 dev {place}")
        self._far_end_up(place)
        self._default_route(place)

    def _default_route(self, place: str) -> None:
        ip("route", "replace", "default", "via", f"10.91.{PLACES[place]}.1", ns=self.ns(place))

    def _far_end_up(self, place: str) -> None:
        """The backbone's end, and its routes to the place's further addresses: a link that goes down loses them."""
        network = f"10.91.{PLACES[place]}"
        routed = (a for a in FURTHER.get(place, ()) if not a.startswith(f"{network}."))
        routes = (f"route replace {address}/32 via {network}.10" for address in routed)
        ip_batch(self.ns(BACKBONE), f"link set {place} up", *routes)

    def has_line(self, place: str) -> bool:
        """Whether the backbone has a line to it: it goes only with the namespace itself, not with its name."""
        return any(words.split("@")[0] == place for words in self.run(BACKBONE, "ip", "-br", "link").split())

    @contextmanager
    def link_down(self, place: str) -> Iterator[None]:
        """Its uplink is taken down at its own end: no route is left."""
        ip("link", "set", UPLINK, "down", ns=self.ns(place))
        try:
            yield
        finally:
            ip("link", "set", UPLINK, "up", ns=self.ns(place))
            self._default_route(place)

    @contextmanager
    def carrier_lost(self, place: str) -> Iterator[None]:
        """The far end of its uplink is taken down: its routes stay, nothing leaves."""
        ip("link", "set", place, "down", ns=self.ns(BACKBONE))
        try:
            yield
        finally:
            self._far_end_up(place)

    @contextmanager
    def black_hole(self, *rules: str) -> Iterator[None]:
        """On the backbone all packets vanish that one of the nft matches fits: `iifname "ct"`, `ip daddr ...`."""
        chain = "type filter hook forward priority 0;"
        text = f"table ip hole {{ chain hole {{ {chain} {' '.join(f'{rule} drop;' for rule in rules)} }}; }}"
        self.run(BACKBONE, str(find("nft")), text)
        try:
            yield
        finally:
            self.run(BACKBONE, str(find("nft")), "delete table ip hole")

    @contextmanager
    def deleted(self, place: str) -> Iterator[None]:
        """The namespace is deleted by name, as its owner would; then made anew."""
        ip("netns", "del", self.ns(place))
        try:
            yield
        finally:
            self.run(BACKBONE, "sh", "-c", f"ip link del {place} 2>&1 || true")
            self.add_place(place)

    def cut(self, place: str, how: str) -> AbstractContextManager[None]:
        """Its line is cut: link_down, carrier_lost, black_hole or deleted."""
        if how == "black_hole":
            return self.black_hole(f'iifname "{place}"', f'oifname "{place}"')
        ways = {"link_down": self.link_down, "carrier_lost": self.carrier_lost, "deleted": self.deleted}
        return ways[how](place)

    @contextmanager
    def stopped(self, *nodes: str) -> Iterator[None]:
        """nginx of these nodes is not running: their ports are closed."""
        for node in nodes:
            self.nodes[node].stop()
        try:
            yield
        finally:
            for node in nodes:
                self.nodes[node].start()


@contextmanager
def world(directory: Path) -> Iterator[World]:
    """The whole world; nothing of it is left afterwards, whatever happens."""
    need("sysctl", "nft", "tcpdump", "nginx", "gdnsd", "unbound", "dig", "curl")
    need_root()
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    with ExitStack() as stack:
        made = _empty_world(directory, f"cp{os.getpid()}w{next(_worlds)}")
        stack.callback(_delete_namespaces, made.name)
        _lay_lines(made)
        for site in (*made.nodes.values(), made.origin, made.anchors):
            stack.callback(site.stop)
            site.start()
        stack.enter_context(_name_servers(made))
        yield made


def _empty_world(directory: Path, name: str) -> World:
    root = directory / "root"
    root.mkdir()
    (root / "app.js").write_bytes(BODY)
    os.utime(root / "app.js", (1_790_000_000, 1_790_000_000))

    def site(label: str, place: str, *addresses: str) -> Site:
        return Site(directory / label, root, addresses, inside(f"{name}-{place}"))

    return World(
        directory=directory,
        name=name,
        nodes={label: site(f"node-{label}", "cdn", address) for label, address in NODE.items()},
        origin=site("origin", "net", ORIGIN),
        anchors=site("anchors", "net", *itertools.chain(*ANCHORS.values())),
    )


def _lay_lines(made: World) -> None:
    add(made.ns(BACKBONE))
    made.run(BACKBONE, str(find("sysctl")), "-qw", "net.ipv4.ip_forward=1")
    for place in PLACES:
        made.add_place(place)


def _delete_namespaces(name: str) -> None:
    for file in Path("/run/netns").glob(f"{name}-*"):
        delete(file.name)


@contextmanager
def _name_servers(made: World) -> Iterator[None]:
    """gdnsd for both zones, by client subnet or else by who asks; cu's own recursive resolver before it."""
    nets = {
        "10.91.1.0/24": "ct",  # its users' subnet, as it is sent
        f"{RESOLVER['cu']}/32": "cu",  # its resolver, nothing is known of its users
        f"{SOURCE['cm']}/32": "cm",  # who asks is the user
    }
    geo = Geo(
        nets=nets,
        pools={**{one: (NODE[one], NODE["shared"]) for one in CARRIERS}, "far": (NODE["shared"],)},
        default="far",
    )
    zones = {
        "acme.example": f"www 60 CNAME {CANONICAL}.\n",
        "cdn.test": "www.acme.example 20 DYNA geoip!www\n",
    }
    listen = [RESOLVER["ct"], RESOLVER["cm"], "10.91.5.10"]
    dump = [*made.inside("dns"), str(find("tcpdump")), "-i", UPLINK, "-U", "--immediate-mode", "-Z", "root"]
    file = made.directory / "dns.pcap"
    with ExitStack() as stack:
        stack.enter_context(
            process([*dump, "-w", str(file), "udp", "port", "53"], made.directory / "tcpdump.log")
        )
        until(lambda: file.exists() and file.stat().st_size >= 24, "tcpdump listens")
        stack.enter_context(
            gdnsd(made.directory / "gdnsd", zones, geo={"www": geo}, listen=listen, prefix=made.inside("dns"))
        )
        stack.enter_context(
            unbound(
                made.directory / "unbound",
                stubs=dict.fromkeys(zones, "10.91.5.10@53"),
                address=RESOLVER["cu"],
                more=f"  outgoing-interface: {RESOLVER['cu']}\n  cache-max-ttl: 1\n",
                prefix=made.inside("res"),
            )
        )
        yield
