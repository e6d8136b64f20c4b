"""Rule: a content coding is undone in bounded pieces and only believed when its own end was reached.

Every layer gives bounded pieces, so that the caller can count, hash, pause and stop; a cut stream and a wrong checksum
are errors (RFC 9110 section 8.4, RFC 1950 to 1952, 7932, 8878). Bytes after the end of gzip and deflate, and a checksum
that is missing there, are what browsers and curl pass over: breaches, no errors.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import brotli
import zstandard

from probe.core.http.tolerance import Breaches

PIECE_BYTES = 64 * 1024
MAX_LAYERS = 3
_SLICE_BYTES = 16 * 1024  # input taken at once: zlib copies what it leaves over
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # RFC 9659: the most that a content coding may ask for
_ZSTD_SLICE_BYTES = 256  # an RLE block of 4 bytes gives 128 KiB: at most 8 MiB at once
_ALIASES = {"x-gzip": "gzip"}
_GZIP_MAGIC = b"\x1f\x8b"
_TRAILER_BYTES = 8  # CRC-32 and length of gzip; zlib has fewer


class DecodeError(Exception):
    """The coded content is cut, corrupt or followed by other bytes."""


class DecodedTooLargeError(Exception):
    """The decoded content, or what lies between two layers, is over its cap."""


class _Layer(Protocol):
    """One content coding being undone; not fed again after `finish`.

    `breaches`: what clients pass over, in words of `tolerance.BREACHES`.
    """

    breaches: Breaches

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Coded bytes in, decoded pieces out. Raises DecodeError."""
        ...

    def finish(self) -> None:
        """Raises DecodeError unless the coding's own end was reached."""
        ...


class _Gzip:
    """RFC 1952, one member or several; zlib checks CRC-32 and length. What is no member behind one is passed over."""

    def __init__(self) -> None:
        self.breaches = Breaches()
        self._engine = zlib.decompressobj(31)
        self._untouched = True
        self._held = b""  # after a member: too little to tell whether another one begins
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._over:
            self._untouched = False
            if self._engine.eof:
                data, self._held = self._held + data, b""
                if _GZIP_MAGIC.startswith(data):
                    self._held = data
                    return
                if not data.startswith(_GZIP_MAGIC):
                    self._pass_over()
                    return
                self._engine = zlib.decompressobj(31)
            yield from _inflate(self._engine, data)
            data = self._engine.unused_data

    def _pass_over(self) -> None:
        self._over = True
        self.breaches.add("bytes_after_coding")

    def finish(self) -> None:
        if self._held:
            self._pass_over()
        if not (self._untouched or self._engine.eof):
            _demand_content(self._engine, self.breaches)


class _Deflate:
    """RFC 1950 as RFC 9110 demands, or the bare RFC 1951 stream that many servers send under this name."""

    def __init__(self) -> None:
        self.breaches = Breaches()
        self._held = b""
        self._engine = zlib.decompressobj(15)
        self._chosen = self._bare = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._chosen:
            self._held += data
            if len(self._held) < 2:
                return
            data, self._held, self._chosen = self._held, b"", True
            if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31:
                self._engine, self._bare = zlib.decompressobj(-15), True
        if data and not self._engine.eof:
            yield from _inflate(self._engine, data)
            data = self._engine.unused_data
        if data:
            self.breaches.add("bytes_after_coding")

    def finish(self) -> None:
        _demand_end(not self._held)
        if self._chosen and not self._engine.eof:
            _demand_end(not self._bare)
            _demand_content(self._engine, self.breaches)


class _Brotli:
    """RFC 7932. The library itself refuses bytes after the end."""

    def __init__(self) -> None:
        self.breaches = Breaches()
        self._engine = brotli.Decompressor()
        self._untouched = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._untouched = False
        yield self._process(data)
        while not self._engine.is_finished():
            piece = self._process(b"")
            if not piece and self._engine.can_accept_more_data():
                return
            yield piece

    def _process(self, data: bytes) -> bytes:
        try:
            return bytes(self._engine.process(data, output_buffer_limit=PIECE_BYTES))
        except brotli.error:
            raise DecodeError("the brotli stream is corrupt or has bytes after its end") from None

    def finish(self) -> None:
        _demand_end(self._untouched or bool(self._engine.is_finished()))


class _Zstd:
    """RFC 8878, one frame or several. The library cannot bound its output, so its input is cut fine."""

    def __init__(self) -> None:
        self.breaches = Breaches()
        self._factory = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._engine = self._factory.decompressobj(write_size=PIECE_BYTES)
        self._untouched = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_SLICE_BYTES):
            rest = data[start : start + _ZSTD_SLICE_BYTES]
            while rest:
                self._untouched = False
                if self._engine.eof:
                    self._engine = self._factory.decompressobj(write_size=PIECE_BYTES)
                try:
                    yield self._engine.decompress(rest)
                except zstandard.ZstdError as exc:
                    raise DecodeError(str(exc)) from None
                rest = self._engine.unused_data if self._engine.eof else b""

    def finish(self) -> None:
        _demand_end(self._untouched or self._engine.eof)


