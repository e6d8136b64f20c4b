"""Rule: the list of faults is closed; each says what it breaks, where that shows, and what the agent must say of it.

A fault is applied to a running lab and lifted again without a trace, but for the new version of an object that
`stale_version` has the customer publish. Expectations are the verdict table's rows in terms of the lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Fault, Outcome
from probe.lab import acts
from probe.lab.servers.edge import Misdeed
from probe.lab.servers.world import (
    API,
    BEIJING,
    DEFAULT_LIFETIME_S,
    HTTP3,
    IMG,
    LIVE,
    SHANGHAI,
    SLOW_S,
    VOD,
    WWW,
    Domain,
    Reach,
    seen_from,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The verdict that affected rows must have. A reason that ends in `.*` stands for all reasons with that prefix."""

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
    apply: acts.Act
    lift: acts.Act
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


def _fault(
    name: str,
    does: str,
    expected: Expectation,
    reach: Reach,
    pair: acts.Acts,
    *,
    settle_s: float = 0.1,
    lasts_s: float = 2.8,
) -> LabFault:
    return LabFault(
        name=name,
        does=does,
        expected=expected,
        reach=reach,
        apply=pair[0],
        lift=pair[1],
        settle_s=settle_s,
        lasts_s=lasts_s,
    )


# --- the list -----------------------------------------------------------------------------------------

# The origin is looked at once a second, then the lifetime passes, then two seconds by which its age may be wrong: one
# for the edge and one for a cache behind it that does not show itself (`core.caching.staleness.slack_s`).
_STALE_SETTLES_S = 1.5 + DEFAULT_LIFETIME_S + 2.0
_APP = WWW.paths[1]
_REFUSED_OVER_UDP = ("quic.refused",) if HTTP3 else ()
# With the extra `http3` alone. The first flight is sent again before ICMP's word counts.
_OVER_UDP: tuple[LabFault, ...] = (
    _fault(
        "http3_down",
        f"edge-3 does not listen for HTTP/3 any more, by which {LIVE.name} is asked",
        _failed(Fault.CDN, "quic.refused"),
        _of_edge("edge-3", LIVE),
        acts.http3_refuses("edge-3"),
        lasts_s=4.5,
    ),
)

