"""Rule: what users' clients deliver whole is no outage; each breach of HTTP/1.1 has a word; the ambiguous fails.

The lines of a response head and its framing, read as browsers and curl read them (RFC 9112 says in most places what a
recipient may tolerate). Where these clients make different content of the same bytes, or none can make any, it is a
`HeadError`. `BREACHES` is the closed list of words; docs/records.md has it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum

from probe.core.model.task import BROWSERS_HEAD_BYTES
from probe.core.records.failure import FailureType

BREACHES: dict[str, str] = {
    "leading_bytes": "an empty line, or up to four bytes, before the status line (RFC 9112 section 2.2)",
    "odd_version": "another version word than HTTP/1.0 or HTTP/1.1 (section 2.3)",
    "odd_status_line": "a status line with other spaces, or text joined to the code (section 4)",
    "folded_field": "a field line that goes on in the next; replaced by a space (section 5.2)",
    "space_before_colon": "white space between a field name and its colon (section 5.1)",
    "line_without_colon": "a line of the head or trailer that is no field; left out (section 5)",
    "invalid_field_name": "a field name with characters that no name has; left out (RFC 9110 section 5.1);"
    " a failure over HTTP/2",
    "invalid_field_value": "a field value with a line break or NUL; left out (RFC 9113 section 8.2.1);"
    " a failure over HTTP/2",
    "connection_field": "a field of one connection, in a version that has none (RFC 9113 section 8.2.2);"
    " over HTTP/3 only `upgrade` is delivered, over HTTP/2 all but `transfer-encoding`",
    "misplaced_pseudo_header": "over HTTP/3 a pseudo-header field behind other fields, one that is no `:status`, or"
    " one among the trailers, where over HTTP/2 too; left out (RFC 9114 section 4.3)",
    "no_settings_first": "over HTTP/2 another frame before the server's SETTINGS (RFC 9113 section 3.4)",
    "bare_cr": "a carriage return alone; replaced by a space (RFC 9112 section 2.2)",
    "repeated_content_length": "Content-Length several times with one value (RFC 9110 section 8.6)",
    "invalid_content_length": "a Content-Length that is no number (RFC 9110 section 8.6)",
    "length_beside_chunked": "Content-Length beside chunked, which counts (RFC 9112 section 6.3)",
    "identity_transfer_coding": "Transfer-Encoding: identity, or an empty one (RFC 9112 section 7)",
    "repeated_chunked": "chunked named twice (section 7.1)",
    "unknown_transfer_coding": "a transfer coding that nobody knows; the body is not coded (section 7)",
    "nul_in_chunk_extension": "a NUL byte behind a chunk's size (section 7.1.1)",
    "surplus_bytes": "bytes after the end of the response (section 6.3)",
    "identity_content_coding": "Content-Encoding: identity (RFC 9110 section 8.4.1)",
    "bytes_after_coding": "bytes after the end of the compressed content (RFC 9110 section 8.4)",
    "several_gzip_members": "gzip in several members, of which clients read the first (RFC 1952 section 2.2)",
    "coding_checksum_wrong": "a checksum or length behind the compressed content that is wrong (RFC 1950, RFC 1952)",
    "coding_trailer_cut": "compressed content whose checksum at the end is missing (RFC 1950, RFC 1952)",
}
LEADING_BYTES = 4  # before a status line: as many as Chromium passes over
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: (.*))?", re.DOTALL)
_LOOSE_STATUS_LINE = re.compile(
    rb"(HTTP)(?:/([0-9]*)(?:\.([0-9]*))?)?([ \t]+)([1-9][0-9][0-9])(?![0-9])(.*)", re.DOTALL | re.IGNORECASE
)
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(r"[0-9]{1,18}")
_BEGINS_WITH_LENGTH = re.compile(r"\+?([0-9]{1,18})(?:[^0-9].*)?", re.DOTALL)
_REAL_CODINGS = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"})
_BODILESS = frozenset({204, 304})

Fields = list[tuple[str, str]]


class HeadError(Exception):
    """The head breaks a rule or a limit; `type` says which, `detail` is for people."""

    def __init__(self, type_: FailureType, detail: str) -> None:
        super().__init__(detail)
        self.type = type_
        self.detail = detail


class Framing(StrEnum):
    """How the end of the body is known (RFC 9112 section 6.3)."""

    NONE = "none"  # HEAD, 204, 304
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"  # until the server closes
    STREAM = "stream"  # the stream's end (RFC 9113 section 8.1)


def violation(detail: str) -> HeadError:
    """The wire is not one HTTP/1.1 response."""
    return HeadError(FailureType.HTTP_PROTOCOL_VIOLATION, detail)


def too_large(what: str, limit: int, own: FailureType, browsers: int = BROWSERS_HEAD_BYTES) -> HeadError:
    """`what` is over `limit` bytes: the server's failure where browsers refuse it too, else our own limit `own`."""
    if limit >= browsers:
        detail = f"{what} is over {limit} bytes, which browsers refuse"
        return HeadError(FailureType.HTTP_FIELDS_TOO_LARGE, detail)
    return HeadError(own, f"{what} is over our {name_of(own)}: {limit} bytes")


