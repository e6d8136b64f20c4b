"""Rule: a caller is identified by a bearer token in the Authorization header (RFC 6750 section 2.1), by nothing else.

Every refusal of a credential looks the same, whatever was wrong with it. Tokens reach neither logs nor answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probe.api.http.problem import Refused, not_found
from probe.api.http.rate_limit import Buckets, address_key
from probe.api.request.params import Target, names_secret
from probe.core.config.results import TokenConfig
from probe.core.text.tokens import find

FAILURES_PER_MINUTE = 30
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,4096}=*)", re.I)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="cdn-probe"'}
_INVALID = {"WWW-Authenticate": 'Bearer realm="cdn-probe", error="invalid_token"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """A reader whose token was right."""

    token: TokenConfig

    def sees(self, customer: str) -> bool:
        """Whether it may see this customer's results."""
        return "*" in self.token.customers or customer in self.token.customers

    @property
    def sees_all(self) -> bool:
        """Whether it may see those of every customer."""
        return "*" in self.token.customers

    def require(self, customer: str) -> None:
        """Raises Refused (404), the same for a customer that is not there."""
        if not self.sees(customer):
            raise not_found()


class Gate:
    """Authenticates requests and bounds their rate."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._failures = Buckets(now)
        self._requests = Buckets(now)

    def refuse_secrets(self, target: Target, tokens: Sequence[TokenConfig]) -> None:
        """Raises Refused (400) where a token stands in the target, where every log on the way keeps it."""
        hashes = [token.hash for token in tokens]
        values = [*target.query.values(), target.path.rpartition("/")[2]]
        if names_secret(target.query) or any(find(value, hashes) is not None for value in values):
            raise Refused(
                400,
                "a token never stands in the address: send it in the header 'Authorization: Bearer ...', and have"
                " this one replaced, since logs on the way may hold it",
            )

    def identify(self, fields: Sequence[str], tokens: Sequence[TokenConfig], address: str) -> Caller:
        """The caller by the values of its Authorization fields. Raises Refused (401, 429)."""
        match = _BEARER.fullmatch(fields[0].strip()) if len(fields) == 1 else None
        index = find(match[1] if match else "", [token.hash for token in tokens])
        if match is not None and index is not None:
            return Caller(tokens[index])
        # A valid token is never refused because of invalid ones from the same address.
        wait = self._failures.take(address_key(address), FAILURES_PER_MINUTE)
        if wait:
            raise Refused(429, "too many requests without a right token", {"Retry-After": _whole(wait)})
        words = "a bearer token is needed: 'Authorization: Bearer ...'; the one sent, if any, is not known"
        raise Refused(401, words, _INVALID if fields else _CHALLENGE)

    def count(self, caller: Caller, per_minute: int, *, weight: float = 1.0) -> None:
        """Raises Refused (429) where the caller asks too often. `weight`: of how many requests this one is worth."""
        wait = self._requests.take(caller.token.name, per_minute, weight=weight)
        if wait:
            raise Refused(
                429,
                f"more than {per_minute} requests a minute with this token",
                {"Retry-After": _whole(wait)},
            )


def _whole(seconds: float) -> str:
    return str(max(1, int(-(-seconds // 1))))
