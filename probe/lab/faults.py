"""Rule: the list of faults is closed; each says what it breaks, where that shows, and what the agent must say of it.

A fault is applied to a running lab and lifted again without a trace, but for the new version of an object that
`stale_version` has the customer publish. Expectations are the verdict table's rows in terms of the lab.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from probe.core.records import Fault, Outcome, SlotRecord
from probe.lab.edge import Misdeed
from probe.lab.world import (
    API,
    BEIJING,
    DEFAULT_LIFETIME_S,
    IMG,
    OTHER_ZONE,
    SHANGHAI,
    SLOW_S,
    VOD,
    WWW,
    Domain,
    Reach,
    seen_from,
)

if TYPE_CHECKING:
    from probe.lab.lab import Lab

Act = Callable[["Lab"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the agent is to say of the affected rows. A reason that ends in `.*` stands for all that begin so."""

    outcome: Outcome
    fault: Fault
    reasons: tuple[str, ...]

    def met_by(self, row: SlotRecord) -> bool:
        """Whether the row's verdict is the expected one."""
        return (row.outcome, row.fault) == (self.outcome, self.fault) and any(
            _covers(reason, row.reason or "") for reason in self.reasons
        )

    def __str__(self) -> str:
        return f"{self.outcome}/{self.fault}/{' or '.join(self.reasons)}"


def _covers(pattern: str, reason: str) -> bool:
    return reason.startswith(pattern[:-1]) if pattern.endswith(".*") else reason == pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFault:
    """One fault. `settle_s`: how long after its start affected rows need not show it yet.

    `lasts_s`: how long it must last at least, so that an agent with an interval of 1 s sees every affected row.
    """

    name: str
    does: str
    expected: Expectation
    reach: Reach
    apply: Act
    lift: Act
    settle_s: float = 0.1
    lasts_s: float = 2.8


def _expect(outcome: Outcome, fault: Fault, *reasons: str) -> Expectation:
    return Expectation(outcome=outcome, fault=fault, reasons=reasons)


def _failed(fault: Fault, *reasons: str) -> Expectation:
    return _expect(Outcome.FAILED, fault, *reasons)


def _of_edge(edge: str, domain: Domain | None = None, path: str | None = None) -> Reach:
    return Reach(
        domain=None if domain is None else domain.name,
        path=path,
        vantage_points=seen_from(edge),
        edge=edge,
    )


def _of(domain: Domain) -> Reach:
    return Reach(domain=domain.name)


# --- what is done to the lab --------------------------------------------------------------------------


def _misdeed(edge: str, misdeed: Misdeed) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        lab.edges[edge].misdeeds.append(misdeed)

    async def lift(lab: Lab) -> None:
        lab.edges[edge].misdeeds.remove(misdeed)

    return apply, lift


def _edge_listens(edge: str) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        await lab.edges[edge].server.close()

    async def lift(lab: Lab) -> None:
        lab.edges[edge].server.open()

    return apply, lift


def _stale(edge: str, domain: Domain) -> tuple[Act, Act]:
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


def _name_gone(name: str) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        lab.zones.gone.add(name)

    async def lift(lab: Lab) -> None:
        lab.zones.gone.discard(name)

    return apply, lift


def _alias(domain: Domain) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        lab.zones.aliases[domain.name] = f"{domain.name}.{OTHER_ZONE}"

    async def lift(lab: Lab) -> None:
        lab.zones.aliases[domain.name] = domain.cdn_name

    return apply, lift


def _origin_listens(domain: Domain) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        await lab.origins[domain.name].server.close()
        lab.expire(domain)

    async def lift(lab: Lab) -> None:
        lab.origins[domain.name].server.open()

    return apply, lift


def _origin_status(domain: Domain, status: int) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        lab.origins[domain.name].status = status
        lab.expire(domain)

    async def lift(lab: Lab) -> None:
        lab.origins[domain.name].status = None

    return apply, lift


def _origin_delay(domain: Domain, delay_s: float) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        lab.origins[domain.name].delay_s = delay_s
        lab.expire(domain)

    async def lift(lab: Lab) -> None:
        lab.origins[domain.name].delay_s = 0.0

    return apply, lift


def _resolver_silent(address: str) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        lab.resolvers[address].silent = True

    async def lift(lab: Lab) -> None:
        lab.resolvers[address].silent = False

    return apply, lift


def _offline(source: str) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        for server in lab.http_servers():
            server.block(source)

    async def lift(lab: Lab) -> None:
        for server in lab.http_servers():
            server.unblock(source)

    return apply, lift


def _expired_certificate(edge: str, domain: Domain) -> tuple[Act, Act]:
    async def apply(lab: Lab) -> None:
        lab.edges[edge].expired_names.add(domain.name)

    async def lift(lab: Lab) -> None:
        lab.edges[edge].expired_names.discard(domain.name)

    return apply, lift


