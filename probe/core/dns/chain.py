"""Rule: one class decides where the walk along the aliases goes; whoever sends only asks what it names next.

DNS answers, already parsed into plain values, go in; the next name to ask, or how the walk ended, comes out.
Nothing is looked up here, no time is read. Names are compared without regard to case and kept in lower case
without the final dot (RFC 4343, RFC 9499).
"""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.model.value import Value
from probe.core.records.dns import AddressRecord, CnameLink
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.text.dns_names import normal_name

MAX_LINKS = 32
_MAX_TTL_S = 2**31 - 1
_RCODE_FAILURES = {
    "SERVFAIL": FailureType.DNS_SERVER_FAILURE,
    "REFUSED": FailureType.DNS_REFUSED,
    "FORMERR": FailureType.DNS_FORMAT_ERROR,
}

ONLY_IPV6 = "only_ipv6"  # in `Resolution.flags`: no address of IPv4, which was asked for, and some of IPv6
ANSWERED_FAILURES = frozenset(
    {
        FailureType.DNS_NAME_NOT_RESOLVED,
        FailureType.DNS_NO_DATA,
        FailureType.DNS_DANGLING_ALIAS,
        FailureType.DNS_CNAME_LOOP,
        FailureType.DNS_CHAIN_TOO_LONG,
        FailureType.DNS_BOGUS_ADDRESS,
    }
)
"""Failures that the DNS itself answered; with any other one, this resolver gave no proper answer."""
# What a resolver does to itself, whatever the zone.
RESOLVER_FAILURES = frozenset(
    {
        FailureType.DNS_UNREACHABLE,
        FailureType.DNS_MALFORMED,
        FailureType.DNS_TLS_FAILED,
        FailureType.DNS_TRUNCATED_TCP_FAILED,
        FailureType.DNS_REFUSED,
        FailureType.DNS_LAME,
        FailureType.DNS_FORMAT_ERROR,
    }
)


class AnswerRecord(Value, frozen=True, kw_only=True):
    """One resource record of the answer section; `rdata` in presentation format."""

    owner: str
    rdtype: str
    ttl_s: int
    rdata: str


class DnsAnswer(Value, frozen=True, kw_only=True):
    """One response message: the answer section in wire order, and the record types of the authority section.

    `authority_soas`: the owners of the SOA records there, each the apex of a zone.
    """

    rcode: str
    flags: tuple[str, ...] = ()
    answers: tuple[AnswerRecord, ...] = ()
    authority_types: tuple[str, ...] = ()
    authority_soas: tuple[str, ...] = ()


class WalkEnd(Value, frozen=True, kw_only=True):
    """How a walk ended. `name` is the last name reached, `failing_name` the one whose look-up failed.

    `final`: the answer is the DNS's own (addresses, NXDOMAIN, NODATA, a loop ...), so that another resolver
    has nothing to mend; not final: this resolver gave no proper answer.
    """

    links: tuple[CnameLink, ...]
    name: str
    addresses: tuple[AddressRecord, ...]
    ttl_s: int | None
    rcode: str | None
    failing_name: str | None
    failure: Failure | None
    flags: tuple[str, ...]

    @property
    def final(self) -> bool:
        return self.failure is None or self.failure.type in ANSWERED_FAILURES


def improper(answer: DnsAnswer) -> FailureType | None:
    """What disqualifies the message as an answer at all, by its rcode (RFC 1035 section 4.1.1), or None."""
    if answer.rcode in ("NOERROR", "NXDOMAIN"):
        return None
    return _RCODE_FAILURES.get(answer.rcode, FailureType.DNS_ERROR_RCODE)


