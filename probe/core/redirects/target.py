"""Rule: two spellings of one URL are equal, and no other two URLs are.

A Location is a URI reference, resolved against the URL asked for (RFC 9110 section 10.2.2), and compared after the
normalisation that changes no meaning (RFC 3986 section 6.2.2): case of scheme, host and percent codes, codes that need
not be, dot segments, the default port, an empty path. What browsers percent-encode, raw UTF-8 and spaces, counts as
encoded. Values of secret query keys are not compared: the records do not hold them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from probe.core.text import uri
from probe.core.text.patterns import matches
from probe.core.text.redaction import REDACTED, without_secret_query


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
    if parts.scheme and not parts.netloc and parts.scheme in uri.DEFAULT_PORTS:
        raise ValueError("a URL with a scheme has a host too, such as https://www.acme.example/new")
    return text


def resolved(base: str, location: str) -> str:
    """The place as one text, as a Location at `base` means it."""
    place = uri.normalised(uri.resolve(base, uri.encoded(location.replace(REDACTED, "x"))))
    return without_secret_query(str(place))


def equivalent(base: str, location: str, wanted: str) -> bool:
    """Whether both, asked for at `base`, lead to the same place."""
    return resolved(base, location) == resolved(base, wanted)


def fits(base: str, location: str, pattern: str) -> bool | None:
    """Whether the place, the value as it was sent, or the text that it is for people matches; None: not known."""
    texts = dict.fromkeys((resolved(base, location), location, uri.encoded(location), uri.shown(location)))
    found = [matches(pattern, text) for text in texts]
    return True if True in found else None if None in found else False
