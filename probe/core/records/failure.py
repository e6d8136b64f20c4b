"""Rule: a failure has a type from a closed, published list; a detail is for people and never decides.

W3C Network Error Logging names wherever one exists. What our own host did wrong has its own types, so that it
can never be read as the CDN's.
"""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.value import Value


class Phase(StrEnum):
    """The part of an observation in which it failed."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    QUIC = "quic"  # the handshake of HTTP/3's connection, which is its secure one too
    HTTP = "http"
    BODY = "body"
    CONTENT = "content"
    HOST = "host"  # our own machine, never the CDN


class FailureType(StrEnum):
    """The closed list. W3C Network Error Logging names wherever one exists (NEL section 6)."""

    DNS_NAME_NOT_RESOLVED = "dns.name_not_resolved"  # NEL: NXDOMAIN at the queried domain itself
    DNS_NO_DATA = "dns.no_data"  # the name exists, without addresses of the type (RFC 2308 NODATA)
    DNS_DANGLING_ALIAS = "dns.dangling_alias"  # a CNAME that ends in NXDOMAIN or NODATA
    DNS_CNAME_LOOP = "dns.cname_loop"
    DNS_CHAIN_TOO_LONG = "dns.chain_too_long"
    DNS_SERVER_FAILURE = "dns.server_failure"  # SERVFAIL
    DNS_REFUSED = "dns.refused"  # rcode REFUSED
    DNS_LAME = "dns.lame"  # a referral where an answer was due
    DNS_FORMAT_ERROR = "dns.format_error"  # FORMERR also without EDNS options
    DNS_ERROR_RCODE = "dns.error_rcode"  # NOTIMP and other rcodes
    DNS_TIMED_OUT = "dns.timed_out"
    DNS_UNREACHABLE = "dns.unreachable"  # NEL: the resolver's host or port cannot be reached
    DNS_TRUNCATED_TCP_FAILED = "dns.truncated_tcp_failed"  # TC=1 and no answer over TCP
    DNS_MALFORMED = "dns.malformed"  # what came back is no DNS message
    DNS_TLS_FAILED = "dns.tls_failed"  # DNS over TLS or HTTPS: the resolver's handshake or certificate
    DNS_HTTPS_FAILED = "dns.https_failed"  # DNS over HTTPS: no 200 with a DNS message (RFC 8484 section 4.2)
    DNS_BOGUS_ADDRESS = "dns.bogus_address"  # every address is loopback, private, link-local ...

    TCP_REFUSED = "tcp.refused"  # NEL
    TCP_TIMED_OUT = "tcp.timed_out"  # NEL
    TCP_RESET = "tcp.reset"  # NEL
    TCP_CLOSED = "tcp.closed"  # NEL: closed by the server before a whole reply
    TCP_ADDRESS_UNREACHABLE = "tcp.address_unreachable"  # NEL
    TCP_ADDRESS_BLOCKED = "tcp.address_blocked"  # refused by our own address policy, nothing was sent
    TCP_FAILED = "tcp.failed"  # NEL: any other error of the socket

    TLS_TIMED_OUT = "tls.timed_out"
    TLS_VERSION_OR_CIPHER_MISMATCH = "tls.version_or_cipher_mismatch"  # NEL
    TLS_BAD_CLIENT_AUTH_CERT = "tls.bad_client_auth_cert"  # NEL
    TLS_CERT_NAME_INVALID = "tls.cert.name_invalid"  # NEL
    TLS_CERT_DATE_INVALID = "tls.cert.date_invalid"  # NEL
    TLS_CERT_AUTHORITY_INVALID = "tls.cert.authority_invalid"  # NEL: an untrusted root
    TLS_CERT_SELF_SIGNED = "tls.cert.self_signed"  # the leaf signed itself
    TLS_CERT_INCOMPLETE_CHAIN = "tls.cert.incomplete_chain"  # an intermediate was not sent
    TLS_CERT_REVOKED = "tls.cert.revoked"  # NEL
    TLS_CERT_INVALID = "tls.cert.invalid"  # NEL: any other verification error
    TLS_CLOSED = "tls.closed"  # closed or reset during the handshake
    TLS_NO_APPLICATION_PROTOCOL = "tls.no_application_protocol"  # RFC 7301: none of those asked for
    TLS_PROTOCOL_ERROR = "tls.protocol.error"  # NEL

    QUIC_TIMED_OUT = "quic.timed_out"  # no handshake within its deadline: mostly a port that says nothing
    QUIC_REFUSED = "quic.refused"  # the same, and ICMP said that nobody listens, which can be forged
    QUIC_VERSION_UNSUPPORTED = "quic.version_unsupported"  # the server speaks other versions than 1
    QUIC_CLOSED = "quic.closed"  # CONNECTION_CLOSE by its transport before the end of the response
    QUIC_CLOSED_BY_APPLICATION = "quic.closed_by_application"  # the same by its HTTP/3
    QUIC_STATELESS_RESET = "quic.stateless_reset"  # the server no longer knew the connection
    QUIC_IDLE_TIMED_OUT = "quic.idle_timed_out"  # nothing came within the idle timeout that was agreed on
    QUIC_PROTOCOL_ERROR = "quic.protocol.error"  # what came breaks QUIC

    HTTP_TIMED_OUT = "http.timed_out"  # no first byte of the response within its deadline
    HTTP_PROTOCOL_VIOLATION = "http.protocol_violation"  # what came back is not one HTTP/1.1 response
    HTTP_STREAM_REFUSED = "http.stream_refused"  # RFC 9113 section 8.7: the request was not processed
    HTTP_STREAM_RESET = "http.stream_reset"  # RST_STREAM before the end of the response
    HTTP_1_1_REQUIRED = "http.requires_1_1"  # RFC 9113 section 7, RFC 9114 section 8.1: not over this version
    HTTP_STREAM_STOPPED = "http.stream_stopped"  # STOP_SENDING with an error, and no whole response
    HTTP_GOAWAY = "http.goaway"  # GOAWAY, and the connection ended within the response
    HTTP_EXCESSIVE_FRAMES = "http.excessive_frames"  # beside the response, more than any client needs
    HTTP_FIELDS_TOO_LARGE = "http.fields_too_large"  # a head longer than browsers take
    HTTP_REDIRECT_LOOP = "http.response.redirect_loop"  # NEL; also more than browsers follow
    HTTP_REDIRECT_INVALID = "http.redirect_invalid"  # no Location, several, or one that is no URL
    HTTP_REDIRECT_BLOCKED = "http.redirect_blocked"  # scheme, host or address outside the policy

    BODY_TRUNCATED = "body.truncated"
    BODY_TIMED_OUT = "body.timed_out"  # the total deadline passed within the body
    BODY_TOO_LARGE = "body.too_large"  # over the cap on wire bytes
    BODY_DECODED_TOO_LARGE = "body.decoded_too_large"  # over the cap on decoded bytes (bombs)
    BODY_DECODE_FAILED = "body.decode_failed"  # the content coding is cut or corrupt

    VANTAGE_SOURCE_UNAVAILABLE = "vantage.source_unavailable"  # source address or interface is gone
    VANTAGE_PROXY_UNREACHABLE = "vantage.proxy_unreachable"  # nothing speaks the proxy's protocol there
    VANTAGE_PROXY_REFUSED = "vantage.proxy_refused"  # the proxy will not serve us: credentials, its rules
    VANTAGE_NETWORK_DOWN = "vantage.network_down"  # ENETUNREACH, ENETDOWN: no route from this host
    AGENT_DESCRIPTORS_EXHAUSTED = "agent.descriptors_exhausted"
    AGENT_MEMORY_EXHAUSTED = "agent.memory_exhausted"
    AGENT_SOCKET_LATE = "agent.socket_late"  # this host made no socket in time; nothing was sent
    # A secret that the request needs cannot be had; nothing was sent.
    AGENT_SECRET_MISSING = "agent.secret_missing"  # noqa: S105
    AGENT_TRUST_MISSING = "agent.trust_missing"  # no authority to verify certificates by; nothing was sent
    AGENT_LIMIT_HEAD = (
        "agent.limit.head"  # a head longer than `limits.head`, which is below what browsers take
    )
    AGENT_LIMIT_FIELD = "agent.limit.field"  # a field longer than `limits.field`, likewise
    AGENT_LIMIT_FIELDS = "agent.limit.fields"  # more fields than `limits.fields`
    AGENT_LIMIT_REDIRECTS = (
        "agent.limit.redirects"  # more than `redirects.follow`, fewer than browsers follow
    )
    AGENT_LIMIT_DNS_RECORDS = "agent.limit.dns_records"  # more records in one DNS message than we read
    AGENT_PROTOCOL_UNSUPPORTED = "agent.protocol_unsupported"  # the server speaks HTTP/2 alone, we do not
    AGENT_INTERNAL_ERROR = "agent.internal_error"


# What passes a limit of ours says nothing against a server: the reason that a verdict gives for it.
OWN_LIMITS = {
    FailureType.BODY_TOO_LARGE: "agent.limit.body",
    FailureType.BODY_DECODED_TOO_LARGE: "agent.limit.decoded",
    **{kind: kind.value for kind in FailureType if kind.value.startswith("agent.limit.")},
}


class Failure(Value, frozen=True, kw_only=True):
    """Why an observation or a look-up gave no complete reply. A 5xx is a Response, not a Failure."""

    phase: Phase
    type: FailureType
    operation: str | None = None  # the call that failed: connect, handshake, read ...
    detail: str | None = None  # for people; redacted; never used to decide