FAULTS: Mapping[str, LabFault] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            _fault(
                "edge_down",
                "edge-1 refuses connections",
                _failed(Fault.CDN, "tcp.refused", *_REFUSED_OVER_UDP),
                _of_edge("edge-1"),
                acts.edge_refuses("edge-1"),
            ),
            _fault(
                "captive_portal",
                f"a portal answers {SHANGHAI.name} in place of every server",
                _expect(Outcome.INCONCLUSIVE, Fault.VANTAGE, "vantage.captive_portal"),
                Reach(vantage_points=(SHANGHAI.name,)),
                acts.captive_portal(SHANGHAI.source),
            ),
            _fault(
                "server_error",
                f"edge-2 answers 503 for {IMG.name}",
                _failed(Fault.CDN, "http.error"),
                _of_edge("edge-2", IMG),
                acts.misdeed("edge-2", Misdeed(host=IMG.name, status=503)),
            ),
            _fault(
                "tampered_body",
                f"edge-3 serves other content as {_APP} of {WWW.name}",
                _failed(Fault.CDN, "content.mismatch"),
                _of_edge("edge-3", WWW, _APP),
                acts.misdeed("edge-3", Misdeed(host=WWW.name, path=_APP, tamper=True)),
            ),
            _fault(
                "origin_down",
                f"the origin of {IMG.name} refuses connections",
                _failed(Fault.ORIGIN, "origin.*"),
                _of(IMG),
                acts.origin_refuses(IMG),
            ),
            _fault(
                "customer_name_gone",
                f"{WWW.name} is gone from the customer's zone",
                _failed(Fault.CUSTOMER, "dns.name_not_resolved"),
                _of(WWW),
                acts.name_gone(WWW.name),
            ),
            _fault(
                "stale_version",
                f"edge-1 keeps an old version of what {IMG.name} serves, far past its lifetime",
                _expect(Outcome.STALE, Fault.CDN, "content.overlong_cache"),
                _of_edge("edge-1", IMG),
                acts.stale("edge-1", IMG),
                settle_s=_STALE_SETTLES_S,
                lasts_s=_STALE_SETTLES_S + 2.5,
            ),
            _fault(
                "slow_first_byte",
                f"edge-3 takes {SLOW_S * 1000:.0f} ms more for {WWW.name}",
                _expect(Outcome.SLOW, Fault.CDN, "timing.over_limit"),
                _of_edge("edge-3", WWW),
                acts.misdeed("edge-3", Misdeed(host=WWW.name, delay_s=SLOW_S)),
                lasts_s=3.2,
            ),
            _fault(
                "truncated_body",
                f"edge-1 cuts the bodies of {VOD.name} in half",
                _failed(Fault.CDN, "body.truncated"),
                _of_edge("edge-1", VOD),
                acts.misdeed("edge-1", Misdeed(host=VOD.name, truncate=True)),
            ),
            _fault(
                "goaway",
                f"edge-3 ends connections of HTTP/2 with GOAWAY amid the bodies of {VOD.name}",
                _failed(Fault.CDN, "http.goaway"),
                _of_edge("edge-3", VOD),
                acts.misdeed("edge-3", Misdeed(host=VOD.name, goaway=True)),
            ),
            _fault(
                "name_gone",
                f"{VOD.cdn_name} is gone from the CDN's zone",
                _failed(Fault.CDN, "dns.dangling_alias"),
                _of(VOD),
                acts.name_gone(VOD.cdn_name),
            ),
            _fault(
                "alias_changed",
                f"{API.name} is an alias of another company's name",
                _expect(Outcome.INCONCLUSIVE, Fault.CUSTOMER, "dns.alias_changed"),
                _of(API),
                acts.alias_changed(API),
            ),
            _fault(
                "resolver_down",
                f"the first resolver of {SHANGHAI.name} is silent",
                _expect(Outcome.INCONCLUSIVE, Fault.VANTAGE, "dns.resolver_failed"),
                Reach(vantage_points=(SHANGHAI.name,)),
                acts.resolver_silent(SHANGHAI.resolvers[0]),
                lasts_s=4.0,
            ),
            _fault(
                "resolvers_fail",
                f"both resolvers of {BEIJING.name} answer SERVFAIL to everything",
                _expect(Outcome.INCONCLUSIVE, Fault.VANTAGE, "dns.resolver_failed"),
                Reach(vantage_points=(BEIJING.name,)),
                acts.resolvers_fail(BEIJING.resolvers),
            ),
            _fault(
                "origin_error",
                f"the origin of {WWW.name} answers 500",
                _failed(Fault.ORIGIN, "origin.same_status"),
                _of(WWW),
                acts.origin_answers(WWW, 500),
            ),
            _fault(
                "origin_slow",
                f"the origin of {API.name} takes {SLOW_S * 1000:.0f} ms more",
                _expect(Outcome.SLOW, Fault.ORIGIN, "timing.origin_slow"),
                _of(API),
                acts.origin_waits(API, SLOW_S),
                lasts_s=4.5,
            ),
            _fault(
                "vantage_offline",
                f"nothing can be reached from {BEIJING.name}",
                _expect(Outcome.INCONCLUSIVE, Fault.VANTAGE, "vantage.offline"),
                Reach(vantage_points=(BEIJING.name,)),
                acts.offline(BEIJING.source),
            ),
            _fault(
                "tls_expired",
                f"edge-3 presents an expired certificate for {VOD.name}",
                _failed(Fault.CDN, "tls.cert.date_invalid"),
                _of_edge("edge-3", VOD),
                acts.expired_certificate("edge-3", VOD),
            ),
            *(_OVER_UDP if HTTP3 else ()),
        )
    }
)
