"""Rule: a look-up always ends in a Resolution, in time, with every message sent on record.

The vantage point's resolvers are asked in order, each for a fair share of the time that is left; one that gives no
proper answer leads to the next. Or all are asked at once and compared. Nothing is cached: each slot sees what the DNS
says then.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from probe.core.dns.answers import compared, in_order
from probe.core.dns.authority import UNPROVEN
from probe.core.dns.chain import WalkEnd
from probe.core.dns.control import PASSED
from probe.core.dns.https_record import HTTPS, PURPOSE, https_records
from probe.core.dns.message import ascii_name
from probe.core.model.addresses import refusal
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.model.value import Value, replace
from probe.core.records.dns import AddressRecord, Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.host.clock import Clock
from probe.resolver.bootstrap import NamedResolvers
from probe.resolver.failures import unaskable
from probe.resolver.nxdomain_rewriting import examine
from probe.resolver.other_resolvers import consult
from probe.resolver.resolv_conf import resolv_conf_of, system_resolvers
from probe.resolver.transports import make_transports
from probe.resolver.walk import ResolverWalk
from probe.resolver.zone_cut import ZoneServers, with_zone, zone_of

DEADLINE_US = 5_000_000
# After a failure, as shares of the deadline. The zone's own servers have time beyond it, at most `_SERVERS_AT_MOST_US`.
_ZONE_SHARE = 0.4
_SERVERS_SHARE = 0.3
_SERVERS_AT_MOST_US = 1_500_000
_HOPELESS = (FailureType.AGENT_DESCRIPTORS_EXHAUSTED, FailureType.AGENT_MEMORY_EXHAUSTED)


class LookupContext(Value, frozen=True, kw_only=True):
    """From where to look things up, and until when on the loop's clock."""

    vantage: VantagePoint
    slot_start_ns: int
    longest_try_s: float
    end_s: float


