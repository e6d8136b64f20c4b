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
# Group 2 is the value. A key without a secret is passed over as a whole: tried again from each `?` in it, a text of
# nothing but question marks would take time by the square of its length, and strangers send texts of 100 KB.
_SECRET_QUERY = re.compile(
    r"""([?&;](?>[^=&;#\s"'<>]*?(?:token|secret|passw|signature|credential|api-?_?key|auth))[^=&;#\s"'<>]*+=
        |[?&;](?:[^=&;#\s"'<>]*\?)?(?:key|sig|sign|pwd)=)([^&;#\s"'<>,}\]]+)
        |[?&;][^=&;#\s"'<>]++""",
    re.VERBOSE | re.IGNORECASE,
)


def without_secret_query(text: str) -> str:
    """Any text with URLs or paths in it, without the values of query keys that say that they are secret."""
    return _without(text) if len(text) <= _REMEMBERED else _without.__wrapped__(text)


@lru_cache(maxsize=16384)
def _without(text: str) -> str:
    return _SECRET_QUERY.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    return match[0] if match[2] is None else match[1] + REDACTED


@lru_cache(maxsize=16384)
def secret_query_values(path: str) -> tuple[str, ...]:
    """The secret values in a path, as sent and decoded, for finding them where a server echoes them."""
    values = [match[2] for match in _SECRET_QUERY.finditer(path) if match[2] is not None]
    found = dict.fromkeys([*values, *map(unquote, values)])
    return tuple(value for value in found if len(value) >= ECHOED_FROM)
