"""After a failure: few questions for SOA, all on record, and the apex of the zone that failed."""

from __future__ import annotations

import pytest

from probe.core.dns.fault_zone import failing_zone
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType
from tests.resolver.test_other_resolvers import BROKEN, Setting
from tests.support.awake import Awake
from tests.support.dns_server import Query, Script, reply
from tests.support.resolving import kind

ZONES = ("a", "cdn.net", "net", "third.org", "org")


def internet(aliases: dict[str, str], dead: dict[str, str | None], known: tuple[str, ...] = ()) -> Script:
    """A recursive resolver over ZONES; of each in `dead` it says that rcode, or nothing at all."""

    def script(query: Query) -> object:
        name = query.name
        lines: list[str] = []
        while name in aliases and query.qtype != "SOA" and len(lines) < 4:
            lines.append(f"{name}. 60 CNAME {aliases[name]}.")
            name = aliases[name]
            if query.qtype == "CNAME":
                return reply(query, *lines)
        apex = _apex(name, (*ZONES, *dead))
        if apex in dead:
            rcode = dead[apex]
            return None if rcode is None else reply(query, rcode=rcode)
        owner = f"{apex.rstrip('.')}."
        soa = f"{owner} 60 SOA ns. host. 1 60 60 60 60"
        if query.qtype in ("SOA", "NS") and name == apex:
            return reply(query, soa if query.qtype == "SOA" else f"{owner} 60 NS ns.{owner.lstrip('.')}")
        exists = name == apex or name in known
        return reply(query, *lines, authority=[soa], rcode="NOERROR" if exists else "NXDOMAIN")

    return script


def _apex(name: str, zones: tuple[str, ...]) -> str:
    above = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    return max(above, key=len, default=".")


async def failed(*scripts: Script, deadline_us: int = 1_500_000) -> Resolution:
    async with Setting(*scripts, deadline_us=deadline_us) as setting:
        return await setting.diagnose(await setting.resolve())


def cut_questions(resolution: Resolution) -> list[tuple[str, str]]:
    return [(query.qname, query.qtype) for query in resolution.queries if query.purpose == "zone_cut"]


async def test_one_question_where_the_dns_itself_said_no() -> None:
    found = await failed(internet({"www.a": "x.cdn.net"}, {}))
    assert (kind(found), found.failing_name, found.zone) == (
        FailureType.DNS_DANGLING_ALIAS,
        "x.cdn.net",
        "cdn.net",
    )
    assert cut_questions(found) == [("x.cdn.net", "SOA")]


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP"])
async def test_dead_zone_begins_below_what_answers(rcode: str) -> None:
    found = await failed(internet({"www.a": "x.y.cdn.net"}, {"cdn.net": rcode}))
    expected = (
        ("x.y.cdn.net", "cdn.net") if rcode == "SERVFAIL" else ("www.a", "a")
    )  # the chain is only walked for SERVFAIL and silence: of the others the name asked for is all that is known
    assert (found.failing_name, found.zone) == expected
    if rcode == "SERVFAIL":
        asked = sorted(cut_questions(found))
        assert asked == sorted(
            [*((name, "SOA") for name in ("x.y.cdn.net", "y.cdn.net", "cdn.net", "net")), ("cdn.net", "NS")]
        )
        assert failing_zone(found, "www.a", ["cdn.net"]) == "cdn"


async def test_silent_zone_is_found_in_time() -> None:
    async with Awake() as awake:
        found = await failed(internet({"www.a": "x.cdn.net"}, {"cdn.net": None}))
    assert awake.seconds < 4.0
    assert (kind(found), found.failing_name, found.zone) == (
        FailureType.DNS_TIMED_OUT,
        "x.cdn.net",
        "cdn.net",
    )
    assert "resolver_alive" in found.flags


async def test_deeper_delegation_that_is_dead() -> None:
    found = await failed(internet({"www.a": "x.gslb.cdn.net"}, {"gslb.cdn.net": "SERVFAIL"}))
    assert (found.failing_name, found.zone) == ("x.gslb.cdn.net", "gslb.cdn.net")


async def test_name_that_fails_in_a_zone_that_is_well_is_no_cut() -> None:
    """SERVFAIL for the name alone; the parent denies a delegation by its own SOA."""

    def script(query: Query) -> object:
        if query.name == "www.a" and query.qtype != "NS":
            return reply(query, rcode="SERVFAIL")
        return internet({}, {}, known=("www.a",))(query)

    found = await failed(script)
    assert (kind(found), found.zone) == (FailureType.DNS_SERVER_FAILURE, "a")


async def test_broken_resolver_tells_no_zone() -> None:
    found = await failed(BROKEN["SERVFAIL"])
    assert (kind(found), found.zone) == (FailureType.DNS_SERVER_FAILURE, None)
    assert len(cut_questions(found)) == 2


async def test_another_resolver_tells_where_the_own_one_refuses() -> None:
    other = internet({}, {"a": "SERVFAIL"})
    found = await failed(BROKEN["REFUSED"], other)
    assert (kind(found), found.zone) == (FailureType.DNS_SERVER_FAILURE, None)  # of the one that is alive
    found = await failed(BROKEN["REFUSED"], internet({}, {"www.a": "SERVFAIL"}))
    assert (found.zone, {q.resolver for q in found.queries if q.purpose == "zone_cut"}) == (
        "www.a",
        {found.resolver},
    )


async def test_silence_everywhere_is_asked_nothing() -> None:
    found = await failed(BROKEN["silent"], BROKEN["silent"], deadline_us=300_000)
    assert (found.zone, cut_questions(found)) == (None, [])


async def test_loop_lies_in_the_zone_above_its_name() -> None:
    """A name with an alias is no apex: its parent is asked."""
    found = await failed(internet({"www.a": "x.cdn.net", "x.cdn.net": "www.a"}, {}))
    assert (kind(found), found.failing_name, found.zone) == (
        FailureType.DNS_CNAME_LOOP,
        "x.cdn.net",
        "cdn.net",
    )
    assert cut_questions(found) == [("cdn.net", "SOA")]


async def test_deep_name_costs_no_more_than_nine_questions() -> None:
    deep = ".".join("abcdefghijklmn") + ".cdn.net"
    found = await failed(internet({"www.a": deep}, {"cdn.net": "SERVFAIL"}))
    assert found.zone == "cdn.net"
    assert len(cut_questions(found)) <= 9


async def test_the_deadline_holds_with_a_zone_that_is_silent() -> None:
    async with Awake() as awake:
        found = await failed(internet({"www.a": "x.cdn.net"}, {"cdn.net": None}), deadline_us=300_000)
    assert awake.seconds < 0.9
    assert kind(found) is FailureType.DNS_TIMED_OUT
