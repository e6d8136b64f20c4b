"""Rule: an anchor tells whether this vantage point's own line works; `core.vantage.health.reacted` says what counts.

http, https and tcp anchors are asked as the edges are, through the proxy if there is one; dns anchors are asked over
UDP from the vantage point's line itself, whatever the proxy: no proxy here carries datagrams. quic anchors are asked
over HTTP/3: they show whether UDP passes, and nothing of the line where they are silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from probe.core.dns.message import build_question
from probe.core.model.protocols import H1, H3
from probe.core.model.task import (
    AnchorSpec,
    Deadlines,
    Limits,
    Request,
    ResolverSpec,
    TlsPolicy,
    VantagePoint,
)
from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.transport import ResourceTiming
from probe.core.vantage.health import anchors_for, version_of
from probe.fetch.fetcher import Fetcher
from probe.fetch.target import FetchTarget
from probe.host.clock import Clock
from probe.resolver.exchange import ExchangeError
from probe.resolver.transports import Udp

Find = Callable[[str], Awaitable[str | Failure]]
_DNS_TRIES = 2  # one lost datagram is no dead line
_LIMITS = Limits(body_bytes=64 * 1024, decoded_bytes=64 * 1024)  # the head is all that is wanted
_DNS = Udp()
_AGAIN = (FailureType.DNS_TIMED_OUT, FailureType.DNS_MALFORMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRequest:
    """One round of a vantage point's anchors over one IP version.

    `find` looks up the names of http, https and tcp anchors. `within_us`: for each anchor from its look-up to its last
    byte; None: by `deadlines` alone.
    """

    vantage: VantagePoint
    ip_version: int
    deadlines: Deadlines
    slot_start_ns: int
    find: Find
    within_us: int | None = None


async def ask_anchors(request: AnchorRequest, fetcher: Fetcher, clock: Clock) -> tuple[Observation, ...]:
    """All anchors that count for this IP version, at once, on fresh connections. Certificates are not judged.

    A dns anchor whose first try failed has two observations: one for each try.
    """
    anchors = anchors_for(request.vantage, request.ip_version)
    made = await asyncio.gather(*(_asked(anchor, request, fetcher, clock) for anchor in anchors))
    return tuple(observation for tries in made for observation in tries)


async def _asked(
    anchor: AnchorSpec, request: AnchorRequest, fetcher: Fetcher, clock: Clock
) -> list[Observation]:
    if anchor.scheme == "dns":  # ends by its own limit, which says dns.timed_out
        return await _ask_dns(anchor, request, clock)
    try:
        async with asyncio.timeout(None if request.within_us is None else request.within_us / 1e6):
            return [await _ask(anchor, request, fetcher)]
    except TimeoutError:
        late = Failure(phase=Phase.TCP, type=FailureType.TCP_TIMED_OUT, operation="anchor")
        return [_observation(anchor, failure=late)]


async def _ask(anchor: AnchorSpec, request: AnchorRequest, fetcher: Fetcher) -> Observation:
    address = anchor.host if version_of(anchor.host) else await request.find(anchor.host)
    if isinstance(address, Failure):
        return _observation(anchor, failure=address)
    scheme = {"tcp": "http", "quic": "https"}.get(anchor.scheme, anchor.scheme)
    protocol = H3 if anchor.scheme == "quic" else H1
    target = FetchTarget(
        role=Role.ANCHOR,
        address=address,
        request=Request(
            scheme=scheme, host=anchor.host, port=anchor.port, path=anchor.path, protocol=protocol
        ),
        tls=TlsPolicy(verify=False),
        deadlines=request.deadlines,
        limits=_LIMITS,
        vantage=request.vantage,
        slot_start_ns=request.slot_start_ns,
    )
    if anchor.scheme == "tcp":
        return await fetcher.connect_only(target)
    seen = await fetcher.fetch(target)
    return seen if protocol == H1 else replace(seen, url=str(anchor))


# --- DNS ------------------------------------------------------------------------------------------------


async def _ask_dns(anchor: AnchorSpec, request: AnchorRequest, clock: Clock) -> list[Observation]:
    """Each try has half of the time; a second one only where to the first came nothing, or nothing that is DNS."""
    limit_us = min(request.deadlines.connect_us, request.within_us or request.deadlines.connect_us)
    made: list[Observation] = []
    for _ in range(_DNS_TRIES):
        made.append(await _ask_dns_once(anchor, request, clock, limit_us / _DNS_TRIES / 1e6))
        failure = made[-1].failure
        if failure is None or failure.type not in _AGAIN:
            break
    return made


async def _ask_dns_once(
    anchor: AnchorSpec, request: AnchorRequest, clock: Clock, within_s: float
) -> Observation:
    start_us = _now_us(request, clock)
    end_us, failure = None, None
    name = anchor.path.removeprefix("/").removesuffix(".") or "."
    resolver = ResolverSpec(transport=_DNS.scheme, address=anchor.host, port=anchor.port)
    until_s = asyncio.get_running_loop().time() + within_s
    try:
        question = build_question(name, "NS" if name == "." else "A")
        await _DNS.exchange(question, resolver, request.vantage, until_s)
        end_us = _now_us(request, clock)
    except ExchangeError as error:
        failure = error.failure
    except ValueError as error:
        failure = Failure(phase=Phase.HOST, type=FailureType.AGENT_INTERNAL_ERROR, detail=str(error))
    timing = ResourceTiming(
        connect_start_us=start_us, request_start_us=start_us, response_start_us=end_us, response_end_us=end_us
    )
    return _observation(anchor, failure=failure, timing=timing)


def _now_us(request: AnchorRequest, clock: Clock) -> int:
    return (clock.monotonic_ns() - request.slot_start_ns) // 1000


def _observation(
    anchor: AnchorSpec, *, failure: Failure | None, timing: ResourceTiming | None = None
) -> Observation:
    return Observation(
        role=Role.ANCHOR,
        address=anchor.host,
        port=anchor.port,
        url=str(anchor),
        method={"dns": "DNS", "tcp": "CONNECT"}.get(anchor.scheme, "GET"),
        failure=failure,
        timing=timing or ResourceTiming(),
    )
