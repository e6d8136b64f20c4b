"""What a hostile or broken server may say over HTTP/2, and what that is: by frames, and by the type of failure.

`CASES`: name -> (the bytes after the client's preface and request, what they are). An expectation is a failure type,
or the body of the response that comes of them all the same, with the breaches that are named of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import hpack

from probe.core.records.failure import FailureType as F
from tests.support import http2 as h
from tests.support.http2 import PREFACE, WHOLE, data, frame, goaway, head, reset, section, settings

OK = head(("content-length", "2"))
BODY = data(b"ok", end=True)


@dataclass(frozen=True)
class Case:
    """`then`: what the server does after these bytes where the response is not whole: close, or say no more."""

    wire: bytes
    failure: F | None = None
    body: bytes = b"ok"
    breaches: tuple[str, ...] = ()
    then: str = "close"


def _bomb() -> bytes:
    """A field of 4,000 bytes, put into the table once and named 1,000 times: four megabytes of one kilobyte."""
    coded = section([(":status", "200"), ("x-a", "a" * 4000)], hpack.Encoder())
    return coded + b"\xbe" * 1000


def _split(block: bytes, pieces: int, *, end: bool = True) -> bytes:
    size = -(-len(block) // pieces)
    cut = [block[at : at + size] for at in range(0, len(block), size)]
    first = frame(h.HEADERS, cut[0], h.END_HEADERS if len(cut) == 1 else 0, 1)
    more = [frame(h.CONTINUATION, piece, 0, 1) for piece in cut[1:-1]]
    last = [frame(h.CONTINUATION, cut[-1], h.END_HEADERS if end else 0, 1)] if len(cut) > 1 else []
    return b"".join((first, *more, *last))


def _raw(*lines: tuple[bytes, bytes]) -> bytes:
    """Literal field lines without indexing or Huffman: names as they stand, whatever they are."""
    return b"".join(b"\0" + bytes((len(n),)) + n + bytes((len(v),)) + v for n, v in lines)


_STATUS = (b":status", b"200")
_LARGE = [(f"x-{n}", "a" * 4000) for n in range(80)]  # 320,000 bytes
_P = PREFACE
_V, _REFUSED, _RESET, _GOAWAY = (
    F.HTTP_PROTOCOL_VIOLATION,
    F.HTTP_STREAM_REFUSED,
    F.HTTP_STREAM_RESET,
    F.HTTP_GOAWAY,
)
_FLOOD, _LARGE_HEAD, _CUT = F.HTTP_EXCESSIVE_FRAMES, F.HTTP_FIELDS_TOO_LARGE, F.BODY_TRUNCATED
_FEW = 1_100

CASES: dict[str, Case] = {
    # --- what is as it should be, or is passed over
    "whole": Case(WHOLE),
    "settings acknowledged and others in between": Case(
        _P + frame(h.SETTINGS, b"", h.ACK) + frame(h.PING, b"12345678") + OK + frame(h.WINDOW_UPDATE, b"\0\0\0\1")
        + BODY
    ),
    "windows of nothing": Case(settings((4, 0)) + OK + BODY),
    "settings that nobody knows": Case(settings((0x99, 7), (3, 0), (1, 0)) + OK + BODY),
    "an unknown frame": Case(_P + frame(0x77, b"abc", 0xFF, 1) + OK + BODY),
    "ALTSVC": Case(_P + frame(h.ALTSVC, b"\0\x03a.bh2=\":443\"") + OK + BODY),
    "PRIORITY of our stream": Case(_P + frame(h.PRIORITY, b"\0\0\0\0\1", 0, 1) + OK + BODY),
    "padding everywhere": Case(
        _P
        + frame(h.HEADERS, b"\4" + section([(":status", "200")]) + b"\0" * 4, h.END_HEADERS | h.PADDED, 1)
        + frame(h.DATA, b"\3ok\0\0\0", h.PADDED | h.END_STREAM, 1)
    ),
    "padding alone": Case(_P + head() + frame(h.DATA, b"\2\0\0", h.PADDED, 1) + BODY),
    "HEADERS with a priority": Case(
        _P + frame(h.HEADERS, b"\0\0\0\0\1" + section([(":status", "200")]), h.END_HEADERS | h.HAS_PRIORITY, 1) + BODY
    ),
    "a head in nine pieces": Case(_P + _split(section([(":status", "200"), ("x-a", "b" * 99)]), 9) + BODY),
    "trailers": Case(_P + OK + data(b"ok") + head(block=section([("x-sum", "1")]), end=True)),
    "interim heads": Case(_P + head(status="103") + head(("link", "</a>"), status="103") + OK + BODY),
    "an empty DATA that ends it": Case(_P + head() + data(b"ok") + data(end=True)),
    "GOAWAY above our stream, then the rest": Case(_P + OK + goaway(2**31 - 1) + BODY),
    "GOAWAY of our stream with an error, then the rest": Case(_P + OK + goaway(1, 2) + BODY),
    "data after END_STREAM": Case(WHOLE + data(b"more", end=True)),
    "RST_STREAM after END_STREAM": Case(WHOLE + reset(0)),
    "a field of the connection": Case(
        _P + head(("connection", "close")) + BODY, breaches=("connection_field",)
    ),
    "Transfer-Encoding: chunked": Case(_P + head(("transfer-encoding", "chunked")) + BODY, _V),
    "a name that is none": Case(_P + head(("x a", "b")) + BODY, _V),
    "a value with a line break": Case(_P + head(("x-a", "b\r\nc")) + BODY, _V),
    "one length twice": Case(
        _P + head(("content-length", "2"), ("content-length", "2")) + BODY, breaches=("repeated_content_length",)
    ),
    # --- the beginning
    "HTTP/1.1 in its place": Case(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", _V),
    "no SETTINGS first": Case(OK + BODY, breaches=("no_settings_first",)),
    "SETTINGS that acknowledge first": Case(
        frame(h.SETTINGS, b"", h.ACK) + OK + BODY, breaches=("no_settings_first",)
    ),
    "a ping first": Case(frame(h.PING, b"12345678") + OK + BODY, breaches=("no_settings_first",)),
    "garbage": Case(b"\xff" * 40, _V),
    "the end at once": Case(b"", F.TCP_CLOSED),
    "the end after SETTINGS": Case(_P, F.TCP_CLOSED),
    "silence after SETTINGS": Case(_P, F.HTTP_TIMED_OUT, then="hang"),
    # --- settings, windows and others
    "SETTINGS of no length": Case(_P + frame(h.SETTINGS, b"\0\0\0"), _V),
    "SETTINGS on a stream": Case(_P + frame(h.SETTINGS, b"", 0, 1), _V),
    "SETTINGS with a value that is none": Case(settings((5, 1)) + OK, _V),
    "SETTINGS without end": Case(_P + settings((4, 1)) * _FEW, _FLOOD),
    "PING without end": Case(_P + frame(h.PING, b"12345678") * _FEW, _FLOOD),
    "PING of no length": Case(_P + frame(h.PING, b"1"), _V),
    "WINDOW_UPDATE of nothing": Case(_P + frame(h.WINDOW_UPDATE, b"\0\0\0\0"), _V),
    "WINDOW_UPDATE over the end": Case(_P + frame(h.WINDOW_UPDATE, b"\x7f\xff\xff\xff") * 2, _V),
    "WINDOW_UPDATE without end": Case(_P + frame(h.WINDOW_UPDATE, b"\0\0\0\1", 0, 1) * _FEW, _FLOOD),
    "RST_STREAM of others without end": Case(_P + b"".join(reset(8, 2 * n + 1) for n in range(1, _FEW)), _FLOOD),
    "PRIORITY without end": Case(_P + frame(h.PRIORITY, b"\0\0\0\0\1", 0, 3) * _FEW, _FLOOD),
    "unknown frames without end": Case(_P + frame(0x77, b"", 0, 0) * _FEW, _FLOOD),
    "PUSH_PROMISE": Case(_P + frame(h.PUSH_PROMISE, b"\0\0\0\2" + section([(":method", "GET")]), h.END_HEADERS, 1), _V),
    "a frame over the size": Case(_P + frame(h.PING, b"", length=16_385), _V),
    "a frame of sixteen megabytes": Case(_P + frame(0x77, b"", length=2**24 - 1), _V),
    # --- heads
    "no HPACK": Case(_P + head(block=b"\xff\xff\xff\xff\xff\xff\xff\xff"), _V),
    "an index of nothing": Case(_P + head(block=b"\xc0"), _V),
    "a table over the size": Case(_P + head(block=b"\x3f\xe1\xff\x03" + section([(":status", "200")])), _V),
    "no field at all": Case(_P + head(block=b""), _V),
    "no :status": Case(_P + head(block=section([("x-a", "b")])), _V),
    "two :status": Case(_P + head(block=section([(":status", "200"), (":status", "200")])), _V),
    ":status behind a field": Case(_P + head(block=section([("x-a", "b"), (":status", "200")])), _V),
    ":status that is no number": Case(_P + head(status="2x0"), _V),
    "a pseudo-header field of requests": Case(_P + head(block=section([(":status", "200"), (":path", "/")])), _V),
    "status 101": Case(_P + head(status="101"), _V),
    "capital letters": Case(_P + head(block=_raw(_STATUS, (b"X-A", b"b"))), _V),
    "different lengths": Case(_P + head(("content-length", "2"), ("content-length", "3")) + BODY, _V),
    "a head that browsers refuse": Case(_P + _split(section([(":status", "200"), *_LARGE]), 20), _LARGE_HEAD),
    "a small head that becomes a large one": Case(_P + head(block=_bomb()), _LARGE_HEAD),
    "CONTINUATION without end": Case(
        _P + frame(h.HEADERS, section([(":status", "200")]), 0, 1) + frame(h.CONTINUATION, b"", 0, 1) * _FEW, _FLOOD
    ),
    "CONTINUATION of much without end": Case(
        _P + frame(h.HEADERS, section([(":status", "200")]), 0, 1) + frame(h.CONTINUATION, b"\0" * 16_000, 0, 1) * 40,
        _LARGE_HEAD,
    ),
    "CONTINUATION of nothing": Case(_P + frame(h.CONTINUATION, b"", h.END_HEADERS, 1), _V),
    "a head interrupted by PING": Case(
        _P + frame(h.HEADERS, section([(":status", "200")]), 0, 1) + frame(h.PING, b"12345678"), _V
    ),
    "a head with more padding than content": Case(_P + frame(h.HEADERS, b"\x09a", h.END_HEADERS | h.PADDED, 1), _V),
    "HEADERS on stream 0": Case(_P + frame(h.HEADERS, section([(":status", "200")]), h.END_HEADERS, 0), _V),
    "HEADERS on another stream": Case(_P + frame(h.HEADERS, section([(":status", "200")]), h.END_HEADERS, 3), _V),
    "interim heads without end": Case(_P + head(status="103") * _FEW, _V),
    "an interim head that ends the stream": Case(_P + head(status="103", end=True), _V),
    "the end within a head": Case(_P + OK[:-1], F.TCP_CLOSED),
    # --- bodies
    "DATA before the head": Case(_P + BODY, _V),
    "DATA on stream 0": Case(_P + OK + data(b"ok", stream=0), _V),
    "DATA on another stream": Case(_P + OK + data(b"ok", stream=3), _V),
    "DATA with more padding than content": Case(_P + OK + frame(h.DATA, b"\x09ok", h.PADDED, 1), _V),
    "DATA with padding and without its length": Case(_P + OK + frame(h.DATA, b"", h.PADDED, 1), _V),
    "DATA of nothing without end": Case(_P + OK + data() * _FEW, _FLOOD),
    "less than declared": Case(_P + OK + data(b"o", end=True), _CUT),
    "nothing of what was declared": Case(_P + head(("content-length", "2"), end=True), _CUT),
    "more than declared": Case(_P + OK + data(b"oks"), _V),
    "the end within the body": Case(_P + OK + data(b"o"), _CUT),
    "the end before the end of the stream": Case(_P + head() + data(b"ok"), _CUT),
    "silence within the body": Case(_P + OK + data(b"o"), F.BODY_TIMED_OUT, then="hang"),
    "a second head": Case(_P + OK + data(b"ok") + OK, _V),
    "a pseudo-header field in the trailers": Case(
        _P + OK + data(b"ok") + head(end=True), breaches=("misplaced_pseudo_header",)
    ),
    # --- ends
    "REFUSED_STREAM": Case(_P + reset(7), _REFUSED),
    "RST_STREAM before the head": Case(_P + reset(2), _RESET),
    "RST_STREAM without an error in the body": Case(_P + OK + data(b"o") + reset(0), _RESET),
    "HTTP_1_1_REQUIRED": Case(_P + reset(13), F.HTTP_1_1_REQUIRED),
    "GOAWAY with HTTP_1_1_REQUIRED": Case(_P + goaway(0, 13), F.HTTP_1_1_REQUIRED),
    "RST_STREAM of no length": Case(_P + frame(h.RST_STREAM, b"\0", 0, 1), _V),
    "GOAWAY below our stream": Case(_P + goaway(0), _REFUSED),
    "GOAWAY below our stream with an error": Case(_P + goaway(0, 11), _REFUSED),
    "GOAWAY of our stream, then the end": Case(_P + goaway(1), _GOAWAY),
    "GOAWAY in the body, then the end": Case(_P + OK + data(b"o") + goaway(1, 2), _GOAWAY),
    "GOAWAY of no length": Case(_P + frame(h.GOAWAY, b"\0"), _V),
    "GOAWAY on a stream": Case(_P + frame(h.GOAWAY, b"\0" * 8, 0, 1), _V),
    "GOAWAY without end": Case(_P + goaway(1) * _FEW, _FLOOD),
}  # fmt: skip
