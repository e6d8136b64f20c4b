"""What the edges of the hostile cases write, as bytes: for readers without I/O, and to be sent in other pieces."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from tests.support.hostile import CASES, HEAD
from tests.support.http_server import Script
from tests.support.slots import GOOD

ENOUGH_BYTES = 400_000  # of what never ends
HTTP_AND_BODY_ROWS = range(28, 40)
BY_TIME = {"one_byte_a_moment"}  # a case of time, not of bytes: its bytes are among `MORE`


class _EnoughError(Exception):
    """The script has written enough."""


class _Writer:
    """Keeps what is written in place of sending it."""

    def __init__(self, limit_bytes: int) -> None:
        self.data = bytearray()
        self.transport = self
        self._limit_bytes = limit_bytes

    def write(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self._limit_bytes:
            raise _EnoughError

    async def drain(self) -> None:
        """Nothing to wait for."""


async def _written(script: Script, limit_bytes: int) -> bytes:
    reader, writer = asyncio.StreamReader(), _Writer(limit_bytes)
    reader.feed_eof()
    with contextlib.suppress(_EnoughError):
        await script(reader, cast(Any, writer))
    return bytes(writer.data)


def wire_of(script: Script, limit_bytes: int = ENOUGH_BYTES) -> bytes:
    """What the script writes to one connection, at most about so many bytes of it."""
    return asyncio.run(_written(script, limit_bytes))


def wires() -> dict[str, bytes]:
    """By row and name: every HTTP and body case whose edge answers, and further ones of the same rows."""
    found = {
        f"{case.row}-{name}": wire_of(case.setting.edge)
        for name, case in CASES.items()
        if case.row in HTTP_AND_BODY_ROWS and name not in BY_TIME and case.setting.edge is not None
    }
    return {**found, **MORE}


def _chunked(body: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


OK = b"HTTP/1.1 200 OK\r\n"
MORE: dict[str, bytes] = {
    "28-two_places": b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
    "30-a_field_of_8_kilobytes": OK + b"X: " + b"y" * 8189 + b"\r\nContent-Length: 2\r\n\r\nok",
    "30-some_interim_heads": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + OK + b"Content-Length: 1\r\n\r\nx",
    "31-same_length_twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "31-bare_cr": OK + b"X: a\rb\r\n\r\n",
    "31-nul_in_the_status_line": b"HTTP/1.1 200 O\0K\r\n\r\n",
    "31-switching_protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "31-empty_line_first": b"\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
    "31-gzip_as_transfer_coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "31-lone_line_feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "34-nothing_where_a_length_was_declared": OK + b"Content-Length: 5\r\n\r\n",
    "34-more_than_nothing": OK + b"Content-Length: 0\r\n\r\nhello",
    "34-bytes_after_no_body": b"HTTP/1.1 304 Not Modified\r\n\r\nbody",
    "34-until_close": b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
    "34-chunks": _chunked(b"5\r\nhello\r\n6;a=\"b\\\"\" ;c\r\n world\r\n0\r\nTrailer: x\r\n\r\n"),
    "34-chunks_cut_in_a_size": _chunked(b"5\r\nhello\r\n6"),
    "34-chunks_cut_in_the_data": _chunked(b"5\r\nhello\r\n6\r\n wo"),
    "34-chunks_cut_in_the_trailer": _chunked(b"5\r\nhello\r\n0\r\nA: b\r\n"),
    "34-a_second_response_after_the_chunks": _chunked(b"2\r\nok\r\n0\r\n\r\n" + OK + b"\r\n"),
    "34-no_size": _chunked(b"3\r\nhel\r\nzz\r\nlo"),
    "34-data_longer_than_its_size": _chunked(b"2\r\nokay\r\n0\r\n\r\n"),
    "34-a_size_beyond_all_numbers": _chunked(b"f" * 40 + b"\r\nx"),
    "34-a_size_line_over_the_limit": _chunked(b"1;" + b"x" * 17_000 + b"\r\nx\r\n0\r\n\r\n"),
    "34-a_trailer_of_many_fields": _chunked(b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * 300 + b"\r\n"),
    "34-a_trailer_that_is_none": _chunked(b"2\r\nok\r\n0\r\nno field\r\n\r\n"),
    "35-a_thousand_bytes": OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000,
    "35-small_chunks_over_the_cap": _chunked(b"1\r\nx\r\n" * 700),
    "38-an_unknown_coding": OK + b"Content-Encoding: aws-chunked\r\nContent-Length: 2\r\n\r\nok",
    "38-no_coding_by_name": OK + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
    "38-not_coded_at_all": OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
    "33-odd_ages": OK + b"Age: 5, 9\r\nAge: x\r\nContent-Length: 0\r\n\r\n",
}  # fmt: skip
