"""Rule: fields of HTTP/2 and HTTP/3 are read as browsers and curl read them, and become the head that HTTP/1.1 has.

In: decoded field lines, (name, value) in bytes, in order (RFC 9113 section 8, RFC 9114 section 4). Out: a `Head`, or
`HeadError`. Versions with streams share this; how fields are coded (HPACK, QPACK) and framed is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from probe.core.http.head import Head
from probe.core.http.tolerance import Breaches, Framing, HeadError, framing_of, too_large, too_many, violation
from probe.core.model.task import BROWSERS_HEAD_BYTES, Limits
from probe.core.records.failure import FailureType

FieldLines = Sequence[tuple[bytes, bytes]]
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_UPPER = re.compile(rb"[A-Z]")
_STATUS = re.compile(rb"[1-9][0-9][0-9]")
_NO_VALUE = re.compile(rb"[\0\r\n]")
# Of one connection, which these versions do not have (RFC 9113 section 8.2.2).
CONNECTION_FIELDS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"}
)
INTERIM_AT_MOST = 1_000  # Chromium and libcurl take a hundred and more over HTTP/3
_LINE_BYTES = 4  # `: ` and CR LF, as the limits count lines of HTTP/1.1


@dataclass(frozen=True, slots=True)
class Taken:
    """What users' clients take of a version: tried by tests/system/test_http2_clients.py and test_http3_chromium.py.

    `refused`: fields of a connection that no client delivers a response with. `leaves_out`: names and values that none
    may be are left out, by one client at least; else none delivers it. `misplaced`: the same of pseudo-header fields.
    """

    refused: frozenset[str]
    leaves_out: bool
    misplaced: bool


HTTP_2 = Taken(frozenset({"transfer-encoding"}), leaves_out=False, misplaced=False)
HTTP_3 = Taken(
    frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding"}),
    leaves_out=True,
    misplaced=True,
)


def read_status(lines: FieldLines, taken: Taken) -> int:
    """The status code of a response's section. Raises HeadError: it has none, several, or none where it belongs."""
    if not lines:
        raise violation("a head without any field")
    pseudo = [(name, value) for name, value in lines if name.startswith(b":")]
    codes = [value for name, value in pseudo if name == b":status"]
    if len(codes) != 1 or (not taken.misplaced and _misplaced(lines)):
        named = b", ".join(name for name, _ in pseudo)[:60].decode("latin-1")
        raise violation(
            f"pseudo-header fields of a response are one :status before all others, and here: `{named}`"
        )
    if not _STATUS.fullmatch(codes[0]):
        raise violation("the :status is no number of three digits")
    code = int(codes[0])
    if code == 101:
        raise violation("status 101, which these versions do not have (RFC 9113 section 8.6)")
    return code


def _misplaced(lines: FieldLines) -> bool:
    """Whether a pseudo-header field is another than :status at the beginning."""
    return lines[0][0] != b":status" or any(name.startswith(b":") for name, _ in lines[1:])


def check_interim(seen: Sequence[int]) -> None:
    """Raises HeadError where more interim heads came than any server needs."""
    if len(seen) > INTERIM_AT_MOST:
        raise violation(f"more than {INTERIM_AT_MOST} interim (1xx) heads")


def check_trailer(lines: FieldLines, breaches: Breaches) -> None:
    """Trailer fields are read as fields and dropped. Raises HeadError where no client takes them."""
    if any(name.startswith(b":") for name, _ in lines):
        breaches.add("misplaced_pseudo_header")  # Chromium delivers it over both
    _fields(lines, Breaches(), HTTP_3)


class PartialHeadError(HeadError):
    """A limit of ours cut the head; `head`: what was read of it."""

    def __init__(self, error: HeadError, head: Head) -> None:
        super().__init__(error.type, error.detail)
        self.head = head


