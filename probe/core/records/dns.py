"""Rule: a look-up is kept as it was answered: every link, every message, every resolver.

`Resolution` is the result of one look-up, with the alias chain, the addresses, and each `DnsQuery` that was sent
(terms of RFC 9499). Written by `probe.resolver`; read by the judge, by `core.dns` and by reports.
"""

from __future__ import annotations

from probe.core.model.value import Value
from probe.core.records.failure import Failure


class CnameLink(Value, frozen=True, kw_only=True):
    """One link of the chain: `owner` is an alias, `target` is its CNAME RDATA. Names end without a dot."""

    owner: str
    target: str
    ttl_s: int
    resolver: str
    doubled: bool = False  # a second CNAME at the same owner: kept, not followed (RFC 2181 section 10.1)


class AddressRecord(Value, frozen=True, kw_only=True):
    """An A or AAAA record as it was answered; `refused` says why the address policy will not connect to it."""

    address: str
    ttl_s: int
    refused: str | None = None


class DnsQuery(Value, frozen=True, kw_only=True):
    """One message sent to one resolver and what came back. `start_us` and `end_us` from slot start.

    `purpose`: chain (the walk), compared (the same at a further resolver, where all are asked), other_resolver
    (after a failure), control (is this resolver alive at all), alias (after a failure: CNAMEs alone, to learn how
    far the chain leads), zone_cut (after a failure: SOA, to learn whose zone it is), rewriting (a name that cannot
    exist, to learn whether this resolver invents addresses), authority_servers (who the zone's own servers are),
    authority (one of them, asked directly without recursion), authority_control (one of another zone's, to learn
    whether this line reaches any), other_version (AAAA of a name that has no A), https (HTTPS records of the name).
    """

    qname: str
    qtype: str
    resolver: str  # as configured: udp://192.0.2.53:53
    transport: str  # udp, tcp, tls, https
    purpose: str = "chain"
    rcode: str | None = None
    flags: tuple[str, ...] = ()  # AA TC RA AD ...
    start_us: int | None = None
    end_us: int | None = None
    ecs_source: str | None = None  # RFC 7871: what we sent
    ecs_scope: int | None = None  # RFC 7871: SCOPE PREFIX-LENGTH of the answer
    ecs_dropped: bool = False  # repeated without EDNS options after FORMERR or REFUSED
    nsid: str | None = None  # RFC 5001: which of the resolver's servers answered, as it names itself
    extended_errors: tuple[
        str, ...
    ] = ()  # RFC 8914: "22 No Reachable Authority", with EXTRA-TEXT behind a colon
    failure: Failure | None = None


class HttpsRecord(Value, frozen=True, kw_only=True):
    """An HTTPS record (RFC 9460) as it was answered; nobody follows it.

    `priority` 0: an alias to `target` (section 2.4.2). `target` without its final dot, empty for the owner itself.
    `alpn`: the HTTP versions named; `default_alpn`: HTTP/1.1 is meant too. `hints`: addresses. `ech`: Encrypted
    ClientHello is offered. `keys`: which parameters it has, in its own order.
    """

    owner: str
    ttl_s: int
    priority: int
    target: str
    alpn: tuple[str, ...] = ()
    default_alpn: bool = True
    port: int | None = None
    hints: tuple[str, ...] = ()
    ech: bool = False
    keys: tuple[str, ...] = ()


class ResolverAnswer(Value, frozen=True, kw_only=True):
    """What one of several compared resolvers said: the end of its own walk along the aliases.

    `control`: after a failure, how it took the control question (`passed`, `failed`, `silent`); None: not asked.
    """

    resolver: str
    rcode: str | None
    canonical_name: str
    addresses: tuple[str, ...]
    ttl_s: int | None
    ecs_scope: int | None = None
    failure: Failure | None = None
    control: str | None = None


class Resolution(Value, frozen=True, kw_only=True):
    """The look-up of one name and type from one vantage point.

    `canonical_name` is the last name reached; on failure `failing_name` is the name whose look-up failed, and
    `zone` the apex of the zone that it lies in, where SOA records showed it. `answers`: what each resolver said, in the
    vantage point's order, where all are asked and compared. `authority_aliases`: where the zone's own servers, asked
    directly, lead the name now. `https_records`: of the name, from the same resolver, where they were asked for.
    """

    qname: str
    qtype: str
    rcode: str | None
    cname_chain: tuple[CnameLink, ...]
    canonical_name: str
    addresses: tuple[AddressRecord, ...]
    ttl_s: int | None  # least TTL along the chain
    resolver: str | None  # the one whose answer counts
    transport: str | None
    ecs_source: str | None = None
    ecs_scope: int | None = None
    failing_name: str | None = None
    zone: str | None = None
    failure: Failure | None = None
    flags: tuple[str, ...] = ()  # doubled_cname, ecs_ignored, ...
    answers: tuple[ResolverAnswer, ...] = ()
    authority_aliases: tuple[str, ...] = ()
    https_records: tuple[HttpsRecord, ...] = ()
    queries: tuple[DnsQuery, ...] = ()
