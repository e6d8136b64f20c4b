"""Rule: each step of SOCKS5 says beforehand how many bytes it wants, so that none of the tunnel's is taken.

RFC 1928, with user and password of RFC 1929. Pure: see `dialogue`.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from probe.core.proxy.dialogue import (
    Dialogue,
    ProxyError,
    check_destination,
    is_literal,
    refused,
    unreachable,
)
from probe.core.records.failure import FailureType

_VERSION, _CONNECT = 5, 1
_NO_AUTHENTICATION, _PASSWORD, _NONE_ACCEPTABLE = 0, 2, 0xFF
_IPV4, _NAME, _IPV6 = 1, 3, 4
_PORT_BYTES = 2
_LONGEST = 255  # what one length byte can say; a host name is shorter

# RFC 1928 section 6. What is said of the target keeps the meaning that it has without a proxy.
_REPLIES = {
    1: (FailureType.VANTAGE_PROXY_REFUSED, "general SOCKS server failure"),
    2: (FailureType.VANTAGE_PROXY_REFUSED, "connection not allowed by ruleset"),
    3: (FailureType.TCP_ADDRESS_UNREACHABLE, "network unreachable"),
    4: (FailureType.TCP_ADDRESS_UNREACHABLE, "host unreachable"),
    5: (FailureType.TCP_REFUSED, "connection refused"),
    6: (FailureType.TCP_ADDRESS_UNREACHABLE, "TTL expired"),
    7: (FailureType.VANTAGE_PROXY_REFUSED, "command not supported"),
    8: (FailureType.VANTAGE_PROXY_REFUSED, "address type not supported"),
}


class Socks5(Dialogue):
    """Asks for one connection to `address`, an IP literal or a name that the proxy looks up, and `port`."""

    def __init__(self, address: str, port: int, user: str | None = None, password: str | None = None) -> None:
        """Raises ProxyError for what the protocol cannot carry."""
        self._request = bytes((_VERSION, _CONNECT, 0)) + _destination(address) + port.to_bytes(_PORT_BYTES)
        self._credentials = None if user is None else _credentials(user, password or "")
        methods = [_NO_AUTHENTICATION] if user is None else [_NO_AUTHENTICATION, _PASSWORD]
        super().__init__(bytes((_VERSION, len(methods), *methods)))
        self._methods = methods
        self._held = b""
        self._want = 2
        self._step: Callable[[bytes], None] = self._on_method

    def _take(self, data: bytes) -> int:
        """Up to the end of one step."""
        self._asked = False
        piece = data[: self._want - len(self._held)]
        self._held += piece
        if len(self._held) == self._want:
            held, self._held = self._held, b""
            self._step(held)
        return len(piece)

    def _then(self, step: Callable[[bytes], None], want: int) -> None:
        self._step, self._want = step, want

    def _on_method(self, held: bytes) -> None:
        """VER METHOD (RFC 1928 section 3)."""
        version, method = held
        if version != _VERSION:
            raise unreachable(f"no SOCKS5 is spoken there: it answered {held!r}")
        if method == _NONE_ACCEPTABLE:
            offered = "no authentication" if self._credentials is None else "user and password"
            raise refused(f"no acceptable method: the proxy wants another one than {offered}")
        if method not in self._methods:
            raise unreachable(f"the proxy chose method {method}, which was not offered")
        if method == _PASSWORD:
            assert self._credentials is not None, "offered only with credentials"
            self._out = self._credentials
            self._then(self._on_status, 2)
        else:
            self._ask()

    def _on_status(self, held: bytes) -> None:
        """VER STATUS (RFC 1929 section 2); some proxies put the version of SOCKS into the first."""
        version, status = held
        if version not in (1, _VERSION):
            raise unreachable(f"no answer to a user and password: {held!r}")
        if status != 0:
            raise refused("the proxy does not accept this user and password")
        self._ask()

    def _ask(self) -> None:
        self._out = self._request
        self._asked = True
        self._then(self._on_reply, 2)

    def _on_reply(self, held: bytes) -> None:
        """VER REP; after a failure nothing more is waited for."""
        version, reply = held
        if version != _VERSION:
            raise unreachable(f"no SOCKS5 reply: {held!r}")
        if reply != 0:
            kind, words = _REPLIES.get(reply, (FailureType.VANTAGE_PROXY_REFUSED, "unassigned"))
            raise ProxyError(kind, f"the proxy says: {words} (SOCKS5 reply {reply})")
        self._then(self._on_type, 2)

    def _on_type(self, held: bytes) -> None:
        """RSV ATYP, of the address that the proxy connects from."""
        match held[1]:
            case 1:
                self._then(self._on_bound, 4 + _PORT_BYTES)
            case 4:
                self._then(self._on_bound, 16 + _PORT_BYTES)
            case 3:
                self._then(self._on_length, 1)
            case kind:
                raise unreachable(f"the proxy's own address is of an unknown type, {kind}")

    def _on_length(self, held: bytes) -> None:
        self._then(self._on_bound, held[0] + _PORT_BYTES)

    def _on_bound(self, held: bytes) -> None:
        self._done = True


def _destination(address: str) -> bytes:
    """ATYP DST.ADDR (RFC 1928 section 5)."""
    if is_literal(address):
        parsed = ip_address(address)
        return bytes((_IPV4 if parsed.version == 4 else _IPV6,)) + parsed.packed
    check_destination(address)
    return bytes((_NAME, len(address))) + address.encode("ascii")


def _credentials(user: str, password: str) -> bytes:
    """VER ULEN UNAME PLEN PASSWD (RFC 1929 section 2)."""
    parts = [user.encode(), password.encode()]
    if not all(0 < len(part) <= _LONGEST for part in parts):
        raise refused(f"SOCKS5 carries a user and a password of 1 to {_LONGEST} bytes each (RFC 1929)")
    return b"\x01" + b"".join(bytes((len(part),)) + part for part in parts)
