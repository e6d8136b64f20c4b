"""A response read without I/O: one result for every way to cut its bytes."""

from __future__ import annotations

import hashlib
import random

import pytest

from probe.core.http.head import Framing, Head, HeadError
from probe.core.http.response_reader import ResponseReader
from probe.core.model.task import Limits
from tests.support.hostile_bytes import wires

WIRES = wires()
ALL_SPLITS_UP_TO = 4096  # bytes; of longer ones some
SINGLE_BYTES_UP_TO = 65_536
Result = tuple[Head | None, str, int, bool, bool, str | None]


def read(pieces: list[bytes], method: str = "GET") -> Result:
    """Head, digest and size of the body, whether it is complete, whether bytes follow, why it was refused."""
    body, events = hashlib.sha256(), []

    def on_head(head: Head) -> None:
        events.append("head")

    def on_body(content: bytes | memoryview) -> None:
        events.append("body")
        body.update(content)

    reader = ResponseReader(Limits(), method, on_head, on_body)
    error = None
    try:
        for piece in pieces:
            reader.feed(piece)
        reader.end()
    except HeadError as exc:
        error = f"{exc.type} {exc.detail}"
    assert events == sorted(events, reverse=True), "the head comes first"
    assert events.count("head") == (reader.head is not None)
    return reader.head, body.hexdigest(), reader.body_bytes, reader.complete, reader.surplus, error


def cuts(wire: bytes) -> list[int]:
    """Where to cut in two: everywhere, or in a long one at its edges and at places drawn by lot, the same each time."""
    if len(wire) <= ALL_SPLITS_UP_TO:
        return list(range(1, len(wire)))
    chance = random.Random(len(wire))
    edges = [*range(1, 260), *range(len(wire) - 40, len(wire))]
    return sorted({*edges, *(chance.randrange(1, len(wire)) for _ in range(60))})


@pytest.mark.parametrize("name", WIRES)
def test_every_split_gives_one_result(name: str) -> None:
    wire = WIRES[name]
    whole = read([wire])
    for cut in cuts(wire):
        assert read([wire[:cut], wire[cut:]]) == whole, cut
    chance = random.Random(len(wire))
    for _ in range(20):
        places = sorted(chance.randrange(len(wire) + 1) for _ in range(6))
        pieces = [wire[a:b] for a, b in zip([0, *places], [*places, len(wire)], strict=True)]
        assert read([piece for piece in pieces if piece]) == whole, places
    if len(wire) <= SINGLE_BYTES_UP_TO:
        assert read([wire[at : at + 1] for at in range(len(wire))]) == whole


def test_the_cases_are_of_every_kind() -> None:
    """So that the test above is not about one kind of result."""
    found = [read([wire]) for wire in WIRES.values()]
    assert {None if error is None else error.split()[0] for *_, error in found} == {
        None, "http.protocol_violation", "http.fields_too_large", "agent.protocol_unsupported",
    }  # fmt: skip
    assert {head.framing for head, *_ in found if head is not None} == set(Framing) - {Framing.STREAM}
    assert {(complete, surplus) for _, _, _, complete, surplus, _ in found} == {
        (True, False), (True, True), (False, False),
    }  # fmt: skip
    rows = {int(name.split("-")[0]) for name in WIRES}
    assert rows == set(range(28, 40))


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("wire", "method", "body_bytes", "complete", "surplus"),
    [
        (OK + b"Content-Length: 2\r\n\r\nok", "GET", 2, True, False),
        (OK + b"Content-Length: 2\r\n\r\no", "GET", 1, False, False),
        (OK + b"Content-Length: 2\r\n\r\nokay", "GET", 2, True, True),
        (OK + b"Content-Length: 2\r\n\r\n", "HEAD", 0, True, False),
        (OK + b"Content-Length: 2\r\n\r\nok", "HEAD", 0, True, True),
        (OK + b"\r\nok", "GET", 2, True, False),
        (OK + b"\r\n", "GET", 0, True, False),
        (b"HTTP/1.1 204 No\r\n\r\n", "GET", 0, True, False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "GET", 2, True, False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "GET", 2, False, False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", "GET", 0, True, True),
        (OK, "GET", 0, False, False),
    ],
)
def test_ends(wire: bytes, method: str, body_bytes: int, complete: bool, surplus: bool) -> None:
    for pieces in ([wire], [wire[at : at + 1] for at in range(len(wire))]):
        assert read(pieces, method)[2:] == (body_bytes, complete, surplus, None)


def test_what_came_before_an_error_was_delivered() -> None:
    content = bytearray()
    reader = ResponseReader(Limits(), "GET", lambda head: None, content.extend)
    with pytest.raises(HeadError):
        reader.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n!")
    assert content == b"ok"
    assert not reader.complete


def test_who_is_detached_is_called_no_more() -> None:
    content = bytearray()
    reader = ResponseReader(Limits(), "GET", lambda head: None, content.extend)
    reader.feed(OK + b"\r\na")
    reader.detach()
    reader.feed(b"b")
    assert (bytes(content), reader.body_bytes, reader.raw_head) == (b"a", 2, OK + b"\r\n")
