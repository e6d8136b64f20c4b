"""Rule: an address is called foreign by two independent signs, never because it is new.

A name can lead elsewhere than the CDN meant: a resolver that rewrites answers, a poisoned cache, a middle box. What
such an address then serves is the path's fault, not the CDN's. A CDN may bring new nodes into use at any time, so an
unknown address alone proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from probe.core.content.check_kind import Symptom, SymptomKind
from probe.core.dns.authority import ANSWERS, DENIES, leads_into
from probe.core.dns.control import NOT_ALIVE
from probe.core.model.addresses import in_prefixes
from probe.core.model.task import Task, TlsPolicy
from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation
from probe.core.records.verdict import Evidence
from probe.core.text.dns_names import under_suffix


def foreign(task: Task, evidence: Evidence, address: str) -> bool:
    """Whether an address that the name led to is no node of the CDN, as far as is known.

    Where the CDN declared its prefixes: outside of them. Else: unknown to an inventory that is settled, and either
    this resolver was caught inventing addresses, or other resolvers answered and none of them gave this address.
    """
    if not _is_address(address):
        return False  # a proxy looked the name up: nobody knows the address
    if task.cdn_prefixes:
        return not in_prefixes(address, task.cdn_prefixes)
    return unknown_node(evidence, address) and (
        _rewrites(evidence.resolution) or _given_by_nobody_else(evidence.resolution, address)
    )


def worth_asking(task: Task, evidence: Evidence, address: str) -> bool:
    """Whether the resolver itself should be examined before anybody is blamed for what this address serves."""
    if not _is_address(address):
        return False
    if task.cdn_prefixes:
        return not in_prefixes(address, task.cdn_prefixes)
    return unknown_node(evidence, address)


def led_elsewhere(
    task: Task, evidence: Evidence, symptoms: Iterable[Symptom], doubtful: Iterable[str]
) -> bool:
    """Whether the resolver should be examined: the alias is not what it should be, or a doubtful edge is a stranger.

    `doubtful`: addresses of the edges that something is off with.
    """
    if any(symptom.kind is SymptomKind.ALIAS for symptom in symptoms):
        return True
    return any(worth_asking(task, evidence, address) for address in doubtful)


def alias_hidden(task: Task, resolution: Resolution | None) -> bool:
    """Whether only this resolver hides the alias: every other one that answered leads into the CDN.

    Then the customer's name is as it should be, and what this resolver says instead is the path's doing.
    """
    if resolution is None:
        return False
    others = [a for a in resolution.answers if a.resolver != resolution.resolver and a.addresses]
    return bool(others) and all(
        any(under_suffix(other.canonical_name, suffix) for suffix in task.cdn_suffixes) for other in others
    )


def changed_by_the_zone(task: Task, resolution: Resolution | None) -> bool:
    """Whether the customer's own servers lead the name elsewhere than into the CDN: other resolvers are late."""
    if resolution is None or not {ANSWERS, DENIES} & set(resolution.flags):
        return False
    return not leads_into(resolution.authority_aliases, task.cdn_suffixes)


def outdated(task: Task, resolution: Resolution | None) -> bool:
    """Whether the customer's own servers lead into the CDN, and this resolver has not seen that yet.

    One that was caught inventing addresses is not late: it lies.
    """
    if resolution is None or _rewrites(resolution) or ANSWERS not in resolution.flags:
        return False
    return leads_into(resolution.authority_aliases, task.cdn_suffixes)


def disbelieved(resolution: Resolution | None) -> bool:
    """Whether this resolver was caught inventing addresses, or is not alive: its word proves nothing."""
    return resolution is not None and (_rewrites(resolution) or not NOT_ALIVE.isdisjoint(resolution.flags))


def unknown_node(evidence: Evidence, address: str) -> bool:
    """Whether an inventory that has learned for long enough does not hold the address."""
    nodes = evidence.nodes
    return nodes is not None and nodes.settled and address in nodes.strangers


def _rewrites(resolution: Resolution | None) -> bool:
    return resolution is not None and "nxdomain_rewritten" in resolution.flags


def _given_by_nobody_else(resolution: Resolution | None, address: str) -> bool:
    if resolution is None:
        return False
    others = [a for a in resolution.answers if a.resolver != resolution.resolver and a.addresses]
    return bool(others) and all(address not in other.addresses for other in others)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def over_verified_tls(look: Observation, policy: TlsPolicy) -> bool:
    """A reply, if only its head, from somebody who holds the key of the name: nobody on the way can make it up."""
    tls = look.tls
    shown = tls is not None and bool(tls.chain_sha256) and tls.verify_error is None
    return shown and policy.verify and look.response is not None
