"""Chunks are undone the same however the stream was cut: sizes, extensions, trailers, limits, ends."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.http import chunked
from probe.core.http.chunked import ChunkDecoder
from probe.core.http.head import HeadError
from probe.core.model.task import Limits
from probe.core.records.failure import FailureType

LIMITS = Limits(field_bytes=40, fields_count=3, head_bytes=100)
Result = tuple[bytes, int, bool, str | None]


def decode(pieces: list[bytes], limits: Limits = LIMITS) -> Result:
    """Content, bytes used, whether it is over, why it was refused."""
    decoder, content, used = ChunkDecoder(limits), bytearray(), 0
    try:
        for piece in pieces:
            if not decoder.done:
                used += decoder.feed(piece, content.extend)
    except HeadError as error:
        return bytes(content), 0, False, f"{error.type} {error.detail}"
    return bytes(content), used, decoder.done, None


def every_split(wire: bytes, limits: Limits = LIMITS) -> Result:
    """The one result of all splits in two and of single bytes."""
    whole = decode([wire], limits)
    for cut in range(1, len(wire)):
        assert decode([wire[:cut], wire[cut:]], limits) == whole, cut
    assert decode([bytes([byte]) for byte in wire], limits) == whole
    return whole


@pytest.mark.parametrize(
    ("wire", "content", "surplus"),
    [
        (b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n", b"hello world", b""),
        (b"0\r\n\r\n", b"", b""),
        (b"00\r\n\r\n", b"", b""),
        (b"000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", b""),
        (b"a\r\n0123456789\r\n0\r\n\r\nHTTP/1.1 200 OK", b"0123456789", b"HTTP/1.1 200 OK"),
        (b"2 \t\r\nok\r\n0 \r\n\r\n", b"ok", b""),
        (b'2 ; a = "x;\\"y" ; b\r\nok\r\n0;c\r\n\r\n', b"ok", b""),
        (b"2;;=;\xff\r\nok\r\n0\r\n\r\n", b"ok", b""),
        (b"2\nok\n0\n\n", b"ok", b""),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", b""),
        (b"0\r\nETag: x\r\nA:\r\n\r\nmore", b"", b"more"),
        (b"0\nA: b\n\n", b"", b""),
        (b"1\r\nx\r\n" * 7 + b"0\r\n\r\n", b"xxxxxxx", b""),
    ],
)
def test_content_and_end(wire: bytes, content: bytes, surplus: bytes) -> None:
    assert every_split(wire) == (content, len(wire) - len(surplus), True, None)


@pytest.mark.parametrize(
    "wire", [b"", b"5", b"5\r", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r", b"0\r\n", b"0\r\nA: b\r\n"]
)
def test_what_is_not_over_waits(wire: bytes) -> None:
    content, used, done, error = every_split(wire)
    assert (used, done, error) == (len(wire), False, None)
    assert content == wire[3:8].rstrip(b"\r\n") if wire[:1] == b"5" else content == b""


@pytest.mark.parametrize(
    ("wire", "content", "word"),
    [
        (b"\r\n", b"", "without a size"),
        (b";a\r\n", b"", "without a size"),
        (b"zz\r\n", b"", "without a size"),
        (b"-2", b"", "without a size"),
        (b" 2", b"", "without a size"),
        (b"2x", b"", "no hexadecimal"),
        (b"0x2", b"", "no hexadecimal"),
        (b"2 2", b"", "no hexadecimal"),
        (b"2\rx", b"", "no hexadecimal"),
        (b"2\r\r\n", b"", "no hexadecimal"),
        (b"fffffffffffffffff", b"", "63 bits"),
        (b"8000000000000000", b"", "63 bits"),
        (b"2;a\rb\r\n", b"", "bare CR"),
        (b"2\r\nokay\r\n0\r\n\r\n", b"ok", "longer than its size"),
        (b"2\r\nok\r0", b"ok", "longer than its size"),
        (b"2\r\nok2\r\n", b"ok", "longer than its size"),
        (b"3\r\nhel\r\nzz\r\n", b"hel", "without a size"),
        (b"0\r\nA: \0\r\n\r\n", b"", "NUL"),
    ],
)  # fmt: skip
def test_violations(wire: bytes, content: bytes, word: str) -> None:
    got, _, _, error = every_split(wire)
    assert error is not None
    assert error.startswith(FailureType.HTTP_PROTOCOL_VIOLATION)
    assert word in error
    assert got == content


@pytest.mark.parametrize(
    ("wire", "word"),
    [
        (b"2;\0\r\nok\r\n0\r\n\r\n", "nul_in_chunk_extension"),
        (b"2\r\nok\r\n0\r\n folded\r\n\r\n", "folded_field"),
        (b"2\r\nok\r\n0\r\nnonsense\r\n\r\n", "line_without_colon"),
        (b"2\r\nok\r\n0\r\na b: c\r\n\r\n", "invalid_field_name"),
        (b"2\r\nok\r\n0\r\na : c\r\n\r\n", "space_before_colon"),
        (b"2\r\nok\r\n0\r\na: b\rc\r\n\r\n", "bare_cr"),
    ],
)
def test_what_clients_pass_over_has_a_word(wire: bytes, word: str) -> None:
    assert every_split(wire) == (b"ok", len(wire), True, None)
    decoder = ChunkDecoder(LIMITS)
    decoder.feed(wire, lambda content: None)
    assert decoder.breaches.words == (word,)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    ("line", "over"),
    [
        (b"0" * 39 + b"1", False),
        (b"0" * 40 + b"1", True),
        (b"1;" + b"x" * 38, False),
        (b"1;" + b"x" * 39, True),
        (b"1" + b" " * 40, True),
    ],
)
def test_a_size_line_at_its_limit(line: bytes, over: bool, end: bytes) -> None:
    error = every_split(line + end + b"x")[3]
    assert (error is not None and error.startswith(FailureType.AGENT_LIMIT_FIELD)) is over


@pytest.mark.parametrize(
    ("trailer", "word"),
    [
        (b"a: b\r\n" * 3, None),
        (b"a: b\r\n" * 4, "agent.limit.fields the trailer section has more fields than our limits.fields: 3"),
        (b"a: " + b"x" * 37 + b"\r\n", None),
        (
            b"a: " + b"x" * 38 + b"\r\n",
            "agent.limit.field a line of the trailer section is over our limits.field: 40",
        ),
        ((b"a: " + b"x" * 37 + b"\r\n") * 2, None),
        (
            (b"a: " + b"x" * 37 + b"\r\n") * 3,
            "agent.limit.head the trailer section is over our limits.head: 100",
        ),
    ],
)
def test_limits_of_the_trailer(trailer: bytes, word: str | None) -> None:
    error = every_split(b"0\r\n" + trailer + b"\r\n")[3]
    if word is None:
        assert error is None
    else:
        assert error is not None
        assert error.startswith(word)


def test_usual_chunks_are_read_as_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd streams, through the pattern for usual chunks and without it."""
    chance = random.Random(5)
    sample = b'5\r\nhello\r\n1a;x="y"\r\nabcdefghijklmnopqrstuvwxyz\r\n2\r\nok\r\n0\r\nA: b\r\n\r\nmore'
    wires = []
    for _ in range(2000):
        wire = bytearray(sample)
        for _ in range(chance.choice((0, 1, 2))):
            place = chance.randrange(len(wire))
            wire[place : place + chance.randint(0, 2)] = chance.choice(
                (b"\r", b"\n", b"\0", b"0", b" ", b";", b"f", b"\r\n")
            )
        cut = chance.randrange(len(wire))
        wires.append([bytes(wire[:cut]), bytes(wire[cut:])])
    for limits in (LIMITS, Limits()):
        found = [decode(pieces, limits) for pieces in wires]
        assert {None if error is None else error.split()[0] for _, _, _, error in found} >= {
            None,
            "http.protocol_violation",
        }
        with monkeypatch.context() as patch:
            patch.setattr(chunked, "_USUAL", chunked.re.compile(b"(?!)"))
            assert [decode(pieces, limits) for pieces in wires] == found


@given(st.lists(st.binary(min_size=1, max_size=50)), st.binary(max_size=20), st.integers(1, 30))
def test_what_was_coded_comes_back(parts: list[bytes], surplus: bytes, step: int) -> None:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    stream = wire + surplus
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert decode(pieces) == (b"".join(parts), len(wire), True, None)


@given(st.binary(max_size=60), st.integers(1, 10))
def test_any_bytes_in_any_cut(tail: bytes, step: int) -> None:
    for wire in (tail, b"3\r\nabc" + tail, b"0\r\n" + tail, b"2;" + tail):
        assert decode([wire[at : at + step] for at in range(0, len(wire), step)]) == decode([wire])


def test_a_line_that_never_ends_is_not_kept() -> None:
    decoder = ChunkDecoder(Limits())
    for _ in range(16):
        decoder.feed(b"0" * 1000, lambda content: None)
    with pytest.raises(HeadError, match="size line"):
        decoder.feed(b"0" * 1000, lambda content: None)
    assert len(decoder._line) < 20_000
