"""Rule: what several resolvers say is laid side by side; the first proper answer in the configured order counts.

Pure. A proper answer is the DNS's own (addresses, NXDOMAIN, a dangling alias ...), whether or not it is a failure; a
resolver that is silent, refuses or breaks gave none. Different addresses are normal with a CDN, which answers by
where the resolver stands; different kinds of answer are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.dns.chain import ANSWERED_FAILURES
from probe.core.model.value import replace
from probe.core.records.dns import DnsQuery, Resolution, ResolverAnswer


def answer_of(resolution: Resolution) -> ResolverAnswer:
    """One resolver's answer, without its messages."""
    return ResolverAnswer(
        resolver=resolution.resolver or "",
        rcode=resolution.rcode,
        canonical_name=resolution.canonical_name,
        addresses=tuple(record.address for record in resolution.addresses),
        ttl_s=resolution.ttl_s,
        ecs_scope=resolution.ecs_scope,
        failure=resolution.failure,
    )


def is_proper(answer: Resolution | ResolverAnswer) -> bool:
    """Whether the DNS itself answered; another resolver has nothing to mend then."""
    return answer.failure is None or answer.failure.type in ANSWERED_FAILURES


def same_kind(one: Resolution | ResolverAnswer, other: Resolution | ResolverAnswer) -> bool:
    """Addresses both, or failures of one type."""
    return (one.failure and one.failure.type) == (other.failure and other.failure.type)


def differences(answers: Sequence[ResolverAnswer]) -> tuple[str, ...]:
    """`resolvers_disagree` where proper answers differ in kind, `addresses_differ` where only in addresses."""
    proper = [answer for answer in answers if is_proper(answer)]
    disagree = any(not same_kind(proper[0], other) for other in proper[1:])
    given = {frozenset(answer.addresses) for answer in proper if answer.failure is None}
    return (*(["resolvers_disagree"] if disagree else []), *(["addresses_differ"] if len(given) > 1 else []))


def in_order(asked: Sequence[Resolution]) -> Resolution:
    """Of resolvers asked one after the other: the first proper answer, else the first failure; all messages kept.

    Flag `resolver_failed`: an earlier one gave no proper answer.
    """
    chosen = _first_proper(asked)
    flags = chosen.flags if chosen is asked[0] else (*chosen.flags, "resolver_failed")
    if len(asked) == 1:
        return chosen
    return replace(chosen, queries=_all_queries(asked), flags=flags)


def compared(asked: Sequence[Resolution]) -> Resolution:
    """Of resolvers asked at once: the first proper answer in order, all answers and messages beside it.

    Flags: `resolver_failed` where one gave no proper answer while another did, and those of `differences`.
    """
    chosen = _first_proper(asked)
    answers = tuple(map(answer_of, asked))
    failed = is_proper(chosen) and not all(map(is_proper, asked))
    flags = (*chosen.flags, *(["resolver_failed"] if failed else []), *differences(answers))
    return replace(chosen, answers=answers, queries=_all_queries(asked), flags=flags)


def _first_proper(asked: Sequence[Resolution]) -> Resolution:
    return next(filter(is_proper, asked), asked[0])


def _all_queries(asked: Sequence[Resolution]) -> tuple[DnsQuery, ...]:
    return tuple(query for resolution in asked for query in resolution.queries)
