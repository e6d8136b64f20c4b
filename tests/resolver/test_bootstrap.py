"""A resolver given by name: found once by the host's own resolver, asked by address, verified by name."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import trustme

from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.host.clock import SystemClock
from probe.resolver.bootstrap import NamedResolvers
from probe.resolver.resolver import Resolver
from tests.resolver.test_resolver_transports import tls_server

NAME = "dns.example"
BY_NAME = ResolverSpec(transport="tls", address=NAME, port=853, tls_name=NAME)


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The host's resolver knows NAME as 127.0.0.1 and nothing else; what it was asked."""
    asked: list[str] = []

    async def answer(self: object, host: str, port: object, **_: Any) -> list[Any]:
        asked.append(host)
        if host != NAME:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answer)
    return asked


async def test_name_is_looked_up_once_and_addresses_not_at_all(looked_up: list[str]) -> None:
    plain = ResolverSpec(transport="udp", address="192.0.2.53", port=53)
    named = NamedResolvers()
    for _ in range(3):
        found = await named.located((BY_NAME, plain), 1.0)
        assert found == (replace(BY_NAME, address="127.0.0.1"), plain)
    assert looked_up == [NAME]


async def test_unknown_name_stays_and_is_tried_again(looked_up: list[str]) -> None:
    unknown = replace(BY_NAME, address="nowhere.example")
    named = NamedResolvers()
    assert await named.located((unknown,), 1.0) == (unknown,)
    assert await named.located((unknown,), 1.0) == (unknown,)
    assert looked_up == ["nowhere.example"] * 2


async def test_look_up_through_a_resolver_by_name(looked_up: list[str], tmp_path: Any) -> None:
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with tls_server(authority, NAME) as server:
        spec = replace(BY_NAME, port=server.port, tls_ca=str(ca_file))
        vantage = VantagePoint(name="v", resolvers=(spec,))
        clock = SystemClock()
        resolver = Resolver(clock, ("127.0.0.0/8",))
        found = await resolver.resolve("www.a", "A", vantage, slot_start_ns=clock.monotonic_ns())
        assert len(server.queries) >= 1
    assert (found.failure, found.transport) == (None, "tls")


async def test_resolver_whose_name_is_unknown_is_unreachable_and_not_our_defect(looked_up: list[str]) -> None:
    vantage = VantagePoint(name="v", resolvers=(replace(BY_NAME, address="nowhere.example"),))
    clock = SystemClock()
    found = await Resolver(clock).resolve(
        "www.acme.example", "A", vantage, slot_start_ns=clock.monotonic_ns()
    )
    assert found.failure is not None
    assert found.failure.type is FailureType.DNS_UNREACHABLE
