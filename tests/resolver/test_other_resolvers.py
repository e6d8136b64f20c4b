"""Several resolvers: hostile row 16, and what is asked after a failure."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from probe.core.dns.fault_zone import failing_zone
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType, Phase
from probe.host.clock import SystemClock
from probe.resolver.resolv_conf import system_resolvers
from probe.resolver.resolver import Resolver
from tests.support.awake import Awake
from tests.support.dns_server import DnsServer, Query, Script, beside_the_root, reply, root, zone

CLOCK = SystemClock()
GOOD = {"www.a CNAME": ["x.cdn"], "x.cdn A": ["127.0.0.1"]}
BROKEN: dict[str, Script] = {
    "SERVFAIL": lambda query: reply(query, rcode="SERVFAIL"),
    "REFUSED": lambda query: reply(query, rcode="REFUSED"),
    "FORMERR": lambda query: reply(query, rcode="FORMERR"),
    "NOTIMP": lambda query: reply(query, rcode="NOTIMP"),
    "lame": lambda query: reply(query, authority=[". 60 NS a.root."], flags=""),
    "silent": lambda query: None,
    "malformed": lambda query: b"rubbish",
}
CODES = {
    "SERVFAIL": FailureType.DNS_SERVER_FAILURE,
    "REFUSED": FailureType.DNS_REFUSED,
    "FORMERR": FailureType.DNS_FORMAT_ERROR,
    "NOTIMP": FailureType.DNS_ERROR_RCODE,
    "lame": FailureType.DNS_LAME,
    "silent": FailureType.DNS_TIMED_OUT,
    "malformed": FailureType.DNS_MALFORMED,
}


class Setting:
    """Servers for some scripts, and a vantage point that asks them in that order."""

    def __init__(self, *scripts: Script | None, deadline_us: int = 600_000) -> None:
        self._scripts = scripts
        self._stack = AsyncExitStack()
        self._deadline_us = deadline_us
        self.resolver = Resolver(CLOCK, ("127.0.0.0/8",))

    async def __aenter__(self) -> Setting:
        self.servers = [
            await self._stack.enter_async_context(
                DnsServer(script or (lambda query: None), udp=script is not None)
            )
            for script in self._scripts
        ]
        specs = tuple(ResolverSpec(transport="udp", address="127.0.0.1", port=s.port) for s in self.servers)
        self.names = [str(spec) for spec in specs]
        self.point = VantagePoint(name="v", resolvers=specs)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def only(self, *places: int) -> VantagePoint:
        return replace(self.point, resolvers=tuple(self.point.resolvers[i] for i in places))

    async def resolve(self, point: VantagePoint | None = None) -> Resolution:
        return await self.resolver.resolve(
            "www.a",
            "A",
            point or self.point,
            slot_start_ns=CLOCK.monotonic_ns(),
            deadline_us=self._deadline_us,
        )

    async def diagnose(self, resolution: Resolution, point: VantagePoint | None = None) -> Resolution:
        return await self.resolver.diagnose(
            resolution,
            point or self.point,
            slot_start_ns=CLOCK.monotonic_ns(),
            deadline_us=self._deadline_us,
        )


def kind(resolution: Resolution) -> FailureType | None:
    return resolution.failure.type if resolution.failure else None


def purposes(resolution: Resolution) -> set[str]:
    return {query.purpose for query in resolution.queries}


# --- in order -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", BROKEN)
async def test_the_next_resolver_answers(how: str) -> None:
    async with Setting(BROKEN[how], zone(GOOD)) as setting:
        found = await setting.resolve()
        assert [record.address for record in found.addresses] == ["127.0.0.1"]
        assert (found.failure, found.resolver) == (None, setting.names[1])
        assert found.flags == ("resolver_failed",)
        assert {link.resolver for link in found.cname_chain} == {setting.names[1]}
        assert [query.resolver for query in found.queries][-1] == setting.names[1]
        if how != "lame":  # a proper message, that only the walk finds out
            assert found.queries[0].failure is not None
            assert found.queries[0].failure.type is CODES[how]


async def test_closed_port_leads_to_the_next() -> None:
    async with Setting(None, zone(GOOD)) as setting:
        found = await setting.resolve()
    assert (found.failure, found.flags) == (None, ("resolver_failed",))
    assert found.queries[0].failure is not None
    assert found.queries[0].failure.type is FailureType.DNS_UNREACHABLE


@pytest.mark.parametrize("how", BROKEN)
async def test_where_all_fail_the_first_failure_counts(how: str) -> None:
    async with Setting(BROKEN[how], None) as setting:
        found = await setting.resolve()
        assert (kind(found), found.resolver, found.failing_name) == (CODES[how], setting.names[0], "www.a")
        assert {query.resolver for query in found.queries} == set(setting.names)
        assert found.flags == ()


@pytest.mark.parametrize("silent", [1, 2, 3, 4])
async def test_silent_resolvers_leave_the_last_one_its_time(silent: int) -> None:
    async with Setting(*[BROKEN["silent"]] * silent, zone(GOOD), deadline_us=900_000) as setting:
        found = await setting.resolve()
    assert (found.failure, found.flags) == (None, ("resolver_failed",))


@pytest.mark.parametrize("records", [{}, {"www.a TXT": ["x"]}, {"www.a CNAME": ["gone.cdn"]}])
async def test_a_negative_answer_is_an_answer(records: dict[str, list[str]]) -> None:
    async with Setting(zone(records), zone(GOOD)) as setting:
        found = await setting.resolve()
        assert found.failure is not None
        assert setting.servers[1].queries == []


async def test_failure_in_the_middle_of_the_chain_starts_again_at_the_next() -> None:
    first = zone({"www.a CNAME": ["x.cdn"], "x.cdn": "SERVFAIL"}, recursive=False)
    async with Setting(first, zone(GOOD)) as setting:
        found = await setting.resolve()
        assert {link.resolver for link in found.cname_chain} == {setting.names[1]}
    assert found.addresses


async def test_the_walk_stays_with_the_resolver_that_works() -> None:
    async with Setting(BROKEN["SERVFAIL"], zone(GOOD, recursive=False)) as setting:
        await setting.resolve()
        assert [len(server.queries) for server in setting.servers] == [1, 2]


# --- after a failure ------------------------------------------------------------------------------


async def test_another_resolver_clears_the_cdn() -> None:
    """The slot can go on with the other's addresses; the failure of the first stays in the queries."""
    async with Setting(BROKEN["SERVFAIL"], zone(GOOD)) as setting:
        found = await setting.resolve(setting.only(0))
        assert kind(found) is FailureType.DNS_SERVER_FAILURE
        after = await setting.diagnose(found)
        assert (after.failure, after.failing_name, after.resolver) == (None, None, setting.names[1])
        assert [record.address for record in after.addresses] == ["127.0.0.1"]
        assert after.flags == ("resolver_failed", "other_resolver_answered", "resolver_alive")
        assert after.queries[: len(found.queries)] == found.queries
        assert after.queries[0].failure is not None
        others = [query for query in after.queries if query.purpose == "other_resolver"]
        assert {query.resolver for query in others} == {setting.names[1]}


