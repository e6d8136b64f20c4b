"""Rule: a cookie stands for a token for some hours, and for nothing once the token is gone from agent.yaml.

Kept in memory: whoever restarts the server signs everybody out. What a browser sends is looked up and never taken over,
so nobody can be given a session that somebody else knows. Who signs in without end ends sessions of the same token, and
nobody else's.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probe.api.request.auth import Caller
from probe.core.config.results import TokenConfig

LASTS_S = 12 * 3600
MOST = 10_000
MOST_EACH = 200  # of one token: an office, each with several browsers
NAME, SECURE_NAME = "cdn-probe", "__Host-cdn-probe"
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class _Session:
    token_hash: str
    until_s: float


class Sessions:
    """Who signed in. `now`: seconds, monotonic."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: OrderedDict[str, _Session] = OrderedDict()
        self._of = Counter[str]()

    def begin(self, caller: Caller) -> str:
        """A new one; its value goes into the cookie and is not kept, only its digest."""
        value = secrets.token_urlsafe(32)
        if self._of[caller.token.hash] >= MOST_EACH:
            self._drop(caller.token.hash)
        elif len(self._kept) >= MOST:
            self._drop(self._of.most_common(1)[0][0])
        self._kept[session_key(value)] = _Session(caller.token.hash, self._now() + LASTS_S)
        self._of[caller.token.hash] += 1
        return value

    def _drop(self, token_hash: str) -> None:
        """The oldest of a token's."""
        self._remove(next(key for key, one in self._kept.items() if one.token_hash == token_hash))

    def _remove(self, key: str) -> None:
        if (found := self._kept.pop(key, None)) is not None:
            self._of[found.token_hash] -= 1

    def end(self, value: str | None) -> None:
        """Whether there is one or not."""
        if value is not None:
            self._remove(session_key(value))

    def caller(self, value: str | None, tokens: Sequence[TokenConfig]) -> Caller | None:
        """Whose it is, by the tokens in force now; None: nobody's."""
        found = None if value is None else self._kept.get(session_key(value))
        if found is None:
            return None
        token = next((token for token in tokens if token.hash == found.token_hash), None)
        if token is None or self._now() >= found.until_s:
            self.end(value)
            return None
        return Caller(token)


def session_key(value: str) -> str:
    """By what a session is known here: the digest of what the browser sends."""
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def sent(header: str | None, *, secure: bool) -> str | None:
    """The session that a Cookie field names; None: none, or several."""
    name = SECURE_NAME if secure else NAME
    found = [
        value
        for key, equals, value in (part.strip().partition("=") for part in (header or "").split(";"))
        if equals and key == name and _VALUE.fullmatch(value)
    ]
    return found[0] if len(found) == 1 else None


def cookie(value: str, *, secure: bool, tls: bool = False) -> str:
    """The Set-Cookie field; of an empty value: it goes. `secure`: we speak TLS; `tls`: the browser does."""
    age = LASTS_S if value else 0
    name = SECURE_NAME if secure else NAME
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{'; Secure' if secure or tls else ''}"
