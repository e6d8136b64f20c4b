"""What a zone's own servers say is worth more than any resolver's word on it.

Pure. Input: the replies of servers of a zone that were asked directly, without recursion, and whether this line lately
got such a reply from another zone's servers. Output: flags of the resolution, for the judge.

| reply                                      | means                                                        |
|--------------------------------------------|--------------------------------------------------------------|
| AA set, RA clear, NOERROR with records     | `authority_answers`: the zone is well                        |
| AA set, RA clear, NXDOMAIN or no records   | `authority_denies`: the zone itself says so                  |
| RA clear, SERVFAIL, REFUSED and the like   | a failure of the zone, if the line may witness               |
| none                                       | a failure of the zone, if the line may witness               |
| RA set, or NOERROR without AA              | somebody else answered on port 53: nothing is proven         |
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.dns.chain import DnsAnswer, improper
from probe.core.text.dns_names import normal_name, under_suffix

ANSWERS, DENIES, FAILS = "authority_answers", "authority_denies", "authority_fails"
UNPROVEN, INTERCEPTED = "authority_unproven", "authority_intercepted"
PURPOSE, PROOF = "authority", "authority_control"


def genuine(answer: DnsAnswer) -> bool:
    """Whether a server of a zone itself answered, and no resolver in its name (RFC 1035 section 4.1.1)."""
    return "AA" in answer.flags and "RA" not in answer.flags and improper(answer) is None


def flags_of(replies: Sequence[DnsAnswer | None], *, name: str, line_proven: bool) -> tuple[str, ...]:
    """What the replies of all servers asked say of `name`; None: that server sent none."""
    if not replies:
        return ()
    well = [reply for reply in replies if reply is not None and genuine(reply)]
    if any(_has_records(reply, name) for reply in well):
        return (ANSWERS,)
    if well:
        return (DENIES,)
    if any(reply is not None and _somebody_elses(reply) for reply in replies):
        return (INTERCEPTED, UNPROVEN)
    return (FAILS,) if line_proven else (UNPROVEN,)


def _has_records(reply: DnsAnswer, name: str) -> bool:
    return reply.rcode == "NOERROR" and any(
        normal_name(record.owner) == normal_name(name) for record in reply.answers
    )


def _somebody_elses(reply: DnsAnswer) -> bool:
    return "RA" in reply.flags or ("AA" not in reply.flags and improper(reply) is None)


def targets_of(replies: Sequence[DnsAnswer | None], name: str) -> tuple[str, ...]:
    """Where the zone's own servers lead an alias now; empty where they give none."""
    return tuple(
        dict.fromkeys(
            normal_name(record.rdata)
            for reply in replies
            if reply is not None and genuine(reply)
            for record in reply.answers
            if record.rdtype == "CNAME" and normal_name(record.owner) == normal_name(name)
        )
    )


def leads_into(targets: Sequence[str], suffixes: Sequence[str]) -> bool:
    """Whether one of the targets lies under a suffix."""
    return any(under_suffix(target, suffix) for target in targets for suffix in suffixes)