async def test_all_others_fail_too() -> None:
    async with Setting(BROKEN["SERVFAIL"], BROKEN["REFUSED"], None) as setting:
        after = await setting.diagnose(await setting.resolve())
    assert kind(after) is FailureType.DNS_SERVER_FAILURE
    assert after.flags == ("other_resolvers_unwell", "resolver_unwell")


async def test_all_others_fail_too_and_are_alive() -> None:
    scripts = [beside_the_root(BROKEN[how]) for how in ("SERVFAIL", "REFUSED")]
    async with Setting(*scripts, None) as setting:
        after = await setting.diagnose(await setting.resolve())
    assert kind(after) is FailureType.DNS_SERVER_FAILURE
    assert after.flags == ("other_resolvers_failed", "resolver_alive", "authority_unproven")
    assert [answer.control for answer in after.answers] == ["passed", "passed", "silent"]


@pytest.mark.parametrize(
    ("first", "second", "flags"),
    [
        ({}, GOOD, ("other_resolver_answered", "resolvers_disagree", "resolver_alive")),
        ({"www.a TXT": ["x"]}, GOOD, ("other_resolver_answered", "resolvers_disagree", "resolver_alive")),
        ({}, {}, ("other_resolvers_failed", "resolver_alive")),
        ({}, {"www.a TXT": ["x"]}, ("other_resolvers_failed", "resolvers_disagree", "resolver_alive")),
        ({}, {"www.a": "SERVFAIL"}, ("other_resolvers_failed", "resolver_alive")),
        (
            {"www.a A": ["10.0.0.1"]},
            GOOD,
            ("other_resolver_answered", "resolvers_disagree", "resolver_alive"),
        ),
    ],
)
async def test_an_answer_stands_even_where_others_differ(
    first: dict[str, list[str]], second: dict[str, list[str]], flags: tuple[str, ...]
) -> None:
    async with Setting(zone(first), zone(second)) as setting:
        found = await setting.resolve()
        after = await setting.diagnose(found)
        assert (after.failure, after.resolver, after.failing_name) == (
            found.failure,
            setting.names[0],
            "www.a",
        )
        assert tuple(flag for flag in after.flags if flag != "bogus_address") == flags
        assert after.addresses == found.addresses


