"""unbound, recursive, caching and validating, in front of gdnsd and nsd: what is kept of its answers, and whose fault
it is when it has none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from probe.core.dns.fault_zone import failing_zone
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType
from probe.host.clock import SystemClock
from probe.resolver.resolver import Resolver
from tests.system.agent import cdn_probe, json_lines, write_config
from tests.system.conftest import CANONICAL, DOMAIN, SmallCdn
from tests.system.dns_programs import SOA, Geo, Unbound, gdnsd, nsd_files, unbound
from tests.system.programs import free_port, need
from tests.system.signed_zones import sign

pytestmark = pytest.mark.system
CLOCK = SystemClock()
MANY = 100
CACHED_FOR_S = 120
WAIT_S = 10.0


@dataclass(frozen=True)
class World:
    """One unbound, its authority, and zones: acme.test (nsd), cdn.test (gdnsd), signed.test, bogus.test, gone.test."""

    server: Unbound
    ca_file: str
    stranger_file: str

    def spec(self, transport: str = "udp") -> ResolverSpec:
        ports = {"tls": self.server.tls_port, "https": self.server.https_port}
        port = ports.get(transport) or self.server.port
        spec = ResolverSpec(transport=transport, address="127.0.0.1", port=port)
        if transport not in ports:
            return spec
        path = "/dns-query" if transport == "https" else None
        return replace(spec, tls_name="dns.example", tls_ca=self.ca_file, path=path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("unbound", "gdnsd", "nsd")
    directory = tmp_path_factory.mktemp("dns")
    authority, files = trustme.CA(), {}
    for name, made in (("ca", authority), ("stranger", trustme.CA())):
        files[name] = str(directory / f"{name}.pem")
        made.cert_pem.write_to_path(files[name])
    leaf = authority.issue_cert("dns.example")
    certificate = (b"".join(p.bytes() for p in leaf.cert_chain_pems), leaf.private_key_pem.bytes())
    zones, anchors = _zones()
    geo = Geo(
        nets={"203.0.113.0/24": "ct", "198.51.100.0/24": "cu", "2001:db8:1::/48": "cu"},
        pools={"ct": ("127.0.0.21",), "cu": ("127.0.0.22",), "other": ("127.0.0.29",)},
        default="other",
    )
    more = "  send-client-subnet: 127.0.0.1\n" + "".join(f'  trust-anchor: "{one}"\n' for one in anchors)
    with (
        gdnsd(directory / "g", {"cdn.test": "www 300 DYNA geoip!edge\n"}, geo={"edge": geo}) as geo_port,
        nsd_files(directory / "n", zones) as nsd_port,
        unbound(
            directory / "u",
            stubs=dict.fromkeys(zones, f"127.0.0.1@{nsd_port}")
            | {"cdn.test": f"127.0.0.1@{geo_port}", "gone.test": f"127.0.0.1@{_dead_port()}"},
            certificate=certificate,
            modules="subnetcache validator iterator",
            nsid="unbound-1",
            more=more,
        ) as server,
    ):
        yield World(server, files["ca"], files["stranger"])


def _zones() -> tuple[dict[str, str], list[str]]:
    many = "".join(f"big A 127.0.1.{i}\n" for i in range(1, MANY + 1))
    acme = (
        f"www {CACHED_FOR_S} CNAME www.cdn.test.\nlost CNAME www.gone.test.\n"
        f"stale CNAME none.cdn.test.\nplain {CACHED_FOR_S} A 127.0.0.20\n"
    )
    signed, anchor = sign("signed.test", f"{SOA}www A 127.0.0.23\n")
    bogus, other_anchor = sign("bogus.test", f"{SOA}www A 127.0.0.24\n")
    zones = {
        "acme.test": f"$ORIGIN acme.test.\n$TTL 60\n{SOA}{acme}{many}",
        "signed.test": signed,
        "bogus.test": bogus.replace("127.0.0.24", "127.0.0.66"),
    }
    return zones, [anchor, other_anchor]


def _dead_port() -> int:
    return free_port("127.0.0.1")


async def look_up(name: str, *specs: ResolverSpec, **more: Any) -> Resolution:
    """With what follows a failure in a slot."""
    point = VantagePoint(name="v", resolvers=specs, **more)
    resolver, start_ns = Resolver(CLOCK, ("127.0.0.0/8",)), CLOCK.monotonic_ns()
    found = await resolver.resolve(name, "A", point, slot_start_ns=start_ns)
    return await resolver.diagnose(found, point, slot_start_ns=start_ns)


def kind(resolution: Resolution) -> FailureType | None:
    return resolution.failure.type if resolution.failure else None


def addresses(resolution: Resolution) -> list[str]:
    return sorted(record.address for record in resolution.addresses)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "https"])
async def test_chain_and_identity_over_every_transport(world: World, transport: str) -> None:
    found = await look_up("www.acme.test", world.spec(transport))
    assert (found.failure, found.transport, found.resolver) == (None, transport, str(world.spec(transport)))
    assert [(link.owner, link.target) for link in found.cname_chain] == [("www.acme.test", "www.cdn.test")]
    assert addresses(found) == ["127.0.0.29"]
    (query,) = found.queries
    assert (query.nsid, query.transport, query.rcode) == ("unbound-1", transport, "NOERROR")
    assert {"RD", "RA"} <= set(query.flags)


async def test_cached_answers_grow_older(world: World) -> None:
    """The TTL that the cache gives is kept as it is given, and nothing of ours is between."""
    first = await look_up("plain.acme.test", world.spec())
    assert first.ttl_s is not None
    assert first.ttl_s <= CACHED_FOR_S
    until = time.monotonic() + WAIT_S
    later = first
    while later.ttl_s == first.ttl_s and time.monotonic() < until:
        await asyncio.sleep(0.1)
        later = await look_up("plain.acme.test", world.spec())
    assert later.ttl_s is not None
    assert 0 < first.ttl_s - later.ttl_s <= WAIT_S


async def test_validated_answer_says_so(world: World) -> None:
    signed = await look_up("www.signed.test", world.spec())
    plain = await look_up("www.acme.test", world.spec())
    assert addresses(signed) == ["127.0.0.23"]
    assert ("AD" in signed.queries[0].flags, "AD" in plain.queries[0].flags) == (True, False)


async def test_bogus_zone_is_told_with_its_reason(world: World) -> None:
    found = await look_up("www.bogus.test", world.spec())
    assert (kind(found), found.rcode) == (FailureType.DNS_SERVER_FAILURE, "SERVFAIL")
    errors = [error for query in found.queries for error in query.extended_errors]
    assert any(error.startswith("6 DNSSEC Bogus") for error in errors), errors


@pytest.mark.parametrize("transport", ["tls", "https"])
async def test_certificate_is_verified(world: World, transport: str) -> None:
    good = world.spec(transport)
    assert kind(await look_up("www.acme.test", good)) is None
    for bad in (replace(good, tls_ca=world.stranger_file), replace(good, tls_name="other.example")):
        found = await look_up("www.acme.test", bad)
        assert kind(found) is FailureType.DNS_TLS_FAILED
        assert {query.rcode for query in found.queries} == {None}


async def test_big_answer_comes_over_tcp(world: World) -> None:
    found = await look_up("big.acme.test", world.spec())
    assert len(addresses(found)) == MANY
    assert [(query.transport, "TC" in query.flags) for query in found.queries] == [
        ("udp", True),
        ("tcp", False),
    ]


@pytest.mark.parametrize(
    ("subnet", "address", "scope"),
    [
        ("203.0.113.0/24", "127.0.0.21", 24),
        ("198.51.100.0/24", "127.0.0.22", 24),
        ("2001:db8:1::/48", "127.0.0.22", 48),
    ],
)
async def test_client_subnet_through_unbound(world: World, subnet: str, address: str, scope: int) -> None:
    found = await look_up("www.cdn.test", world.spec(), client_subnet=subnet)
    assert (addresses(found), found.ecs_source, found.ecs_scope) == ([address], subnet, scope)
    assert found.flags == ()


async def test_subnets_do_not_share_the_cache(world: World) -> None:
    """The same resolver in the same moment: each vantage point gets its carrier's node."""
    subnets = ["203.0.113.0/24", "198.51.100.0/24"] * 3
    found = await asyncio.gather(
        *(look_up("www.cdn.test", world.spec(), client_subnet=subnet) for subnet in subnets)
    )
    assert [addresses(one) for one in found] == [["127.0.0.21"], ["127.0.0.22"]] * 3


