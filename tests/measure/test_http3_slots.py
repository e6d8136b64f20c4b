"""Whole slots over HTTP/3 with real servers on loopback: who is accused when nothing comes over UDP, and who is not."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("qh3")
pytest.importorskip("aioquic")

from probe.checks import CHECKS
from probe.core.model.task import AnchorSpec, Deadlines, EdgePolicy, Request, Task, VantagePoint
from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.measure.pipeline import HostProbe, Pipeline
from tests.codes.provoking import provokes, saw
from tests.support import build
from tests.support.http_server import HOST, Pki, response, serve
from tests.support.quic_server import OK_BODY, Answer, Ask, How, serve_datagrams, serve_quic, well

EDGE, EDGE_2, ANCHOR, OTHER_ANCHOR = "127.0.0.11", "127.0.0.12", "127.0.0.31", "127.0.0.32"
QUICK = Deadlines(total_us=2_500_000, connect_us=600_000, tls_us=600_000, first_byte_us=800_000)

Triple = tuple[str | None, str | None, str | None]
OK: Triple = ("ok", None, None)


def cdn(reason: str) -> Triple:
    return "failed", "cdn", reason


@dataclass(frozen=True, kw_only=True)
class World:
    """What there is. `quic`, `quic_2`: what the nodes do over UDP; None: nothing listens; "silent": nothing comes back.

    `tcp`: whether the first node's host takes TCP. `anchor`: what the anchor quic:// does; `tcp_anchor`: there is one.
    """

    quic: How | Answer | str | None = well
    quic_2: How | Answer | str | None = None
    nodes: tuple[str, ...] = (EDGE,)
    tcp: bool = True
    anchor: How | Answer | str | None = None
    tcp_anchor: bool = True
    slots: int = 1
    protocol: str = "h3"
    checks: dict[str, dict[str, Any]] = field(default_factory=lambda: {"availability": {}})


class Names:
    """A resolver that gives these addresses."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses

    async def resolve(self, qname: str, *_: object, **__: object) -> Resolution:
        return build.resolution(*self._addresses)

    async def diagnose(self, resolution: Resolution, *_: object, **__: object) -> Resolution:
        return resolution

    async def ask_https_records(self, resolution: Resolution, *_: object, **__: object) -> Resolution:
        return resolution


def free_port() -> int:
    """Of TCP at the first node."""
    with socket.socket() as sock:
        sock.bind((EDGE, 0))
        return int(sock.getsockname()[1])


def tcp_reply() -> Any:
    return response(OK_BODY, "Content-Type: text/plain")


async def measured(world: World, tmp_path: Path, between: Callable[[], None] = lambda: None) -> SlotRecord:
    """The last of the world's slots."""
    pki = Pki(tmp_path)
    async with AsyncExitStack() as stack:

        async def over_udp(what: How | Answer | str | None, host: str, port: int) -> int:
            if what is None:
                return port
            if isinstance(what, str):
                bound, _ = await stack.enter_async_context(serve_datagrams(lambda data: [], (host, port)))
                return bound
            server = await stack.enter_async_context(serve_quic(pki, tmp_path, what, at=(host, port)))
            return server.port

        tls = pki.issued()
        if world.tcp:
            port = (await stack.enter_async_context(serve(tcp_reply(), tls=tls, host=EDGE))).port
        else:
            port = free_port()
        if EDGE_2 in world.nodes:
            await stack.enter_async_context(serve(tcp_reply(), tls=tls, host=EDGE_2, port=port))
        await over_udp(world.quic, EDGE, port)
        await over_udp(world.quic_2, EDGE_2, port)
        anchors: list[AnchorSpec] = []
        if world.tcp_anchor:
            there = await stack.enter_async_context(serve(tcp_reply(), host=OTHER_ANCHOR))
            anchors.append(AnchorSpec(scheme="http", host=OTHER_ANCHOR, port=there.port))
        if world.anchor is not None:
            bound = await over_udp(world.anchor, ANCHOR, 0)
            anchors.append(AnchorSpec(scheme="quic", host=ANCHOR, port=bound))
        clock = SystemClock()
        fetcher = HttpFetcher(clock, str, ("127.0.0.0/8",))
        stack.push_async_callback(fetcher.close)
        pipeline = Pipeline(
            kinds=CHECKS,
            resolver=Names(world.nodes),  # type: ignore[arg-type]
            fetcher=fetcher,
            clock=clock,
            host=HostProbe(
                agent="a",
                agent_version="0",
                config_digest=lambda: "c",
                worst_lag_us=lambda since, until: 0,
                clock_state=lambda: (True, 10),
            ),
        )
        task = _task(pki, port, tuple(anchors), world)
        for _ in range(world.slots):
            row = saw(await pipeline.measure(task, rfc3339(clock.time_ns())))
        return row


