"""Rule: no text leaves a fetch with a secret's value in it: all of them pass through `Redactor`."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

REDACTED = "[redacted]"


class Redactor:
    """Replaces secret values, also echoed without their scheme (`Bearer x`) or percent-encoded, by `[redacted]`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known: set[str] = set()  # most requests have none
        for secret in secrets:
            scheme, _, credentials = secret.partition(" ")
            echoed = secret.encode("utf-8").decode("latin-1")  # as field values are decoded
            known.update({secret, echoed, quote(secret), quote(secret, safe="")})
            if scheme.lower() in {"bearer", "basic", "digest", "token"}:
                known.update({credentials, quote(credentials, safe="")})
        self._known = sorted((value for value in known if value), key=len, reverse=True)

    @property
    def knows_any(self) -> bool:
        """Whether there is anything to be replaced."""
        return bool(self._known)

    def __call__(self, text: str) -> str:
        if not self._known:
            return text
        for value in self._known:
            text = text.replace(value, REDACTED)
        return text
