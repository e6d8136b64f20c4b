"""What a response over HTTP/2 is, by its bytes alone: whole, in single bytes and cut anywhere, with exact types."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.http.head import Framing, Head
from probe.core.http.http2.reader import Http2Reader
from probe.core.http.stream_fields import request_lines
from probe.core.http.tolerance import BREACHES, HeadError
from probe.core.model.task import Limits
from probe.core.records.failure import FailureType as F
from tests.support import http2 as h
from tests.support.http2 import PREFACE, WHOLE, data, frame, head, section
from tests.support.http2_cases import CASES

BY_CLOSE = {F.TCP_CLOSED, F.HTTP_TIMED_OUT, F.BODY_TIMED_OUT}
FIELDS = [("Host", "www.acme.example"), ("User-Agent", "probe"), ("Accept", "*/*"), ("Connection", "close")]


class Read:
    """One response, read in pieces."""

    def __init__(self, limits: Limits | None = None, method: str = "GET") -> None:
        self.body = bytearray()
        self.head: Head | None = None
        self.sent = b""
        self.reader = Http2Reader(limits or Limits(), method, self._on_head, self.body.extend)
        self.reader.request(request_lines(method, "https", "/a", FIELDS))

    def _on_head(self, head: Head) -> None:
        assert self.head is None
        self.head = head

    def feed(self, wire: bytes, size: int | None = None) -> F | None:
        """What it failed with; the pieces are of that size, or one."""
        size = size or len(wire) or 1
        for at in range(0, len(wire), size):
            try:
                self.reader.feed(memoryview(wire)[at : at + size])
            except HeadError as error:
                return error.type
            self.sent += self.reader.to_send()
        return None


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [None, 1, 7])
def test_what_it_is_does_not_depend_on_the_cuts(name: str, size: int | None) -> None:
    case = CASES[name]
    wire = case.wire if size != 1 or len(case.wire) < 5000 else case.wire[:5000]
    read = Read()
    failed = read.feed(wire, size)
    if wire is not case.wire:
        assert failed is None or failed is case.failure
    elif case.failure is None:
        assert failed is None
        assert (read.reader.complete, bytes(read.body)) == (True, case.body)
        assert read.reader.breaches == case.breaches
        assert set(case.breaches) <= BREACHES.keys()
    elif failed is None:  # the rest is the connection's end
        assert not read.reader.complete
        assert case.failure in BY_CLOSE | {F.HTTP_GOAWAY, F.BODY_TRUNCATED}
        assert (read.reader.ended_by is not None) == (case.failure is F.HTTP_GOAWAY)
    else:
        assert failed is case.failure


def test_a_head_is_that_of_http_1() -> None:
    read = Read()
    read.feed(PREFACE + head(("content-type", "text/plain"), ("content-length", "2"), ("x-a", " b\t")))
    assert read.head is not None
    assert (read.head.status_code, read.head.framing, read.head.length_bytes) == (200, Framing.LENGTH, 2)
    assert read.head.fields == (("content-type", "text/plain"), ("content-length", "2"), ("x-a", "b"))
    assert read.reader.raw_head.startswith(b"HTTP/2 200\r\ncontent-type: text/plain\r\n")
    read = Read()
    read.feed(PREFACE + head(status="103") + head(end=True))
    assert read.head is not None
    assert (read.head.interim, read.head.framing, read.reader.complete) == ((103,), Framing.STREAM, True)


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "204"), ("GET", "304")])
def test_replies_without_a_body_are_whole_when_the_stream_ends(method: str, status: str) -> None:
    for rest, breaches in ((b"", ()), (data(b"ok", end=True), ("surplus_bytes",))):
        read = Read(method=method)
        assert read.feed(PREFACE + head(("content-length", "7"), status=status, end=not rest) + rest) is None
        assert (read.reader.complete, bytes(read.body), read.reader.breaches) == (True, b"", breaches)


def test_limits_of_ours_are_ours_and_what_came_before_them_is_known() -> None:
    fields = (("x-a", "b" * 100), ("x-c", "d" * 2000), ("x-e", "f"))
    for limits, type_, known in (
        (Limits(head_bytes=1000), F.AGENT_LIMIT_HEAD, ("x-a",)),
        (Limits(field_bytes=1000), F.AGENT_LIMIT_FIELD, ("x-a",)),
        (Limits(fields_count=2), F.AGENT_LIMIT_FIELDS, ("x-a", "x-c")),
    ):
        read = Read(limits)
        assert read.feed(PREFACE + head(*fields)) is type_
        begun = read.reader.begun_head
        assert begun is not None
        assert (begun.status_code, tuple(name for name, _ in begun.fields)) == (200, known)


def test_what_is_owed_is_sent_once() -> None:
    read = Read()
    read.feed(PREFACE + frame(h.PING, b"12345678") + head())
    assert read.sent == frame(h.SETTINGS, b"", h.ACK) + frame(h.PING, b"12345678", h.ACK)
    assert read.reader.to_send() == b""


def test_windows_are_given_back_before_they_are_used_up() -> None:
    read, piece, asked = Read(), data(b"a" * 16_384), 0
    read.feed(PREFACE + head())
    for _ in range(4096):  # 64 MiB
        read.feed(piece)
    read.feed(data(end=True))
    assert read.reader.complete
    sent = [read.sent[at : at + 13] for at in range(9, len(read.sent), 13)]
    windows = {0: 15 * 2**20, 1: 6 * 2**20}
    for update in sent:
        assert update[:5] == b"\0\0\x04\x08\0"
        stream, asked = int.from_bytes(update[5:9], "big"), int.from_bytes(update[9:], "big")
        windows[stream] += asked
    assert all(window >= 2**26 for window in windows.values()), "else the server would have waited"
    assert all(window < 2**26 + 16 * 2**20 for window in windows.values())


def test_memory_is_bounded_whatever_is_declared() -> None:
    read = Read()
    read.feed(PREFACE + frame(0x77, b"", length=16_384) + b"x" * 16_000)
    assert read.reader._cutter.kept_bytes < 17_000
    read = Read()
    read.feed(PREFACE + head())
    for _ in range(1000):
        assert read.feed(data(b"a" * 16_384)) is None
    assert read.reader._cutter.kept_bytes == 0


def test_the_request_is_as_the_standard_has_it() -> None:
    lines = request_lines("GET", "https", "/a?b", [*FIELDS, ("TE", "trailers"), ("X-Own", " a ")])
    assert lines == [
        (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"www.acme.example"), (b":path", b"/a?b"),
        (b"user-agent", b"probe"), (b"accept", b"*/*"), (b"te", b"trailers"), (b"x-own", b"a"),
    ]  # fmt: skip
    for bad in ("a\nb", "a\0b", "a\rb"):
        with pytest.raises(ValueError, match="line break"):
            request_lines("GET", "https", "/", [("X-A", bad)])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 2**32))
def test_no_bytes_raise_anything_else(noise: bytes, seed: int) -> None:
    """Noise after a good beginning, and good bytes with noise in them."""
    Read().feed(PREFACE + noise)
    Read().feed(
        PREFACE + frame(noise[0] % 11 if noise else 0, noise[1:], noise[-1] if noise else 0, seed % 4)
    )
    mixed, chance = bytearray(WHOLE + data(noise)), random.Random(seed)
    for _ in range(4):
        mixed[chance.randrange(len(mixed))] = chance.randrange(256)
    Read().feed(bytes(mixed), 11)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_field_section_raises_anything_else(noise: bytes) -> None:
    Read().feed(PREFACE + head(block=noise))
    Read().feed(PREFACE + head(block=section([(":status", "200")]) + noise) + data(b"x", end=True))
