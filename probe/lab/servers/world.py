"""The names, addresses and roles of the lab, defined once; servers, faults and the script refer to them.

Two customers with four domains (five with HTTP/3), a CDN of three edges, two vantage points that are given different
nodes. All addresses are loopback, all names end in `.example` (RFC 6761), all subnets are for documentation (RFC 5737).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

CDN_ZONE = "lab-cdn.example"
OTHER_ZONE = "other-company.example"
OTHER_ADDRESS = "127.0.6.1"
DEFAULT_LIFETIME_S = 2
FIRST_BYTE_LIMIT_MS = 500  # far above what a busy host with lab and agent takes
SLOW_S = 0.7  # over that limit, far below the deadline (2 s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One accelerated domain: whose it is, how it is served, and which objects are watched."""

    name: str
    customer: str
    scheme: str
    origin: str  # address of its origin
    paths: tuple[str, ...]
    protocol: str = "h1"  # the HTTP version that the agent measures

    @property
    def cdn_name(self) -> str:
        """Where the customer's alias points."""
        return f"{self.name}.{CDN_ZONE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """One vantage point: its own address, its two resolvers, the nodes that the CDN gives it."""

    name: str
    region: str
    carrier: str
    asn: int
    source: str
    resolvers: tuple[str, ...]
    client_subnet: str
    edges: tuple[str, ...]


EDGES = {"edge-1": "127.0.1.1", "edge-2": "127.0.1.2", "edge-3": "127.0.1.3"}
ANCHORS = ("127.0.3.1", "127.0.3.2")

WWW = Domain(
    name="www.shop.example",
    customer="shop",
    scheme="https",
    origin="127.0.4.1",
    paths=("/", "/static/app.js"),
)
IMG = Domain(
    name="img.shop.example", customer="shop", scheme="http", origin="127.0.4.2", paths=("/img/hero.bin",)
)
VOD = Domain(
    name="vod.media.example",
    customer="media",
    scheme="https",
    origin="127.0.4.3",
    paths=("/large.bin",),
    protocol="h2",
)
API = Domain(
    name="api.media.example", customer="media", scheme="http", origin="127.0.4.4", paths=("/api/time",)
)
LIVE = Domain(
    name="live.media.example",
    customer="media",
    scheme="https",
    origin="127.0.4.5",
    paths=("/segment.bin",),
    protocol="h3",
)
# The extra `http3`: without it nothing here is served or asked over HTTP/3.
HTTP3 = find_spec("qh3") is not None
DOMAINS = (WWW, IMG, VOD, API, *((LIVE,) if HTTP3 else ()))

BEIJING = Vantage(
    name="bj-ct",
    region="CN-BJ",
    carrier="China Telecom",
    asn=4134,
    source="127.0.2.1",
    resolvers=("127.0.53.1", "127.0.53.11"),
    client_subnet="203.0.113.0/24",
    edges=("edge-1", "edge-2"),
)
SHANGHAI = Vantage(
    name="sh-cu",
    region="CN-SH",
    carrier="China Unicom",
    asn=4837,
    source="127.0.2.2",
    resolvers=("127.0.53.2", "127.0.53.12"),
    client_subnet="198.51.100.0/24",
    edges=("edge-2", "edge-3"),
)
VANTAGES = (BEIJING, SHANGHAI)

Key = tuple[str, str, str]  # domain, path, vantage point


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a fault shows. None: everywhere. `edge` is for people: the rows of its vantage points show it."""

    domain: str | None = None
    path: str | None = None
    vantage_points: tuple[str, ...] = tuple(v.name for v in VANTAGES)
    edge: str | None = None

    def covers(self, domain: str, path: str, vantage_point: str) -> bool:
        """Whether the rows of this object, seen from there, are affected."""
        return (
            self.domain in (None, domain)
            and self.path in (None, path)
            and vantage_point in self.vantage_points
        )

    def keys(self) -> frozenset[Key]:
        """All rows affected."""
        return frozenset(key for key in all_keys() if self.covers(*key))


def all_keys() -> Iterator[Key]:
    """Every row that the demo's agent writes each interval."""
    for domain in DOMAINS:
        for path in domain.paths:
            for vantage in VANTAGES:
                yield domain.name, path, vantage.name


def seen_from(edge: str) -> tuple[str, ...]:
    """The vantage points that are given this edge."""
    return tuple(v.name for v in VANTAGES if edge in v.edges)
