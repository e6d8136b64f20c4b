"""Rule: after a failure SOA records show in whose zone it lies; few questions, all on record, never past the deadline.

The failing name first; then, where that shows nothing, all names above it at once, since a zone that is dead may cost
the whole time of a question. See `probe.core.dns.zone_cut` for what the answers mean. Below it `ZoneServers`: what the
servers of that zone say themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from probe.core.dns.answers import is_proper
from probe.core.dns.authority import PROOF, PURPOSE, UNPROVEN, flags_of, genuine, targets_of
from probe.core.dns.chain import DnsAnswer
from probe.core.dns.message import Reply, delegated
from probe.core.dns.zone_cut import Cut, find_cut, first_name, names_above, settled
from probe.core.model.task import ResolverSpec
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.scheduling.rate_ceiling import Ceiling
from probe.core.text.dns_names import parent
from probe.resolver.exchange import ExchangeError
from probe.resolver.walk import MakeWalk, ResolverWalk

_MOST_RESOLVERS = 2


async def with_zone(resolution: Resolution, specs: Sequence[ResolverSpec], make_walk: MakeWalk) -> Resolution:
    """The failed `resolution` with `zone`, where a resolver that answers anything could give it.

    Asked are the resolver whose failure it is and, where that shows nothing, one other. The queries are appended with
    the purpose `zone_cut`.
    """
    name = first_name(resolution)
    if name is None:
        return resolution
    for spec in _responding(resolution, specs)[:_MOST_RESOLVERS]:
        walk = make_walk("zone_cut", spec)
        zone = await _zone(name, walk, at_once=not is_proper(resolution))
        resolution = replace(resolution, zone=zone, queries=(*resolution.queries, *walk.queries))
        if zone is not None:
            break
    return resolution


async def zone_of(name: str, walk: ResolverWalk) -> str | None:
    """The apex of the zone that a name lies in; None where the answers do not tell."""
    replies = await _ask_soa((name, *names_above(name)), walk)
    cut = find_cut(replies)
    return None if cut is None or cut.doubtful else cut.zone


def _responding(resolution: Resolution, specs: Sequence[ResolverSpec]) -> list[ResolverSpec]:
    """The resolvers from which any response came, the one in question first."""
    heard = {query.resolver for query in resolution.queries if query.rcode is not None}
    found = [spec for spec in specs if str(spec) in heard]
    return sorted(found, key=lambda spec: str(spec) != resolution.resolver)


async def _zone(name: str, walk: ResolverWalk, *, at_once: bool) -> str | None:
    above = names_above(name)
    now = (name, *above) if at_once else (name,)
    replies = await _ask_soa(now, walk)
    cut = find_cut(replies)
    if cut is None and not at_once:
        cut = find_cut([*replies, *await _ask_soa(above, walk)])
    if cut is None:
        return None
    return await _confirmed(cut, walk) if cut.doubtful else cut.zone


async def _confirmed(cut: Cut, walk: ResolverWalk) -> str:
    return settled(cut, await _answer(cut.zone, "NS", walk))


async def _ask_soa(names: Sequence[str], walk: ResolverWalk) -> list[tuple[str, DnsAnswer | None]]:
    answers = await asyncio.gather(*(_answer(name, "SOA", walk) for name in names))
    return list(zip(names, answers, strict=True))


async def _answer(name: str, qtype: str, walk: ResolverWalk) -> DnsAnswer | None:
    try:
        return (await walk.ask(name, qtype)).answer
    except ExchangeError:
        return None


# --- the zone's own servers -------------------------------------------------------------------------

_SERVERS_ASKED = 3
_KEPT_S = 300.0
_PER_MINUTE = 12


class ZoneServers:
    """Asks a zone's own servers directly, over the vantage point's line; for the whole agent.

    Keeps per vantage point and zone the servers' addresses, and whether the line reached any zone's servers, for five
    minutes; never an answer. Each zone is asked at most twelve times a minute.
    """

    def __init__(self, port: int = 53, refused: Callable[[str], bool] = lambda address: False) -> None:
        """`port`: where the servers listen. `refused`: whether the address policy forbids an address."""
        self._port = port
        self._refused = refused
        self._servers: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = {}
        self._proofs: dict[str, tuple[float, str]] = {}  # vantage point -> when, by which zone
        self._rates: dict[str, Ceiling] = {}

    async def testify(
        self, resolution: Resolution, name: str, zone: str, asker: ResolverSpec, make_walk: MakeWalk
    ) -> Resolution:
        """The `resolution` with what the servers of `zone` say of `name`: see `core.dns.authority`.

        `asker`: a resolver that passed the control, by which the servers are found. Queries are appended with the
        purposes `authority_servers`, `authority` and `authority_control`.
        """
        loop = asyncio.get_running_loop()
        rate = self._rates.setdefault(zone, Ceiling(per_minute=_PER_MINUTE))
        if zone == "." or not rate.admit(int(loop.time() * 1e9)):
            return resolution
        finding = make_walk("authority_servers", asker)
        servers = await self._addresses(zone, finding, make_walk)
        walks = [make_walk(PURPOSE, self._spec(address)) for address in servers]
        replies = await asyncio.gather(*(_direct(name, resolution.qtype, walk) for walk in walks))
        for walk, reply in zip(walks, replies, strict=True):
            if reply is not None and genuine(reply):
                self._proofs[walk.vantage.name] = loop.time(), zone
        proving: list[ResolverWalk] = []
        proven = self._lately_proven(finding.vantage.name, zone)
        if walks and not proven and not any(r is not None and genuine(r) for r in replies):
            proven = await self._prove(zone, finding, make_walk, proving)
        queries = [query for walk in (finding, *walks, *proving) for query in walk.queries]
        flags = flags_of(replies, name=name, line_proven=proven) if servers else (UNPROVEN,)
        return replace(
            resolution,
            authority_aliases=targets_of(replies, name),
            flags=tuple(dict.fromkeys((*resolution.flags, *flags))),
            queries=(*resolution.queries, *queries),
        )

    def _lately_proven(self, vantage: str, zone: str) -> bool:
        proof = self._proofs.get(vantage)
        now_s = asyncio.get_running_loop().time()
        return proof is not None and now_s - proof[0] < _KEPT_S and proof[1] != zone

    async def _prove(
        self, zone: str, finding: ResolverWalk, make_walk: MakeWalk, walks: list[ResolverWalk]
    ) -> bool:
        """Whether servers of the zone above answer this line for themselves (RFC 1034 section 4.2.1: its own SOA)."""
        above = await _zone(parent(zone), finding, at_once=False)
        if above is None:
            return False
        for address in await self._addresses(above, finding):
            walk = make_walk(PROOF, self._spec(address))
            walks.append(walk)
            reply = await _direct(above, "SOA", walk)
            if reply is not None and genuine(reply):
                self._proofs[walk.vantage.name] = asyncio.get_running_loop().time(), above
                return True
        return False

    async def _referral(
        self, zone: str, walk: ResolverWalk, make_walk: MakeWalk
    ) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        """What the parent's servers say of the delegation, where the resolver cannot reach the zone itself."""
        above = await _zone(parent(zone), walk, at_once=False)
        servers = () if above in (None, ".") else await self._addresses(str(above), walk)
        for address in servers:
            direct = make_walk("authority_servers", self._spec(address))
            direct.recurse = False
            reply = await _reply(zone, "NS", direct)
            walk.queries.extend(direct.queries)
            names, glue = delegated(reply, zone)
            if names:
                return names, glue
            if reply is not None and genuine(reply.answer):  # no delegation: the name lies in the zone above
                return (str(above),), {str(above): servers}
        return (), {}

    async def _addresses(
        self, zone: str, walk: ResolverWalk, make_walk: MakeWalk | None = None
    ) -> tuple[str, ...]:
        """At most three addresses of the zone's servers; kept for five minutes."""
        key, now_s = (walk.vantage.name, zone), asyncio.get_running_loop().time()
        kept = self._servers.get(key)
        if kept is not None and now_s - kept[0] < _KEPT_S:
            return kept[1]
        delegation = await _reply(zone, "NS", walk)
        names, glue = delegated(delegation, zone)
        if not names and make_walk is not None:
            names, glue = await self._referral(zone, walk, make_walk)
        names = tuple(name for name in names if name not in glue)[:_SERVERS_ASKED]
        answers = await asyncio.gather(*(_answer(name, "A", walk) for name in names))
        looked_up = (r.rdata for a in answers if a is not None for r in a.answers if r.rdtype == "A")
        given = (*(address for addresses in glue.values() for address in addresses), *looked_up)
        found = tuple(dict.fromkeys(a for a in given if not self._refused(a)))[:_SERVERS_ASKED]
        if found:
            self._servers[key] = now_s, found
        return found

    def _spec(self, address: str) -> ResolverSpec:
        return ResolverSpec(transport="udp", address=address, port=self._port)


async def _direct(name: str, qtype: str, walk: ResolverWalk) -> DnsAnswer | None:
    walk.recurse = False
    return await _answer(name, qtype, walk)


async def _reply(name: str, qtype: str, walk: ResolverWalk) -> Reply | None:
    try:
        return await walk.ask(name, qtype)
    except ExchangeError:
        return None
