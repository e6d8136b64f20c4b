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
from probe.core.dns.control import FAILED, FLAGS, PASSED, SILENT
from probe.core.model.task import ResolverSpec
from probe.core.model.value import replace
from probe.core.records.dns import DnsQuery, Resolution, ResolverAnswer
from probe.core.records.failure import FailureType
from probe.resolver.walk import MakeWalk, ToResolution

_WORTH_AN_ALIAS_WALK = (FailureType.DNS_SERVER_FAILURE, FailureType.DNS_TIMED_OUT)
Controls = dict[str, str | None]


async def consult(
    resolution: Resolution,
    specs: Sequence[ResolverSpec],
    make_walk: MakeWalk,
    to_resolution: ToResolution,
) -> Resolution:
    """The failed `resolution` with what the others and the failing resolver itself said, all asked at once.

    The queries made are appended (purposes `other_resolver`, `control`, `alias`) and `answers` filled in the order
    of `specs`, each with how that resolver took the control question; where all were asked in the slot already, the
    others are not asked again. Flags added:
    `other_resolver_answered`, `other_resolvers_failed` (one of them at least is alive), `other_resolvers_unwell` (none
    is) or `no_other_resolver`; `resolver_alive`, `resolver_unwell` or `resolver_silent` of the resolver whose failure
    counts (none where our own host stood in the way); `resolvers_disagree` where both gave proper answers that differ;
    `alias_walked` where asking for CNAMEs alone led behind the failing name, which then is the last one reached.

    A resolver that is alive goes before one that is not: where this one gave no proper answer, or is not alive, and
    another one is alive and gave addresses, or a proper answer, the other's resolution is returned, with
    `resolver_failed`: the slot can go on, and the first failure stays in the queries.
    """
    by_name = {str(spec): spec for spec in specs}
    own = by_name.pop(resolution.resolver or "", None)
    known = {answer.resolver: answer for answer in (*resolution.answers, answer_of(resolution))}
    unasked = [spec for name, spec in by_name.items() if name not in known]
    others, controls, (alias, alias_queries) = await asyncio.gather(
        asyncio.gather(*(_ask_other(spec, resolution, make_walk, to_resolution) for spec in unasked)),
        _controls(specs if own is not None else (), make_walk),
        _alias_walk(own, resolution, make_walk),
    )
    alive: Controls = {name: how for name, how, _ in controls}
    known |= {answer.resolver: answer for answer in map(answer_of, others)}
    answers = tuple(_beside(known[str(spec)], alive.get(str(spec))) for spec in specs if str(spec) in known)
    asked = (query for other in others for query in other.queries)
    control_queries = (query for _, _, queries in controls for query in queries)
    queries = (*resolution.queries, *control_queries, *asked, *alias_queries)
    flags = _flags_of_others(resolution, [known[name] for name in by_name], alive)
    better = _better(resolution, others, alive)
    if better is not None:
        flags = ("resolver_failed", *flags, *_life(alive.get(better.resolver or "")))
        return replace(better, answers=answers, queries=queries, flags=_joined(better.flags, flags))
    flags = (*flags, *_life(alive.get(resolution.resolver or "")))
    if alias is not None and alias.links:
        resolution, flags = _led_on(resolution, alias), (*flags, "alias_walked")
    return replace(resolution, answers=answers, queries=queries, flags=_joined(resolution.flags, flags))


def _beside(answer: ResolverAnswer, control: str | None) -> ResolverAnswer:
    """The answer beside how its resolver took the control question."""
    return replace(answer, control=control)


def _life(control: str | None) -> tuple[str, ...]:
    return () if control is None else (FLAGS[control],)


def _better(resolution: Resolution, others: Sequence[Resolution], alive: Controls) -> Resolution | None:
    """Of the others that are alive: the first with addresses, if this gave no proper answer or is not alive itself.

    Where this one is not alive: the first that gave a proper answer of any kind, else the first that failed.
    """
    well = [other for other in others if alive.get(other.resolver or "") == PASSED]
    own = alive.get(resolution.resolver or "")
    if own in (PASSED, None):
        found = [] if is_proper(resolution) else [other for other in well if other.failure is None]
        return found[0] if found else None
    ranked = sorted(well, key=lambda other: (other.failure is not None, not is_proper(other)))
    return ranked[0] if ranked else None


async def _ask_other(
    spec: ResolverSpec, resolution: Resolution, make_walk: MakeWalk, to_resolution: ToResolution
) -> Resolution:
    walk = make_walk("other_resolver", spec)
    return to_resolution(walk, await walk.run(resolution.qname, resolution.qtype))


async def _controls(
    specs: Sequence[ResolverSpec], make_walk: MakeWalk
) -> list[tuple[str, str | None, tuple[DnsQuery, ...]]]:
    """Of each resolver: its name, how it took the control question, and the messages."""
    walks = [make_walk("control", spec) for spec in specs]
    taken = await asyncio.gather(*(walk.control() for walk in walks))
    return [(str(walk.resolver), how, tuple(walk.queries)) for walk, how in zip(walks, taken, strict=True)]


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


def _flags_of_others(
    resolution: Resolution, others: Sequence[ResolverAnswer], alive: Controls
) -> tuple[str, ...]:
    if not others:
        return ("no_other_resolver",)
    heard = [other for other in others if alive.get(other.resolver) not in (FAILED, SILENT)]
    if not heard:
        return ("other_resolvers_unwell",)
    answered = any(other.failure is None for other in heard)
    flag = "other_resolver_answered" if answered else "other_resolvers_failed"
    own_counts = is_proper(resolution) and alive.get(resolution.resolver or "") in (PASSED, None)
    differs = any(is_proper(other) and not same_kind(other, resolution) for other in heard)
    return (flag, "resolvers_disagree") if differs and own_counts else (flag,)


def _joined(flags: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*flags, *more)))