def _fault(
    name: str,
    does: str,
    expected: Expectation,
    reach: Reach,
    acts: tuple[Act, Act],
    *,
    settle_s: float = 0.1,
    lasts_s: float = 2.8,
) -> LabFault:
    return LabFault(
        name=name,
        does=does,
        expected=expected,
        reach=reach,
        apply=acts[0],
        lift=acts[1],
        settle_s=settle_s,
        lasts_s=lasts_s,
    )


# --- the list -----------------------------------------------------------------------------------------

# The origin is looked at once a second, then the lifetime passes, then ages are whole seconds.
_STALE_SETTLES_S = 1.5 + DEFAULT_LIFETIME_S + 1.0
_APP = WWW.paths[1]

FAULTS = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            _fault(
                "edge_down",
                "edge-1 refuses connections",
                _failed(Fault.CDN, "tcp.refused"),
                _of_edge("edge-1"),
                _edge_listens("edge-1"),
            ),
            _fault(
                "server_error",
                f"edge-2 answers 503 for {IMG.name}",
                _failed(Fault.CDN, "http.error"),
                _of_edge("edge-2", IMG),
                _misdeed("edge-2", Misdeed(host=IMG.name, status=503)),
            ),
            _fault(
                "tampered_body",
                f"edge-3 serves other content as {_APP} of {WWW.name}",
                _failed(Fault.CDN, "content.mismatch"),
                _of_edge("edge-3", WWW, _APP),
                _misdeed("edge-3", Misdeed(host=WWW.name, path=_APP, tamper=True)),
            ),
            _fault(
                "origin_down",
                f"the origin of {IMG.name} refuses connections",
                _failed(Fault.ORIGIN, "origin.*"),
                _of(IMG),
                _origin_listens(IMG),
            ),
            _fault(
                "customer_name_gone",
                f"{WWW.name} is gone from the customer's zone",
                _failed(Fault.CUSTOMER, "dns.name_not_resolved"),
                _of(WWW),
                _name_gone(WWW.name),
            ),
            _fault(
                "stale_version",
                f"edge-1 keeps an old version of what {IMG.name} serves, far past its lifetime",
                _expect(Outcome.STALE, Fault.CDN, "content.overlong_cache"),
                _of_edge("edge-1", IMG),
                _stale("edge-1", IMG),
                settle_s=_STALE_SETTLES_S,
                lasts_s=_STALE_SETTLES_S + 2.5,
            ),
            _fault(
                "slow_first_byte",
                f"edge-3 takes {SLOW_S * 1000:.0f} ms more for {WWW.name}",
                _expect(Outcome.SLOW, Fault.CDN, "timing.over_limit"),
                _of_edge("edge-3", WWW),
                _misdeed("edge-3", Misdeed(host=WWW.name, delay_s=SLOW_S)),
                lasts_s=3.2,
            ),
            _fault(
                "truncated_body",
                f"edge-1 cuts the bodies of {VOD.name} in half",
                _failed(Fault.CDN, "body.truncated"),
                _of_edge("edge-1", VOD),
                _misdeed("edge-1", Misdeed(host=VOD.name, truncate=True)),
            ),
            _fault(
                "name_gone",
                f"{VOD.cdn_name} is gone from the CDN's zone",
                _failed(Fault.CDN, "dns.dangling_alias"),
                _of(VOD),
                _name_gone(VOD.cdn_name),
            ),
            _fault(
                "alias_changed",
                f"{API.name} is an alias of another company's name",
                _expect(Outcome.INCONCLUSIVE, Fault.CUSTOMER, "dns.alias_changed"),
                _of(API),
                _alias(API),
            ),
            _fault(
                "resolver_down",
                f"the first resolver of {SHANGHAI.name} is silent",
                _expect(Outcome.INCONCLUSIVE, Fault.VANTAGE, "dns.resolver_failed"),
                Reach(vantage_points=(SHANGHAI.name,)),
                _resolver_silent(SHANGHAI.resolvers[0]),
                lasts_s=4.0,
            ),
            _fault(
                "origin_error",
                f"the origin of {WWW.name} answers 500",
                _failed(Fault.ORIGIN, "origin.same_status"),
                _of(WWW),
                _origin_status(WWW, 500),
            ),
            _fault(
                "origin_slow",
                f"the origin of {API.name} takes {SLOW_S * 1000:.0f} ms more",
                _expect(Outcome.SLOW, Fault.ORIGIN, "timing.origin_slow"),
                _of(API),
                _origin_delay(API, SLOW_S),
                lasts_s=4.5,
            ),
            _fault(
                "vantage_offline",
                f"nothing can be reached from {BEIJING.name}",
                _expect(Outcome.INCONCLUSIVE, Fault.VANTAGE, "vantage.offline"),
                Reach(vantage_points=(BEIJING.name,)),
                _offline(BEIJING.source),
            ),
            _fault(
                "tls_expired",
                f"edge-3 presents an expired certificate for {VOD.name}",
                _failed(Fault.CDN, "tls.cert.date_invalid"),
                _of_edge("edge-3", VOD),
                _expired_certificate("edge-3", VOD),
            ),
        )
    }
)
