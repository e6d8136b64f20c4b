"""Rule: each kind of symptom has one rule that says whose fault it is, and each rule is the verdict table's row.

Pure functions Symptom x Corroboration -> Blame. The order of the gates matters: what was our own fault, or our line's,
or another company's server, is never booked on the CDN whatever else was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from probe.core.caching.cache_status import asked_origin, may_have_waited
from probe.core.content.check_kind import AtOrigin, Symptom, SymptomKind
from probe.core.dns import fault
from probe.core.model.protocols import AUTO
from probe.core.records.failure import OWN_LIMITS, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Fault, Outcome
from probe.core.redirects.next_hop import STATUS_CODES as REDIRECTS
from probe.core.vantage.line_quality import CUT_OFF, FOREIGN_CERTIFICATE, LOOKUPS_LOST
from probe.core.vantage.over_udp import unproven_over_udp
from probe.core.vantage.refusals import refusal, speaks_http2_alone, wants_another_protocol
from probe.core.verdict.corroboration import OF_THE_LINE_TOO, TIMEOUTS, Corroboration
from probe.core.verdict.hijack import alias_hidden, changed_by_the_zone, disbelieved, foreign, outdated
from probe.core.verdict.node_symptoms import ADVERTISED
from probe.core.verdict.origin_controls import asked_when_all_was_well
from probe.core.verdict.proxy_reports import is_proxy_report, may_be_the_name, proxy_lost
from probe.core.verdict.symptoms import final_of


@dataclass(frozen=True, slots=True)
class Blame:
    """What one symptom means."""

    outcome: Outcome
    fault: Fault | None
    reason: str


MARKERS = frozenset({"content.marker_missing", "content.marker_forbidden"})
Rule = Callable[[Symptom, Corroboration], Blame]


def _inconclusive(fault: Fault, reason: str) -> Blame:
    return Blame(Outcome.INCONCLUSIVE, fault, reason)


def _failed(fault: Fault, reason: str) -> Blame:
    return Blame(Outcome.FAILED, fault, reason)


def attribute(symptom: Symptom, corroboration: Corroboration, *, alias_changed: bool) -> Blame:
    """The gates that hold for every kind, then the kind's own rule."""
    if symptom.kind is SymptomKind.NOTE:
        return Blame(Outcome.OK, None, symptom.reason)
    own = _own_fault(symptom) or _refused(symptom, corroboration)
    if own is not None:
        return own
    if corroboration.offline and not _shown_all_the_same(symptom, corroboration):
        return _inconclusive(Fault.VANTAGE, "vantage.offline")
    if corroboration.anchors_unasked is not None:
        return _inconclusive(Fault.AGENT, corroboration.anchors_unasked)
    if alias_changed and symptom.kind is not SymptomKind.RESOLUTION:
        return _elsewhere(symptom, corroboration)
    if symptom.reason in TIMEOUTS and corroboration.stalled:
        return _inconclusive(Fault.AGENT, "agent.stalled")
    if symptom.reason in OWN_LIMITS:  # of a further request
        return _inconclusive(Fault.AGENT, OWN_LIMITS[FailureType(symptom.reason)])
    if corroboration.clock_may_explain(symptom.reason, symptom.observation):
        return _inconclusive(Fault.AGENT, "agent.clock_wrong")
    line = _of_the_line(symptom, corroboration)
    if line is not None:
        return line
    blame = RULES[symptom.kind](symptom, corroboration.along(symptom.observation))
    timing = symptom.kind is SymptomKind.TIMING
    if blame.fault is Fault.ORIGIN and not timing and corroboration.origin_is_in_doubt(symptom.observation):
        return _inconclusive(Fault.VANTAGE, "vantage.well_by_another_line")
    return blame


