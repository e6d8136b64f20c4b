"""Rule: the head of the answer to CONNECT ends at its empty line; a 2xx there opens the tunnel, whatever else it says.

RFC 9110 section 9.3.6; Content-Length and Transfer-Encoding of a 2xx are ignored, as it demands. Credentials as of
RFC 7617 (Basic). Of the fields only those are read that say why. Pure: see `dialogue`.
"""

from __future__ import annotations

import re
from base64 import b64encode

from probe.core.proxy.dialogue import Dialogue, ProxyError, check_destination, unreachable
from probe.core.records.failure import FailureType

HEAD_BYTES = 16 * 1024
INFORMATIONAL_AT_MOST = 8
_BEGINS = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_END = re.compile(rb"\n\r?\n")  # RFC 9112 section 2.2: a lone LF may end a line
_WHY = re.compile(rb"\n(?:proxy-status|x-squid-error):[ \t]*([^\r\n]*)", re.IGNORECASE)  # RFC 9209; squid
_SWITCHING = 101
# Of 5xx, those that speak of us or of the proxy; all others speak of the target.
_NOT_THE_TARGET = frozenset({501, 505, 511})


class HttpConnect(Dialogue):
    """Asks for one connection to `address`, an IP literal or a name that the proxy looks up, and `port`."""

    def __init__(
        self, address: str, port: int, user: str | None = None, password: str | None = None, agent: str = ""
    ) -> None:
        """`agent`: User-Agent. Raises ProxyError for a name that no proxy is to be given."""
        check_destination(address)
        host = f"[{address}]" if ":" in address else address
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if agent:
            lines.append(f"User-Agent: {agent}")
        if user is not None:
            lines.append(f"Proxy-Authorization: Basic {basic_credentials(user, password or '')}")
        super().__init__("\r\n".join((*lines, "", "")).encode("ascii"))
        self._asked = True
        self._head = bytearray()
        self._informational = 0

    def _take(self, data: bytes) -> int:
        """Up to the end of one head."""
        before = len(self._head)
        self._asked = False
        self._head += data
        if not self._head.startswith(_BEGINS[: len(self._head)]):
            raise _no_proxy(bytes(self._head))
        end = _END.search(self._head, max(0, before - 2))
        if (end.end() if end else len(self._head)) > HEAD_BYTES:
            raise unreachable(f"the head of its answer is longer than {HEAD_BYTES} bytes")
        if end is None:
            return len(data)
        head, self._head = bytes(self._head[: end.end()]), bytearray()
        self._judge(head)
        return len(head) - before

    def _judge(self, head: bytes) -> None:
        line = _STATUS_LINE.match(head)
        if line is None:
            raise _no_proxy(head)
        status = int(line[1])
        if 200 <= status < 300:
            self._done = True
        elif 100 <= status < 200 and status != _SWITCHING:
            self._wait_on()
        else:
            raise ProxyError(_meaning(status), _words(status, line[2] or b"", head))

    def _wait_on(self) -> None:
        self._informational += 1
        self._asked = True
        if self._informational > INFORMATIONAL_AT_MOST:
            raise unreachable("the proxy sends one interim answer after the other")


def basic_credentials(user: str, password: str) -> str:
    """User and password as Basic sends them (RFC 7617 section 2), in UTF-8."""
    return b64encode(f"{user}:{password}".encode()).decode("ascii")


def _no_proxy(answer: bytes) -> ProxyError:
    return unreachable(f"no HTTP proxy is there: it answered {answer.decode('latin-1')}")


def _meaning(status: int) -> FailureType:
    if status == 504:
        return FailureType.TCP_TIMED_OUT
    if 500 <= status < 600 and status not in _NOT_THE_TARGET:
        return FailureType.TCP_FAILED
    return FailureType.VANTAGE_PROXY_REFUSED


def _words(status: int, phrase: bytes, head: bytes) -> str:
    reasons = [phrase, *_WHY.findall(head)[:2]]
    said = "; ".join(text for text in (reason.decode("latin-1").strip() for reason in reasons) if text)
    return f"the proxy says: {status} {said}".rstrip()
