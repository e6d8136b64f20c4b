"""The head is judged on the bytes, in any cut, within its limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.http.head import INTERIM_LIMIT, Framing, Head, HeadError, HeadScanner
from probe.core.model.task import BROWSERS_HEAD_BYTES, Limits
from probe.core.records.failure import FailureType

OK = b"HTTP/1.1 200 OK\r\n"


def scan(
    wire: bytes, *, step: int = 1 << 20, method: str = "GET", limits: Limits | None = None
) -> HeadScanner:
    scanner = HeadScanner(limits or Limits(), method)
    for start in range(0, len(wire), step):
        piece = wire[start : start + step]
        if scanner.feed(piece) < len(piece) or scanner.head is not None:
            break
    return scanner


def head_of(wire: bytes, **changes: Any) -> Head:
    head = scan(wire, **changes).head
    assert head is not None
    return head


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_fields_in_wire_order_in_any_cut(step: int) -> None:
    wire = OK + b"B: 1\r\na:\t 2 \t\r\nB: \xe9=\x07\r\nempty:\r\n\r\n"
    head = scan(wire + b"body", step=step).head
    assert head is not None
    assert head.fields == (("b", "1"), ("a", "2"), ("b", "\xe9=\x07"), ("empty", ""))
    assert head.values("b") == ("1", "\xe9=\x07")
    assert (head.status_code, head.reason_phrase, head.minor_version) == (200, "OK", 1)


def test_body_is_left_to_the_caller() -> None:
    wire = OK + b"Content-Length: 4\r\n\r\n"
    scanner = HeadScanner(Limits())
    assert scanner.feed(wire + b"body") == len(wire)


@pytest.mark.parametrize(
    ("wire", "code", "reason"),
    [
        (b"HTTP/1.1 200\r\n\r\n", 200, ""),
        (b"HTTP/1.1 404 \r\n\r\n", 404, ""),
        (b"HTTP/1.0 599 N\xf6\r\n\r\n", 599, "N\xf6"),
        (b"HTTP/1.1 999 odd one\n\n", 999, "odd one"),
    ],
)
def test_status_lines(wire: bytes, code: int, reason: str) -> None:
    head = head_of(wire)
    assert (head.status_code, head.reason_phrase) == (code, reason)


@pytest.mark.parametrize(
    ("wire", "method", "framing", "length"),
    [
        (OK + b"\r\n", "GET", Framing.CLOSE, None),
        (OK + b"Content-Length: 0\r\n\r\n", "GET", Framing.LENGTH, 0),
        (OK + b"content-length: 12\r\n\r\n", "GET", Framing.LENGTH, 12),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n", "GET", Framing.CHUNKED, None),
        (OK + b"Content-Length: 12\r\n\r\n", "HEAD", Framing.NONE, None),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET", Framing.NONE, None),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", Framing.NONE, None),
        (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + OK + b"\r\n", "GET", Framing.CLOSE, None),
    ],
)
def test_framing(wire: bytes, method: str, framing: Framing, length: int | None) -> None:
    head = head_of(wire, method=method)
    assert (head.framing, head.length_bytes) == (framing, length)


def test_interim_heads_are_dropped_and_counted() -> None:
    wire = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    scanner = HeadScanner(Limits())
    assert scanner.feed(wire) == len(wire)
    assert not scanner.begun
    scanner.feed(OK[:5])
    assert scanner.begun
    scanner.feed(OK[5:] + b"A: b\r\n\r\n")
    assert scanner.head is not None
    assert scanner.head.interim == (103, 100)
    assert scanner.head.fields == (("a", "b"),)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"\r\n" + OK + b"\r\n", "leading_bytes"),
        (b"\r\n\r\n" + OK + b"\r\n", "leading_bytes"),
        (b"xhtt" + OK + b"\r\n", "leading_bytes"),
        (b"HTTP/2 200 OK\r\n\r\n", "odd_version"),
        (b"http/1.1 200\r\n\r\n", "odd_version"),
        (b"HTTP 200\n\n", "odd_version"),
        (b"HTTP/1.12 200 OK\r\n\r\n", "odd_version"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "odd_status_line"),
        (b"HTTP/1.1 200OK\r\n\r\n", "odd_status_line"),
        (OK + b"A: b\rc: d\r\n\r\n", "bare_cr"),
        (OK + b"A: b\r\n\tc\r\n \r\n\r\n", "folded_field"),
        (OK + b" A: b\r\n\r\n", "folded_field"),
        (OK + b": no name\r\n\r\n", "invalid_field_name"),
        (OK + b"a b: c\r\n\r\n", "invalid_field_name"),
        (OK + b"\xe9: c\r\n\r\n", "invalid_field_name"),
        (OK + b"a : c\r\n\r\n", "space_before_colon"),
        (OK + b"nonsense\r\n\r\n", "line_without_colon"),
        (OK + b"Content-Length: 5, 05\r\n\r\n", "repeated_content_length"),
        (OK + b"Content-Length:\r\n\r\n", "invalid_content_length"),
        (OK + b"Content-Length: -1\r\n\r\n", "invalid_content_length"),
        (OK + b"Content-Length: " + b"9" * 19 + b"\r\n\r\n", "invalid_content_length"),
        (OK + b"Transfer-Encoding: identity\r\n\r\n", "identity_transfer_coding"),
        (OK + b"Transfer-Encoding:\r\n\r\n", "identity_transfer_coding"),
        (OK + b"Transfer-Encoding: foo\r\n\r\n", "unknown_transfer_coding"),
        (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "repeated_chunked"),
        (OK + b"Transfer-Encoding: identity, chunked\r\n\r\n", "identity_transfer_coding"),
        (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "length_beside_chunked"),
        (b"HTTP/1.1 100 Continue\r\n\r\n\r\n" + OK + b"\r\n", "leading_bytes"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_what_clients_pass_over_has_a_word(wire: bytes, words: str, step: int) -> None:
    scanner = scan(wire + b"body", step=step)
    assert scanner.head is not None
    assert scanner.head.breaches == (words,)
    assert scanner.raw == wire


def test_what_is_made_of_such_lines() -> None:
    head = head_of(OK + b"X: a\r\n \t b\r\nno field\r\n of it\r\nContent-Length : 4\r\nY: c\rd\r\n\r\n")
    assert head.fields == (("x", "a b"), ("content-length", "4"), ("y", "c d"))
    assert (head.framing, head.length_bytes) == (Framing.LENGTH, 4)


@pytest.mark.parametrize(
    ("value", "framing", "length"),
    [
        (b"+12", Framing.LENGTH, 12),
        (b"12abc", Framing.LENGTH, 12),
        (b"0x10", Framing.LENGTH, 0),
        (b"abc", Framing.CLOSE, None),
        (b"-1", Framing.CLOSE, None),
    ],
)
def test_what_a_malformed_length_is_for_clients(value: bytes, framing: Framing, length: int | None) -> None:
    head = head_of(OK + b"Content-Length: " + value + b"\r\n\r\n")
    assert (head.framing, head.length_bytes) == (framing, length)


@pytest.mark.parametrize(
    "wire",
    [b"X\r\n\r\nXX", b"<html>", b"HTTP/1.1\r\n", b"HTTP/1.1 099 X\r\n", b"HTTP/1.1 2000 OK\r\n", b"HTTP/1.1 20 OK\r\n",
     OK + b"A: \0", b"HTTP/1.1 200 a\rb\r\n",
     OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", OK + b"Content-Length: 1, 2\r\n\r\n",
     OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", OK + b"Transfer-Encoding: gzip\r\n\r\n",
     OK + b"Transfer-Encoding: chunked;a=b\r\n\r\n", OK + b"Transfer-Encoding : chunked\r\n\r\n",
     b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n"],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 1000])
def test_violations_are_found_as_soon_as_they_are_there(wire: bytes, step: int) -> None:
    with pytest.raises(HeadError) as caught:
        scan(wire + (b"\r\n" if wire.startswith(OK) and not wire.endswith(b"\n") else b""), step=step)
    assert caught.value.type is FailureType.HTTP_PROTOCOL_VIOLATION
    assert caught.value.detail


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"X: " + b"y" * 100,
        OK + b"a: b\r\n" * 5,
        OK + b"aaaaaaaaaaaaaaaaaaaa: bbbbbbbbbbbbbbbbbbbbbbbbb\r\n" * 4,
    ],
    ids=["field", "fields", "head"],
)
def test_limits_of_ours_are_named(wire: bytes, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    limits = Limits(field_bytes=64, fields_count=4, head_bytes=150 if b"aaa" in wire else 10_000)
    for step in (1, 1 << 20):
        with pytest.raises(HeadError) as caught:
            scan(wire, step=step, limits=limits)
        assert caught.value.type.value == f"agent.limit.{name}"
        assert f"limits.{name}: {getattr(limits, _KEYS[name])}" in caught.value.detail


_KEYS = {"field": "field_bytes", "fields": "fields_count", "head": "head_bytes"}
MOST = BROWSERS_HEAD_BYTES


@pytest.mark.parametrize("limits", [Limits(), Limits(head_bytes=4 * MOST, field_bytes=4 * MOST)])
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_a_head_that_browsers_take_is_taken_and_a_longer_one_is_the_servers(
    step: int, limits: Limits
) -> None:
    """Whatever we are set to take: users do not get it."""
    short = len(OK + b"X: \r\n\r\n")
    longest = OK + b"X: " + b"y" * (MOST - short) + b"\r\n\r\n"
    assert len(head_of(longest, step=step, limits=limits).fields[0][1]) == MOST - short
    many = OK + b"a:\n" * ((MOST - len(OK) - 2) // 3) + b"\r\n"
    assert len(head_of(many, step=step, limits=limits).fields) > 87_000
    for wire in (
        OK + b"X: " + b"y" * (MOST - short + 1) + b"\r\n\r\n",
        OK + b"a: bbbb\r\n" * 30_000 + b"\r\n",
        OK[:-2] + b"K" * MOST,
    ):
        with pytest.raises(HeadError) as caught:
            scan(wire, step=step, limits=limits)
        assert caught.value.type is FailureType.HTTP_FIELDS_TOO_LARGE
        assert "262144 bytes, which browsers refuse" in caught.value.detail


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_of_a_head_that_a_limit_of_ours_cut_the_status_is_known(step: int) -> None:
    wire = b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 503 Busy\r\na: b\r\nc: " + b"d" * 100
    scanner = HeadScanner(Limits(field_bytes=64))
    pieces = [wire[start : start + step] for start in range(0, len(wire), step)]
    with pytest.raises(HeadError):
        list(map(scanner.feed, pieces))
    begun = scanner.begun_head
    assert begun is not None
    assert (begun.status_code, begun.fields, begun.interim) == (503, (("a", "b"),), (103,))


def test_of_an_interim_head_nothing_is_told() -> None:
    scanner = HeadScanner(Limits(field_bytes=64))
    with pytest.raises(HeadError):
        scanner.feed(b"HTTP/1.1 103 Early\r\na: " + b"b" * 100)
    assert scanner.begun_head is None


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_endless_interim_heads_are_the_servers_and_no_limit_of_ours(step: int) -> None:
    with pytest.raises(HeadError) as caught:
        scan(b"HTTP/1.1 102 Processing\r\n\r\n" * (INTERIM_LIMIT + 1), step=step)
    assert caught.value.type is FailureType.HTTP_PROTOCOL_VIOLATION


def test_what_is_just_within_the_limits() -> None:
    wire = OK + b"X: " + b"y" * 61 + b"\r\n" + b"a: b\r\n" * 3 + b"\r\n"
    limits = Limits(field_bytes=64, fields_count=4, head_bytes=len(wire))
    assert scan(wire, limits=limits).head is not None


@given(st.binary(max_size=400), st.integers(1, 40))
def test_any_bytes_give_a_head_an_error_or_a_wish_for_more(tail: bytes, step: int) -> None:
    for wire in (tail, OK + tail, OK + b"Content-Length: 3\r\nA: " + tail + b"\r\n\r\n"):
        assert outcome(wire, 1 << 20) == outcome(wire, step)


def outcome(wire: bytes, step: int) -> Head | FailureType | None:
    try:
        return scan(wire, step=step).head
    except HeadError as exc:
        return exc.type


def judged(limits: Limits, *pieces: bytes) -> FailureType | None:
    """Why the head in these pieces is refused; None: it is taken."""
    scanner = HeadScanner(limits)
    try:
        for piece in pieces:
            scanner.feed(piece)
    except HeadError as error:
        return error.type
    assert scanner.head is not None
    return None


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    ("over", "refused"),
    [(-1, None), (0, None), (1, FailureType.AGENT_LIMIT_FIELD), (2, FailureType.AGENT_LIMIT_FIELD)],
)
def test_a_line_at_the_limit_is_judged_the_same_however_it_is_cut(
    line_end: bytes, over: int, refused: FailureType | None
) -> None:
    wire = line_end.join((b"HTTP/1.1 200 OK", b"x: " + b"a" * (37 + over), b"", b""))
    found = {judged(Limits(field_bytes=40), wire[:cut], wire[cut:]) for cut in range(1, len(wire))}
    assert found == {refused}