async def test_control_tells_a_dead_resolver_from_a_dead_name() -> None:
    def only_the_root(query: Query) -> object:
        return reply(query, ". 60 NS a.root.") if query.name == "." else None

    async with Setting(only_the_root, BROKEN["silent"]) as setting:
        alive = await setting.diagnose(await setting.resolve(setting.only(0)), setting.only(0))
        silent = await setting.diagnose(await setting.resolve(setting.only(1)), setting.only(1))
    assert (kind(alive), alive.flags) == (
        FailureType.DNS_TIMED_OUT,
        (
            "no_other_resolver",
            "resolver_alive",
            "authority_unproven",
        ),  # it tells of no top-level domain either
    )
    assert (kind(silent), silent.flags) == (
        FailureType.DNS_TIMED_OUT,
        ("no_other_resolver", "resolver_silent"),
    )
    control = [query for query in alive.queries if query.purpose == "control"]
    assert [(query.qname, query.qtype, query.rcode) for query in control] == [(".", "NS", "NOERROR")]


UNWELL: dict[str, Script] = {
    **{
        rcode: lambda query, rcode=rcode: reply(query, rcode=rcode)
        for rcode in ("REFUSED", "SERVFAIL", "NXDOMAIN")
    },
    "NOTIMP": lambda query: reply(query, rcode="NOTIMP"),
    "empty": lambda query: reply(query),
    "invented": lambda query: None if query.name == "www.a" else reply(query, "www.portal. 60 A 192.0.2.80"),
    "root of another": lambda query: reply(query, "a. 60 NS ns.a."),
    "malformed": lambda query: b"rubbish",
}


@pytest.mark.parametrize("how", UNWELL)
async def test_only_the_roots_servers_mean_alive(how: str) -> None:
    """Whoever says this to the control question says as little of a customer's zone."""
    async with Setting(UNWELL[how]) as setting:
        after = await setting.diagnose(await setting.resolve())
    assert {"resolver_alive", "resolver_unwell", "resolver_silent"} & set(after.flags) == {"resolver_unwell"}
    assert [answer.control for answer in after.answers] == ["failed"]


async def test_a_resolver_that_is_alive_goes_before_one_that_is_not() -> None:
    """The first one's NXDOMAIN to everything is no answer of the DNS."""
    async with Setting(UNWELL["NXDOMAIN"], zone(GOOD)) as setting:
        after = await setting.diagnose(await setting.resolve())
        assert (after.failure, after.resolver) == (None, setting.names[1])
    assert after.flags == ("resolver_failed", "other_resolver_answered", "resolver_alive")


async def test_addresses_of_a_resolver_that_is_not_alive_are_not_followed() -> None:
    def invents(query: Query) -> object:
        return reply(query, f"{query.name}. 60 A 127.0.0.1")

    async with Setting(beside_the_root(BROKEN["SERVFAIL"]), invents) as setting:
        after = await setting.diagnose(await setting.resolve(setting.only(0)))
    assert kind(after) is FailureType.DNS_SERVER_FAILURE
    assert after.flags == ("other_resolvers_unwell", "resolver_alive", "authority_unproven")