def _of_the_line(symptom: Symptom, corroboration: Corroboration) -> Blame | None:
    """What the slot's other traffic lays on our own line; None: nothing of it explains this symptom."""
    line = corroboration.line
    if line is not None and line.lossy and symptom.reason in LOOKUPS_LOST:
        return _inconclusive(Fault.VANTAGE, "vantage.lossy")
    if line is None or symptom.observation is None:
        return None
    late = symptom.reason in TIMEOUTS or symptom.kind is SymptomKind.TIMING
    at_portal = symptom.kind in _PORTALS_SHOW_AS or _redirected(symptom, corroboration)
    if line.portal is not None and (symptom.reason in CUT_OFF or at_portal):
        return _inconclusive(Fault.VANTAGE, "vantage.captive_portal")
    if line.path_mtu and symptom.reason in TIMEOUTS:
        return _inconclusive(Fault.VANTAGE, "vantage.path_mtu")
    if line.lossy and late and not corroboration.dead_beside_loss(symptom, symptom.observation):
        return _inconclusive(Fault.VANTAGE, "vantage.lossy")
    if (
        line.slow
        and symptom.kind is SymptomKind.TIMING
        and corroboration.anchors_as_slow_as(symptom.observation)
    ):
        return _inconclusive(Fault.VANTAGE, "vantage.slow")
    slow_there = symptom.kind is SymptomKind.TIMING and not corroboration.quicker_elsewhere(
        symptom.observation
    )
    if line.well_by_another_line and not slow_there and (late or symptom.reason in OF_THE_LINE_TOO):
        return _inconclusive(Fault.VANTAGE, "vantage.well_by_another_line")
    return None


_PORTALS_SHOW_AS = frozenset({SymptomKind.STATUS, SymptomKind.CONTENT, SymptomKind.STALE})


def _redirected(symptom: Symptom, corroboration: Corroboration) -> bool:
    """The edge's own reply led elsewhere: if that reply was a portal's, so is the place that it led to."""
    assert symptom.observation is not None, "this kind of symptom belongs to an observation"
    response = corroboration.evidence.observations[symptom.observation].response
    return response is not None and response.status_code in REDIRECTS


def _shown_all_the_same(symptom: Symptom, corroboration: Corroboration) -> bool:
    """What needs no anchor: a reply of the CDN itself (how long it took may be the line's), and an edge that took no
    connection in more looks than loss explains.
    """
    if symptom.observation is None or symptom.kind is SymptomKind.TIMING:
        return False
    line = corroboration.line
    if line is not None and line.lossy and corroboration.dead_beside_loss(symptom, symptom.observation):
        return True
    return corroboration.proves_the_line(_observation(symptom, corroboration))


def _elsewhere(symptom: Symptom, corroboration: Corroboration) -> Blame:
    """Whatever answered is not the CDN's server: the customer points the name elsewhere, or a resolver lies."""
    task, resolution = corroboration.task, corroboration.evidence.resolution
    if outdated(task, resolution):
        return _inconclusive(Fault.VANTAGE, "dns.resolver_outdated")
    changed, hidden = changed_by_the_zone(task, resolution), alias_hidden(task, resolution)
    if not changed and not hidden and disbelieved(resolution):
        return _inconclusive(Fault.VANTAGE, "dns.resolver_failed")
    if changed or not hidden:
        return _inconclusive(Fault.CUSTOMER, "dns.alias_changed")
    if symptom.kind is SymptomKind.ALIAS:
        return _inconclusive(Fault.PATH, "dns.hijacked")
    return _failed(Fault.PATH, "dns.hijacked")


def _own_fault(symptom: Symptom) -> Blame | None:
    """Failures in the phase `host`: their type begins with whose fault they are."""
    owner = symptom.reason.partition(".")[0]
    return _inconclusive(Fault(owner), symptom.reason) if owner in ("agent", "vantage") else None


def _refused(symptom: Symptom, corroboration: Corroboration) -> Blame | None:
    """The reply refuses us and not the content: by our protocol, by how often we ask, or with a challenge."""
    if symptom.observation is None or symptom.kind is SymptomKind.TRANSPORT:
        return None
    seen = _observation(symptom, corroboration)
    if wants_another_protocol(seen):
        return _inconclusive(Fault.AGENT, FailureType.AGENT_PROTOCOL_UNSUPPORTED.value)
    asked = corroboration.evidence.observations[symptom.observation]
    reason = refusal(seen.response, further=asked.role is Role.CHECK)
    return None if reason is None else _inconclusive(Fault.UNKNOWN, reason)


def _observation(symptom: Symptom, corroboration: Corroboration) -> Observation:
    assert symptom.observation is not None, "this kind of symptom belongs to an observation"
    return final_of(corroboration.evidence, symptom.observation)


# --- DNS ------------------------------------------------------------------------------------------


def _resolution(symptom: Symptom, corroboration: Corroboration) -> Blame:
    resolution, nodes = corroboration.evidence.resolution, corroboration.evidence.nodes
    assert resolution is not None, "a resolution symptom comes from a resolution"
    task, known = corroboration.task, nodes is not None and bool(nodes.known)
    kind = FailureType(symptom.reason)
    return Blame(*fault.blame(resolution, kind, task.domain, task.cdn_suffixes, nodes_known=known))