# --- failures, and whose ---------------------------------------------------------------------------


async def test_dead_zone_behind_the_alias_is_found_by_its_cut(world: World) -> None:
    found = await look_up("lost.acme.test", world.spec())
    assert kind(found) is FailureType.DNS_SERVER_FAILURE
    assert (found.failing_name, found.zone) == ("www.gone.test", "gone.test")
    assert failing_zone(found, "lost.acme.test", ["gone.test"]) == "cdn"
    assert failing_zone(found, "lost.acme.test", ["cdn.test"]) == "customer"
    asked = {(query.qname, query.qtype) for query in found.queries if query.purpose == "zone_cut"}
    assert asked == {("www.gone.test", "SOA"), ("gone.test", "SOA"), ("test", "SOA"), ("gone.test", "NS")}


async def test_bogus_zone_begins_where_it_begins(world: World) -> None:
    assert (await look_up("www.bogus.test", world.spec())).zone == "bogus.test"


async def test_name_that_is_not_there_lies_in_the_zone_that_says_so(world: World) -> None:
    found = await look_up("stale.acme.test", world.spec())
    assert kind(found) is FailureType.DNS_DANGLING_ALIAS
    assert (found.failing_name, found.zone) == ("none.cdn.test", "cdn.test")
    own = await look_up("none.acme.test", world.spec())
    assert (kind(own), own.zone) == (FailureType.DNS_NAME_NOT_RESOLVED, "acme.test")


