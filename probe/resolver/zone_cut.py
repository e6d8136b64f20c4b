"""Rule: after a failure SOA records tell in whose zone it lies; few questions, all on record, never past the deadline.

The failing name first; then, where that tells nothing, all names above it at once, since a zone that is dead may cost
the whole time of a question. See `probe.core.dns.zone_cut` for what the answers mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from probe.core.dns.answers import is_proper
from probe.core.dns.chain import DnsAnswer
from probe.core.dns.zone_cut import Cut, find_cut, first_name, names_above, settled
from probe.core.model.task import ResolverSpec
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.resolver.exchange import ExchangeError
from probe.resolver.walk import MakeWalk, ResolverWalk

_MOST_RESOLVERS = 2


async def with_zone(resolution: Resolution, specs: Sequence[ResolverSpec], make_walk: MakeWalk) -> Resolution:
    """The failed `resolution` with `zone`, where a resolver that answers anything could tell it.

    Asked are the resolver whose failure it is and, where that tells nothing, one other. The queries are appended with
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
