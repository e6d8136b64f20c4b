"""Rule: a reference means what RFC 3986 says, and nothing is lost of it on the way.

Resolution (section 5.2) and the normalisation that changes no meaning (section 6.2.2). The standard library's `urljoin`
loses an empty query (`?`), an empty fragment and parameters (`/;`), so that it is not used for what a server sent.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

DEFAULT_PORTS = {"http": "80", "https": "443"}
# RFC 3986 appendix B: any text matches, in linear time.
_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# What stands in a URI as it is: unreserved, reserved, and the percent sign of a code (section 2).
_AS_IT_IS = _UNRESERVED | frozenset("%:/?#[]@!$&'()*+,;=")
# Percent codes that are not written as section 6.2.2 has them: digits in lower case, and codes that need not be.
_CODE = re.compile("%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f]|2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)")
_ENCODED = {code: f"%{code:02X}" for code in range(256) if chr(code) not in _AS_IT_IS}


class Uri(NamedTuple):
    """The five parts of section 3. None: the part is absent, which is not the same as empty."""

    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None

    def __str__(self) -> str:
        """Section 5.3."""
        scheme = "" if self.scheme is None else f"{self.scheme}:"
        authority = "" if self.authority is None else f"//{self.authority}"
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{scheme}{authority}{self.path}{query}{fragment}"


def split(text: str) -> Uri:
    """A URI or a relative reference in its parts; what has no valid scheme before its colon is a path."""
    match = _PARTS.fullmatch(text)
    assert match is not None, "the pattern matches everything"
    scheme, authority, path, query, fragment = match.groups()
    if scheme is not None and not _SCHEME.fullmatch(scheme):
        scheme, path = None, text[: len(text) - sum(_length(part) for part in (query, fragment))]
        authority = None
    return Uri(None if scheme is None else scheme.lower(), authority, path, query, fragment)


def _length(part: str | None) -> int:
    return 0 if part is None else len(part) + 1


def resolve(base: str, reference: str) -> Uri:
    """What `reference` means at `base`, an absolute URI (section 5.2.2)."""
    at, to = split(base), split(reference)
    if to.scheme is not None:
        return to._replace(path=without_dots(to.path))
    if to.authority is not None:
        return to._replace(scheme=at.scheme, path=without_dots(to.path))
    if not to.path:
        return at._replace(query=at.query if to.query is None else to.query, fragment=to.fragment)
    path = to.path if to.path.startswith("/") else _merged(at, to.path)
    return at._replace(path=without_dots(path), query=to.query, fragment=to.fragment)


def _merged(base: Uri, path: str) -> str:
    """Section 5.2.3."""
    if base.authority is not None and not base.path:
        return f"/{path}"
    return base.path[: base.path.rfind("/") + 1] + path


def without_dots(path: str) -> str:
    """Section 5.2.4: `.` and `..` mean what they mean in a file system, and the root has no parent."""
    if "." not in path:
        return path
    absolute = path.startswith("/")
    kept: list[str] = []
    segments = path.split("/")[1:] if absolute else path.split("/")
    for segment in segments:
        if segment == "..":
            absolute = absolute or len(kept) == 1  # the slash behind the first segment stays
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return ("/" if absolute else "") + "/".join(kept)


def encoded(value: str) -> str:
    """A field's value (ISO 8859-1) as a URI: bytes that cannot stand in one, raw UTF-8 and spaces above all, encoded.

    Browsers and curl do the same with a Location. What is a percent code already stays one.
    """
    return value.encode("latin-1", "replace").decode("latin-1").translate(_ENCODED)


def with_ascii_host(uri: Uri) -> Uri:
    """A host of raw UTF-8, as `encoded` left it, by its name in the DNS (RFC 5890), which is where browsers go.

    What is no such name stays as it is.
    """
    user, at, host = (uri.authority or "").rpartition("@")
    if "%" not in host:
        return uri
    name, colon, port = host.partition(":")
    try:
        wanted = unquote_to_bytes(name).decode("utf-8")
        named = wanted.encode("idna").decode("ascii")
    except UnicodeError:
        return uri
    if wanted.isascii() or not _NAME.fullmatch(named):
        return uri
    return uri._replace(authority=f"{user}{at}{named}{colon}{port}")


def normalised(uri: Uri) -> Uri:
    """Section 6.2.2 and the default port of 6.2.3: two spellings of one URI become one text, no two others do."""
    uri = with_ascii_host(uri)
    path = without_dots(_codes(uri.path)) if uri.authority is not None else _codes(uri.path)
    return Uri(
        scheme=uri.scheme,
        authority=None if uri.authority is None else _authority(uri.scheme, uri.authority),
        path=path or ("/" if uri.authority is not None else ""),
        query=None if uri.query is None else _codes(uri.query),
        fragment=None if uri.fragment is None else _codes(uri.fragment),
    )


def _codes(text: str) -> str:
    """Hexadecimal digits in upper case; codes of unreserved characters undone (6.2.2.1, 6.2.2.2)."""
    return _CODE.sub(_code, text)


def _code(match: re.Match[str]) -> str:
    character = chr(int(match[0][1:], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _authority(scheme: str | None, text: str) -> str:
    user, at, rest = text.rpartition("@")
    host, colon, port = rest.rpartition(":")
    if not colon or "]" in port or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        host, port = rest, ""  # none is there, or this is no authority: what is not understood stays
    shown = "" if port in ("", DEFAULT_PORTS.get(scheme or "")) else f":{port}"
    return f"{_codes(user)}{at}{_codes(host).lower()}{shown}"


def shown(value: str) -> str:
    """A field's value for people: raw UTF-8 as what it means, whatever is no UTF-8 as it came."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except ValueError:
        return value
