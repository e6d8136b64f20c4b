"""Rule: whatever an exchange with a resolver raises becomes one failure of the closed list, by type and errno.

What our own host did wrong (descriptors, routes, the source address) carries phase `host`, never `dns`, so that
no resolver and no CDN is accused of it. Message texts are kept for people and decide nothing.
"""

from __future__ import annotations

import errno
import ssl

from probe.core.dns.message import MalformedError, TooManyRecordsError
from probe.core.records.dns import Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.net.failures import SocketLateError, SourceError
from probe.resolver.doh import HttpsError

_HOST_ERRORS = {
    errno.EMFILE: FailureType.AGENT_DESCRIPTORS_EXHAUSTED,
    errno.ENFILE: FailureType.AGENT_DESCRIPTORS_EXHAUSTED,
    errno.ENOMEM: FailureType.AGENT_MEMORY_EXHAUSTED,
    errno.ENOBUFS: FailureType.AGENT_MEMORY_EXHAUSTED,
    errno.EADDRNOTAVAIL: FailureType.VANTAGE_SOURCE_UNAVAILABLE,
    errno.EADDRINUSE: FailureType.VANTAGE_SOURCE_UNAVAILABLE,  # no free port left at the source address
    errno.EAGAIN: FailureType.VANTAGE_SOURCE_UNAVAILABLE,  # the same, on connect
    errno.ENODEV: FailureType.VANTAGE_SOURCE_UNAVAILABLE,
    errno.ENETUNREACH: FailureType.VANTAGE_NETWORK_DOWN,
    errno.ENETDOWN: FailureType.VANTAGE_NETWORK_DOWN,
    errno.EAFNOSUPPORT: FailureType.VANTAGE_NETWORK_DOWN,  # IPv6 switched off
    errno.EPERM: FailureType.VANTAGE_NETWORK_DOWN,  # our own packet filter
    errno.EACCES: FailureType.VANTAGE_NETWORK_DOWN,  # a route of type prohibit
    errno.EINVAL: FailureType.VANTAGE_NETWORK_DOWN,  # no path from this source: loopback to elsewhere
}
_EXHAUSTED = (FailureType.AGENT_DESCRIPTORS_EXHAUSTED, FailureType.AGENT_MEMORY_EXHAUSTED)
_PEER_ERRORS = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EPIPE,
        errno.EHOSTUNREACH,
        errno.EHOSTDOWN,
    }
    | {errno.ENOPROTOOPT, errno.EPROTO, errno.ENOTCONN}
)


class SilenceError(TimeoutError):
    """The time was over without an acceptable response; `malformed` counts what came and was no DNS message."""

    def __init__(self, malformed: int, strays: int, last: str = "") -> None:
        ignored = f"{strays} stray and {malformed} malformed messages ignored{f', the last: {last}' if last else ''}"
        super().__init__(f"no answer in time ({ignored})")
        self.malformed = malformed


def dns_failure(error: Exception, operation: str) -> Failure:
    """The failure that `error` is; `operation` the call it came from (bind, connect, handshake, read ...)."""
    kind = _kind(error, operation)
    phase = Phase.DNS if kind.value.startswith("dns.") else Phase.HOST
    return Failure(phase=phase, type=kind, operation=operation, detail=_words(error))


def _kind(error: Exception, operation: str) -> FailureType:
    if isinstance(error, SilenceError) and error.malformed:
        return FailureType.DNS_MALFORMED
    if isinstance(error, SourceError):
        return FailureType.VANTAGE_SOURCE_UNAVAILABLE
    if isinstance(error, SocketLateError):
        return FailureType.AGENT_SOCKET_LATE
    if isinstance(error, TimeoutError):
        return FailureType.DNS_TIMED_OUT
    if isinstance(error, MalformedError):
        return FailureType.DNS_MALFORMED
    if isinstance(error, TooManyRecordsError):
        return FailureType.AGENT_LIMIT_DNS_RECORDS
    if isinstance(error, HttpsError):
        return FailureType.DNS_HTTPS_FAILED
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return FailureType.DNS_TLS_FAILED
    if isinstance(error, EOFError):  # asyncio.IncompleteReadError: closed without a whole message
        return FailureType.DNS_TLS_FAILED if operation == "handshake" else FailureType.DNS_UNREACHABLE
    if isinstance(error, OSError):
        return _os_kind(error, operation)
    return FailureType.AGENT_INTERNAL_ERROR


def _os_kind(error: OSError, operation: str) -> FailureType:
    code = error.errno or 0
    host = _HOST_ERRORS.get(code)
    if host in _EXHAUSTED:
        return host
    if operation == "bind":
        return FailureType.VANTAGE_SOURCE_UNAVAILABLE  # SO_BINDTODEVICE too; gaierror: of another family
    if operation in ("handshake", "tls_ca"):
        return FailureType.DNS_TLS_FAILED
    if host is not None:
        return host
    if code in _PEER_ERRORS or isinstance(error, ConnectionError):
        return FailureType.DNS_UNREACHABLE
    return FailureType.AGENT_INTERNAL_ERROR


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and error.strerror:
        return f"{errno.errorcode.get(error.errno, error.errno)}: {error.strerror}"
    return str(error) or type(error).__name__


def unaskable(qname: str, qtype: str, words: str) -> Resolution:
    """The end of a look-up of what is no name: nobody was asked."""
    failure = Failure(
        phase=Phase.HOST, type=FailureType.AGENT_INTERNAL_ERROR, operation="resolve", detail=words
    )
    return Resolution(
        qname=qname,
        qtype=qtype,
        rcode=None,
        cname_chain=(),
        canonical_name=qname,
        addresses=(),
        ttl_s=None,
        resolver=None,
        transport=None,
        failing_name=qname,
        failure=failure,
    )
