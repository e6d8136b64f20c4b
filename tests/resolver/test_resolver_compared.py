"""All resolvers of a vantage point at once, and one of them under examination."""

from __future__ import annotations

import re

import pytest

from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType
from probe.resolver.resolver import Resolver
from tests.resolver.test_other_resolvers import BROKEN, GOOD, Setting, purposes
from tests.support.awake import Awake
from tests.support.dns_server import DnsServer, Query, Script, reply, zone
from tests.support.resolving import CLOCK, LOOPBACK, Asking, addresses, kind

OTHER = {"www.a CNAME": ["y.cdn"], "y.cdn A": ["127.0.0.2"]}
SILENT = BROKEN["silent"]


def all_of(setting: Setting) -> VantagePoint:
    return replace(setting.point, resolver_policy="all")


@pytest.mark.parametrize(
    ("scripts", "chosen", "flags"),
    [
        ((zone(GOOD), zone(GOOD)), 0, ()),
        ((zone(GOOD), zone(OTHER)), 0, ("addresses_differ",)),
        ((SILENT, zone(GOOD)), 1, ("resolver_failed",)),
        ((zone(GOOD), BROKEN["REFUSED"], zone(GOOD)), 0, ("resolver_failed",)),
        ((zone({}), zone(GOOD)), 0, ("resolvers_disagree",)),
        ((zone(GOOD), zone({})), 0, ("resolvers_disagree",)),
        ((BROKEN["SERVFAIL"], SILENT), 0, ()),
    ],
)
async def test_each_answers_for_itself(
    scripts: tuple[Script, ...], chosen: int, flags: tuple[str, ...]
) -> None:
    async with Setting(*scripts, deadline_us=400_000) as setting:
        found = await setting.resolve(all_of(setting))
    assert (found.resolver, found.flags) == (setting.names[chosen], flags)
    assert [answer.resolver for answer in found.answers] == setting.names
    for place, name in enumerate(setting.names):
        own = {query.purpose for query in found.queries if query.resolver == name}
        assert own == {"compared" if place else "chain"}
    assert [query.resolver for query in found.queries] == sorted(
        (query.resolver for query in found.queries), key=setting.names.index
    )


async def test_answers_keep_what_each_said() -> None:
    async with Setting(zone(GOOD), zone({}), SILENT, deadline_us=400_000) as setting:
        found = await setting.resolve(all_of(setting))
    first, second, third = found.answers
    assert (first.addresses, first.canonical_name, first.rcode, first.failure) == (
        ("127.0.0.1",),
        "x.cdn",
        "NOERROR",
        None,
    )
    assert second.failure is not None
    assert third.failure is not None
    assert (second.rcode, second.failure.type) == ("NXDOMAIN", FailureType.DNS_NAME_NOT_RESOLVED)
    assert (third.rcode, third.failure.type) == (None, FailureType.DNS_TIMED_OUT)


async def test_all_take_no_longer_than_one() -> None:
    async with Setting(*[SILENT] * 5, deadline_us=300_000) as setting:
        async with Awake() as awake:
            found = await setting.resolve(all_of(setting))
        assert awake.seconds < 0.55
    assert kind(found) is FailureType.DNS_TIMED_OUT
    assert len(found.queries) == 10, "each had its two tries"


async def test_after_a_failure_of_all_the_others_are_not_asked_again() -> None:
    async with Setting(zone({}), BROKEN["SERVFAIL"]) as setting:
        point = all_of(setting)
        found = await setting.resolve(point)
        after = await setting.diagnose(found, point)
    assert after.flags == ("resolver_failed", "other_resolvers_unwell", "resolver_alive")
    assert "other_resolver" not in purposes(after)
    assert [answer.control for answer in after.answers] == ["passed", "failed"]
    assert tuple(replace(answer, control=None) for answer in after.answers) == found.answers


async def test_interrogation_fills_the_answers_in_order() -> None:
    async with Setting(BROKEN["SERVFAIL"], zone(GOOD)) as setting:
        after = await setting.diagnose(await setting.resolve(setting.only(0)))
        assert [answer.resolver for answer in after.answers] == setting.names
        assert [answer.addresses for answer in after.answers] == [(), ("127.0.0.1",)]


# --- examined -------------------------------------------------------------------------------------


def inventing(honest: dict[str, list[str]], spared: str = "none.such") -> Script:
    """Gives an address for every name that does not exist, except those under `spared`."""
    truthful = zone(honest)

    def script(query: Query) -> object:
        if query.name in {key.split()[0] for key in honest} or query.name.endswith(f".{spared}"):
            return truthful(query)
        return reply(query, f"{query.name}. 60 A 127.0.0.66")

    return script


def wildcard(query: Query) -> object:
    if query.name.endswith(".invalid"):
        return zone({})(query)
    return reply(query, f"{query.name}. 60 A 127.0.0.1")


