"""The customer's and the CDN's names: what their own servers say is theirs."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.scenario import Scenario
from tests.truth.setup import Setup

SCENARIOS = (
    Scenario(
        name="name-gone", party="customer", why="the customer's zone itself says that the name does not exist",
        setup=Setup(domain="none.acme.example"), right=["failed customer dns.name_not_resolved"], quick=True,
    ),
    Scenario(
        name="zone-silent", party="customer", why="R1: the zone's only server does not react, the parent's do",
        setup=Setup(domain="www.silent.example"), right=["failed customer dns.*"],
    ),
    Scenario(
        name="zone-lame", party="customer", why="R1: the zone is delegated to a server that refuses it",
        setup=Setup(domain="www.lame.example"), right=["failed customer dns.*"],
    ),
    Scenario(
        name="zone-bogus", party="customer", why="the zone's signatures do not fit: a validating resolver refuses it",
        setup=Setup(domain="www.bogus.example", vantage=parts.RESOLVER_AT_SECOND),
        parts=[parts.resolver("validates")], right=["failed customer dns.server_failure"],
    ),
    Scenario(
        name="alias-moved", party="customer", why="the customer leads the name elsewhere, by the zone's own servers",
        setup=Setup(domain="moved.acme.example"), right=["inconclusive customer dns.alias_changed"],
    ),
    Scenario(
        name="alias-removed", party="customer", why="the customer took the alias out",
        setup=Setup(domain="plain.acme.example"), right=["inconclusive customer dns.alias_changed"],
    ),
    Scenario(
        name="alias-dangling", party="cdn", why="the alias leads to a name that the CDN's zone denies",
        setup=Setup(domain="dangling.acme.example"), right=["failed cdn dns.*"],
    ),
    Scenario(
        name="cdn-zone-silent", party="cdn", why="R1: the CDN's zone has no server that reacts, others' have",
        setup=Setup(domain="dead-cdn.acme.example", keys={"cdn": {"suffixes": ["dead.test"]}}),
        right=["failed cdn dns.*"],
    ),
    Scenario(
        name="six-only", party="nobody", why="c24: the name has IPv6 only and only IPv4 is measured; nobody is accused",
        setup=Setup(domain="six.acme.example"), right=["ok - *", "inconclusive * *"],
    ),
)  # fmt: skip
