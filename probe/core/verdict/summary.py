"""Rule: a verdict explains itself in one sentence that somebody who never saw a packet understands.

The sentence is for people; programs read `outcome`, `fault` and `reason`.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.model.protocols import H2, H3, SHOWN, spoken
from probe.core.model.task import Task
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Evidence, Fault, Finding, Outcome
from probe.core.verdict.corroboration import TIMEOUTS, Corroboration
from probe.core.verdict.node_symptoms import told_of_nodes
from probe.core.verdict.symptoms import final_of

_FAILURES: dict[str, str] = {
    FailureType.DNS_NAME_NOT_RESOLVED: "the name does not exist",
    FailureType.DNS_NO_DATA: "the name has no address of this kind",
    FailureType.DNS_DANGLING_ALIAS: "the alias leads to a name without an address",
    FailureType.DNS_CNAME_LOOP: "the alias leads back to itself",
    FailureType.DNS_CHAIN_TOO_LONG: "the chain of aliases does not end",
    FailureType.DNS_SERVER_FAILURE: "the name servers of the zone fail",
    FailureType.DNS_REFUSED: "the resolver refused the question",
    FailureType.DNS_LAME: "the resolver referred us elsewhere where it had to answer",
    FailureType.DNS_FORMAT_ERROR: "the resolver did not understand the question",
    FailureType.DNS_ERROR_RCODE: "an error where an address was due",
    FailureType.DNS_UNREACHABLE: "the resolver could not be reached",
    FailureType.DNS_TRUNCATED_TCP_FAILED: "the answer was cut, and none came over TCP",
    FailureType.DNS_MALFORMED: "what the resolver sent is no DNS message",
    FailureType.DNS_TLS_FAILED: "no TLS session with the resolver came about",
    FailureType.DNS_HTTPS_FAILED: "the resolver gave no answer over HTTPS",
    FailureType.DNS_TIMED_OUT: "no answer for the name in time",
    FailureType.DNS_BOGUS_ADDRESS: "the name leads to addresses that no public server can have",
    FailureType.TCP_REFUSED: "refused the connection",
    FailureType.TCP_TIMED_OUT: "did not accept the connection in time",
    FailureType.TCP_RESET: "reset the connection",
    FailureType.TCP_CLOSED: "closed the connection without a whole reply",
    FailureType.TCP_ADDRESS_UNREACHABLE: "could not be reached",
    FailureType.TCP_ADDRESS_BLOCKED: "has an address that this agent is not allowed to ask",
    FailureType.TCP_FAILED: "could not be connected to",
    FailureType.TLS_TIMED_OUT: "did not finish the TLS handshake in time",
    FailureType.TLS_CERT_DATE_INVALID: "presented a certificate that is expired or not yet valid",
    FailureType.TLS_CERT_NAME_INVALID: "presented a certificate for another name",
    FailureType.TLS_CERT_AUTHORITY_INVALID: "presented a certificate from an unknown authority",
    FailureType.TLS_CERT_SELF_SIGNED: "presented a certificate signed by itself",
    FailureType.TLS_CERT_INCOMPLETE_CHAIN: "presented a certificate without its intermediate",
    FailureType.TLS_CERT_REVOKED: "presented a certificate that its issuer has revoked",
    FailureType.TLS_CERT_INVALID: "presented a certificate that does not hold",
    FailureType.TLS_VERSION_OR_CIPHER_MISMATCH: "has no TLS version or cipher suite in common with us",
    FailureType.TLS_BAD_CLIENT_AUTH_CERT: "demanded a client certificate",
    FailureType.TLS_CLOSED: "ended the connection within the TLS handshake",
    FailureType.TLS_NO_APPLICATION_PROTOCOL: "speaks none of the HTTP versions that were asked for",
    FailureType.TLS_PROTOCOL_ERROR: "sent something that is no TLS",
    FailureType.QUIC_TIMED_OUT: "gave no QUIC handshake in time, while others did and TCP to it was well",
    FailureType.QUIC_REFUSED: "is not listening for QUIC, while others did and TCP to it was well",
    FailureType.QUIC_VERSION_UNSUPPORTED: "speaks other versions of QUIC than 1",
    FailureType.QUIC_CLOSED: "closed the QUIC connection before the end of its reply",
    FailureType.QUIC_CLOSED_BY_APPLICATION: "closed the HTTP/3 connection before the end of its reply",
    FailureType.QUIC_STATELESS_RESET: "no longer knew the QUIC connection and reset it",
    FailureType.QUIC_IDLE_TIMED_OUT: "let the QUIC connection go idle before the end of its reply",
    FailureType.QUIC_PROTOCOL_ERROR: "sent something that breaks QUIC",
    FailureType.HTTP_1_1_REQUIRED: "refuses this object over the HTTP version it agreed to and asks for HTTP/1.1;"
    " `protocol: h1` measures that",
    "http.advertised_unserved": "is advertised to serve an HTTP version that it does not serve there",
    FailureType.HTTP_STREAM_STOPPED: "stopped reading the request and gave no whole reply",
    "quic.blocked": "did not answer over HTTP/3, and nothing shows that UDP passes on this line",
    FailureType.HTTP_FIELDS_TOO_LARGE: "sent a longer head than browsers take",
    FailureType.HTTP_REDIRECT_LOOP: "redirected in a circle, or more often than browsers follow",
    FailureType.HTTP_REDIRECT_INVALID: "redirected without naming one valid place",
    FailureType.HTTP_REDIRECT_BLOCKED: "redirected to where the agreement does not allow",
    FailureType.HTTP_TIMED_OUT: "did not begin its reply in time",
    FailureType.HTTP_PROTOCOL_VIOLATION: "sent something that is no valid HTTP reply",
    FailureType.HTTP_STREAM_REFUSED: "refused the request before it looked at it",
    FailureType.HTTP_STREAM_RESET: "reset the stream within its reply",
    FailureType.HTTP_GOAWAY: "said goodbye and ended the connection within its reply",
    FailureType.HTTP_EXCESSIVE_FRAMES: "sent more frames beside its reply than any client takes",
    FailureType.BODY_TRUNCATED: "sent an incomplete body",
    FailureType.BODY_TIMED_OUT: "did not finish the body in time",
    FailureType.BODY_DECODE_FAILED: "sent a body whose content coding is damaged",
    "content.mismatch": "sent content that the origin was never seen to serve",
    "content.protocols_differ": "sent other content over one HTTP version than over another, where the origin's was",
    "content.hijacked": "sent content that the origin never served, and the right content by another way",
    "content.range_wrong": "gave another range than the one asked for",
    "content.marker_missing": "sent content without what must be in it",
    "content.marker_forbidden": "sent content with what must not be in it",
    "origin.same_content": "passed on content that the origin itself gives",
    "content.overlong_cache": "still serves a version that the origin replaced, past its lifetime",
    "timing.over_limit": "answered slower than the agreed limit",
    "timing.origin_slow": "had to ask the origin, which is as slow asked directly",
    "http.error": "answered with a status outside the agreed set",
    "http.hijacked": "redirected us elsewhere, and gave the right content by another way",
    "http.redirect_unexpected": "did not redirect as agreed",
    "http.redirect_chain_unexpected": "redirected as agreed, but what followed did not lead where it should",
    "hotlink.allowed_refused": "turned away a request that is allowed to embed the object",
    "hotlink.denied_served": "served the object to a request that must be refused",
    "freshness.over_refresh_time": "still serves a version that the origin replaced, past the agreed refresh time",
    "freshness.lifetime_outside": "declared a lifetime outside the agreed bounds",
    "certificate.name_missing": "presented a certificate that does not cover every agreed name",
    "certificate.protocol_below": "negotiated a TLS version below the agreed one",
    "certificate.cipher_forbidden": "negotiated a cipher suite that the agreement forbids",
    "certificate.issuer_unexpected": "presented a certificate from an issuer that was not agreed",
    "headers.missing": "left out a header field that was agreed",
    "headers.forbidden": "sent a header field that must not be there",
    "headers.differs": "sent a header field with another value than agreed",
    "throughput.under_limit": "sent a large body slower than the agreed rate",
    "negotiation.head_differs": "answered HEAD otherwise than GET",
    "negotiation.range_wrong": "answered a request for a range wrongly",
    "negotiation.conditional_wrong": "answered a conditional request wrongly",
    "origin.same_reply": "passed on what the origin itself answers, against the agreement",
    "origin.same_status": "passed on the status that the origin itself gives",
}
_WHOLE_SLOT: dict[str, str] = {
    "vantage.offline": "None of this vantage point's anchors could be reached at the same moment",
    "vantage.lossy": "This vantage point's line loses packets, also on ways that have nothing to do with the CDN",
    "vantage.slow": "Everything is slow over this vantage point's line, also what has nothing to do with the CDN",
    "vantage.path_mtu": "Large packets do not arrive over this vantage point's line, whoever sends them",
    "vantage.captive_portal": "The same stranger answers on this vantage point's line for the edges and for others",
    "vantage.well_by_another_line": "The edges gave the right content over another vantage point's line just then",
    "vantage.no_witness": "Nothing answered at all, and no anchor tells whether this vantage point is online",
    "vantage.source_unavailable": "This vantage point's source address or interface is not there, so nothing was sent",
    "vantage.network_down": "This host has no way out over this vantage point's line, so nothing was sent",
    "vantage.proxy_unreachable": "This vantage point's proxy could not be spoken with",
    "vantage.proxy_refused": "This vantage point's proxy would not serve us",
    "dns.resolver_failed": "The vantage point's own resolver failed",
    "dns.resolver_outdated": "The vantage point's resolver does not know yet what the zone's own servers say",
    "dns.hijacked": "The name was led elsewhere on its way to us: what answered is no node of the CDN",
    "dns.resolvers_disagree": "The vantage point's resolvers contradict each other",
    "dns.alias_changed": "The customer's name no longer leads to the CDN",
    "agent.clock_wrong": "Nobody vouches for this agent's own clock closely enough for a certificate's date to accuse",
    "agent.limit.body": "The content is larger than this agent's own limit, so it was not read whole",
    "agent.limit.decoded": "The content, decoded, is larger than this agent's own limit, so it was not read whole",
    "agent.limit.head": "The head of the reply is over this agent's own limit, so it was not read whole",
    "agent.limit.field": "A header field is over this agent's own limit, so the reply was not read whole",
    "agent.limit.fields": "The reply has more header fields than this agent's own limit, so it was not read whole",
    "agent.limit.redirects": "The redirects are more than this agent is set to follow, so their end was not seen",
    "agent.limit.dns_records": "A DNS message has more records than this agent reads",
    "http.rate_limited": "The server will not answer us so often (429, Retry-After): what was asked was not seen",
    "http.challenged": "A challenge for suspected robots came instead of what was asked",
    "agent.stalled": "The agent itself stood still while it measured",
    "dns.only_ipv6": "The name has addresses of IPv6 alone, and IPv4 (`ip`) was to be measured; none was ever seen",
    "agent.protocol_unsupported": "The server speaks HTTP/2 alone, HTTP/1.1 was asked for; `protocol: auto` asks both",
    "agent.trust_missing": "This agent has no authority to verify certificates by, so nothing was sent",
    "agent.socket_late": "This agent's own host made no socket in time, so nothing was sent",
    "agent.descriptors_exhausted": "This agent's own host had no file descriptors left, so nothing was sent",
    "agent.memory_exhausted": "This agent's own host had no memory left",
    "agent.internal_error": "A defect of this agent kept it from measuring",
    "agent.secret_missing": "A secret that the request needs could not be had on our host, so nothing was sent",
}
# Nothing is known to be wrong, and the content was not held against the origin's present version.
UNVERIFIED = frozenset(
    {
        "integrity.unverified",
        "integrity.version_unseen",
        "integrity.other_version",
        "integrity.origin_changing",
    }
)
_WITH_DETAIL = frozenset(
    {"timing.over_limit", "content.mismatch", "content.protocols_differ", "http.advertised_unserved"}
)  # which says what the words rest on
# Late or silent by one HTTP version says nothing of another; what was left to the server is not named.
_BY_VERSION = frozenset({"timing.over_limit", FailureType.HTTP_TIMED_OUT})
_MUTE = "the origin, asked directly, never answered us and excuses nobody: "
_WHOSE = {
    Fault.CDN: "the CDN's fault",
    Fault.ORIGIN: "the origin's fault",
    Fault.CUSTOMER: "the customer's doing",
    Fault.PATH: "the fault of the path between",
    Fault.VANTAGE: "our vantage point's fault: no verdict on the CDN",
    Fault.AGENT: "our own fault: no verdict on the CDN",
    Fault.UNKNOWN: "whose fault is not known",
    None: "nobody's fault",
}


def summarise(
    finding: Finding | None,
    task: Task,
    corroboration: Corroboration,
    *,
    mute_origin: bool = False,
    notes: Sequence[Finding] = (),
) -> str:
    """One sentence: who did what, beside whom, whose fault. `mute_origin`: one is configured and never answered.

    `notes`: all findings, where nothing is off.
    """
    if finding is None:
        return _well(task, corroboration.evidence, notes)
    nodes = told_of_nodes(task, corroboration.evidence)
    beside = _MUTE if mute_origin else _beside(corroboration)
    told = f"{_what(finding, task, corroboration)}; {nodes}{beside}{_WHOSE[finding.fault]}"
    again = {True: ", seen again on a second look", False: ", not seen again on a second look", None: ""}
    late = finding.reason in TIMEOUTS or finding.outcome is Outcome.SLOW
    if late and finding.confirmed is False and finding.fault is Fault.UNKNOWN:
        told = f"{told}, and lost packets would explain it"
    return f"{told} ({finding.reason}{again[finding.confirmed]})."


def _well(task: Task, evidence: Evidence, notes: Sequence[Finding]) -> str:
    """As agreed is only what was compared."""
    edges = [o for o in evidence.observations if o.role is Role.EDGE]
    cut = _cut(evidence)
    unseen = [note for note in notes if note.reason in UNVERIFIED]
    if unseen:
        whose = "" if len(edges) == 1 else f" of {len({note.observation for note in unseen})}"
        why = f"{unseen[0].reason}{f', {unseen[0].detail}' if unseen[0].detail else ''}"
        return (
            f"{len(edges)} of {len(edges)} edge addresses of {task.domain} answered for {task.request.shown_path}; "
            f"the content{whose} is unverified ({why})."
        )
    return (
        f"{len(edges)} of {len(edges)} edge addresses of {task.domain} served {task.request.shown_path} "
        f"as agreed{cut}."
    )


def _cut(evidence: Evidence) -> str:
    """That a limit of ours kept the rest from us, and what was compared in its place."""
    edge = next((o for o in evidence.observations if o.role is Role.EDGE and o.over_our_limit), None)
    if edge is None or edge.failure is None:
        return ""
    return f", as far as it was read ({edge.failure.detail or edge.failure.type})"


def _what(finding: Finding, task: Task, corroboration: Corroboration) -> str:
    if finding.reason == "agent.stalled" and not corroboration.stalled and finding.detail:
        return f"This agent's own delay may be all that is over the limit ({finding.detail})"
    if finding.reason in _WHOLE_SLOT:
        limit = f" ({finding.detail})" if finding.reason.startswith("agent.limit.") and finding.detail else ""
        return _WHOLE_SLOT[finding.reason] + limit
    if finding.observation is None:
        said = _FAILURES.get(finding.reason, finding.reason)
        return f"{task.domain}: {said}" + (f" ({finding.detail})" if finding.detail else "")
    observation = final_of(corroboration.evidence, finding.observation)
    failure = observation.failure.type if observation.failure is not None else None
    key = failure if failure is not None and finding.reason.startswith("origin.") else finding.reason
    status = "" if observation.response is None else f" {observation.response.status_code}"
    said = _FAILURES.get(key, f"answered{status}" if status else f"failed with {key}")
    more = status.strip() if key == "http.error" else finding.detail if key in _WITH_DETAIL else None
    version = _version(task, observation) if key in _BY_VERSION else ""
    return f"Edge {observation.address} {said}{version}" + (f" ({more})" if more else "")


def _version(task: Task, observation: Observation) -> str:
    """The HTTP version that was asked for, where it was one other than HTTP/1.1."""
    protocol = spoken(task.request.protocol, observation.url.partition(":")[0])
    return f" over {SHOWN[protocol]}" if protocol in (H2, H3) else ""


def _beside(corroboration: Corroboration) -> str:
    origin = corroboration.origin
    if origin is None:
        return ""
    if origin.failure is not None and not origin.over_our_limit:
        said = _FAILURES.get(origin.failure.type, f"failed with {origin.failure.type}")
        return f"the origin, asked directly, {said}: "
    return f"the origin, asked directly, answered {corroboration.origin_status}: "