def final_head(
    lines: FieldLines, method: str, limits: Limits, interim: Sequence[int], breaches: Breaches, taken: Taken
) -> Head:
    """The final head of these lines, whose status is no 1xx. Raises HeadError; PartialHeadError by a limit."""
    code = read_status(lines, taken)
    if _misplaced(lines):
        breaches.add("misplaced_pseudo_header")
    try:
        kept = _within(lines, limits)
    except PartialHeadError as error:
        raise PartialHeadError(
            HeadError(error.type, error.detail), _head(code, error.head.fields, interim)
        ) from None
    fields = _fields(kept, breaches, taken)
    if any(name in taken.refused for name, _ in fields):
        raise violation("a field of one connection (RFC 9113 section 8.2.2), which no browser takes here")
    named = [(name, value) for name, value in fields if name != "transfer-encoding"]
    framing, length = framing_of(method, 1, code, named, breaches)
    framing = Framing.STREAM if framing is Framing.CLOSE else framing
    return _head(code, fields, interim, framing, length, breaches.words)


def _head(
    code: int,
    fields: tuple[tuple[str, str], ...],
    interim: Sequence[int],
    framing: Framing = Framing.NONE,
    length: int | None = None,
    breaches: tuple[str, ...] = (),
) -> Head:
    return Head(
        minor_version=0,
        status_code=code,
        reason_phrase="",
        fields=fields,
        framing=framing,
        length_bytes=length,
        interim=tuple(interim),
        breaches=breaches,
    )


def _fields(lines: FieldLines, breaches: Breaches, taken: Taken) -> tuple[tuple[str, str], ...]:
    """Without pseudo-header fields; a word for what is passed over. Raises HeadError where no client takes it."""
    fields = []
    for name, value in lines:
        if name.startswith(b":"):
            continue
        if not _NAME.fullmatch(name):
            if _UPPER.search(name):
                raise violation("a field name with capital letters (RFC 9113 section 8.2.1)")
            if not taken.leaves_out:
                raise violation("a field name with characters that no name has (RFC 9113 section 8.2.1)")
            breaches.add("invalid_field_name")
            continue
        if _NO_VALUE.search(value):
            if not taken.leaves_out:
                raise violation("a field value with a line break or NUL (RFC 9113 section 8.2.1)")
            breaches.add("invalid_field_value")
            continue
        text = name.decode("ascii")
        if text in CONNECTION_FIELDS:
            breaches.add("connection_field")
        fields.append((text, value.strip(b" \t").decode("latin-1")))
    return tuple(fields)


def _within(lines: FieldLines, limits: Limits) -> FieldLines:
    """The lines. Raises PartialHeadError with those before a limit of ours; what browsers refuse the codings refuse."""
    most_field = min(limits.field_bytes, BROWSERS_HEAD_BYTES)
    most_head = min(limits.head_bytes, BROWSERS_HEAD_BYTES)
    total = 0
    for count, (name, value) in enumerate(lines):
        size = len(name) + len(value) + _LINE_BYTES
        total += size
        error = None
        if total > most_head:
            error = too_large("the head", most_head, FailureType.AGENT_LIMIT_HEAD)
        elif size > most_field:
            error = too_large("a line of the head", most_field, FailureType.AGENT_LIMIT_FIELD)
        elif count > limits.fields_count:  # the status is none
            error = too_many(limits.fields_count)
        if error is not None:
            raise PartialHeadError(error, _head(0, _fields(lines[:count], Breaches(), HTTP_3), ()))
    return lines


def as_text(version: str, lines: FieldLines) -> bytes:
    """A response's section as people read it: the version and status, then the fields, an empty line."""
    status = next((value for name, value in lines if name == b":status"), b"")
    shown = [b"%s: %s" % (name, value) for name, value in lines if not name.startswith(b":")]
    return b"\r\n".join((b"%s %s" % (version.encode(), status), *shown, b"", b""))


def request_lines(
    method: str, scheme: str, path: str, fields: Sequence[tuple[str, str]]
) -> list[tuple[bytes, bytes]]:
    """A request's field lines, made of the fields of HTTP/1.1: Host becomes :authority, those of a connection go.

    Raises ValueError for a line break or NUL in any of it.
    """
    host = next((value for name, value in fields if name.lower() == "host"), "")
    lines = [(":method", method), (":scheme", scheme), (":authority", host), (":path", path)]
    lines += [
        (name.lower(), value.strip(" \t"))
        for name, value in fields
        if name.lower() not in CONNECTION_FIELDS and name.lower() != "host"
    ]
    made = [(name.encode(), value.encode()) for name, value in lines]
    if any(_NO_VALUE.search(name) or _NO_VALUE.search(value) for name, value in made):
        raise ValueError("a line break or a NUL byte in the request: nothing was sent")
    return made
