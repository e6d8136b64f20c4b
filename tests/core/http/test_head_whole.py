"""A head that comes in one piece is read at once as it is read line by line."""

from __future__ import annotations

import random

import pytest

from probe.core.http.head import Head, HeadError, HeadScanner
from probe.core.model.task import Limits

HEADS = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Odd:   a\tb \r\nETag: "v\xe9"\r\n\r\nhello',
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 204\r\nA: \r\na:1\r\n\r\n",
    b"HTTP/1.1 301 \r\nTransfer-Encoding: chunked\r\nLocation: /x\r\n\r\n0\r\n\r\n",
)
LIMITS = Limits(head_bytes=110, field_bytes=60, fields_count=4)


def _read(pieces: list[bytes]) -> tuple[Head | str, bytes, int]:
    scanner, used = HeadScanner(LIMITS), 0
    try:
        for piece in pieces:
            if scanner.head is None:
                used += scanner.feed(piece)
    except HeadError as error:
        return f"{error.type} {error.detail}", b"", 0
    return scanner.head or "not whole", scanner.raw, used


def _line_by_line(pieces: list[bytes]) -> tuple[Head | str, bytes, int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HeadScanner, "_whole", lambda self, data: 0)
        return _read(pieces)


def test_at_once_as_line_by_line() -> None:
    chance, seen = random.Random(3), set()
    for _ in range(4_000):
        wire = bytearray(chance.choice(HEADS))
        for _ in range(chance.choice((0, 1, 1, 2))):
            place = chance.randrange(len(wire))
            odd = chance.choice(
                (
                    b"\r",
                    b"\n",
                    b"\0",
                    b":",
                    b" ",
                    b"\r\n",
                    b"x" * 70,
                    b"a: b\r\n" * 3,
                    b"\xff",
                    b"\r\nd: " + b"y" * 50,
                )
            )
            wire[place : place + chance.randint(0, 2)] = odd
        whole = bytes(wire)
        half = chance.randrange(len(whole))
        for pieces in ([whole], [whole[:half], whole[half:]]):
            found = _read(pieces)
            assert found == _line_by_line(pieces), pieces
        seen.add(found[0].split(" ")[0] if isinstance(found[0], str) else "head")
    limits = {"agent.limit.head", "agent.limit.field", "agent.limit.fields"}
    assert seen == {"head", "not", "http.protocol_violation", *limits}
