"""A resolver is alive only if it answers the control question properly: the NS records of the root.

Pure. A resolver that lost its forwarder, refuses us, or invents answers says something to every question; what it says
of a customer's zone is then its own failure, however many resolvers say the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.dns.chain import DnsAnswer
from probe.core.records.dns import Resolution
from probe.core.text.dns_names import normal_name

QUESTION = (".", "NS")
PASSED, FAILED, SILENT = "passed", "failed", "silent"
FLAGS = {PASSED: "resolver_alive", FAILED: "resolver_unwell", SILENT: "resolver_silent"}
NOT_ALIVE = frozenset({FLAGS[FAILED], FLAGS[SILENT]})
# RFC 8914 section 4: Not Ready, No Reachable Authority, Network Error.
_OF_THE_NETWORK = frozenset({"14", "22", "23"})
# DNSSEC Bogus, Signature Expired, Not Yet Valid, DNSKEY Missing, RRSIGs Missing, No Zone Key Bit Set, NSEC Missing.
_OF_SIGNATURES = frozenset(str(code) for code in range(6, 13))
_OWN_WALKS = frozenset({"chain", "compared", "other_resolver", "alias"})


def passes(answer: DnsAnswer) -> bool:
    """NOERROR with NS records at the root (RFC 1035); an empty answer, another type or any other rcode is none."""
    return answer.rcode == "NOERROR" and any(
        record.rdtype == "NS" and normal_name(record.owner) == normal_name(QUESTION[0])
        for record in answer.answers
    )


def blames_the_network(resolution: Resolution) -> bool:
    """Whether the resolver whose failure counts said itself that it reached nobody (extended errors)."""
    return _says(resolution, _OF_THE_NETWORK)


def blames_signatures(resolution: Resolution) -> bool:
    """Whether that resolver said that the zone's own signatures do not hold: then validators refuse it."""
    return _says(resolution, _OF_SIGNATURES)


def _says(resolution: Resolution, codes: frozenset[str]) -> bool:
    return any(
        _names(query.extended_errors, codes)
        for query in resolution.queries
        if query.resolver == resolution.resolver and query.purpose in _OWN_WALKS and query.rcode == "SERVFAIL"
    )


def _names(extended_errors: Iterable[str], codes: frozenset[str]) -> bool:
    return any(error.partition(" ")[0] in codes for error in extended_errors)
