"""Rule: a resolver is said to rewrite NXDOMAIN only by proof: an address for a name that cannot exist.

`invalid.` is reserved (RFC 6761 section 6.4): an address for a random name under it is proof alone. A resolver that
leads mistyped names to a search page may spare `invalid.`; so a random name beside the canonical one is asked for
too. That one may exist by a wildcard, hence it is proof only where another resolver says that it does not.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from probe.core.dns.answers import answer_of, differences
from probe.core.dns.chain import WalkEnd
from probe.core.model.task import ResolverSpec
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.text.dns_names import labels, parent
from probe.resolver.walk import MakeWalk, ResolverWalk, ToResolution

FLAG = "nxdomain_rewritten"
_RANDOM_BYTES = 10


async def examine(
    resolution: Resolution,
    specs: Sequence[ResolverSpec],
    make_walk: MakeWalk,
    to_resolution: ToResolution,
) -> Resolution:
    """The `resolution` with flags that say whether its resolver can be believed; all asked at once.

    Queries appended: purposes `rewriting` and, unless all resolvers were asked anyway, `other_resolver`. `answers`
    is filled in the order of `specs`. Flags added: `nxdomain_rewritten`; `no_other_resolver`, or those of
    `core.dns.answers.differences`.
    """
    own = next((spec for spec in specs if str(spec) == resolution.resolver), None)
    if own is None:
        return resolution
    others = [spec for spec in specs if spec is not own]
    asked_already = len(resolution.answers) == len(specs)
    names = _impossible_names(resolution.canonical_name)
    mine = [make_walk("rewriting", own) for _ in names]
    theirs = [make_walk("rewriting", spec) for spec in others] if len(names) > 1 else []
    again = [] if asked_already else [make_walk("other_resolver", spec) for spec in others]
    qtype = resolution.qtype
    said, denied, looked_up = await asyncio.gather(
        asyncio.gather(*(walk.run(name, qtype) for walk, name in zip(mine, names, strict=True))),
        asyncio.gather(*(walk.run(names[-1], qtype) for walk in theirs)),
        asyncio.gather(*(walk.run(resolution.qname, qtype) for walk in again)),
    )
    found = [to_resolution(walk, end) for walk, end in zip(again, looked_up, strict=True)]
    return _with_findings(
        resolution,
        specs,
        found,
        queries=[*mine, *again, *theirs],
        rewritten=_proven(said, denied),
    )


def _impossible_names(canonical: str) -> list[str]:
    """A random name under `invalid.`, and one beside the canonical name where that has a zone above it."""
    names = [f"{secrets.token_hex(_RANDOM_BYTES)}.invalid"]
    if len(labels(canonical)) > 1:
        names.append(f"{secrets.token_hex(_RANDOM_BYTES)}.{parent(canonical)}")
    return names


def _proven(said: Sequence[WalkEnd], denied: Sequence[WalkEnd]) -> bool:
    reserved, *beside = said
    elsewhere_not = any(end.rcode == "NXDOMAIN" for end in denied)
    return bool(reserved.addresses) or (elsewhere_not and any(end.addresses for end in beside))


def _with_findings(
    resolution: Resolution,
    specs: Sequence[ResolverSpec],
    found: Sequence[Resolution],
    *,
    queries: Sequence[ResolverWalk],
    rewritten: bool,
) -> Resolution:
    answers = resolution.answers
    if found or len(answers) != len(specs):
        known = {answer.resolver: answer for answer in map(answer_of, (*found, resolution))}
        answers = tuple(known[str(spec)] for spec in specs if str(spec) in known)
    flags_of_others = differences(answers) if len(specs) > 1 else ("no_other_resolver",)
    flags = (*resolution.flags, *([FLAG] if rewritten else []), *flags_of_others)
    return replace(
        resolution,
        answers=answers,
        flags=tuple(dict.fromkeys(flags)),
        queries=(*resolution.queries, *(query for walk in queries for query in walk.queries)),
    )
