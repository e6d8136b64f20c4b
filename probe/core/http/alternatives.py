"""Rule: what a server advertises is read and recorded; nobody follows it or keeps it.

The Alt-Svc field (RFC 7838 section 3): other places and HTTP versions that it says to serve the same content by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from probe.core.model.value import Value

_ALTERNATIVE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*"([^"\\]*):([0-9]{1,5})"\s*(?:;[^,]*)?')
_AT_MOST = 32


class Alternative(Value, frozen=True, kw_only=True):
    """One of them: `protocol` by its name in ALPN, `host` empty where it is the same."""

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        return f'{self.protocol}="{self.host}:{self.port}"'


def alternatives(fields: Iterable[tuple[str, str]]) -> tuple[Alternative, ...]:
    """Those of a response's fields (names in lower case), in order; what is no alternative is passed over."""
    return tuple(dict.fromkeys(_of_values(value for name, value in fields if name == "alt-svc")))[:_AT_MOST]


def _of_values(values: Iterable[str]) -> Iterator[Alternative]:
    for value in values:
        for found in _ALTERNATIVE.finditer(value):
            if 0 < int(found[3]) < 65_536:
                yield Alternative(protocol=found[1], host=found[2].lower(), port=int(found[3]))