def _resolver(symptom: Symptom, corroboration: Corroboration) -> Blame:
    return _inconclusive(Fault.VANTAGE, symptom.reason)


# --- the edge -------------------------------------------------------------------------------------


def _transport(symptom: Symptom, corroboration: Corroboration) -> Blame:
    """No complete reply from an edge: the CDN's, unless the origin fails likewise or nobody could answer."""
    observation = _observation(symptom, corroboration)
    failure = observation.failure
    assert failure is not None, "a transport symptom comes from a failure"
    if speaks_http2_alone(corroboration.evidence.observations, symptom.observation):
        return _inconclusive(Fault.AGENT, FailureType.AGENT_PROTOCOL_UNSUPPORTED.value)
    if failure.type is FailureType.HTTP_1_1_REQUIRED and corroboration.task.request.protocol == AUTO:
        # Browsers ask again, which would not be this request.
        return _inconclusive(Fault.AGENT, symptom.reason)
    refused = failure.type is FailureType.HTTP_STREAM_REFUSED  # then clients ask again (RFC 9113 section 8.7)
    once = refused and not corroboration.confirmed(symptom.observation)
    if once or failure.type is FailureType.TCP_ADDRESS_BLOCKED:
        return _inconclusive(Fault.UNKNOWN, symptom.reason)
    if is_proxy_report(corroboration.task, failure.type) and proxy_lost(corroboration.evidence):
        return _inconclusive(Fault.VANTAGE, "vantage.proxy_unreachable")
    if corroboration.unproven(failure.type):
        return _inconclusive(Fault.UNKNOWN, "vantage.no_witness")
    if (unproven := unproven_over_udp(corroboration.evidence, symptom.observation)) is not None:
        return _inconclusive(unproven, "quic.blocked")
    if failure.type in FOREIGN_CERTIFICATE and _foreign(symptom, corroboration):
        return _failed(Fault.PATH, "dns.hijacked")
    explained = _origin_explains(failure.phase, corroboration)
    if explained or corroboration.origin_led_there(symptom.observation, observation):
        return _failed(Fault.ORIGIN, corroboration.origin_reason)
    lost = symptom.reason in TIMEOUTS and corroboration.may_be_loss(symptom.observation)
    unknown = lost or may_be_the_name(corroboration.task, observation, failure)
    return _failed(Fault.UNKNOWN if unknown else Fault.CDN, symptom.reason)


def _origin_explains(phase: Phase, corroboration: Corroboration) -> bool:
    """An edge may wait for its origin only once the request is sent: its port and its handshake need none."""
    return corroboration.origin_failing and phase not in (Phase.TCP, Phase.TLS, Phase.QUIC)


def _advertised(symptom: Symptom, corroboration: Corroboration) -> Blame:
    """What is advertised was tried twice and not served: the CDN's, by the rules of any edge that fails.

    Once is a note: what a server advertises, it need not serve in each moment (RFC 7838 section 2.4).
    """
    confirmed = corroboration.confirmed(symptom.observation)
    if confirmed is False:
        return Blame(Outcome.OK, None, ADVERTISED)
    blame = _transport(symptom, corroboration)
    if confirmed is None and blame.fault is Fault.CDN:
        return _inconclusive(Fault.UNKNOWN, ADVERTISED)
    return _failed(Fault.CDN, ADVERTISED) if blame.fault is Fault.CDN else blame


def _status(symptom: Symptom, corroboration: Corroboration) -> Blame:
    """The origin's own status is the origin's; a 5xx beside a failing origin too; else the CDN's."""
    response = _observation(symptom, corroboration).response
    assert response is not None, "a status symptom comes from a response"
    if _led_away(symptom, corroboration):  # whoever leads us away may lead us away from the origin likewise
        return _failed(Fault.PATH, "http.hijacked")
    if corroboration.origin_gave(response.status_code):
        return _failed(Fault.ORIGIN, "origin.same_status")
    if corroboration.origin_failing:
        fault = Fault.ORIGIN if response.status_code >= 500 else Fault.UNKNOWN
        return _failed(fault, corroboration.origin_reason if fault is Fault.ORIGIN else symptom.reason)
    return _failed(Fault.CDN if corroboration.origin_well else Fault.UNKNOWN, symptom.reason)


