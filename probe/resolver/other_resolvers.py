"""Rule: after a failure every question that could clear somebody is asked before anybody is accused.

What do the other resolvers say; does the failing one answer anything at all; how far does the chain lead, since a
recursive resolver answers SERVFAIL for the first name whichever zone behind it is broken; and, by `zone_cut`, whose
zone that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from probe.core.dns.answers import answer_of, is_proper, same_kind
from probe.core.dns.chain import WalkEnd
from probe.core.model.task import ResolverSpec
from probe.core.model.value import replace
from probe.core.records.dns import DnsQuery, Resolution, ResolverAnswer
from probe.core.records.failure import FailureType
from probe.resolver.walk import MakeWalk, ToResolution

_WORTH_AN_ALIAS_WALK = (FailureType.DNS_SERVER_FAILURE, FailureType.DNS_TIMED_OUT)
_LIFE = {True: "resolver_alive", False: "resolver_silent"}


async def consult(
    resolution: Resolution,
    specs: Sequence[ResolverSpec],
    make_walk: MakeWalk,
    to_resolution: ToResolution,
) -> Resolution:
    """The failed `resolution` with what the others and the failing resolver itself said, all asked at once.

    The queries made are appended (purposes `other_resolver`, `control`, `alias`) and `answers` filled in the order
    of `specs`; where all were asked in the slot already, the others are not asked again. Flags added:
    `other_resolver_answered`, `other_resolvers_failed` or `no_other_resolver`; `resolver_alive` or
    `resolver_silent` (neither where our own host stood in the way); `resolvers_disagree` where both gave proper
    answers that differ;
    `alias_walked` where asking for CNAMEs alone led behind the failing name, which then is the last one reached.

    Where this resolver gave no proper answer and another one gave addresses, the other's resolution is returned,
    with `resolver_failed`: the slot can go on, and the first failure stays in the queries.
    """
    by_name = {str(spec): spec for spec in specs}
    own = by_name.pop(resolution.resolver or "", None)
    known = {answer.resolver: answer for answer in (*resolution.answers, answer_of(resolution))}
    unasked = [spec for name, spec in by_name.items() if name not in known]
    others, (life, control), (alias, alias_queries) = await asyncio.gather(
        asyncio.gather(*(_ask_other(spec, resolution, make_walk, to_resolution) for spec in unasked)),
        _control(own, make_walk),
        _alias_walk(own, resolution, make_walk),
    )
    known |= {answer.resolver: answer for answer in map(answer_of, others)}
    answers = tuple(known[str(spec)] for spec in specs if str(spec) in known)
    asked = (query for other in others for query in other.queries)
    queries = (*resolution.queries, *control, *asked, *alias_queries)
    flags = (*_flags_of_others(resolution, [known[name] for name in by_name]), *life)
    answered = next((other for other in others if other.failure is None), None)
    if answered is not None and not is_proper(resolution):
        flags = ("resolver_failed", *flags)
        return replace(answered, answers=answers, queries=queries, flags=_joined(answered.flags, flags))
    if alias is not None and alias.links:
        resolution, flags = _led_on(resolution, alias), (*flags, "alias_walked")
    return replace(resolution, answers=answers, queries=queries, flags=_joined(resolution.flags, flags))


async def _ask_other(
    spec: ResolverSpec, resolution: Resolution, make_walk: MakeWalk, to_resolution: ToResolution
) -> Resolution:
    walk = make_walk("other_resolver", spec)
    return to_resolution(walk, await walk.run(resolution.qname, resolution.qtype))


async def _control(
    own: ResolverSpec | None, make_walk: MakeWalk
) -> tuple[tuple[str, ...], tuple[DnsQuery, ...]]:
    if own is None:
        return (), ()
    walk = make_walk("control", own)
    alive = await walk.answers_at_all()
    return (() if alive is None else (_LIFE[alive],)), tuple(walk.queries)


async def _alias_walk(
    own: ResolverSpec | None, resolution: Resolution, make_walk: MakeWalk
) -> tuple[WalkEnd | None, tuple[DnsQuery, ...]]:
    kind = resolution.failure.type if resolution.failure else None
    if own is None or resolution.failing_name is None or kind not in _WORTH_AN_ALIAS_WALK:
        return None, ()
    walk = make_walk("alias", own)
    return await walk.run(resolution.failing_name, "CNAME"), tuple(walk.queries)


def _led_on(resolution: Resolution, alias: WalkEnd) -> Resolution:
    """The same failure, found to lie at the end of the aliases."""
    chain = (*resolution.cname_chain, *alias.links)
    return replace(resolution, cname_chain=chain, canonical_name=alias.name, failing_name=alias.name)


def _flags_of_others(resolution: Resolution, others: Sequence[ResolverAnswer]) -> tuple[str, ...]:
    if not others:
        return ("no_other_resolver",)
    answered = any(other.failure is None for other in others)
    flag = "other_resolver_answered" if answered else "other_resolvers_failed"
    differs = any(is_proper(other) and not same_kind(other, resolution) for other in others)
    return (flag, "resolvers_disagree") if differs and is_proper(resolution) else (flag,)


def _joined(flags: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*flags, *more)))
