"""A resolver that is well beside zones whose own servers say what a test wants: the scripts of both.

The zones are `example`, which is well, and `acme.example`; both are served at one address.
"""

from __future__ import annotations

import dns.rrset

from tests.support.dns_server import Query, Script, reply, root

ZONE, SERVER = "acme.example", "127.0.0.53"


def resolver_script(said: Script, *, lost: bool = False) -> Script:
    """A resolver that is well, and answers for the host as `said`. `lost`: it reaches nothing of the host's zone."""
    known = {
        f"{ZONE} NS": [f"ns.{ZONE}."],
        f"ns.{ZONE} A": [SERVER],
        "example NS": ["ns.example."],
        "ns.example A": [SERVER],
    }

    def script(query: Query) -> object:
        if query.name == "." and query.qtype == "NS":
            return root(query)
        if lost and query.name.endswith(ZONE):
            return servfail(query)
        if query.qtype == "SOA":
            apex = ZONE if query.name.endswith(ZONE) else "example"
            own = f"{apex}. 60 SOA ns.{apex}. h.{apex}. 1 60 60 60 60"
            if query.name == apex:
                return reply(query, own)
            return reply(query, authority=[own])
        if f"{query.name} {query.qtype}" in known:
            return reply(
                query, *(f"{query.name}. 60 {query.qtype} {r}" for r in known[f"{query.name} {query.qtype}"])
            )
        return said(query)

    return script


def server_script(said: Script) -> Script:
    """Serves `example` well; of the host it says as `said`."""

    def script(query: Query) -> object:
        assert not query.message.flags & 0x0100, "RD is off"
        if (query.name, query.qtype) == (ZONE, "NS"):
            referral = reply(query, authority=[f"{ZONE}. 60 NS ns.{ZONE}."], flags="")
            referral.additional.append(dns.rrset.from_text(f"ns.{ZONE}.", 60, "IN", "A", SERVER))
            return referral
        if query.name == "example":
            return reply(query, "example. 60 SOA ns.example. h.example. 1 60 60 60 60", flags="AA")
        return said(query)

    return script


def servfail(query: Query) -> object:
    return reply(query, rcode="SERVFAIL", flags="RA")


def records(*lines: str, flags: str = "AA", rcode: str = "NOERROR") -> Script:
    return lambda query: reply(query, *lines, flags=flags, rcode=rcode)
