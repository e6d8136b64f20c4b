"""Rule: `cdn-probe vantage check` asks whom a vantage point's slots would ask, over the same line, and nobody else.

Each resolver is asked one question, and one for a name that cannot exist; each anchor once over each IP version; all at
once. Ends in bounded time; raises nothing for what the network or the line does.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Sequence

from probe.core.model.task import Deadlines, ResolverSpec, VantagePoint
from probe.core.records.dns import DnsQuery
from probe.core.records.observation import Observation
from probe.core.vantage.health import anchors_for, counted, reacted, state_of, version_of
from probe.core.vantage.report import (
    AnchorLook,
    LineLook,
    PointLook,
    ResolverLook,
    is_well,
    notes_of,
    words_of,
)
from probe.fetch.fetcher import Fetcher
from probe.host.clock import Clock
from probe.net.failures import SourceError
from probe.net.line import line_problem, open_socket
from probe.resolver.bootstrap import NamedResolvers, is_address
from probe.resolver.exchange import ExchangeError
from probe.resolver.resolv_conf import resolv_conf_of, system_resolvers
from probe.resolver.transports import make_transports
from probe.resolver.walk import ResolverWalk
from probe.watch.anchor_watch import Lookup
from probe.watch.anchors import AnchorRequest, ask_anchors

LIMIT_US = 5_000_000
_ANSWERS = ("NOERROR", "NXDOMAIN")


class VantageCheck:
    """Asks the resolvers and anchors of vantage points, now."""

    def __init__(self, clock: Clock, fetcher: Fetcher, lookup: Lookup) -> None:
        """`lookup` finds an anchor's address by the vantage point's resolvers."""
        self._clock = clock
        self._fetcher = fetcher
        self._lookup = lookup
        self._transports = make_transports()
        self._named = NamedResolvers()

    async def look(self, vantage: VantagePoint, ip_versions: Sequence[int], name: str) -> PointLook:
        """All about one vantage point. Its resolvers are asked for the address of `name`; for NS where it is `.`."""
        specs = vantage.resolvers or system_resolvers(resolv_conf_of(vantage))
        problem = await _problem(vantage)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._resolver(vantage, s, name, ip_versions[0])) for s in specs]
            rounds = {v: group.create_task(self._anchors(vantage, v)) for v in ip_versions}
            locals_ = {v: group.create_task(_local(vantage, v, specs)) for v in ip_versions}
        resolvers = tuple(task.result() for task in asked)
        anchors = tuple(_anchor_look(v, o) for v in ip_versions for o in _last(rounds[v].result()))
        lines = tuple(_line_look(v, *locals_[v].result(), rounds[v].result()) for v in ip_versions)
        return PointLook(
            vantage_point=vantage.name,
            well=is_well(problem, resolvers, anchors),
            line_problem=problem,
            lines=lines,
            resolvers=resolvers,
            anchors=anchors,
            notes=notes_of(vantage, ip_versions),
        )

    async def _anchors(self, vantage: VantagePoint, ip_version: int) -> tuple[Observation, ...]:
        start_ns = self._clock.monotonic_ns()
        request = AnchorRequest(
            vantage=vantage,
            ip_version=ip_version,
            deadlines=Deadlines(total_us=LIMIT_US),
            slot_start_ns=start_ns,
            find=lambda host: self._lookup(host, vantage, ip_version, start_ns, LIMIT_US),
            within_us=LIMIT_US,
        )
        return await ask_anchors(request, self._fetcher, self._clock)

    # --- resolvers ------------------------------------------------------------------------------------

    async def _resolver(
        self, vantage: VantagePoint, spec: ResolverSpec, name: str, ip_version: int
    ) -> ResolverLook:
        qtype = "NS" if name == "." else "AAAA" if ip_version == 6 else "A"
        (located,) = await self._named.located((spec,), LIMIT_US / 2e6)
        walk, question = self._walk(vantage, located), f"{name} {qtype}"
        if not is_address(located.address):
            words = f"its name {spec.address} is not found by this host's own resolver"
            return ResolverLook(resolver=str(spec), question=question, well=False, words=words)
        try:
            reply = await walk.ask(name, qtype)
        except ExchangeError as error:
            failure = error.failure
            return ResolverLook(
                resolver=str(spec),
                question=question,
                well=False,
                transport=spec.transport,
                failure=failure.type,
                words=_with_tls_name(words_of(failure), spec),
            )
        rewrites = await self._rewrites(vantage, located)
        last = walk.queries[-1]
        well = reply.answer.rcode in _ANSWERS and not rewrites
        return ResolverLook(
            resolver=str(spec),
            question=question,
            well=well,
            rcode=reply.answer.rcode,
            transport=last.transport,
            taken_us=_answered_after_us(last),
            nsid=reply.nsid,
            rewrites=rewrites,
            words=_resolver_words(reply.answer.rcode, rewrites=rewrites, said=reply.extended_errors),
        )

    async def _rewrites(self, vantage: VantagePoint, spec: ResolverSpec) -> bool:
        end = await self._walk(vantage, spec).run(f"{secrets.token_hex(10)}.invalid", "A")
        return bool(end.addresses)

    def _walk(self, vantage: VantagePoint, spec: ResolverSpec) -> ResolverWalk:
        return ResolverWalk(
            resolver=spec,
            vantage=vantage,
            clock=self._clock,
            slot_start_ns=self._clock.monotonic_ns(),
            try_s=LIMIT_US / 3e6,
            end_s=asyncio.get_running_loop().time() + LIMIT_US / 1e6,
            purpose="chain",
            transports=self._transports,
        )


def _resolver_words(rcode: str, *, rewrites: bool, said: tuple[str, ...]) -> str:
    words = []
    if rewrites:
        words.append("it invents addresses for names that do not exist")
    if rcode not in _ANSWERS:
        words.append(f"it answers {rcode}")
    return "; ".join((*words, *said))


def _with_tls_name(words: str, spec: ResolverSpec) -> str:
    return words if spec.tls_name is None else f"{words}; asked as {spec.tls_name}"


# --- the line and its anchors -----------------------------------------------------------------------------


async def _problem(vantage: VantagePoint) -> str | None:
    try:
        return await line_problem(vantage)
    except OSError as error:
        return f"this host could not look: {error.strerror or error}"


async def _local(
    vantage: VantagePoint, ip_version: int, specs: Sequence[ResolverSpec]
) -> tuple[str | None, str | None]:
    """(our own address, towards whom): by connecting a datagram socket, which sends nothing."""
    hosts = [anchor.host for anchor in anchors_for(vantage, ip_version)] + [spec.address for spec in specs]
    towards = next((host for host in hosts if version_of(host) == ip_version), None)
    if towards is None:
        return None, None
    try:
        with await open_socket(vantage, ip_version, socket.SOCK_DGRAM) as sock:
            sock.connect((towards, 53))
            return str(sock.getsockname()[0]), towards
    except (OSError, SourceError):
        return None, towards


def _line_look(
    ip_version: int, local: str | None, towards: str | None, anchors: Sequence[Observation]
) -> LineLook:
    asked, reached = counted(anchors)
    state = state_of(asked, reached)
    return LineLook(
        ip_version=ip_version, local=local, towards=towards, state=state, asked=asked, reached=reached
    )


def _last(anchors: Sequence[Observation]) -> list[Observation]:
    """The last try of each anchor."""
    return list({(o.url, o.address, o.port): o for o in anchors}.values())


def _anchor_look(ip_version: int, anchor: Observation) -> AnchorLook:
    failure = anchor.failure
    return AnchorLook(
        anchor=anchor.url,
        ip_version=ip_version,
        reached=reacted(anchor),
        address=anchor.address,
        local=anchor.source,
        taken_us=_taken_us(anchor),
        status_code=None if anchor.response is None else anchor.response.status_code,
        failure=None if failure is None else failure.type,
        words="" if failure is None or reacted(anchor) else words_of(failure),
    )


def _taken_us(anchor: Observation) -> int | None:
    """From the first packet to the first byte of the answer, or to the connection where that is all."""
    timing = anchor.timing
    end_us = timing.connect_end_us if timing.response_start_us is None else timing.response_start_us
    if timing.connect_start_us is None or end_us is None or not reacted(anchor):
        return None
    return end_us - timing.connect_start_us


def _answered_after_us(query: DnsQuery) -> int | None:
    """From the question to its answer; None where there was none."""
    return None if query.start_us is None or query.end_us is None else query.end_us - query.start_us
