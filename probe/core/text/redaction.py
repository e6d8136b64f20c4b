"""Rule: a query value whose key says that it is secret is sent, and neither shown nor stored.

Signed URLs and tokens in paths: `/a.js?token=abc` is shown as `/a.js?token=[redacted]`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

REDACTED = "[redacted]"
# Shorter values cannot be distinguished from ordinary text where a server echoes them.
ECHOED_FROM = 6
_REMEMBERED = 1024  # characters: a task's own path and URL come back in every slot
_SECRET_QUERY = re.compile(
    r"""([?&;][^=&;#\s"'<>]*(?:token|secret|passw|signature|credential|api-?_?key|auth)[^=&;#\s"'<>]*=
        |[?&;](?:key|sig|sign|pwd)=)([^&;#\s"'<>,}\]]+)""",
    re.VERBOSE | re.IGNORECASE,
)


def without_secret_query(text: str) -> str:
    """Any text with URLs or paths in it, without the values of query keys that say that they are secret."""
    return _without(text) if len(text) <= _REMEMBERED else _without.__wrapped__(text)


@lru_cache(maxsize=16384)
def _without(text: str) -> str:
    return _SECRET_QUERY.sub(rf"\1{REDACTED}", text)


@lru_cache(maxsize=16384)
def secret_query_values(path: str) -> tuple[str, ...]:
    """The secret values in a path, as sent and decoded, for finding them where a server echoes them."""
    values = [match[2] for match in _SECRET_QUERY.finditer(path)]
    found = dict.fromkeys([*values, *map(unquote, values)])
    return tuple(value for value in found if len(value) >= ECHOED_FROM)
