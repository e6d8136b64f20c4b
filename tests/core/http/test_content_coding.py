"""Content codings are undone in bounded pieces and believed only at their own end (hostile rows 36 to 39)."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import chain

import brotli
import pytest
import zstandard

from probe.core.http.content_coding import (
    ChecksumError,
    DecodedTooLargeError,
    DecodeError,
    Decoder,
    decodable,
    parse_codings,
    unrequested,
)

TEXT = b"".join(b"line %d of a text\n" % number for number in range(5000))


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


CODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate-zlib": ("deflate", zlib.compress),
    "deflate-raw": ("deflate", raw_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=4)),
    "zstd": ("zstd", zstandard.ZstdCompressor(write_checksum=True).compress),
}
each_coding = pytest.mark.parametrize(("coding", "encode"), CODERS.values(), ids=CODERS.keys())


def decode(codings: tuple[str, ...], data: bytes, *, step: int = 1 << 20, limit: int = 1 << 30) -> bytes:
    decoder = Decoder(codings, limit)
    out = b"".join(
        piece for start in range(0, len(data), step) for piece in decoder.feed(data[start : start + step])
    )
    out += b"".join(decoder.flush())
    decoder.finish()
    return out


@each_coding
@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_whole_stream_in_any_cut(coding: str, encode: Callable[[bytes], bytes], step: int) -> None:
    assert decode((coding,), encode(TEXT), step=step) == TEXT


@each_coding
def test_empty_content_and_empty_body(coding: str, encode: Callable[[bytes], bytes]) -> None:
    assert decode((coding,), encode(b"")) == b""
    assert decode((coding,), b"") == b""


@each_coding
@pytest.mark.parametrize("kept", [1, 2, 0.5, -1])
def test_cut_stream(coding: str, encode: Callable[[bytes], bytes], kept: float) -> None:
    coded = encode(TEXT)
    cut = coded[: int(len(coded) * kept) if kept == 0.5 else int(kept)]
    if kept == -1 and encode in (CODERS["gzip"][1], CODERS["deflate-zlib"][1]):
        decoder = Decoder((coding,), 1 << 20)
        assert b"".join(decoder.feed(cut)) == TEXT
        decoder.finish()
        assert decoder.breaches == ("coding_trailer_cut",)
        return
    with pytest.raises(DecodeError):
        decode((coding,), cut)


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("name", ["gzip", "deflate-zlib"])
@pytest.mark.parametrize("text", [b"a", b"abc" * 30, bytes(300), TEXT[:3000]])
def test_only_a_cut_behind_the_content_leaves_it_whole(name: str, level: int, text: bytes) -> None:
    """Each cut of it: whole where all content came, an error everywhere else."""
    coded = zlib.compress(text, level) if name == "deflate-zlib" else gzip.compress(text, level, mtime=0)
    trailer = 4 if name == "deflate-zlib" else 8
    for kept in range(1, len(coded)):
        decoder = Decoder((name.partition("-")[0],), 1 << 20)
        content = b"".join(decoder.feed(coded[:kept]))
        if kept >= len(coded) - trailer:
            decoder.finish()
            assert (content, decoder.breaches) == (text, ("coding_trailer_cut",))
        else:
            with pytest.raises(DecodeError):
                decoder.finish()


@each_coding
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_trailing_junk(coding: str, encode: Callable[[bytes], bytes], step: int) -> None:
    """Browsers and curl pass over it; of brotli we do so for a kibibyte."""
    for junk in (b"<!-- injected -->", bytes(512), b"\x1f"):
        decoder = Decoder((coding,), 1 << 20)
        coded = encode(TEXT) + junk
        pieces = (coded[at : at + step] for at in range(0, len(coded), step))
        content = b"".join(piece for data in pieces for piece in decoder.feed(data))
        assert content + b"".join(decoder.flush()) == TEXT
        decoder.finish()
        assert decoder.breaches == ("bytes_after_coding",)


def test_a_frame_that_zstd_skips_is_no_junk() -> None:
    encode = CODERS["zstd"][1]
    skipped = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"aside"
    decoder = Decoder(("zstd",), 1 << 20)
    assert b"".join(decoder.feed(encode(TEXT) + skipped + encode(b"more"))) == TEXT + b"more"
    decoder.finish()
    assert decoder.breaches == ()


@pytest.mark.parametrize("step", [1, 100, 1 << 20])
@pytest.mark.parametrize("text", [b"", b"a", TEXT, bytes(300_000)])
@pytest.mark.parametrize("name", ["gzip", "deflate-zlib"])
def test_all_content_before_a_wrong_sum_is_given(name: str, text: bytes, step: int) -> None:
    coding, encode = CODERS[name]
    coded = encode(text)
    for wrong in (coded[:-1] + bytes([coded[-1] ^ 1]), coded[:-1] + bytes([coded[-1] ^ 1]) + b"junk"):
        decoder = Decoder((coding,), 1 << 20)
        pieces = (wrong[at : at + step] for at in range(0, len(wrong), step))
        assert b"".join(piece for data in pieces for piece in decoder.feed(data)) == text
        with pytest.raises(ChecksumError):
            decoder.finish()
        assert decoder.breaches == ("coding_checksum_wrong",)


def test_a_wrong_sum_in_a_coding_that_is_cut_is_the_lesser_evil() -> None:
    inner = gzip.compress(TEXT, mtime=0)[:-1] + b"\xff"
    decoder = Decoder(("gzip", "gzip"), 1 << 20)
    assert b"".join(decoder.feed(gzip.compress(inner))) == TEXT
    with pytest.raises(ChecksumError):
        decoder.finish()
    cut = Decoder(("gzip", "br"), 1 << 20)
    coded = brotli.compress(inner + bytes(5000))
    assert b"".join([*cut.feed(coded[:-1]), *cut.flush()]) == TEXT
    with pytest.raises(DecodeError) as caught:
        cut.finish()
    assert not isinstance(caught.value, ChecksumError)


@pytest.mark.parametrize("name", ["gzip", "deflate-zlib", "zstd"])
def test_bad_checksum(name: str) -> None:
    coding, encode = CODERS[name]
    coded = bytearray(encode(TEXT))
    coded[-6 if name == "gzip" else -2] ^= 0xFF
    with pytest.raises(DecodeError):
        decode((coding,), bytes(coded))


@each_coding
def test_not_coded_at_all(coding: str, encode: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DecodeError):
        decode((coding,), b"<html>this was never compressed</html>")


def test_gzip_of_several_members() -> None:
    """Browsers and curl give their users the first."""
    assert decode(("gzip",), gzip.compress(TEXT) + gzip.compress(b"and more")) == TEXT


def test_zstd_of_several_frames() -> None:
    encode = CODERS["zstd"][1]
    assert decode(("zstd",), encode(TEXT) + encode(b"and more"), step=3) == TEXT + b"and more"


def test_stacked_codings() -> None:
    assert decode(("gzip", "gzip"), gzip.compress(gzip.compress(TEXT))) == TEXT
    assert decode(("br", "gzip", "zstd"), CODERS["zstd"][1](gzip.compress(brotli.compress(TEXT)))) == TEXT
    assert not decodable(("gzip",) * 4)
    assert not decodable(("aws-chunked",))
    with pytest.raises(ValueError, match="aws-chunked"):
        Decoder(("aws-chunked",), 1)


def bomb(name: str, size: int) -> bytes:
    block = bytes(1 << 20)
    if name == "br":
        return brotli.compress(bytes(size), quality=5)
    if name == "zstd":
        engine = zstandard.ZstdCompressor().compressobj()
        return b"".join(engine.compress(block) for _ in range(size >> 20)) + engine.flush()
    zlibber = zlib.compressobj(wbits={"gzip": 31, "deflate-zlib": 15, "deflate-raw": -15}[name])
    return b"".join(zlibber.compress(block) for _ in range(size >> 20)) + zlibber.flush()


@pytest.mark.parametrize("name", CODERS)
def test_bomb_is_stopped_in_bounded_memory(name: str) -> None:
    coded = bomb(name, 128 << 20)
    tracemalloc.start()
    try:
        decoder = Decoder((CODERS[name][0],), 32 << 20)
        pieces = map(len, chain(decoder.feed(coded), decoder.flush()))
        produced = 0

        def consume() -> None:
            nonlocal produced
            for size in pieces:
                produced += size

        with pytest.raises(DecodedTooLargeError):
            consume()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert produced <= 32 << 20
    assert peak < 24 << 20


def test_bomb_between_layers_is_counted() -> None:
    inner = bomb("gzip", 64 << 20)
    with pytest.raises(DecodedTooLargeError):
        decode(("gzip", "gzip"), gzip.compress(inner), limit=len(inner) // 2)


def test_zstd_window_over_the_rfc_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    engine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    coded = engine.compress(TEXT) + engine.flush()
    with pytest.raises(DecodeError):
        decode(("zstd",), coded)


def test_codings_of_fields() -> None:
    assert parse_codings(()) == ()
    assert parse_codings(("X-GZip, ", " br ,")) == ("gzip", "br")
    assert parse_codings(("identity", " Identity ,")) == ()
    assert parse_codings(("X-GZip, identity",)) == ("gzip", "identity")


@pytest.mark.parametrize(
    ("codings", "accept", "expected"),
    [
        ((), "identity", False),
        (("gzip",), "identity", True),
        (("gzip",), "gzip, br", False),
        (("gzip",), "x-gzip", False),
        (("gzip",), "gzip;q=0, br", True),
        (("gzip",), "gzip;q=0.000", True),
        (("gzip",), "gzip; q=0.5", False),
        (("gzip",), "gzip;q=1.0", False),
        (("zstd",), "*", False),
        (("zstd",), "gzip, *;q=0", True),
        (("gzip", "br"), "gzip", True),
    ],
)
def test_unrequested(codings: tuple[str, ...], accept: str, expected: bool) -> None:
    assert unrequested(codings, accept) is expected
