"""Rule: a failed look-up accuses a zone only once it is clear that not just our resolver failed.

Pure. A `Resolution` that failed -> outcome, fault, reason: rows of the verdict table.
"""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.dns.authority import ANSWERS, DENIES, FAILS, UNPROVEN
from probe.core.dns.chain import ANSWERED_FAILURES, ONLY_IPV6, RESOLVER_FAILURES
from probe.core.dns.control import NOT_ALIVE, blames_signatures, blames_the_network
from probe.core.dns.fault_zone import failing_zone
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType
from probe.core.records.verdict import Fault, Outcome

Triple = tuple[Outcome, Fault, str]


def blame(
    resolution: Resolution,
    kind: FailureType,
    domain: str,
    cdn_suffixes: Iterable[str],
    *,
    nodes_known: bool,
) -> Triple:
    """The failing name's zone is to blame, once it is clear that not just our resolver failed.

    A resolver that does not answer for the root, or says itself that it reached nobody, shows nothing about a zone.
    `kind`: of the failure; `nodes_known`: nodes of this IP version were seen before.
    """
    flags, suffixes = resolution.flags, tuple(cdn_suffixes)
    if ONLY_IPV6 in flags and not nodes_known:
        return _inconclusive(Fault.UNKNOWN, "dns.only_ipv6")
    told = _zone_itself(resolution, kind, domain, suffixes)
    if told is not None:
        return told
    if "resolvers_disagree" in flags:
        return _inconclusive(Fault.VANTAGE, "dns.resolvers_disagree")
    others_agree = "other_resolvers_failed" in flags
    if not NOT_ALIVE.isdisjoint(flags) or blames_the_network(resolution):
        return _inconclusive(Fault.VANTAGE, "dns.resolver_failed")
    if kind in RESOLVER_FAILURES and not others_agree:
        return _inconclusive(Fault.VANTAGE, kind.value)
    if kind is FailureType.DNS_UNREACHABLE:
        return _inconclusive(Fault.VANTAGE, "dns.resolver_failed")
    if kind is FailureType.DNS_TIMED_OUT and not others_agree:
        return _inconclusive(Fault.UNKNOWN, kind.value)
    return Outcome.FAILED, Fault(failing_zone(resolution, domain, suffixes)), kind.value


def _zone_itself(
    resolution: Resolution, kind: FailureType, domain: str, suffixes: tuple[str, ...]
) -> Triple | None:
    """What the zone's own servers told, asked directly; None where they were not asked, or told nothing."""
    flags = resolution.flags
    if ANSWERS in flags and not blames_signatures(resolution):
        # The resolver or its cache is at fault, nobody else.
        return _inconclusive(Fault.VANTAGE, "dns.resolver_failed")
    if (DENIES in flags and kind in ANSWERED_FAILURES) or FAILS in flags:
        return Outcome.FAILED, Fault(failing_zone(resolution, domain, suffixes)), kind.value
    if DENIES in flags or (UNPROVEN in flags and kind not in ANSWERED_FAILURES):
        return _inconclusive(Fault.VANTAGE, "dns.resolver_failed")
    return None


def _inconclusive(fault: Fault, reason: str) -> Triple:
    return Outcome.INCONCLUSIVE, fault, reason