def _task(pki: Pki, port: int, anchors: tuple[AnchorSpec, ...], world: World) -> Task:
    request = Request(scheme="https", host=HOST, port=port, path="/object", protocol=world.protocol)
    return build.task(
        request=request,
        tls=pki.policy(),
        domain=HOST,
        vantage_point=VantagePoint(name="bj-ct", anchors=anchors),
        deadlines=QUICK,
        edges=EdgePolicy(),
        checks=build.checks(**world.checks),
    )


def triple(row: SlotRecord) -> Triple:
    return row.outcome, row.fault, row.reason


def looks(row: SlotRecord, role: Role) -> list[Observation]:
    return [o for o in row.observations if o.role is role]


async def test_a_healthy_slot(tmp_path: Path) -> None:
    row = await measured(World(), tmp_path)
    assert triple(row) == OK
    (edge,) = looks(row, Role.EDGE)
    assert edge.response is not None
    assert (row.protocol, edge.response.next_hop_protocol) == ("h3", "h3")


@provokes("quic.blocked", "quic.timed_out")
async def test_udp_blocked_on_our_line(tmp_path: Path) -> None:
    """The node and the anchor are silent over UDP; TCP is well."""
    row = await measured(World(quic="silent", anchor="silent"), tmp_path)
    assert triple(row) == ("inconclusive", "path", "quic.blocked")
    (elsewhere,) = looks(row, Role.ELSEWHERE)
    assert (elsewhere.failure, elsewhere.quic_info) == (None, None)


@provokes("quic.blocked")
async def test_udp_silent_and_nobody_else_to_ask(tmp_path: Path) -> None:
    row = await measured(World(quic="silent"), tmp_path)
    assert triple(row) == ("inconclusive", "unknown", "quic.blocked")


@provokes("quic.timed_out")
async def test_udp_blocked_at_one_edge(tmp_path: Path) -> None:
    """The other node answers over HTTP/3, over this very line."""
    row = await measured(World(quic="silent", quic_2=well, nodes=(EDGE, EDGE_2)), tmp_path)
    assert triple(row) == cdn("quic.timed_out")
    assert [f.observation for f in row.findings if f.reason == "quic.timed_out"] == [0]


@provokes("quic.timed_out")
async def test_udp_silent_at_the_edge_and_an_anchor_answers(tmp_path: Path) -> None:
    assert triple(await measured(World(quic="silent", anchor=well), tmp_path)) == cdn("quic.timed_out")


@provokes("quic.refused")
async def test_nobody_listens_and_an_anchor_answers(tmp_path: Path) -> None:
    assert triple(await measured(World(quic=None, anchor=well), tmp_path)) == cdn("quic.refused")


@provokes("quic.blocked", "quic.refused")
async def test_the_word_of_icmp_alone_accuses_nobody(tmp_path: Path) -> None:
    """Whoever is on the way can forge it."""
    row = await measured(World(quic=None), tmp_path)
    assert triple(row) == ("inconclusive", "unknown", "quic.blocked")


async def test_a_host_that_is_dead_over_tcp_too_is_accused_beside_a_line_that_is_well(tmp_path: Path) -> None:
    assert triple(await measured(World(quic="silent", tcp=False), tmp_path)) == cdn("quic.timed_out")