class Resolver:
    """Looks names up for vantage points. One for the whole agent; keeps no answers between look-ups."""

    def __init__(
        self,
        clock: Clock,
        allow_addresses: tuple[str, ...] = (),
        resolv_conf: Path = Path("/etc/resolv.conf"),
        *,
        authority_port: int = 53,
    ) -> None:
        """`allow_addresses`: CIDR texts that the address policy lets pass (see `core.model.addresses.refusal`)."""
        self._clock = clock
        self._allowed = allow_addresses
        self._resolv_conf = resolv_conf
        self._system: dict[Path, tuple[ResolverSpec, ...]] = {}
        self._transports = make_transports()
        self._named = NamedResolvers()
        self._zone_servers = ZoneServers(
            authority_port, lambda address: refusal(address, self._allowed) is not None
        )

    def allow(self, addresses: tuple[str, ...]) -> None:
        """Other prefixes from the next look-up on."""
        self._allowed = addresses

    async def resolve(
        self,
        qname: str,
        qtype: str,
        vantage: VantagePoint,
        *,
        slot_start_ns: int,
        deadline_us: int = DEADLINE_US,
    ) -> Resolution:
        """Look up `qname` for `qtype` (A or AAAA). Ends within `deadline_us`; raises nothing.

        `slot_start_ns` is the slot's start on the clock's monotonic scale. Where every resolver fails, the failure
        is the first one's; where a later one answered, the flag `resolver_failed` is set. See
        `probe.core.dns.answers` for the policy `all`.
        """
        try:
            name = ascii_name(qname)
        except ValueError as error:
            return unaskable(qname, qtype, str(error))
        context = _lookup_context(vantage, slot_start_ns, deadline_us)
        specs = await self._resolvers(vantage, context.longest_try_s)
        if vantage.resolver_policy == "all":
            return compared(await self._ask_all(context, specs, name, qtype))
        return in_order(await self._ask_in_turn(context, specs, name, qtype))

    async def _ask_in_turn(
        self, context: LookupContext, specs: tuple[ResolverSpec, ...], name: str, qtype: str
    ) -> list[Resolution]:
        done: list[Resolution] = []
        for place, spec in enumerate(specs):
            walk = self._walk(context, "chain", spec, sharers=len(specs) - place)
            end = await walk.run(name, qtype)
            done.append(self._resolution(name, qtype, walk, end))
            if end.final or _hopeless(end) or asyncio.get_running_loop().time() >= context.end_s:
                break
        return done

    async def _ask_all(
        self, context: LookupContext, specs: tuple[ResolverSpec, ...], name: str, qtype: str
    ) -> list[Resolution]:
        """Each has the whole time for itself, since all have the same."""
        walks = [
            self._walk(context, "compared" if place else "chain", spec) for place, spec in enumerate(specs)
        ]
        ends = await asyncio.gather(*(walk.run(name, qtype) for walk in walks))
        return [self._resolution(name, qtype, *pair) for pair in zip(walks, ends, strict=True)]

    async def diagnose(
        self,
        resolution: Resolution,
        vantage: VantagePoint,
        *,
        slot_start_ns: int,
        deadline_us: int = DEADLINE_US,
    ) -> Resolution:
        """After a failure, within `deadline_us`: what the other resolvers answer, then in whose zone it lies.

        First `probe.resolver.other_resolvers`, in at most three fifths of the time; then `probe.resolver.zone_cut`, in
        what is left. The zone's own servers are asked after that, in three tenths more of it, at most 1.5 seconds.

        A success is returned as it is.
        """
        if resolution.failure is None or resolution.resolver is None:
            return resolution
        context = _lookup_context(vantage, slot_start_ns, deadline_us)
        specs = await self._resolvers(vantage, context.longest_try_s)
        first = replace(context, end_s=context.end_s - deadline_us * _ZONE_SHARE / 1e6)
        resolution = await consult(
            resolution,
            specs,
            partial(self._walk, first),
            partial(self._resolution, resolution.qname, resolution.qtype),
        )
        if resolution.failure is None:
            return resolution
        resolution = await with_zone(resolution, specs, partial(self._walk, context))
        if resolution.failing_name is None:
            return resolution
        if resolution.zone is None:
            return _without_zone(resolution)
        return await self._testified(
            resolution,
            resolution.failing_name,
            resolution.zone,
            specs,
            _lookup_context(vantage, slot_start_ns, _for_the_servers_us(deadline_us)),
        )

    async def _testified(
        self,
        resolution: Resolution,
        name: str,
        zone: str,
        specs: tuple[ResolverSpec, ...],
        context: LookupContext,
    ) -> Resolution:
        """With what the zone's own servers say, if a resolver that passed the control can find them."""
        alive = {answer.resolver for answer in resolution.answers if answer.control == PASSED}
        asker = next((spec for spec in specs if str(spec) in alive), None)
        if asker is None:
            return resolution
        return await self._zone_servers.testify(resolution, name, zone, asker, partial(self._walk, context))

    async def examine_resolver(
        self,
        resolution: Resolution,
        vantage: VantagePoint,
        *,
        slot_start_ns: int,
        deadline_us: int = DEADLINE_US,
    ) -> Resolution:
        """Where an answered address does not look like the CDN's: see `probe.resolver.nxdomain_rewriting`.

        Within `deadline_us`; raises nothing. A resolution that no resolver gave (a literal, a proxy's) stays as it is.
        """
        if resolution.resolver is None:
            return resolution
        context = _lookup_context(vantage, slot_start_ns, deadline_us)
        specs = await self._resolvers(vantage, context.longest_try_s)
        resolution = await examine(
            resolution,
            specs,
            partial(self._walk, context),
            partial(self._resolution, resolution.qname, resolution.qtype),
        )
        others = [a for a in resolution.answers if a.resolver != resolution.resolver and a.addresses]
        if others and all(other.canonical_name == resolution.canonical_name for other in others):
            return resolution
        context = _lookup_context(vantage, slot_start_ns, _for_the_servers_us(deadline_us))
        return await self._compared_with_the_zone(resolution, specs, context)

    async def ask_https_records(
        self,
        resolution: Resolution,
        owner: str,
        vantage: VantagePoint,
        *,
        slot_start_ns: int,
        deadline_us: int,
    ) -> Resolution:
        """With the HTTPS records of `owner`, from the resolver that gave this resolution.

        Within `deadline_us`; raises nothing. What comes of it is recorded: no answer accuses nobody.
        """
        context = _lookup_context(vantage, slot_start_ns, deadline_us)
        specs = await self._resolvers(vantage, context.longest_try_s)
        spec = next((spec for spec in specs if str(spec) == resolution.resolver), None)
        if spec is None:
            return resolution
        walk = self._walk(context, PURPOSE, spec)
        end = await walk.run(owner, HTTPS)
        records = https_records(end.name, end.addresses)
        return replace(resolution, https_records=records, queries=(*resolution.queries, *walk.queries))

    async def _compared_with_the_zone(
        self,
        resolution: Resolution,
        specs: tuple[ResolverSpec, ...],
        context: LookupContext,
    ) -> Resolution:
        """Where resolvers lead elsewhere, what the queried name's own zone says now."""
        make_walk = partial(self._walk, context)
        walks = [make_walk("control", spec) for spec in specs]
        taken = await asyncio.gather(*(walk.control() for walk in walks))
        asker = next((w.resolver for w, how in zip(walks, taken, strict=True) if how == PASSED), None)
        queries = [query for walk in walks for query in walk.queries]
        if asker is None:
            return replace(resolution, queries=(*resolution.queries, *queries))
        finding = make_walk("zone_cut", asker)
        zone = await zone_of(resolution.qname, finding)
        resolution = replace(resolution, queries=(*resolution.queries, *queries, *finding.queries))
        if zone is None:
            return resolution
        return await self._zone_servers.testify(resolution, resolution.qname, zone, asker, make_walk)

    async def _resolvers(self, vantage: VantagePoint, within_s: float) -> tuple[ResolverSpec, ...]:
        if vantage.resolvers:
            return await self._named.located(vantage.resolvers, within_s)
        path = resolv_conf_of(vantage, self._resolv_conf)
        if path not in self._system:
            self._system[path] = system_resolvers(path)
        return self._system[path]

    def _walk(
        self, context: LookupContext, purpose: str, spec: ResolverSpec, sharers: int = 1
    ) -> ResolverWalk:
        """A walk at `spec` in its share of the time that is left; `sharers`: how many share it, this walk included."""
        now_s = asyncio.get_running_loop().time()
        share_s = max(0.0, context.end_s - now_s) / sharers
        return ResolverWalk(
            resolver=spec,
            vantage=context.vantage,
            clock=self._clock,
            slot_start_ns=context.slot_start_ns,
            try_s=min(context.longest_try_s, share_s / 2),
            end_s=now_s + share_s,
            purpose=purpose,
            transports=self._transports,
        )

    def _resolution(self, qname: str, qtype: str, walk: ResolverWalk, end: WalkEnd) -> Resolution:
        addresses = tuple([self._judged(a) for a in end.addresses])
        bogus = _bogus(end.name, addresses)
        return Resolution(
            qname=qname,
            qtype=qtype,
            rcode=end.rcode,
            cname_chain=end.links,
            canonical_name=end.name,
            addresses=addresses,
            ttl_s=end.ttl_s,
            resolver=str(walk.resolver),
            transport=walk.transport or walk.resolver.transport,
            ecs_source=walk.ecs_source,
            ecs_scope=walk.ecs_scope,
            failing_name=end.name if bogus else end.failing_name,
            failure=bogus or end.failure,
            flags=(
                *end.flags,
                *walk.flags,
                *(["bogus_address"] if any(a.refused for a in addresses) else []),
            ),
            queries=tuple(walk.queries),
        )

    def _judged(self, record: AddressRecord) -> AddressRecord:
        reason = refusal(record.address, self._allowed)
        return record if reason == record.refused else replace(record, refused=reason)


