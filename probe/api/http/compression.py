"""Rule: a response is compressed as the reader prefers, in a stream, and never held whole.

Negotiation by Accept-Encoding (RFC 9110, section 12.5.3): the greatest q-value; among equals zstd (RFC 8878), then
gzip (RFC 1952), then none.
"""

from __future__ import annotations

import re
import zlib
from typing import Protocol

import zstandard

from probe.api.http.problem import Refused

PREFERENCE = ("zstd", "gzip", "identity")
LEVEL = 1  # lines of JSON repeat so much that more costs time and gains little
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", re.I)


class Coder(Protocol):
    """Bytes in, bytes out; what `finish` gives ends it."""

    def feed(self, data: bytes) -> bytes:
        """What can be sent now; may be empty."""
        ...

    def finish(self) -> bytes:
        """The rest."""
        ...


class _Identity:
    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Gzip:
    def __init__(self) -> None:
        self._made = zlib.compressobj(LEVEL, wbits=31)

    def feed(self, data: bytes) -> bytes:
        return self._made.compress(data)

    def finish(self) -> bytes:
        return self._made.flush()


class _Zstd:
    def __init__(self) -> None:
        self._made = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()

    def feed(self, data: bytes) -> bytes:
        return self._made.compress(data)

    def finish(self) -> bytes:
        return self._made.flush()


def coder(name: str) -> Coder:
    """A new one for one response."""
    made: dict[str, type[_Identity] | type[_Gzip] | type[_Zstd]] = {"zstd": _Zstd, "gzip": _Gzip}
    return made.get(name, _Identity)()


def negotiate(accept: str | None) -> str:
    """The name of the coding to use. Raises Refused (406) where the reader takes none that there is."""
    if accept is None:
        return "identity"
    given = _qualities(accept)
    rest = given.get("*")

    def quality(name: str) -> float:
        if name in given:
            return given[name]
        if rest is not None:
            return rest
        return 0.001 if name == "identity" else 0.0  # acceptable unless it is excluded, but least preferred

    best = max(PREFERENCE, key=lambda name: (quality(name), -PREFERENCE.index(name)))
    if quality(best) == 0:
        raise Refused(406, f"Accept-Encoding takes none of {', '.join(PREFERENCE)}")
    return best


def _qualities(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, _, parameter = part.partition(";")
        match = _QUALITY.fullmatch(parameter) if parameter else None
        if name.strip() and (match or not parameter.strip()):
            found[name.strip().removeprefix("x-")] = float(match[1]) if match else 1.0
    return found
