"""Rule: the answer for a name depends on the client's subnet and the resolver's carrier, and on nothing else.

The lab's names as data that faults can change: aliases in the customers' zones, addresses in the CDN's zone chosen
by the client subnet (RFC 7871) or, without one, by the carrier whose resolver was asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from probe.lab.servers.world import CDN_ZONE, DOMAINS, EDGES, OTHER_ADDRESS, OTHER_ZONE, VANTAGES, Vantage

Network = IPv4Network | IPv6Network
CUSTOMER_ZONES = ("shop.example", "media.example")
ALIAS_TTL_S = 60
ADDRESS_TTL_S = 5
SCOPE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The origin of a query: the carrier of the resolver, and the client subnet if one was sent."""

    carrier: Vantage
    client_subnet: Network | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """The edges given to this asker: by subnet where it is known, else by carrier."""
        for vantage in VANTAGES:
            if self.client_subnet is not None and _within(self.client_subnet, vantage.client_subnet):
                return vantage.edges
        return self.carrier.edges


def _within(inner: Network, outer: str) -> bool:
    network = ip_network(outer)
    same = inner.version == network.version
    return same and inner.prefixlen >= network.prefixlen and inner.network_address in network


@dataclass(slots=True)
class Zones:
    """The present content of all zones. Names in lower case without final dot."""

    aliases: dict[str, str] = field(default_factory=lambda: {d.name: d.cdn_name for d in DOMAINS})
    gone: set[str] = field(default_factory=set)  # these names do not exist (NXDOMAIN)
    ipv6: dict[str, tuple[str, ...]] = field(default_factory=dict)  # CDN name -> AAAA; none by default

    def zone_of(self, name: str) -> str | None:
        """The zone that holds the name; None for names that are nobody's here."""
        zones = (*CUSTOMER_ZONES, CDN_ZONE, OTHER_ZONE)
        return next((zone for zone in zones if name == zone or name.endswith(f".{zone}")), None)

    def alias(self, name: str) -> str | None:
        """The CNAME at this name."""
        return None if name in self.gone else self.aliases.get(name)

    def exists(self, name: str) -> bool:
        """False is NXDOMAIN, for the name itself; the apex of a zone always exists."""
        if name in self.gone:
            return False
        cdn_names = {domain.cdn_name for domain in DOMAINS}
        return name in self.aliases or name in cdn_names or self._of_other(name) or name == self.zone_of(name)

    def addresses(self, name: str, qtype: str, view: View) -> tuple[str, ...]:
        """A or AAAA records at this name for this asker."""
        if name in self.gone or name in self.aliases or not self.exists(name):
            return ()
        if self._of_other(name):
            return (OTHER_ADDRESS,) if qtype == "A" else ()
        if self.zone_of(name) != CDN_ZONE or name == CDN_ZONE:
            return ()
        found = self.ipv6.get(name, ()) if qtype == "AAAA" else tuple(EDGES[edge] for edge in view.nodes)
        return tuple(
            address for address in found if ip_address(address).version == (6 if qtype == "AAAA" else 4)
        )

    def depends_on_asker(self, name: str) -> bool:
        """Whether answers for this name are tailored, so that a scope is due (RFC 7871 section 7.2.1)."""
        return self.zone_of(name) == CDN_ZONE

    def _of_other(self, name: str) -> bool:
        return name.endswith(f".{OTHER_ZONE}")
