"""The table of decisions about breaches of HTTP/1.1: what was sent, what each client makes of it, what we say, why.

docs/conformance.md is written from it (`python -m tests.conformance.write`); test_conformance.py tries each line
against curl, headless Chromium and a whole slot of ours.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass

import brotli
import zstandard

BODY = b"the body\n" * 30
VIOLATION, UNDECODABLE, TRUNCATED = "http.protocol_violation", "body.decode_failed", "body.truncated"
WHOLE = "whole"
_LENGTH = b"%d" % len(BODY)
_GZIP = gzip.compress(BODY, mtime=0)
_ZLIB = zlib.compress(BODY)
_BR = brotli.compress(BODY)
_ZSTD = zstandard.ZstdCompressor().compress(BODY)
_WRONG_SUM = "a warning since the content is the origin's; else, or without an origin, `body.decode_failed`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One line. `sent`: for people; `raw`: the bytes, after which the server closes.

    `curl`, `chromium`: see `oracles.py` for the words. `breaches`: of a reply that counts as delivered, the words of
    `http.nonconforming`; `failure`: the reason of the CDN's failure, None where the slot is `ok`. `why`: the reason
    for the decision, with the RFC's word where it has one.
    """

    sent: str
    raw: bytes
    curl: str = WHOLE
    chromium: str = WHOLE
    breaches: tuple[str, ...] = ()
    failure: str | None = None
    why: str = ""

    @property
    def delivered(self) -> bool:
        """One of the clients gives its user the whole content as a success."""
        return any(said.startswith(WHOLE) for said in (self.curl, self.chromium))


def _reply(
    *lines: bytes,
    body: bytes = BODY,
    status: bytes = b"HTTP/1.1 200 OK",
    length: bool = True,
    end: bytes = b"\r\n",
) -> bytes:
    own = [b"Content-Length: " + _LENGTH] if length else []
    return end.join([status, b"Content-Type: text/plain", *lines, *own]) + end + end + body


def _chunks(body: bytes = BODY, *lines: bytes, size: bytes = b"%x", end: bytes = b"\r\n0\r\n\r\n") -> bytes:
    """One chunk, and the last one."""
    head = lines or (b"Transfer-Encoding: chunked",)
    return _reply(*head, length=False, body=size.replace(b"%x", b"%x" % len(body)) + b"\r\n" + body + end)


def _coded(body: bytes, coding: bytes = b"gzip") -> bytes:
    return _reply(b"Content-Encoding: " + coding, b"Content-Length: %d" % len(body), length=False, body=body)


def _given(sent: str, raw: bytes, *breaches: str, **more: str) -> Reply:
    """It counts as delivered."""
    return Reply(sent=sent, raw=raw, breaches=breaches, **more)


def _failed(
    sent: str, raw: bytes, why: str, curl: str, chromium: str = "refused", reason: str = VIOLATION
) -> Reply:
    return Reply(sent=sent, raw=raw, curl=curl, chromium=chromium, failure=reason, why=why)


def _transfer(coding: bytes, **more: bytes | bool) -> bytes:
    return _reply(b"Transfer-Encoding: " + coding, **more)


def _length(value: bytes) -> bytes:
    return _reply(b"Content-Length:" + value, length=False)


def _status(line: bytes) -> bytes:
    return _reply(status=line)


