"""Several resolvers' answers side by side."""

from __future__ import annotations

import pytest

from probe.core.dns.answers import answer_of, compared, differences, in_order
from probe.core.model.value import replace
from probe.core.records.dns import AddressRecord, DnsQuery, Resolution
from probe.core.records.failure import Failure, FailureType, Phase

ONE, TWO = ("192.0.2.1",), ("192.0.2.2",)
GONE, SILENT = FailureType.DNS_NAME_NOT_RESOLVED, FailureType.DNS_TIMED_OUT
SERVFAIL, EMPTY = FailureType.DNS_SERVER_FAILURE, FailureType.DNS_NO_DATA
Said = tuple[str, ...] | FailureType


def resolution(said: Said, name: str) -> Resolution:
    failure = Failure(phase=Phase.DNS, type=said) if isinstance(said, FailureType) else None
    addresses = () if isinstance(said, FailureType) else said
    return Resolution(
        qname="www.a", qtype="A", rcode="NOERROR", cname_chain=(), canonical_name="www.a",
        addresses=tuple(AddressRecord(address=address, ttl_s=5) for address in addresses), ttl_s=5,
        resolver=name, transport="udp", failing_name="www.a" if failure else None, failure=failure,
        queries=(DnsQuery(qname="www.a", qtype="A", resolver=name, transport="udp"),),
    )  # fmt: skip


def asked(*said: Said) -> list[Resolution]:
    return [resolution(one, f"r{place}") for place, one in enumerate(said)]


@pytest.mark.parametrize(
    ("said", "chosen", "flags"),
    [
        ((ONE,), "r0", ()),
        ((ONE, ONE), "r0", ()),
        ((("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1")), "r0", ()),
        ((ONE, TWO), "r0", ("addresses_differ",)),
        ((SILENT, ONE), "r1", ("resolver_failed",)),
        ((ONE, SERVFAIL), "r0", ("resolver_failed",)),
        ((SILENT, ONE, TWO), "r1", ("resolver_failed", "addresses_differ")),
        ((GONE, ONE), "r0", ("resolvers_disagree",)),
        ((ONE, GONE), "r0", ("resolvers_disagree",)),
        ((GONE, EMPTY), "r0", ("resolvers_disagree",)),
        ((GONE, GONE), "r0", ()),
        ((SERVFAIL, GONE, ONE, TWO), "r1", ("resolver_failed", "resolvers_disagree", "addresses_differ")),
        ((SILENT, SERVFAIL), "r0", ()),
    ],
)
def test_compared(said: tuple[Said, ...], chosen: str, flags: tuple[str, ...]) -> None:
    found = compared(asked(*said))
    assert (found.resolver, found.flags) == (chosen, flags)
    assert [answer.resolver for answer in found.answers] == [f"r{place}" for place in range(len(said))]
    assert [query.resolver for query in found.queries] == [answer.resolver for answer in found.answers]


def test_in_order() -> None:
    found = in_order(asked(SILENT, ONE))
    assert (found.resolver, found.flags, len(found.queries), found.answers) == (
        "r1",
        ("resolver_failed",),
        2,
        (),
    )
    assert in_order(asked(SILENT, SERVFAIL)).resolver == "r0"
    assert in_order(asked(SILENT, SERVFAIL)).flags == ()


def test_answer_keeps_what_was_said() -> None:
    said = replace(resolution(ONE, "r0"), ecs_scope=24, canonical_name="x.cdn")
    answer = answer_of(said)
    assert (answer.resolver, answer.rcode, answer.canonical_name) == ("r0", "NOERROR", "x.cdn")
    assert (answer.addresses, answer.ttl_s, answer.ecs_scope, answer.failure) == (ONE, 5, 24, None)


def test_nothing_said_differs_in_nothing() -> None:
    assert differences(()) == ()
    assert differences([answer_of(resolution(SILENT, "r0"))]) == ()