async def test_all_resolvers_compared(world: World) -> None:
    dead = ResolverSpec(transport="udp", address="127.0.0.1", port=_dead_port())
    specs = (dead, world.spec("tls"), world.spec())
    found = await look_up("www.acme.test", *specs, resolver_policy="all")
    assert (found.failure, found.resolver) == (None, str(specs[1]))
    assert [answer.resolver for answer in found.answers] == [str(spec) for spec in specs]
    assert [answer.addresses for answer in found.answers] == [(), ("127.0.0.29",), ("127.0.0.29",)]
    assert found.flags == ("resolver_failed",)
    assert {query.purpose for query in found.queries if query.resolver != str(dead)} == {"compared"}


async def test_honest_resolver_invents_nothing(world: World) -> None:
    point = VantagePoint(name="v", resolvers=(world.spec(), world.spec("tcp")))
    resolver = Resolver(CLOCK, ("127.0.0.0/8",))
    found = await resolver.resolve("www.acme.test", "A", point, slot_start_ns=CLOCK.monotonic_ns())
    seen = await resolver.examine_resolver(found, point, slot_start_ns=CLOCK.monotonic_ns())
    assert seen.flags == ()
    assert [query.rcode for query in seen.queries if query.purpose == "rewriting"] == ["NXDOMAIN"] * 3
    assert [answer.addresses for answer in seen.answers] == [("127.0.0.29",)] * 2


# --- as the user sees it --------------------------------------------------------------------------


@contextmanager
def _in_front(cdn: SmallCdn, directory: Path, dead: str = "") -> Iterator[Unbound]:
    """unbound in front of the small CDN's nsd; the server of the zone `dead` is not there."""
    ports = {zone: _dead_port() if zone == dead else cdn.dns_port for zone in ("acme.example", "cdn.test")}
    stubs = {zone: f"127.0.0.1@{port}" for zone, port in ports.items()}
    with unbound(directory, stubs=stubs, nsid="unbound-2") as server:
        yield server


def _once(directory: Path, cdn: SmallCdn, **vantage: Any) -> dict[str, Any]:
    config = write_config(directory, cdn, scheme="http", paths=["/small.txt"])
    agent = yaml.safe_load(config.read_text())
    agent["vantage_points"][0] |= vantage
    config.write_text(yaml.safe_dump(agent, sort_keys=False))
    done = cdn_probe("once", "-c", str(config), "--json")
    (row,) = json_lines(done.stdout)
    assert "Traceback" not in done.stderr
    return row


def _verdict(row: dict[str, Any]) -> tuple[str, str | None, str | None]:
    return row["outcome"], row["fault"], row["reason"]


def test_once_through_unbound(small_cdn: SmallCdn, tmp_path: Path) -> None:
    with _in_front(small_cdn, tmp_path / "u") as server:
        row = _once(tmp_path, small_cdn, resolvers=[f"udp://127.0.0.1:{server.port}"])
    assert _verdict(row)[0] == "ok", row
    assert row["resolution"]["canonical_name"] == CANONICAL
    assert {query["nsid"] for query in row["resolution"]["queries"]} == {"unbound-2"}


def test_once_with_one_resolver_of_two_down(small_cdn: SmallCdn, tmp_path: Path) -> None:
    with _in_front(small_cdn, tmp_path / "u") as server:
        dead, alive = f"udp://127.0.0.1:{_dead_port()}", f"udp://127.0.0.1:{server.port}"
        row = _once(tmp_path, small_cdn, resolvers=[dead, alive])
    assert _verdict(row) == ("inconclusive", "vantage", "dns.resolver_failed")
    assert row["resolution"]["failure"] is None
    assert row["resolution"]["resolver"] == alive


@pytest.mark.parametrize(("zone", "failing"), [("cdn.test", CANONICAL), ("acme.example", DOMAIN)])
def test_once_with_an_authoritative_server_down(
    small_cdn: SmallCdn, tmp_path: Path, zone: str, failing: str
) -> None:
    """The zone that failed is found; here its servers cannot be asked at port 53, so nobody is accused.

    That they are accused where they can be asked the scenarios `zone-silent` and `cdn-zone-silent` of tests/truth show.
    """
    with _in_front(small_cdn, tmp_path / "u", dead=zone) as server:
        row = _once(tmp_path, small_cdn, resolvers=[f"udp://127.0.0.1:{server.port}"])
    assert _verdict(row) == ("inconclusive", "vantage", "dns.resolver_failed")
    assert (row["resolution"]["failing_name"], row["resolution"]["zone"]) == (failing, zone)
