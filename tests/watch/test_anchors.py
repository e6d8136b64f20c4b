"""Anchors of every scheme against real servers on loopback: what counts as a reaction, and what is recorded."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from probe.core.model.task import AnchorSpec, Deadlines, ProxySpec, VantagePoint
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.vantage.health import counted
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock
from probe.watch.anchors import AnchorRequest, ask_anchors
from tests.support.awake import Awake
from tests.support.dns_server import DnsServer, Query, reply, zone
from tests.support.http_server import response, serve

CLOCK = SystemClock()
LOOPBACK = ("127.0.0.0/8", "::1/128")
QUICK = Deadlines(total_us=800_000, connect_us=800_000, tls_us=800_000, first_byte_us=800_000)


async def nowhere(host: str) -> str | Failure:
    return Failure(phase=Phase.DNS, type=FailureType.DNS_NAME_NOT_RESOLVED, operation="resolve", detail=host)


async def ask(
    *anchors: AnchorSpec,
    allow: tuple[str, ...] = LOOPBACK,
    ip_version: int = 4,
    within_us: int | None = None,
    find: Any = nowhere,
    **vantage: Any,
) -> tuple[Observation, ...]:
    request = AnchorRequest(
        vantage=VantagePoint(name="v", anchors=anchors, **vantage),
        ip_version=ip_version,
        deadlines=QUICK,
        slot_start_ns=CLOCK.monotonic_ns(),
        find=find,
        within_us=within_us,
    )
    return await ask_anchors(request, HttpFetcher(CLOCK, str, allow), CLOCK)


def dns(port: int, path: str = "/.", host: str = "127.0.0.1") -> AnchorSpec:
    return AnchorSpec(scheme="dns", host=host, port=port, path=path)


def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- DNS ----------------------------------------------------------------------------------------------


async def test_a_dns_anchor_is_recorded_as_an_observation() -> None:
    async with DnsServer(zone({})) as server:
        (made,) = await ask(dns(server.port))
    assert (made.role, made.method, made.address, made.port) == (
        Role.ANCHOR,
        "DNS",
        "127.0.0.1",
        server.port,
    )
    assert (made.failure, made.url) == (None, f"dns://127.0.0.1:{server.port}/.")
    timing = made.timing
    assert timing.request_start_us is not None
    assert timing.response_start_us is not None
    assert 0 <= timing.request_start_us <= timing.response_start_us == timing.response_end_us
    (query,) = server.queries
    assert (query.name, query.qtype, query.transport, query.ecs) == (".", "NS", "udp", None)


async def test_a_dns_anchor_asks_for_its_name_and_from_the_vantage_points_source() -> None:
    async with DnsServer(zone({"www.example.net A": ["192.0.2.1"]})) as server:
        (made,) = await ask(
            dns(server.port, "/www.example.net"), source_v4="127.0.0.9", client_subnet="203.0.113.0/24"
        )
    assert made.failure is None
    (query,) = server.queries
    assert (query.name, query.qtype, query.peer) == ("www.example.net", "A", "127.0.0.9")
    assert query.ecs is None, "an anchor is no look-up for a user"


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"])
async def test_any_dns_response_proves_the_line(rcode: str) -> None:
    async with DnsServer(lambda query: reply(query, rcode=rcode)) as server:
        (made,) = await ask(dns(server.port))
    assert made.failure is None


async def test_a_truncated_response_proves_it_too() -> None:
    async with DnsServer(lambda query: reply(query, flags="RA TC"), tcp=False) as server:
        (made,) = await ask(dns(server.port))
    assert made.failure is None


async def test_one_lost_datagram_is_no_dead_line_and_stays_on_record() -> None:
    seen: list[Query] = []

    def second(query: Query) -> object:
        seen.append(query)
        return reply(query) if len(seen) > 1 else None

    async with DnsServer(second) as server:
        lost, answered = await ask(dns(server.port))
    assert lost.failure is not None
    assert (lost.failure.type, answered.failure) == (FailureType.DNS_TIMED_OUT, None)
    assert counted([lost, answered]) == (1, 1)
    assert len(server.queries) == 2, "one request on the wire for each observation"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (lambda query: None, FailureType.DNS_TIMED_OUT),
        (lambda query: b"rubbish", FailureType.DNS_MALFORMED),
    ],
)
async def test_silence_and_rubbish_prove_nothing(script: Any, kind: FailureType) -> None:
    async with DnsServer(script) as server:
        made = await ask(dns(server.port))
    assert [o.failure.type for o in made if o.failure is not None] == [kind, kind]
    assert counted(made) == (1, 0)
    assert len(server.queries) == 2, "and no third time"


async def test_silence_within_a_limit_is_called_by_its_name_and_both_tries_are_on_record() -> None:
    async with DnsServer(lambda query: None) as server:
        made = await ask(dns(server.port), within_us=QUICK.connect_us)
    assert [o.failure.type for o in made if o.failure is not None] == [FailureType.DNS_TIMED_OUT] * 2
    assert all(o.timing.connect_start_us is not None for o in made)


async def test_a_closed_port_is_not_tried_twice() -> None:
    made = await ask(dns(closed_port(socket.SOCK_DGRAM)))
    assert [o.failure.type for o in made if o.failure is not None] == [FailureType.DNS_UNREACHABLE]


async def test_a_source_that_is_gone_is_the_lines() -> None:
    made = await ask(dns(53), source_v4="203.0.113.77")
    assert [o.failure.type for o in made if o.failure] == [FailureType.VANTAGE_SOURCE_UNAVAILABLE]
    assert counted(made) == (1, 0)


async def test_a_dns_anchor_over_ipv6() -> None:
    async with DnsServer(zone({}), host="::1") as server:
        (made,) = await ask(dns(server.port, host="::1"), dns(1), ip_version=6)
    assert (made.failure, made.url) == (None, f"dns://[::1]:{server.port}/.")


async def test_dns_does_not_go_through_a_proxy_and_the_others_do() -> None:
    dead = ProxySpec(scheme="socks5", host="127.0.0.1", port=closed_port())
    async with DnsServer(zone({})) as server, serve(response()) as web:
        http = AnchorSpec(scheme="http", host="127.0.0.1", port=web.port)
        asked, through = await ask(dns(server.port), http, proxy=dead)
    assert (asked.failure, asked.proxy) == (None, None)
    assert through.failure is not None
    assert (through.failure.type, through.proxy) == (FailureType.VANTAGE_PROXY_UNREACHABLE, str(dead))
    assert web.requests == []
    assert counted([asked, through]) == (1, 0), "the way that requests take is offline"


# --- http and tcp -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_any_response_of_an_http_anchor_will_do(status: int) -> None:
    async with serve(response(b"", status=status)) as web:
        (made,) = await ask(AnchorSpec(scheme="http", host="127.0.0.1", port=web.port, path="/ok"))
    assert made.response is not None
    assert (made.response.status_code, counted([made])) == (status, (1, 1))


async def test_a_large_page_is_not_taken_in_and_counts() -> None:
    async with serve(response(b"x" * 3_000_000)) as web:
        (made,) = await ask(AnchorSpec(scheme="http", host="127.0.0.1", port=web.port))
    assert made.response is not None
    assert (made.response.encoded_body_bytes or 0) < 1_000_000
    assert counted([made]) == (1, 1)


async def test_a_connection_is_all_that_a_tcp_anchor_is_asked_for() -> None:
    async with serve(response()) as web:
        (made,) = await ask(AnchorSpec(scheme="tcp", host="127.0.0.1", port=web.port))
    assert (made.failure, made.method, counted([made])) == (None, "CONNECT", (1, 1))


async def test_a_refusal_is_no_reaction_of_the_anchor() -> None:
    port = closed_port()
    made = await ask(AnchorSpec(scheme="tcp", host="127.0.0.1", port=port))
    assert [o.failure.type for o in made if o.failure] == [FailureType.TCP_REFUSED]
    assert counted(made) == (1, 0)


async def test_an_anchor_that_the_address_policy_forbids_was_never_asked() -> None:
    async with serve(response()) as web:
        made = await ask(AnchorSpec(scheme="http", host="127.0.0.1", port=web.port), allow=())
    assert [o.failure.type for o in made if o.failure] == [FailureType.TCP_ADDRESS_BLOCKED]
    assert (counted(made), web.requests) == ((0, 0), [])


async def test_a_name_is_looked_up_and_one_that_is_not_found_is_not_reached() -> None:
    async def find(host: str) -> str | Failure:
        return "127.0.0.1" if host == "anchor.example" else await nowhere(host)

    async with serve(response()) as web:
        made = await ask(
            AnchorSpec(scheme="http", host="anchor.example", port=web.port),
            AnchorSpec(scheme="http", host="gone.example", port=web.port),
            find=find,
        )
    assert [o.address for o in made] == ["127.0.0.1", "gone.example"]
    assert made[1].failure is not None
    assert (made[1].failure.type, made[1].failure.detail) == (
        FailureType.DNS_NAME_NOT_RESOLVED,
        "gone.example",
    )
    assert counted(made) == (2, 1)


async def test_all_are_asked_at_once_and_within_the_time_whatever_each_does() -> None:
    async def mute(*_: Any) -> str | Failure:
        await asyncio.sleep(3600)
        raise AssertionError

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # its queue is full: further ones get no answer
            silent = [AnchorSpec(scheme="http", host="127.0.0.1", port=port, path=f"/{n}") for n in range(5)]
            named = AnchorSpec(scheme="http", host="slow.example", port=80)
            async with Awake() as awake:
                made = await ask(*silent, named, find=mute, within_us=400_000)
    assert len(made) == 6
    assert all(o.failure is not None for o in made)
    assert counted(made) == (6, 0)
    assert awake.seconds < 2 * 0.4, "one after the other they wait six times as long"


async def test_no_anchors_no_round() -> None:
    assert await ask() == ()
