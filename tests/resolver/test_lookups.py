"""Addresses of other hosts: literals are not asked for, and an origin may have either IP version."""

from __future__ import annotations

from typing import Any, cast

import pytest

from probe.core.model.task import ProxySpec, VantagePoint
from probe.core.records.dns import Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.resolver.lookups import Lookups
from probe.resolver.resolver import Resolver
from tests.support import build

FOUND = {"A": "192.0.2.9", "AAAA": "2001:db8::9"}
PROXY = ProxySpec(scheme="socks5", host="192.0.2.80", port=1080, resolve="proxy")


class Scripted:
    """A resolver that says for each type what the test wants, and notes what it was asked."""

    def __init__(self, **says: FailureType) -> None:
        self._says = says
        self.asked: list[tuple[str, str]] = []

    async def resolve(self, qname: str, qtype: str, vantage: VantagePoint, **_: Any) -> Resolution:
        self.asked.append((qname, qtype))
        if qtype in self._says:
            return build.unresolved(self._says[qtype], qname)
        return build.resolution(FOUND[qtype])


async def origin(scripted: Scripted, version: int, *carried: int) -> str | Failure:
    task = build.task(ip_version=version, vantage_point=VantagePoint(name="here", ip_versions=carried))
    return await Lookups(cast(Resolver, scripted)).origin_address("origin.example", task, 0)


@pytest.mark.parametrize(("version", "qtype"), [(4, "A"), (6, "AAAA")])
async def test_the_origin_is_found_over_the_tasks_own_version_first(version: int, qtype: str) -> None:
    scripted = Scripted()
    assert await origin(scripted, version) == FOUND[qtype]
    assert scripted.asked == [("origin.example", qtype)]


@pytest.mark.parametrize("without", [FailureType.DNS_NO_DATA, FailureType.DNS_DANGLING_ALIAS])
@pytest.mark.parametrize(("version", "own", "other"), [(4, "A", "AAAA"), (6, "AAAA", "A")])
async def test_an_origin_of_the_other_version_is_asked_there(
    version: int, own: str, other: str, without: FailureType
) -> None:
    scripted = Scripted(**{own: without})
    assert await origin(scripted, version) == FOUND[other]
    assert [qtype for _, qtype in scripted.asked] == [own, other]
    assert await origin(scripted, version, 4, 6) == FOUND[other]


async def test_never_over_a_version_that_the_line_does_not_carry() -> None:
    scripted = Scripted(A=FailureType.DNS_NO_DATA)
    found = await origin(scripted, 4, 4)
    assert isinstance(found, Failure)
    assert (found.type, len(scripted.asked)) == (FailureType.DNS_NO_DATA, 1)


@pytest.mark.parametrize("kind", [FailureType.DNS_TIMED_OUT, FailureType.DNS_NAME_NOT_RESOLVED])
async def test_any_other_failure_stays_what_it_is(kind: FailureType) -> None:
    scripted = Scripted(A=kind)
    found = await origin(scripted, 4)
    assert isinstance(found, Failure)
    assert (found.type, len(scripted.asked)) == (kind, 1)


async def test_without_any_address_the_first_failure_is_told() -> None:
    scripted = Scripted(A=FailureType.DNS_NO_DATA, AAAA=FailureType.DNS_TIMED_OUT)
    assert await origin(scripted, 4) == Failure(phase=Phase.DNS, type=FailureType.DNS_NO_DATA)
    assert len(scripted.asked) == 2


@pytest.mark.parametrize("literal", ["192.0.2.7", "2001:db8::7"])
@pytest.mark.parametrize("proxy", [None, PROXY])
async def test_an_address_is_an_address(literal: str, proxy: ProxySpec | None) -> None:
    """As a redirect may have it: asking the DNS for it would be its refusal, and somebody's fault."""
    scripted = Scripted()
    task = build.task(vantage_point=VantagePoint(name="here", proxy=proxy))
    assert await Lookups(cast(Resolver, scripted)).address(literal, task, 0) == literal
    assert scripted.asked == []