SECTIONS: dict[str, tuple[Reply, ...]] = {
    "As it should be": (
        _given("a reply without a fault", _reply()),
        _given("interim head 100 before it", b"HTTP/1.1 100 Continue\r\n\r\n" + _reply()),
        _given("interim head 103 before it", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _reply()),
        _given("lines that end with LF alone", _reply(end=b"\n"), why="RFC 9112 section 2.2: MAY"),
        _given(
            "no reason phrase and no space for it",
            _status(b"HTTP/1.1 200"),
            why="all read it; section 4 asks for the space",
        ),
        _given(
            "a control character in the reason phrase",
            _status(b"HTTP/1.1 200 O\x01K"),
            why="the phrase is for nobody (section 4)",
        ),
        _given(
            "a control character in a field value",
            _reply(b"X-A: b\x01c"),
            why="RFC 9110 section 5.5: MAY be kept",
        ),
        _given("Content-Type twice", _reply(b"Content-Type: text/html"), why="the bytes are the same"),
        _given(
            "`Transfer-Encoding: Chunked`",
            _chunks(BODY, b"Transfer-Encoding: Chunked"),
            why="names of codings have no case",
        ),
        _given(
            "white space around `;` and `=` of a chunk extension",
            _chunks(size=b"%x ; a = b"),
            why="RFC 9112 section 7.1.1: MUST be parsed",
        ),
        _given("white space behind a chunk size", _chunks(size=b"%x  "), why="as before an extension"),
        _given(
            "lines of chunks that end with LF alone",
            _chunks(size=b"%x")
            .replace(b"\r\n%s" % BODY, b"\n%s" % BODY)
            .replace(BODY + b"\r\n0\r\n\r\n", BODY + b"\n0\n\n"),
            why="as in a head",
        ),
        _given(
            "deflate without its wrapper",
            _coded(_ZLIB[2:-4], b"deflate"),
            why="RFC 9110 section 8.4.1.2 names such senders",
        ),
        _given("deflate with its wrapper", _coded(_ZLIB, b"deflate")),
        _given("gzip in gzip", _coded(gzip.compress(_GZIP, mtime=0), b"gzip, gzip")),
        _given(
            "`Content-Encoding: x-gzip`",
            _coded(_GZIP, b"x-gzip"),
            why="RFC 9110 section 8.4.1.3: the same as gzip",
        ),
        _given("an empty Content-Encoding", _coded(BODY, b""), why="no coding is named"),
    ),
    "Before and in the status line": (
        _given("an empty line before it", b"\r\n" + _reply(), "leading_bytes", curl="nothing, error 1"),
        _given("a lone LF before it", b"\n" + _reply(), "leading_bytes", curl="nothing, error 1"),
        _given("two empty lines before it", b"\r\n\r\n" + _reply(), "leading_bytes", curl="nothing, error 1"),
        _given("a space before it", b" " + _reply(), "leading_bytes", curl="nothing, error 1"),
        _given("three letters before it", b"abc" + _reply(), "leading_bytes", curl="nothing, error 1"),
        _failed(
            "five bytes before it", b"abc\r\n" + _reply(), "nobody reads it as HTTP/1.1", "nothing, error 1"
        ),
        _given("`http/1.1 200 OK`", _status(b"http/1.1 200 OK"), "odd_version"),
        _given("`HTTP/2.0 200 OK`", _status(b"HTTP/2.0 200 OK"), "odd_version"),
        _given("`HTTP/2 200 OK`", _status(b"HTTP/2 200 OK"), "odd_version"),
        _given("`HTTP/3 200 OK`", _status(b"HTTP/3 200 OK"), "odd_version", curl="nothing, error 1"),
        _given(
            "`HTTP/1.2 200 OK`",
            _status(b"HTTP/1.2 200 OK"),
            curl="nothing, error 1",
            why="RFC 9110 section 2.5: a higher minor version is read as the one that is known",
        ),
        _given("`HTTP/1 200 OK`", _status(b"HTTP/1 200 OK"), "odd_version", curl="nothing, error 1"),
        _given("`HTTP/0.9 200 OK`", _status(b"HTTP/0.9 200 OK"), "odd_version", curl="nothing, error 1"),
        _given("`HTTP/11.1 200 OK`", _status(b"HTTP/11.1 200 OK"), "odd_version", curl="nothing, error 1"),
        _given("`HTTP/01.1 200 OK`", _status(b"HTTP/01.1 200 OK"), "odd_version", curl="nothing, error 1"),
        _given("`HTTP/1. 200 OK`", _status(b"HTTP/1. 200 OK"), "odd_version", curl="nothing, error 1"),
        _given("`HTTP 200 OK`", _status(b"HTTP 200 OK"), "odd_version", curl="nothing, error 1"),
        _failed(
            "`ICY 200 OK`",
            _status(b"ICY 200 OK"),
            "Chromium shows the head as content",
            "nothing, error 1",
            "other bytes",
        ),
        _failed("a body without a head (HTTP/0.9)", BODY, "nobody reads it on this port", "nothing, error 1"),
        _given("two spaces before the code", _status(b"HTTP/1.1  200 OK"), "odd_status_line"),
        _given(
            "a tab before the code", _status(b"HTTP/1.1\t200 OK"), "odd_status_line", curl="nothing, error 1"
        ),
        _given("`HTTP/1.1 200OK`", _status(b"HTTP/1.1 200OK"), "odd_status_line"),
        _given("`HTTP/1.1 200x OK`", _status(b"HTTP/1.1 200x OK"), "odd_status_line"),
        _failed(
            "`HTTP/1.1`, no code",
            _status(b"HTTP/1.1"),
            "no status of three digits: Chromium makes up 200",
            "nothing, error 1",
            WHOLE,
        ),
        _failed(
            "`HTTP/1.1 20 OK`",
            _status(b"HTTP/1.1 20 OK"),
            "no status of three digits",
            "nothing, error 1",
            "status 20, whole",
        ),
        _failed(
            "`HTTP/1.1 2000 OK`",
            _status(b"HTTP/1.1 2000 OK"),
            "no status of three digits",
            "nothing, error 1",
            "status 2000, whole",
        ),
        _failed(
            "`HTTP/1.1 099 OK`",
            _status(b"HTTP/1.1 099 OK"),
            "no status of three digits",
            "nothing, error 1",
            "status 99, whole",
        ),
        _failed(
            "`HTTP/1.1 000 OK`",
            _status(b"HTTP/1.1 000 OK"),
            "no status of three digits",
            "nothing, error 1",
            "status 0, whole",
        ),
        _failed(
            "`HTTP/1.1 999 No`",
            _status(b"HTTP/1.1 999 No"),
            "the body came, with a status that is no success",
            "status 999, whole",
            "status 999, whole",
            "http.error",
        ),
        _failed(
            "NUL in the status line",
            _status(b"HTTP/1.1 200 O\0K"),
            "RFC 9110 section 5.5; both refuse it",
            "nothing, error 8",
        ),
        _failed(
            "101 that was not asked for",
            _status(b"HTTP/1.1 101 Switching"),
            "what follows is another protocol (RFC 9110 section 15.2.2)",
            "status 101, whole",
        ),
        _failed(
            "204 with a body",
            _status(b"HTTP/1.1 204 No Content"),
            "no body belongs to it (RFC 9110 section 15.3.5), and it is no status that was agreed",
            "status 204, nothing",
            "status 204, nothing",
            "http.error",
        ),
    ),
    "In the head": (
        _given(
            "a folded field",
            _reply(b"X-A: b\r\n c"),
            "folded_field",
            why="RFC 9112 section 5.2: MUST be replaced by spaces",
        ),
        _given(
            "a folded line first of all",
            b"HTTP/1.1 200 OK\r\n X: y\r\n" + _reply().partition(b"\r\n")[2],
            "folded_field",
            curl="nothing, error 43",
        ),
        _given("Content-Length folded", _length(b"\r\n " + _LENGTH), "folded_field", curl="nothing, error 8"),
        _given("a space before a colon", _reply(b"X-A : b"), "space_before_colon"),
        _given("a tab before a colon", _reply(b"X-A\t: b"), "space_before_colon"),
        _given(
            "`Content-Length :`", _reply(b"Content-Length : " + _LENGTH, length=False), "space_before_colon"
        ),
        _failed(
            "`Transfer-Encoding : chunked`",
            _chunks(BODY, b"Transfer-Encoding : chunked"),
            "curl shows the framing as content",
            "other bytes",
            WHOLE,
        ),
        _given(
            "a line without a colon",
            _reply(b"this line has no colon"),
            "line_without_colon",
            curl="nothing, error 8",
        ),
        _given("a field without a name", _reply(b": empty"), "invalid_field_name"),
        _given("raw UTF-8 in a field's name", _reply("X-Größe: 1".encode()), "invalid_field_name"),
        _given("a space in a field's name", _reply(b"X A: 1"), "invalid_field_name"),
        _given("parentheses in a field's name", _reply(b"X(A): 1"), "invalid_field_name"),
        _given(
            "a bare CR in a value",
            _reply(b"X-A: b\rX-B: c"),
            "bare_cr",
            why="RFC 9112 section 2.2: replaced by a space, or the message is invalid",
        ),
        _failed(
            "NUL in a value", _reply(b"X-A: b\0c"), "RFC 9110 section 5.5; both refuse it", "nothing, error 8"
        ),
        _failed("NUL in a name", _reply(b"X\0A: b"), "both refuse it", "nothing, error 8"),
        _failed(
            "lines that end with CR alone",
            _reply(end=b"\r"),
            "nobody delivers it",
            "nothing, error 8",
            "nothing",
        ),
        _failed(
            "no empty line behind the head",
            _reply()[: _reply().index(b"\r\n\r\n") + 2],
            "the head never ends",
            "nothing, error 18",
            "nothing",
            "tcp.closed",
        ),
        _given(
            "two different Locations beside 200",
            _reply(b"Location: /a", b"Location: /b"),
            chromium="refused",
            why="only a redirect is led by them",
        ),
        _given(
            "a field of 200 kB",
            _reply(b"X-A: " + b"a" * 200_000),
            curl="nothing, error 27",
            why="browsers admit 256 KiB",
        ),
        _failed(
            "a head over 256 KiB",
            _reply(*[b"X-A: " + b"a" * 1000] * 270),
            "browsers refuse it",
            WHOLE,
            reason="http.fields_too_large",
        ),
    ),
    "Content-Length": (
        _given(
            "twice, the same",
            _reply(b"Content-Length: " + _LENGTH),
            "repeated_content_length",
            why="RFC 9110 section 8.6: MAY be taken as one",
        ),
        _given(
            "twice in one field, the same",
            _length(b" %b, %b" % (_LENGTH, _LENGTH)),
            "repeated_content_length",
            why="as before",
        ),
        _failed(
            "twice, different",
            _reply(b"Content-Length: 5"),
            "RFC 9112 section 6.3: an unrecoverable error",
            WHOLE,
        ),
        _given(
            "twice, one of them with a 0 in front",
            _reply(b"Content-Length: 0" + _LENGTH),
            "repeated_content_length",
            chromium="refused",
            why="one number; Chromium compares the texts",
        ),
        _given("with a plus sign", _length(b" +" + _LENGTH), "invalid_content_length"),
        _given("with zeros in front", _length(b" 000" + _LENGTH), why="RFC 9110 section 8.6: 1*DIGIT"),
        _given("with letters behind", _length(b" " + _LENGTH + b"x"), "invalid_content_length"),
        _given("no number at all", _length(b" abc"), "invalid_content_length", curl="nothing, error 8"),
        _given("negative", _length(b" -5"), "invalid_content_length", curl="nothing, error 8"),
        _given("empty", _length(b""), "invalid_content_length", curl="nothing, error 8"),
        _given(
            "in quotes", _length(b' "' + _LENGTH + b'"'), "invalid_content_length", curl="nothing, error 8"
        ),
        _given("of twenty digits", _length(b" 99999999999999999999"), "invalid_content_length"),
        _failed(
            "with a space in the number",
            _length(b" 2 70"),
            "curl reads 2 and stops there",
            "part",
            WHOLE,
        ),
        _failed(
            "less than came",
            _length(b" %d" % (len(BODY) - 5)),
            "users get what was announced, and it is not the content",
            "part",
            "part",
            "content.mismatch",
        ),
        _failed(
            "more than came", _reply(body=BODY[:-5]), "the end is missing", "part, error 18", reason=TRUNCATED
        ),
    ),
    "Transfer-Encoding": (
        _given("`identity` beside a length", _transfer(b"identity"), "identity_transfer_coding"),
        _given("`identity` alone", _transfer(b"identity", length=False), "identity_transfer_coding"),
        _given("an empty one beside a length", _transfer(b""), "identity_transfer_coding"),
        _given(
            "chunked beside a length",
            _transfer(b"chunked", body=_chunks().partition(b"\r\n\r\n")[2]),
            "length_beside_chunked",
            why="RFC 9112 section 6.3: chunked counts",
        ),
        _given(
            "chunked beside a wrong length",
            _chunks(BODY, b"Transfer-Encoding: chunked", b"Content-Length: 5"),
            "length_beside_chunked",
            why="as before; both clients agree",
        ),
        _failed(
            "chunked in HTTP/1.0",
            _chunks().replace(b"HTTP/1.1", b"HTTP/1.0", 1),
            "Chromium shows the framing as content",
            WHOLE,
            "other bytes",
        ),
        _failed(
            "`gzip`",
            _transfer(b"gzip", length=False, body=_GZIP),
            "Chromium shows the coded bytes as content",
            WHOLE,
            "other bytes",
        ),
        _failed(
            "`gzip, chunked`",
            _chunks(_GZIP, b"Transfer-Encoding: gzip, chunked"),
            "Chromium shows the coded bytes as content",
            WHOLE,
            "other bytes",
        ),
        _given("chunked twice", _chunks(BODY, *[b"Transfer-Encoding: chunked"] * 2), "repeated_chunked"),
        _given(
            "`chunked, chunked`", _chunks(BODY, b"Transfer-Encoding: chunked, chunked"), "repeated_chunked"
        ),
        _given(
            "`identity, chunked`",
            _chunks(BODY, b"Transfer-Encoding: identity, chunked"),
            "identity_transfer_coding",
        ),
        _given(
            "`chunked, identity`",
            _chunks(BODY, b"Transfer-Encoding: chunked, identity"),
            "identity_transfer_coding",
        ),
        _failed(
            "`chunked;q=1`",
            _chunks(BODY, b"Transfer-Encoding: chunked;q=1"),
            "Chromium shows the framing as content",
            "nothing, error 61",
            "other bytes",
        ),
        _given(
            "`foo` beside a length", _transfer(b"foo"), "unknown_transfer_coding", curl="nothing, error 61"
        ),
        _given(
            "`foo` alone",
            _transfer(b"foo", length=False),
            "unknown_transfer_coding",
            curl="nothing, error 61",
        ),
    ),
    "Chunks": (
        _given("NUL in an extension", _chunks(size=b"%x;a\0b"), "nul_in_chunk_extension"),
        _given(
            "a trailer line without a colon",
            _chunks(end=b"\r\n0\r\nno colon\r\n\r\n"),
            "line_without_colon",
            curl="whole, error 43",
        ),
        _failed(
            "no last chunk",
            _chunks(end=b"\r\n"),
            "nobody can tell whole from cut (RFC 9112 section 8)",
            "whole, error 18",
            reason=TRUNCATED,
        ),
        _failed(
            "no end behind the last chunk",
            _chunks(end=b"\r\n0\r\n"),
            "nobody can tell whole from cut (RFC 9112 section 8)",
            "whole, error 18",
            reason=TRUNCATED,
        ),
        _failed(
            "no line end behind a chunk's data",
            _chunks(end=b"0\r\n\r\n"),
            "where the data end is not certain",
            "whole, error 56",
        ),
        _failed("a size with `0x`", _chunks(size=b"0x%x"), "nobody delivers it", "nothing, error 43"),
        _failed("a space before a size", _chunks(size=b" %x"), "nobody delivers it", "nothing, error 56"),
        _failed(
            "no chunks where chunked is said",
            _transfer(b"chunked", length=False),
            "nobody delivers it",
            "nothing, error 56",
        ),
    ),
    "Behind the end": (
        _given("bytes behind the length", _reply(body=BODY + b"GARBAGE"), "surplus_bytes"),
        _given("an empty line behind the length", _reply(body=BODY + b"\r\n"), "surplus_bytes"),
        _given("bytes behind the last chunk", _chunks(end=b"\r\n0\r\n\r\nGARBAGE"), "surplus_bytes"),
    ),
    "Content codings": (
        _given("zeros behind gzip", _coded(_GZIP + bytes(512)), "bytes_after_coding", curl="whole, error 23"),
        _given(
            "other bytes behind gzip",
            _coded(_GZIP + b"GARBAGE"),
            "bytes_after_coding",
            curl="whole, error 23",
        ),
        _given(
            "other bytes behind deflate",
            _coded(_ZLIB + b"GARB", b"deflate"),
            "bytes_after_coding",
            curl="whole, error 23",
        ),
        _given(
            "a second member of gzip",
            _coded(_GZIP + _GZIP),
            "several_gzip_members",
            curl="whole, error 23",
            why="RFC 1952 section 2.2 has them; neither client reads it",
        ),
        *(
            _given(
                f"{what} behind brotli",
                _coded(_BR + bytes_, b"br"),
                "bytes_after_coding",
                curl="whole, error 23",
            )
            for what, bytes_ in (("zeros", bytes(64)), ("other bytes", b"GARB"))
        ),
        *(
            _given(
                f"{what} behind zstd",
                _coded(_ZSTD + bytes_, b"zstd"),
                "bytes_after_coding",
                curl="whole, error 61",
                chromium="refused",
                why="the frame came to its own end; Chromium refuses it, curl delivers it",
            )
            for what, bytes_ in (("zeros", bytes(64)), ("other bytes", b"GARB"))
        ),
        _failed(
            "a second frame of zstd",
            _coded(_ZSTD + _ZSTD, b"zstd"),
            "RFC 8878 section 3.1: both read it, and it is not the content",
            "other bytes",
            "other bytes",
            "content.mismatch",
        ),
        _failed(
            "brotli without its last byte",
            _coded(_BR[:-1], b"br"),
            "users get a part",
            "part",
            "part",
            UNDECODABLE,
        ),
        _failed(
            "zstd without its last bytes",
            _coded(_ZSTD[:-3], b"zstd"),
            "users get nothing",
            "nothing",
            "nothing",
            UNDECODABLE,
        ),
        _failed(
            "gzip cut in the middle", _coded(_GZIP[:20]), "users get a part", "part", "part", UNDECODABLE
        ),
        _given("gzip without its length at the end", _coded(_GZIP[:-4]), "coding_trailer_cut"),
        _given("gzip without checksum and length", _coded(_GZIP[:-8]), "coding_trailer_cut"),
        _given("deflate without half of its checksum", _coded(_ZLIB[:-2], b"deflate"), "coding_trailer_cut"),
        _given(
            "gzip with a wrong checksum",
            _coded(_GZIP[:-8] + bytes(4) + _GZIP[-4:]),
            "coding_checksum_wrong",
            curl="whole, error 61",
            why=_WRONG_SUM,
        ),
        _given(
            "gzip with a wrong length",
            _coded(_GZIP[:-4] + b"\1\2\3\4"),
            "coding_checksum_wrong",
            curl="whole, error 61",
            why=_WRONG_SUM,
        ),
        _given(
            "deflate with a wrong checksum",
            _coded(_ZLIB[:-4] + b"\1\2\3\4", b"deflate"),
            "coding_checksum_wrong",
            curl="whole, error 61",
            chromium="refused",
            why=_WRONG_SUM,
        ),
        _failed(
            "plain text under gzip",
            _coded(BODY),
            "nobody delivers it",
            "nothing, error 61",
            reason=UNDECODABLE,
        ),
        _failed(
            "gzip under deflate",
            _coded(_GZIP, b"deflate"),
            "nobody delivers it",
            "nothing, error 61",
            reason=UNDECODABLE,
        ),
        _failed(
            "deflate under gzip",
            _coded(_ZLIB),
            "curl guesses what it is; browsers refuse it",
            WHOLE,
            reason=UNDECODABLE,
        ),
        _failed(
            "gzip once, Content-Encoding twice",
            _reply(
                *[b"Content-Encoding: gzip"] * 2,
                b"Content-Length: %d" % len(_GZIP),
                length=False,
                body=_GZIP,
            ),
            "nobody delivers it",
            "nothing, error 61",
            reason=UNDECODABLE,
        ),
        _failed(
            "`gzip;q=1`",
            _coded(_GZIP, b"gzip;q=1"),
            "it is the name of no coding",
            "nothing, error 61",
            reason="content.mismatch",
        ),
        _given(
            "`gzip, ,`",
            _coded(_GZIP, b"gzip, ,"),
            chromium="refused",
            why="RFC 9110 section 5.6.1.2: empty elements MUST be ignored",
        ),
        _given(
            "`compress`, text that is not",
            _coded(BODY, b"compress"),
            curl="nothing, error 61",
            why="browsers do not know it",
        ),
        _failed(
            "plain text under br",
            _coded(BODY, b"br"),
            "nobody delivers it",
            "nothing, error 61",
            reason=UNDECODABLE,
        ),
        _failed(
            "nothing under gzip",
            _coded(b""),
            "the content is not there",
            "nothing",
            "nothing",
            "content.mismatch",
        ),
        _given("`identity`", _coded(BODY, b"identity"), "identity_content_coding"),
        _given(
            "`UTF-8`",
            _coded(BODY, b"UTF-8"),
            curl="nothing, error 61",
            why="a coding that nobody knows is none for browsers",
        ),
        _given("`none`", _coded(BODY, b"none"), why="as before"),
        _given("`aws-chunked`", _coded(BODY, b"aws-chunked"), curl="nothing, error 61", why="as before"),
        _failed(
            "`gzip, identity`",
            _coded(_GZIP, b"gzip, identity"),
            "Chromium shows the coded bytes as content",
            WHOLE,
            "other bytes",
            "content.mismatch",
        ),
        _failed(
            "`identity, gzip`",
            _coded(_GZIP, b"identity, gzip"),
            "Chromium shows the coded bytes as content",
            WHOLE,
            "other bytes",
            "content.mismatch",
        ),
        _failed(
            "`UTF-8, gzip`",
            _coded(_GZIP, b"UTF-8, gzip"),
            "nobody decodes it",
            "nothing, error 61",
            "other bytes",
            "content.mismatch",
        ),
    ),
}
REPLIES = tuple(reply for section in SECTIONS.values() for reply in section)