def too_many(limit: int, where: str = "the head") -> HeadError:
    """More fields than we read. Browsers do not count them."""
    own = FailureType.AGENT_LIMIT_FIELDS
    return HeadError(own, f"{where} has more fields than our {name_of(own)}: {limit}")


def name_of(own: FailureType) -> str:
    """A limit of ours as the configuration names it: `limits.head`."""
    return own.value.removeprefix("agent.").replace("limit.", "limits.")


class Breaches:
    """The words for what was found so far, each once, in order."""

    __slots__ = ("_words", "line_left_out")

    def __init__(self) -> None:
        self._words: dict[str, None] = {}
        self.line_left_out = False  # the last field line was none: what goes on from it is left out too

    def add(self, word: str) -> None:
        """`word` is one of BREACHES."""
        assert word in BREACHES, "the list is closed"
        self._words[word] = None

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self._words)


# --- lines ----------------------------------------------------------------------------------------


def start_of_status_line(begun: bytes | bytearray) -> int | None:
    """How many bytes stand before the status line; None: not known yet. Raises HeadError where none can follow."""
    for at in range(LEADING_BYTES + 1):
        word = bytes(begun[at : at + 4]).lower()
        if word == b"http":
            return at
        if b"http".startswith(word):
            return None
    if _like_settings(begun):
        if len(begun) < LEADING_BYTES + 4:
            return None
        raise HeadError(FailureType.AGENT_PROTOCOL_UNSUPPORTED, "the server speaks HTTP/2 alone")
    raise violation("the reply does not begin with an HTTP status line")


def _like_settings(data: bytes | bytearray) -> bool:
    """As far as these bytes go: the header of a SETTINGS frame, with which each end of HTTP/2 begins (RFC 9113 3.4)."""
    places = ((0, 0), (1, 0), (3, 4), (5, 0), (6, 0), (7, 0))  # length below 256, type, stream 0
    return all(data[place] == value for place, value in places if place < len(data))


def status_of_line(line: bytes, breaches: Breaches) -> tuple[int, int, str]:
    """Minor version, status code and reason. What is no HTTP/1.x is read as 1.1. Raises HeadError."""
    strict = _STATUS_LINE.fullmatch(line)
    if strict is not None:
        return int(strict[1]), int(strict[2]), (strict[3] or b"").decode("latin-1")
    loose = _LOOSE_STATUS_LINE.fullmatch(line)
    if loose is None:
        raise violation(f"not a status line: {show(line)}")
    word, major, minor, space, code, rest = loose.groups()
    whole_version = word == b"HTTP" and major == b"1" and len(minor or b"") == 1
    if not whole_version:
        breaches.add("odd_version")
    if space != b" " or rest[:1] not in (b"", b" "):
        breaches.add("odd_status_line")
    old = (major or b"1").strip(b"0") == b"" or (whole_version and minor == b"0")
    number = int(minor) if whole_version else 0 if old else 1
    return number, int(code), rest.removeprefix(b" ").decode("latin-1")