class ChainWalk:
    """The walk from `qname` along its CNAMEs to records of `qtype`.

    Ask for `ask` until it is None, hand each response to `feed` (or what prevented one to `give_up`), then read
    `end`. With qtype `CNAME` only the aliases are walked, which shows how far a chain leads where its end does
    not answer; that walk always ends in a failure, whose `failing_name` is the last name reached.
    """

    def __init__(self, qname: str, qtype: str, limit: int = MAX_LINKS) -> None:
        self._name = normal_name(qname)
        self._origin = self._name
        self._qtype = qtype
        self._limit = limit
        self._links: list[CnameLink] = []
        self._seen = {self._name}
        self._addresses: dict[str, AddressRecord] = {}
        self._flags: list[str] = []
        self._rcode: str | None = None
        self._failing: str | None = None
        self._failure: Failure | None = None
        self._done = False

    @property
    def ask(self) -> str | None:
        """The name to ask for next; None once the walk has ended."""
        return None if self._done else self._name

    @property
    def end(self) -> WalkEnd:
        """How it ended. Only to be read when `ask` is None."""
        assert self._done, "the walk has not ended"
        return WalkEnd(
            links=tuple(self._links),
            name=self._name,
            addresses=tuple(self._addresses.values()),
            ttl_s=self._least_ttl(),
            rcode=self._rcode,
            failing_name=self._failing,
            failure=self._failure,
            flags=tuple(self._flags),
        )

    def feed(self, answer: DnsAnswer, resolver: str) -> None:
        """Take in the response to the question for `ask`, given by `resolver`."""
        asked, self._rcode = self._name, answer.rcode
        while not self._done and self._step(answer, resolver):
            pass
        if not self._done:
            self._conclude(answer, asked)

    def give_up(self, failure: Failure) -> None:
        """No response came for the name at hand."""
        self._rcode = None
        self._fail(failure)

    def _step(self, answer: DnsAnswer, resolver: str) -> bool:
        """Take what the message holds for the name at hand; True when it led on to another name."""
        own = [r for r in answer.answers if normal_name(r.owner) == self._name]
        aliases = _distinct_targets(r for r in own if r.rdtype == "CNAME")
        found = [r for r in own if r.rdtype == self._qtype and self._qtype != "CNAME"]
        if found and aliases:
            self._flag("cname_and_other_data")  # RFC 1034 section 3.6.2 forbids it
        if found and answer.rcode == "NOERROR":
            self._take_addresses(found)
            return False
        if found:
            self._flag("contradictory_answer")  # records beside an rcode that says that there are none
        return self._follow(aliases, resolver) if aliases else False

    def _take_addresses(self, found: list[AnswerRecord]) -> None:
        for record in found:
            ttl_s = _ttl(record.ttl_s)
            known = self._addresses.get(record.rdata)
            least = ttl_s if known is None else min(ttl_s, known.ttl_s)
            self._addresses[record.rdata] = AddressRecord(address=record.rdata, ttl_s=least)
        self._done = True

    def _follow(self, aliases: list[AnswerRecord], resolver: str) -> bool:
        if sum(not link.doubled for link in self._links) >= self._limit:
            self._end_with(FailureType.DNS_CHAIN_TOO_LONG, f"more than {self._limit} links")
            return False
        for place, record in enumerate(aliases):
            link = CnameLink(
                owner=self._name,
                target=normal_name(record.rdata),
                ttl_s=_ttl(record.ttl_s),
                resolver=resolver,
                doubled=place > 0,
            )
            self._links.append(link)
        if len(aliases) > 1:
            self._flag("doubled_cname")
        target = normal_name(aliases[0].rdata)
        if target in self._seen:
            self._end_with(FailureType.DNS_CNAME_LOOP, f"{self._name} leads back to {target}")
            return False
        self._seen.add(target)
        self._name = target
        return True

    def _conclude(self, answer: DnsAnswer, asked: str) -> None:
        """The message holds nothing more for the name at hand: what does that mean?"""
        broken = improper(answer)
        if broken is not None:
            self._end_with(broken, f"rcode {answer.rcode}")
        elif answer.rcode == "NXDOMAIN":  # of the last name of the chain (RFC 6604)
            self._end_with(self._dead_end(FailureType.DNS_NAME_NOT_RESOLVED), "NXDOMAIN")
        elif "SOA" in answer.authority_types:  # NODATA types 1 and 2 (RFC 2308 section 2.2)
            self._end_with(self._dead_end(FailureType.DNS_NO_DATA), f"no {self._qtype} records")
        elif self._name != asked:
            return  # led on to a name that this server says nothing about: ask for that one
        elif _is_referral(answer):
            self._end_with(FailureType.DNS_LAME, "a referral in place of an answer")
        else:  # NODATA type 3
            self._end_with(self._dead_end(FailureType.DNS_NO_DATA), f"no {self._qtype} records")

    def _dead_end(self, at_the_domain: FailureType) -> FailureType:
        return at_the_domain if self._name == self._origin else FailureType.DNS_DANGLING_ALIAS

    def _end_with(self, kind: FailureType, detail: str) -> None:
        failure = Failure(phase=Phase.DNS, type=kind, operation="resolve", detail=f"{self._name}: {detail}")
        self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        self._failure, self._failing, self._done = failure, self._name, True

    def _flag(self, flag: str) -> None:
        if flag not in self._flags:
            self._flags.append(flag)

    def _least_ttl(self) -> int | None:
        followed = [link.ttl_s for link in self._links if not link.doubled]
        return min(followed + [record.ttl_s for record in self._addresses.values()], default=None)


def _distinct_targets(records: Iterable[AnswerRecord]) -> list[AnswerRecord]:
    """One record a target: the same record twice is one record (RFC 2181 section 5)."""
    distinct: dict[str, AnswerRecord] = {}
    for record in records:
        distinct.setdefault(normal_name(record.rdata), record)
    return list(distinct.values())


def _ttl(ttl_s: int) -> int:
    """A TTL with its top bit set counts as zero (RFC 2181 section 8)."""
    return ttl_s if 0 <= ttl_s <= _MAX_TTL_S else 0


def _is_referral(answer: DnsAnswer) -> bool:
    return "NS" in answer.authority_types and not {"AA", "RA"} & set(answer.flags)
