"""Rule: what a proxy says belongs to the proxy, what follows belongs to the server: separated to the byte.

The dialogues themselves (`socks5`, `connect`) do no I/O: whoever has the socket sends `outgoing()`, shows what came to
`take()`, and reads on no further than that took. Here is what they share: the order of sending and taking, how they
fail, and which names may be given to a proxy that looks names up.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from ipaddress import ip_address

from probe.core.records.failure import FailureType

WORDS_AT_MOST = 200  # of what a proxy says, in a detail
NAME_AT_MOST = 253  # RFC 1035 section 2.3.4, written with dots
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
# What inet_aton reads as an IPv4 address of one to four parts; 0x7f.1 is 127.0.0.1.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class ProxyError(Exception):
    """A proxy did not connect us. `type`: what that means; the words are partly the proxy's, for people."""

    def __init__(self, type_: FailureType, words: str) -> None:
        super().__init__(words)
        self.type = type_


class Dialogue(ABC):
    """What is said to a proxy until its connection is the tunnel; a subclass knows the protocol (`_take`)."""

    def __init__(self, first: bytes) -> None:
        """`first`: what is sent before anything is read."""
        self._out = first
        self._done = False
        self._asked = False

    @property
    def done(self) -> bool:
        """The tunnel stands, from the next byte on."""
        return self._done

    @property
    def asked(self) -> bool:
        """Asked to connect, and no byte of the final answer came since: silence may be the target's."""
        return self._asked

    def outgoing(self) -> bytes:
        """What is to be sent now; each byte is given once."""
        out, self._out = self._out, b""
        return out

    def take(self, data: bytes) -> int:
        """Look at what came and say how many bytes of it belong to the dialogue.

        Raises ProxyError where the proxy refuses, reports a failure or speaks something else.
        """
        taken = 0
        while not self._done and not self._out and taken < len(data):
            taken += self._take(data[taken:])
        return taken

    @abstractmethod
    def _take(self, data: bytes) -> int:
        """Take one step at the most of `data`, which is not empty, and say how many bytes it was. Raises ProxyError."""


def unreachable(words: str) -> ProxyError:
    """There is no proxy of the configured kind to be spoken with."""
    return ProxyError(FailureType.VANTAGE_PROXY_UNREACHABLE, words)


def refused(words: str) -> ProxyError:
    """The proxy will not serve us."""
    return ProxyError(FailureType.VANTAGE_PROXY_REFUSED, words)


def printable(text: str) -> str:
    """A stranger's words on one line, bounded, without anything that commands a terminal."""
    shown = "".join(char if char.isprintable() else "?" for char in text.strip())
    return shown if len(shown) <= WORDS_AT_MOST else shown[: WORDS_AT_MOST - 3] + "..."


def is_literal(host: str) -> bool:
    """Whether this is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_destination(address: str) -> None:
    """Raises ProxyError (tcp.address_blocked) for a name that no proxy is to be given: nothing is sent then."""
    why = None if is_literal(address) else name_problem(address)
    if why is not None:
        words = f"{address[:80]} is not given to a proxy: it is {why}"
        raise ProxyError(FailureType.TCP_ADDRESS_BLOCKED, words)


def name_problem(name: str) -> str | None:
    """None where a proxy may be given the name to look up, else what it is.

    Where the proxy's look-up leads is not seen here and cannot be checked. What can be seen is refused: what is no
    host name, names that mean the proxy's own host (RFC 6761 section 6.3), and numbers that its resolver would read
    as an address (`2130706433`, `0x7f.1`).
    """
    if len(name) > NAME_AT_MOST:
        return f"a name of {len(name)} characters, and no name has more than {NAME_AT_MOST}"
    labels = name.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return "no host name"
    if _NUMBER.fullmatch(labels[-1]):
        return "a number that could be read as an address"
    return "the proxy's own host" if labels[-1].lower() == "localhost" else None