async def examined(setting: Setting, qtype: str = "A", **more: object) -> Resolution:
    point = replace(setting.point, **more)
    start_ns = CLOCK.monotonic_ns()
    found = await setting.resolver.resolve("www.a", qtype, point, slot_start_ns=start_ns)
    return await setting.resolver.examine_resolver(found, point, slot_start_ns=start_ns, deadline_us=600_000)


async def test_inventor_is_caught_alone() -> None:
    async with Setting(inventing(GOOD)) as setting:
        found = await examined(setting)
    assert found.flags == ("nxdomain_rewritten", "no_other_resolver")
    asked = [query.qname for query in found.queries if query.purpose == "rewriting"]
    assert len(asked) == 2
    assert re.fullmatch(r"[0-9a-f]{20}\.invalid", asked[0])
    assert re.fullmatch(r"[0-9a-f]{20}\.cdn", asked[1])
    assert addresses(found) == ["127.0.0.1"], "what was resolved stays"


async def test_names_are_new_each_time() -> None:
    async with Setting(zone(GOOD)) as setting:
        names = {
            query.qname
            for _ in range(3)
            for query in (await examined(setting)).queries
            if query.purpose == "rewriting"
        }
    assert len(names) == 6


async def test_honest_resolver() -> None:
    async with Setting(zone(GOOD), zone(GOOD)) as setting:
        found = await examined(setting)
        assert found.flags == ()
        assert [answer.resolver for answer in found.answers] == setting.names
        assert purposes(found) == {"chain", "rewriting", "other_resolver"}


async def test_wildcard_is_no_proof() -> None:
    """A real zone may hold every name; both resolvers say so."""
    async with Setting(wildcard, wildcard) as setting:
        assert (await examined(setting)).flags == ()
    async with Setting(wildcard) as setting:
        assert (await examined(setting)).flags == ("no_other_resolver",)


async def test_search_page_that_spares_the_reserved_name_needs_a_second_opinion() -> None:
    sly = inventing(GOOD, spared="invalid")
    async with Setting(sly) as setting:
        assert (await examined(setting)).flags == ("no_other_resolver",)
    async with Setting(sly, zone(GOOD)) as setting:
        assert (await examined(setting)).flags == ("nxdomain_rewritten",)
    async with Setting(sly, BROKEN["SERVFAIL"]) as setting:
        assert (await examined(setting)).flags == ()


async def test_second_opinion_that_invents_accuses_nobody_else() -> None:
    async with Setting(zone(GOOD), inventing(GOOD)) as setting:
        assert (await examined(setting)).flags == ()


async def test_address_that_nobody_else_was_given() -> None:
    async with Setting(zone({"www.a A": ["127.0.0.9"]}), zone(GOOD)) as setting:
        found = await examined(setting)
    assert found.flags == ("addresses_differ",)
    assert [answer.addresses for answer in found.answers] == [("127.0.0.9",), ("127.0.0.1",)]


async def test_others_asked_in_the_slot_already_are_not_asked_for_the_name_again() -> None:
    async with Setting(zone(GOOD), zone(OTHER)) as setting:
        found = await examined(setting, resolver_policy="all")
        assert [query.name for query in setting.servers[1].queries].count("www.a") == 1
    assert found.flags == ("addresses_differ",)
    assert len(found.answers) == 2


async def test_examination_keeps_the_deadline() -> None:
    def only_the_name(query: Query) -> object:
        return zone(GOOD)(query) if query.name == "www.a" else None

    async with Setting(only_the_name, SILENT) as setting:
        async with Awake() as awake:
            found = await examined(setting)
        assert awake.seconds < 1.2
    assert found.flags == ()


async def test_inventor_over_every_transport(ask: Asking) -> None:
    async with ask.server(inventing(GOOD)) as server:
        point = VantagePoint(name="v", resolvers=(ask.spec(server),))
        resolver, start_ns = Resolver(CLOCK, LOOPBACK), CLOCK.monotonic_ns()
        found = await resolver.resolve("www.a", "A", point, slot_start_ns=start_ns)
        seen = await resolver.examine_resolver(found, point, slot_start_ns=start_ns)
    assert "nxdomain_rewritten" in seen.flags


async def test_what_no_resolver_gave_is_not_examined() -> None:
    async with DnsServer(zone(GOOD)) as server:
        spec = ResolverSpec(transport="udp", address="127.0.0.1", port=server.port)
        point = VantagePoint(name="v", resolvers=(spec,))
        resolver = Resolver(CLOCK, LOOPBACK)
        literal = await resolver.resolve("a..b", "A", point, slot_start_ns=0)
        assert await resolver.examine_resolver(literal, point, slot_start_ns=0) is literal
        assert server.queries == []