async def test_our_own_host_in_the_way_says_nothing_about_the_resolver() -> None:
    async with Setting(zone(GOOD)) as setting:
        point = replace(setting.point, source_v4="203.0.113.77")
        after = await setting.diagnose(await setting.resolve(point), point)
    assert after.failure is not None
    assert after.failure.phase is Phase.HOST
    assert after.flags == ("no_other_resolver",)


def recursive_with_dead_end(query: Query) -> object:
    """As unbound and BIND do where the CDN's servers are dead: SERVFAIL for the customer's name, chain not told."""
    aliases = {"www.a": "x.cdn.net", "x.cdn.net": "y.cdn.net"}
    if query.qtype == "CNAME" and query.name in aliases:
        return reply(query, f"{query.name}. 60 CNAME {aliases[query.name]}.")
    return root(query) if query.name == "." else reply(query, rcode="SERVFAIL")


async def test_alias_walk_finds_whose_zone_is_dead_behind_a_servfail() -> None:
    async with Setting(recursive_with_dead_end) as setting:
        found = await setting.resolve()
        assert (found.failing_name, failing_zone(found, "www.a", ["cdn.net"])) == ("www.a", "customer")
        after = await setting.diagnose(found)
    assert after.failure == found.failure
    assert [(link.owner, link.target) for link in after.cname_chain] == [
        ("www.a", "x.cdn.net"),
        ("x.cdn.net", "y.cdn.net"),
    ]
    assert (after.failing_name, after.canonical_name) == ("y.cdn.net", "y.cdn.net")
    assert failing_zone(after, "www.a", ["cdn.net"]) == "cdn"
    assert after.flags == ("no_other_resolver", "resolver_alive", "alias_walked", "authority_unproven")
    assert [query.qname for query in after.queries if query.purpose == "alias"] == [
        "www.a",
        "x.cdn.net",
        "y.cdn.net",
    ]


async def test_alias_walk_that_leads_nowhere_changes_nothing() -> None:
    async with Setting(BROKEN["SERVFAIL"]) as setting:
        found = await setting.resolve()
        after = await setting.diagnose(found)
    assert (after.failing_name, after.cname_chain) == ("www.a", ())
    assert "alias_walked" not in after.flags


async def test_interrogation_keeps_the_deadline() -> None:
    async with Setting(*[BROKEN["silent"]] * 4, deadline_us=300_000) as setting:
        found = await setting.resolve()
        async with Awake() as awake:
            after = await setting.diagnose(found)
        assert awake.seconds < 0.45
    assert after.flags == ("other_resolvers_unwell", "resolver_silent")
    assert purposes(after) == {"chain", "control", "other_resolver", "alias"}


async def test_a_success_is_not_interrogated() -> None:
    async with Setting(zone(GOOD), zone(GOOD)) as setting:
        found = await setting.resolve()
        assert await setting.diagnose(found) is found
        assert setting.servers[1].queries == []


# --- the host's own resolvers ---------------------------------------------------------------------


def test_resolv_conf(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# nameserver 192.0.2.9\nsearch a.example\nnameserver 192.0.2.1\n"
        "nameserver\nnameserver\t2001:db8::53\nnameserver fe80::1%eth0\nnameserver not.an.address\n"
        "nameserver 192.0.2.1\nnameserver 192.0.2.4\noptions edns0\n"
    )
    assert [str(spec) for spec in system_resolvers(path)] == [
        "udp://192.0.2.1:53",
        "udp://[2001:db8::53]:53",
        "udp://[fe80::1%eth0]:53",
    ]


@pytest.mark.parametrize("text", [None, "", "search a.example\n"])
def test_without_nameservers_this_host_is_asked(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    assert [str(spec) for spec in system_resolvers(path)] == ["udp://127.0.0.1:53"]


async def test_vantage_point_without_resolvers_reads_the_hosts_once(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.153\n")
    resolver = Resolver(CLOCK, resolv_conf=path)
    for text in ("nameserver 127.0.0.154\n", ""):
        found = await resolver.resolve(
            "www.a", "A", VantagePoint(name="v"), slot_start_ns=0, deadline_us=100_000
        )
        assert found.resolver == "udp://127.0.0.153:53"
        assert kind(found) is FailureType.DNS_UNREACHABLE
        path.write_text(text)
