"""Rule: two spellings of one URL are equal, and no other two URLs are.

A Location is a URI reference, resolved against the URL asked for (RFC 9110 section 10.2.2), and compared after the
normalisation that changes no meaning: case of scheme and host, the default port, an empty path (RFC 3986 section
6.2). Values of secret query keys are not compared: the records do not hold them.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit, urlunsplit

from probe.core.text.patterns import matches
from probe.core.text.redaction import REDACTED, without_secret_query

_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_target(text: str) -> str:
    """The text, if it can be a Location. Raises ValueError with words for a person."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            "a place is written as Location has it: ASCII, without spaces, others percent-encoded"
        )
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme and not parts.netloc and parts.scheme in _DEFAULT_PORTS:
        raise ValueError("a URL with a scheme has a host too, such as https://www.acme.example/new")
    return text


def resolved(base: str, location: str) -> str:
    """The place as one text; what is no URL stays as it came."""
    try:
        parts = urlsplit(urljoin(base, location))
        port = parts.port
    except ValueError:
        return without_secret_query(location)
    if not parts.netloc:
        return without_secret_query(location)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    user = parts.netloc.rpartition("@")[0]
    shown = "" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}"
    netloc = f"{user}@{host}{shown}" if user else f"{host}{shown}"
    whole = urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, parts.fragment))
    return without_secret_query(whole.replace(REDACTED, "x"))


def equivalent(base: str, location: str, wanted: str) -> bool:
    """Whether both, asked for at `base`, lead to the same place."""
    return resolved(base, location) == resolved(base, wanted)


def fits(base: str, location: str, pattern: str) -> bool | None:
    """Whether the place, or the value as it was sent, matches; None where that is not known."""
    found = [matches(pattern, resolved(base, location)), matches(pattern, location)]
    return True if True in found else None if None in found else False