def content_of_line(raw: bytes, where: str, breaches: Breaches | None = None) -> bytes:
    """A line without its end: CR LF or a lone LF (RFC 9112 section 2.2).

    Raises HeadError for NUL, and for a bare CR without `breaches`; with them it becomes a space. `where` the line
    stands, for people.
    """
    line = raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
    if b"\0" in line:
        raise violation(f"a NUL byte in {where}")
    if b"\r" in line:
        if breaches is None:
            raise violation(f"a bare CR in {where}")
        breaches.add("bare_cr")
        line = line.replace(b"\r", b" ")
    return line


def add_field(fields: Fields, line: bytes, breaches: Breaches, spaced: set[str]) -> None:
    """One more field line: a field more, the last one longer, or nothing, and a word for what is wrong with it.

    `spaced` is given the names that had white space before their colon.
    """
    if line[:1] in (b" ", b"\t"):
        breaches.add("folded_field")
        if fields and not breaches.line_left_out:
            name, value = fields[-1]
            more = line.strip(b" \t").decode("latin-1")
            fields[-1] = name, f"{value} {more}".strip(" ")
        return
    breaches.line_left_out = True
    name_bytes, colon, value_bytes = line.partition(b":")
    if not colon:
        breaches.add("line_without_colon")
        return
    bare = name_bytes.rstrip(b" \t")
    if not _TOKEN.fullmatch(bare):
        breaches.add("invalid_field_name")
        return
    name = bare.decode("ascii").lower()
    if bare != name_bytes:
        breaches.add("space_before_colon")
        spaced.add(name)
    breaches.line_left_out = False
    fields.append((name, value_bytes.strip(b" \t").decode("latin-1")))


# --- framing --------------------------------------------------------------------------------------


def framing_of(
    method: str,
    minor: int,
    code: int,
    fields: Collection[tuple[str, str]],
    breaches: Breaches,
    spaced: Collection[str] = (),
) -> tuple[Framing, int | None]:
    """How the body ends, and its length where that is declared (RFC 9112 section 6.3). Raises HeadError."""
    chunked = _is_chunked([v for n, v in fields if n == "transfer-encoding"], minor, breaches, spaced)
    lengths = [v for n, v in fields if n == "content-length"]
    length = _length(lengths, breaches) if lengths else None
    if chunked and lengths:
        breaches.add("length_beside_chunked")
    if method == "HEAD" or code in _BODILESS:
        return Framing.NONE, None
    if chunked:
        return Framing.CHUNKED, None
    return (Framing.CLOSE, None) if length is None else (Framing.LENGTH, length)


def _is_chunked(values: list[str], minor: int, breaches: Breaches, spaced: Collection[str]) -> bool:
    if not values:
        return False
    tokens = [token.strip(" \t").lower() for value in values for token in value.split(",")]
    named = [token for token in tokens if token not in ("", "identity")]
    if len(named) < len(tokens):
        breaches.add("identity_transfer_coding")
    if not named:
        return False
    odd = any("chunked" in token or not _TOKEN.fullmatch(token.encode("latin-1")) for token in named)
    if not odd and _REAL_CODINGS.isdisjoint(named):
        breaches.add("unknown_transfer_coding")
        return False
    # Here browsers and curl make different content of it, or none.
    if set(named) != {"chunked"}:
        raise violation(
            f"a transfer coding that was not asked for: {show(', '.join(values).encode('latin-1'))}"
        )
    if minor == 0:
        raise violation("chunked in a reply of HTTP/1.0, which has no such coding")
    if "transfer-encoding" in spaced:
        raise violation("white space before the colon of Transfer-Encoding")
    if len(named) > 1:
        breaches.add("repeated_chunked")
    return True


def _length(values: list[str], breaches: Breaches) -> int | None:
    """None: until the connection closes, as browsers read what is no number."""
    parts = [part.strip(" \t") for value in values for part in value.split(",")]
    if len({part.lstrip("0") for part in parts}) > 1:
        raise violation("different Content-Lengths")
    if len(parts) > 1:
        breaches.add("repeated_content_length")
    if _LENGTH.fullmatch(parts[0]):
        return int(parts[0])
    breaches.add("invalid_content_length")
    begins = _BEGINS_WITH_LENGTH.fullmatch(parts[0])
    return None if begins is None else int(begins[1])


def show(raw: bytes) -> str:
    """A piece of the wire for people: short, printable."""
    text = raw[:60].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f"`{text}{'...' if len(raw) > 60 else ''}`"