def _led_away(symptom: Symptom, corroboration: Corroboration) -> bool:
    """Redirected here, twice, and not by another way: an error of the CDN's would show on all our lines."""
    if not _redirected(symptom, corroboration) or not corroboration.confirmed(symptom.observation):
        return False
    return corroboration.right_elsewhere(symptom.observation)


def _policy(symptom: Symptom, corroboration: Corroboration) -> Blame:
    """What the CDN was set up to do is the CDN's, unless the origin answers the same request the same way.

    The edge's own reply counts here, not what a followed redirect led to.
    """
    assert symptom.observation is not None, "this kind of symptom belongs to an observation"
    observation = corroboration.evidence.observations[symptom.observation]
    if symptom.at_origin is AtOrigin.SAME:
        return _failed(Fault.ORIGIN, "origin.same_reply")
    if observation.failure is not None and observation.answer is None:
        return _transport(symptom, corroboration)
    if foreign(corroboration.task, corroboration.evidence, observation.address):
        return _failed(Fault.PATH, "dns.hijacked")
    status_code = observation.response.status_code if observation.response is not None else 0
    if symptom.at_origin is None and corroboration.control_gave(observation.ask, status_code):
        return _failed(Fault.ORIGIN, "origin.same_status")
    if corroboration.origin_failing and status_code >= 500:
        return _failed(Fault.ORIGIN, corroboration.origin_reason)
    its_origins = status_code >= 500 and not corroboration.origin_well  # it may be
    unsure = its_origins or symptom.at_origin is AtOrigin.UNSEEN
    return _failed(Fault.UNKNOWN if unsure else Fault.CDN, symptom.reason)


def _timing(symptom: Symptom, corroboration: Corroboration) -> Blame:
    """Slow is the CDN's, unless the edge had to wait for an origin that is as slow asked directly.

    Not known: an edge that does not say whether it asked the origin, or that was well as soon as the origin was asked.
    An edge that answered from its cache did not have to wait, whatever the origin does.
    """
    observation, same = _observation(symptom, corroboration), symptom.at_origin is AtOrigin.SAME
    slow = same or (symptom.at_origin is None and corroboration.origin_as_slow_as(observation))
    if slow and asked_origin(observation.cache_status):
        return Blame(Outcome.SLOW, Fault.ORIGIN, "timing.origin_slow")
    waited = slow and may_have_waited(observation.cache_status)
    alike = waited or same or corroboration.late_by_loss(symptom)
    alike |= asked_when_all_was_well(corroboration.evidence, symptom.observation, symptom.again_at)
    return Blame(Outcome.SLOW, Fault.UNKNOWN if alike else Fault.CDN, symptom.reason)


def _content(symptom: Symptom, corroboration: Corroboration) -> Blame:
    if _foreign(symptom, corroboration):
        return _failed(Fault.PATH, "dns.hijacked")
    if corroboration.confirmed(symptom.observation) and corroboration.right_elsewhere(symptom.observation):
        return _failed(Fault.PATH, "content.hijacked")
    if symptom.reason in MARKERS and corroboration.origin_marks == _marks(symptom, corroboration):
        return _failed(Fault.ORIGIN, "origin.same_content")
    return _failed(Fault.CDN, symptom.reason)


def _marks(symptom: Symptom, corroboration: Corroboration) -> tuple[str, ...] | None:
    response = _observation(symptom, corroboration).response
    return None if response is None or response.content is None else response.content.found


def _foreign(symptom: Symptom, corroboration: Corroboration) -> bool:
    return foreign(corroboration.task, corroboration.evidence, _observation(symptom, corroboration).address)


def _stale(symptom: Symptom, corroboration: Corroboration) -> Blame:
    return Blame(Outcome.STALE, Fault.CDN, symptom.reason)


RULES: dict[SymptomKind, Rule] = {
    SymptomKind.RESOLUTION: _resolution,
    SymptomKind.RESOLVER: _resolver,
    SymptomKind.ALIAS: _elsewhere,
    SymptomKind.TRANSPORT: _transport,
    SymptomKind.ADVERTISED: _advertised,
    SymptomKind.STATUS: _status,
    SymptomKind.TIMING: _timing,
    SymptomKind.CONTENT: _content,
    SymptomKind.STALE: _stale,
    SymptomKind.POLICY: _policy,
}