async def test_a_silent_quic_anchor_makes_no_line_offline(tmp_path: Path) -> None:
    """It is the only anchor, and all that is wrong is UDP."""
    row = await measured(World(quic="silent", anchor="silent", tcp_anchor=False), tmp_path)
    assert triple(row) == ("inconclusive", "path", "quic.blocked")


async def test_udp_cut_off_after_the_handshake(tmp_path: Path) -> None:
    """A shaper that lets the first packets pass: the server is there, and does not answer a PING either."""
    cut = How(silent_after_handshake=True)
    row = await measured(World(quic=cut), tmp_path)
    assert triple(row) == ("inconclusive", "unknown", "quic.blocked")
    info = row.observations[0].quic_info
    assert info is not None
    assert info.ping_answered is False
    beside = await measured(World(quic=cut, anchor=well), tmp_path)
    assert triple(beside) == cdn("http.timed_out")


async def test_a_server_that_hangs_and_is_there_is_slow_and_not_cut_off(tmp_path: Path) -> None:
    row = await measured(World(quic=lambda ask: None), tmp_path)
    assert triple(row) == cdn("http.timed_out")
    info = row.observations[0].quic_info
    assert info is not None
    assert info.ping_answered is True


async def test_h3_broken_at_one_edge_only(tmp_path: Path) -> None:
    def broken(ask: Ask) -> None:
        ask.quic.close(0x102, None, "")

    row = await measured(World(quic=well, quic_2=broken, nodes=(EDGE, EDGE_2)), tmp_path)
    assert triple(row) == cdn("quic.closed_by_application")
    assert [f.observation for f in row.findings if f.reason == "quic.closed_by_application"] == [1]


async def test_h3_slow_while_tcp_is_fast(tmp_path: Path) -> None:
    """The limit is of what was asked for, and TCP's speed excuses nothing."""

    def slowly(ask: Ask) -> None:
        ask.protocol._loop.call_later(0.3, lambda: (well(ask), ask.send()))

    timing = {"response_time": {"ttfb": "100ms"}, "availability": {}}
    row = await measured(World(quic=slowly, checks=timing, anchor=well), tmp_path)
    assert triple(row) == ("slow", "cdn", "timing.over_limit")


async def test_who_answered_lately_is_a_witness(tmp_path: Path) -> None:
    """Both nodes are well in the first slot; in the second one is silent, and the other was not asked."""
    state = {"slots": 0}

    def once(ask: Ask) -> None:
        state["slots"] += 1
        well(ask)

    pki = Pki(tmp_path)
    async with AsyncExitStack() as stack:
        tls = pki.issued()
        first = await stack.enter_async_context(serve(tcp_reply(), tls=tls, host=EDGE))
        await stack.enter_async_context(serve_quic(pki, tmp_path, once, at=(EDGE_2, first.port)))
        await stack.enter_async_context(serve_datagrams(lambda data: [], (EDGE, first.port)))
        there = await stack.enter_async_context(serve(tcp_reply(), host=OTHER_ANCHOR))
        clock = SystemClock()
        fetcher = HttpFetcher(clock, str, ("127.0.0.0/8",))
        names = Names((EDGE_2,))
        pipeline = Pipeline(
            kinds=CHECKS,
            resolver=names,  # type: ignore[arg-type]
            fetcher=fetcher,
            clock=clock,
            host=HostProbe(
                agent="a",
                agent_version="0",
                config_digest=lambda: "c",
                worst_lag_us=lambda since, until: 0,
                clock_state=lambda: (True, 10),
            ),
        )
        anchor = AnchorSpec(scheme="http", host=OTHER_ANCHOR, port=there.port)
        task = _task(pki, first.port, (anchor,), World())
        assert triple(await pipeline.measure(task, rfc3339(clock.time_ns()))) == OK
        names._addresses = (EDGE,)
        row = await pipeline.measure(task, rfc3339(clock.time_ns()))
        await fetcher.close()
    assert row.vantage_health is not None
    assert row.vantage_health.http3_answered_by == EDGE_2
    assert triple(row) == cdn("quic.timed_out")