_LAYERS: dict[str, Callable[[], _Layer]] = {
    "gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


class Decoder:
    """Undoes the codings of one response, the last applied first; `limit_bytes` caps every layer's output.

    Raises ValueError for codings that `decodable` refuses. An empty body is empty content under any coding.
    """

    def __init__(self, codings: Sequence[str], limit_bytes: int) -> None:
        if not decodable(codings):
            raise ValueError(f"cannot decode {', '.join(codings)}")
        self._layers = [_LAYERS[coding]() for coding in reversed(codings)]
        self._produced = [0] * len(self._layers)
        self._limit_bytes = limit_bytes

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Wire bytes in, decoded pieces out. Raises DecodeError, DecodedTooLargeError."""
        for start in range(0, len(data), _SLICE_BYTES):
            yield from self._through(0, data[start : start + _SLICE_BYTES])

    def _through(self, depth: int, data: bytes) -> Iterator[bytes]:
        if depth == len(self._layers):
            yield data
            return
        for piece in self._layers[depth].feed(data):
            self._produced[depth] += len(piece)
            if self._produced[depth] > self._limit_bytes:
                raise DecodedTooLargeError(
                    f"the decoded body is over our limits.decoded: {self._limit_bytes} bytes"
                )
            if piece:
                yield from self._through(depth + 1, piece)

    @property
    def breaches(self) -> tuple[str, ...]:
        """What clients pass over, in words of `tolerance.BREACHES`."""
        return tuple(dict.fromkeys(word for layer in self._layers for word in layer.breaches.words))

    def finish(self) -> None:
        """Demand every layer's own end. Raises DecodeError."""
        for layer in self._layers:
            layer.finish()


def parse_codings(values: Sequence[str]) -> tuple[str, ...]:
    """Content-Encoding field values -> codings in the order applied, lower case, `identity` left out."""
    tokens = (token.strip(" \t").lower() for value in values for token in value.split(","))
    return tuple(_ALIASES.get(token, token) for token in tokens if token not in {"", "identity"})


def names_identity(values: Sequence[str]) -> bool:
    """Is `identity` named, which is no coding of a response?"""
    return any(token.strip(" \t").lower() == "identity" for value in values for token in value.split(","))


def decodable(codings: Sequence[str]) -> bool:
    """Can every coding be undone, and are there not too many of them?"""
    return len(codings) <= MAX_LAYERS and all(coding in _LAYERS for coding in codings)


def unrequested(codings: Sequence[str], accept_encoding: str) -> bool:
    """Is one of `codings` outside what Accept-Encoding asked for (RFC 9110 section 12.5.3)?"""
    wanted: dict[str, bool] = {}
    for item in accept_encoding.split(","):
        name, _, parameter = item.partition(";")
        token = name.strip(" \t").lower()
        quality = parameter.replace(" ", "").lower().removeprefix("q=") or "1"
        wanted[_ALIASES.get(token, token)] = bool(quality.strip("0."))
    return not all(wanted.get(coding, wanted.get("*", False)) for coding in codings)


def _inflate(engine: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while not engine.eof:
        try:
            piece = engine.decompress(data, PIECE_BYTES)
        except zlib.error as exc:
            raise DecodeError(str(exc)) from None
        yield piece
        data = engine.unconsumed_tail
        if not data and len(piece) < PIECE_BYTES:
            return


def _demand_content(engine: zlib._Decompress, breaches: Breaches) -> None:
    """The stream ended without its own end: only the checksum behind the content may be missing. Raises DecodeError.

    Whether the content is whole shows when something else is put in the place of what is missing, zeros once and ones
    once: then both times it is the checksum that is wrong, and no content comes.
    """
    _demand_end(all(_only_the_checksum_is_wrong(engine.copy(), filler) for filler in (b"\0", b"\xff")))
    breaches.add("coding_trailer_cut")


def _only_the_checksum_is_wrong(engine: zlib._Decompress, filler: bytes) -> bool:
    try:
        for _ in range(_TRAILER_BYTES):
            if engine.decompress(filler, 1):
                return False
            if engine.eof:
                return True
    except zlib.error as exc:
        return "incorrect data check" in str(exc) or "incorrect length check" in str(exc)
    return False


def _demand_end(reached: bool) -> None:
    if not reached:
        raise DecodeError("the compressed stream is cut short")
