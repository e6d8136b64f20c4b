"""Rule: after a failure every question that could clear somebody is asked before anybody is accused.

What do the other resolvers say; does the failing one answer anything at all; and how far does the chain lead, since
a recursive resolver answers SERVFAIL for the first name whichever zone behind it is broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from probe.core.chain import ANSWERED_FAILURES, WalkEnd
from probe.core.records import DnsQuery, FailureType, Resolution
from probe.core.task import ResolverSpec
from probe.io.dns_walk import ResolverWalk

_WORTH_AN_ALIAS_WALK = (FailureType.DNS_SERVER_FAILURE, FailureType.DNS_TIMED_OUT)
_LIFE = {True: "resolver_alive", False: "resolver_silent"}


class MakeWalk(Protocol):
    """Prepares a walk with a purpose at a resolver."""

    def __call__(self, purpose: str, spec: ResolverSpec) -> ResolverWalk: ...


ToResolution = Callable[[ResolverWalk, WalkEnd], Resolution]


async def interrogate(
    resolution: Resolution,
    specs: Sequence[ResolverSpec],
    make_walk: MakeWalk,
    to_resolution: ToResolution,
) -> Resolution:
    """The failed `resolution` with what the others and the failing resolver itself said, all asked at once.

    The queries made are appended (purposes `other_resolver`, `control`, `alias`). Flags added:
    `other_resolver_answered`, `other_resolvers_failed` or `no_other_resolver`; `resolver_alive` or
    `resolver_silent` (neither where our own host stood in the way); `resolvers_disagree` where both gave proper
    answers that differ;
    `alias_walked` where asking for CNAMEs alone led behind the failing name, which then is the last one reached.

    Where this resolver gave no proper answer and another one gave addresses, the other's resolution is returned,
    with `resolver_failed`: the slot can go on, and the first failure stays in the queries.
    """
    by_name = {str(spec): spec for spec in specs}
    own = by_name.pop(resolution.resolver or "", None)
    others, (life, control), (alias, alias_queries) = await asyncio.gather(
        asyncio.gather(
            *(_ask_other(spec, resolution, make_walk, to_resolution) for spec in by_name.values())
        ),
        _control(own, make_walk),
        _alias_walk(own, resolution, make_walk),
    )
    asked = (query for other in others for query in other.queries)
    queries = (*resolution.queries, *control, *asked, *alias_queries)
    flags = (*_flags_of_others(resolution, others), *life)
    answered = next((other for other in others if other.failure is None), None)
    if answered is not None and not _is_answer(resolution):
        flags = ("resolver_failed", *flags)
        return replace(answered, queries=queries, flags=_joined(answered.flags, flags))
    if alias is not None and alias.links:
        resolution, flags = _led_on(resolution, alias), (*flags, "alias_walked")
    return replace(resolution, queries=queries, flags=_joined(resolution.flags, flags))


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


def _flags_of_others(resolution: Resolution, others: Sequence[Resolution]) -> tuple[str, ...]:
    if not others:
        return ("no_other_resolver",)
    answered = any(other.failure is None for other in others)
    flag = "other_resolver_answered" if answered else "other_resolvers_failed"
    differs = any(_is_answer(other) and _kind(other) != _kind(resolution) for other in others)
    return (flag, "resolvers_disagree") if differs and _is_answer(resolution) else (flag,)


def _is_answer(resolution: Resolution) -> bool:
    return resolution.failure is None or resolution.failure.type in ANSWERED_FAILURES


def _kind(resolution: Resolution) -> FailureType | None:
    return resolution.failure.type if resolution.failure else None


def _joined(flags: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*flags, *more)))
