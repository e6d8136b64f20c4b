"""Rule: whose zone a name lies in is read from SOA records, and a zone that answers nobody from where it begins.

Pure. The owner of an SOA record, in the answer or the authority section, is the apex of its zone (RFC 1035, RFC
2308). A recursive resolver that cannot reach a zone fails for every name in it: the shallowest name that fails while
the one above it is answered is then where the broken zone begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probe.core.dns.chain import DnsAnswer, improper
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType
from probe.core.text.dns_names import labels, normal_name, parent, under_suffix

MOST_NAMES = 8
_ALIASED = (FailureType.DNS_CNAME_LOOP, FailureType.DNS_CHAIN_TOO_LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """`zone`: the apex found. `doubtful`: it failed while its parent was answered, so ask for its NS records."""

    zone: str
    doubtful: bool = False


def first_name(resolution: Resolution) -> str | None:
    """The name to begin with: the failing one, or its parent where it has an alias and so is no apex (RFC 1034)."""
    name = resolution.failing_name
    if name is None or resolution.failure is None:
        return None
    start = parent(name) if resolution.failure.type in _ALIASED else normal_name(name)
    return start if start != "." else None


def names_above(name: str) -> tuple[str, ...]:
    """The ancestors of `name` from the nearest to the top-level domain; of many, those nearest to the top."""
    parts = labels(name)
    above = tuple(".".join(parts[place:]) for place in range(1, len(parts)))
    return above[-(MOST_NAMES - 1) :]


def apex_from(name: str, answer: DnsAnswer) -> str | None:
    """The apex of the zone that `name` lies in, if the response to the question for its SOA shows it."""
    own = [normal_name(record.owner) for record in answer.answers if record.rdtype == "SOA"]
    found = [owner for owner in (*own, *answer.authority_soas) if _above(name, owner)]
    return max(found, key=lambda owner: len(labels(owner)), default=None)


def _above(name: str, owner: str) -> bool:
    return owner == "." or under_suffix(name, owner)


def find_cut(replies: Sequence[tuple[str, DnsAnswer | None]]) -> Cut | None:
    """The zone of the first name; `replies` to SOA questions, from it upwards, None where no response came.

    None where it is not known, such as where no name at all is answered.
    """
    broken: str | None = None
    for name, answer in replies:
        if answer is None or improper(answer) is not None:
            broken = name
            continue
        if broken is not None:
            return Cut(zone=broken, doubtful=True)
        apex = apex_from(name, answer)
        if apex is not None:
            return Cut(zone=apex)
    return None


def settled(cut: Cut, delegation: DnsAnswer | None) -> str:
    """The zone, once the NS records of a doubtful one were asked for.

    Only a proper response that names another zone for it denies the delegation; NS records, silence and SERVFAIL
    leave the cut where it is.
    """
    if delegation is None or improper(delegation) is not None:
        return cut.zone
    apex = apex_from(cut.zone, delegation)
    return apex if apex is not None and apex != "." else cut.zone
