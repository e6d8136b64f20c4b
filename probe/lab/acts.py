"""Rule: every change that a fault makes to the lab is defined together with its reversal.

Each function gives the pair of both for a running lab. `faults` says which fault uses which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from probe.lab.servers.anchor import portal
from probe.lab.servers.edge import Misdeed
from probe.lab.servers.world import OTHER_ZONE, Domain

if TYPE_CHECKING:
    from probe.lab.lab import Lab

Act = Callable[["Lab"], Awaitable[None]]
Acts = tuple[Act, Act]  # to break and to mend


def misdeed(edge: str, misdeed: Misdeed) -> Acts:
    """An edge does something wrong for a host."""

    async def apply(lab: Lab) -> None:
        lab.edges[edge].misdeeds.append(misdeed)

    async def lift(lab: Lab) -> None:
        lab.edges[edge].misdeeds.remove(misdeed)

    return apply, lift


def edge_refuses(edge: str) -> Acts:
    """An edge refuses connections."""

    async def apply(lab: Lab) -> None:
        await lab.edges[edge].server.close()

    async def lift(lab: Lab) -> None:
        lab.edges[edge].server.open()

    return apply, lift


def http3_refuses(edge: str) -> Acts:
    """An edge listens over TCP alone: its host refuses what comes over UDP."""

    async def apply(lab: Lab) -> None:
        await lab.http3[edge].close()

    async def lift(lab: Lab) -> None:
        lab.http3[edge].open()

    return apply, lift


def stale(edge: str, domain: Domain) -> Acts:
    """The customer publishes a new version of a domain's objects, and one edge keeps the old one."""

    frozen = Misdeed(host=domain.name, frozen=True)

    async def apply(lab: Lab) -> None:
        for path in domain.paths:
            await lab.edges[edge].warm(domain.name, path)
        lab.edges[edge].misdeeds.append(frozen)
        for path in domain.paths:
            lab.origins[domain.name].change(path)

    async def lift(lab: Lab) -> None:
        lab.edges[edge].misdeeds.remove(frozen)
        lab.edges[edge].expire(domain.name)

    return apply, lift


def name_gone(name: str) -> Acts:
    """A name does not exist."""

    async def apply(lab: Lab) -> None:
        lab.zones.gone.add(name)

    async def lift(lab: Lab) -> None:
        lab.zones.gone.discard(name)

    return apply, lift


def alias_changed(domain: Domain) -> Acts:
    """A domain's alias points to another company."""

    async def apply(lab: Lab) -> None:
        lab.zones.aliases[domain.name] = f"{domain.name}.{OTHER_ZONE}"

    async def lift(lab: Lab) -> None:
        lab.zones.aliases[domain.name] = domain.cdn_name

    return apply, lift


def origin_refuses(domain: Domain) -> Acts:
    """A domain's origin refuses connections; what edges have stored has run out."""

    async def apply(lab: Lab) -> None:
        await lab.origins[domain.name].server.close()
        lab.expire(domain)

    async def lift(lab: Lab) -> None:
        lab.origins[domain.name].server.open()

    return apply, lift


def origin_answers(domain: Domain, status: int) -> Acts:
    """A domain's origin answers everything with one status; what edges have stored has run out."""

    async def apply(lab: Lab) -> None:
        lab.origins[domain.name].status = status
        lab.expire(domain)

    async def lift(lab: Lab) -> None:
        lab.origins[domain.name].status = None

    return apply, lift


def origin_waits(domain: Domain, delay_s: float) -> Acts:
    """A domain's origin takes longer before the first byte."""

    async def apply(lab: Lab) -> None:
        lab.origins[domain.name].delay_s = delay_s
        lab.expire(domain)

    async def lift(lab: Lab) -> None:
        lab.origins[domain.name].delay_s = 0.0

    return apply, lift


def resolver_silent(address: str) -> Acts:
    """A resolver receives queries and does not answer."""

    async def apply(lab: Lab) -> None:
        lab.resolvers[address].silent = True

    async def lift(lab: Lab) -> None:
        lab.resolvers[address].silent = False

    return apply, lift


def resolvers_fail(addresses: Sequence[str]) -> Acts:
    """Resolvers answer SERVFAIL to everything, also when they are asked for the root."""

    async def apply(lab: Lab) -> None:
        for address in addresses:
            lab.resolvers[address].failing = True

    async def lift(lab: Lab) -> None:
        for address in addresses:
            lab.resolvers[address].failing = False

    return apply, lift


def captive_portal(source: str) -> Acts:
    """A portal answers a source address in place of every HTTP server, over TLS with its own certificate."""

    async def apply(lab: Lab) -> None:
        assert lab.portal_tls is not None, "the lab has started"
        for server in lab.http_servers():
            server.capture(source, portal, lab.portal_tls)

    async def lift(lab: Lab) -> None:
        for server in lab.http_servers():
            server.release(source)

    return apply, lift


def offline(source: str) -> Acts:
    """Every HTTP server drops connections from a source address."""

    async def apply(lab: Lab) -> None:
        for server in lab.http_servers():
            server.block(source)

    async def lift(lab: Lab) -> None:
        for server in lab.http_servers():
            server.unblock(source)

    return apply, lift


def expired_certificate(edge: str, domain: Domain) -> Acts:
    """An edge presents an expired certificate for a domain."""

    async def apply(lab: Lab) -> None:
        lab.edges[edge].expired_names.add(domain.name)

    async def lift(lab: Lab) -> None:
        lab.edges[edge].expired_names.discard(domain.name)

    return apply, lift