def _lookup_context(vantage: VantagePoint, slot_start_ns: int, deadline_us: int) -> LookupContext:
    deadline_s = deadline_us / 1e6
    return LookupContext(
        vantage=vantage,
        slot_start_ns=slot_start_ns,
        longest_try_s=deadline_s / 3,
        end_s=asyncio.get_running_loop().time() + deadline_s,
    )


def _for_the_servers_us(deadline_us: int) -> int:
    return min(_SERVERS_AT_MOST_US, round(deadline_us * _SERVERS_SHARE))


def _without_zone(resolution: Resolution) -> Resolution:
    """No resolver answered for any name above the failing one, the top-level domain's included: no zone can be accused.

    A resolver that passed the control answered for the root from its cache, which shows nothing of a zone: UNPROVEN.
    """
    alive = any(answer.control == PASSED for answer in resolution.answers)
    return replace(resolution, flags=(*resolution.flags, UNPROVEN)) if alive else resolution


def _hopeless(end: WalkEnd) -> bool:
    """Our own host is out of something: asking another resolver would only blame that one too."""
    return end.failure is not None and end.failure.type in _HOPELESS


def _bogus(name: str, addresses: tuple[AddressRecord, ...]) -> Failure | None:
    if not addresses or not all(address.refused for address in addresses):
        return None
    words = ", ".join(f"{address.address} ({address.refused})" for address in addresses[:8])
    return Failure(
        phase=Phase.DNS,
        type=FailureType.DNS_BOGUS_ADDRESS,
        operation="resolve",
        detail=f"{name}: {words}; name the prefix in allow_addresses if this is meant",
    )
