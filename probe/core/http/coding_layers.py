"""Rule: each content coding is undone in bounded pieces, and what clients pass over at its end is named.

Every layer gives bounded pieces, so that the caller can count, hash, pause and stop. A cut stream is an error (RFC 9110
section 8.4, RFC 1950 to 1952, 7932, 8878). Bytes after the end, and a checksum of gzip or deflate that is missing, are
what browsers and curl pass over: breaches, no errors. A checksum that is there and wrong is an error of its own: all
content came, and only who knows what it should be can say whether it is right.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
import zstandard

from probe.core.http.tolerance import Breaches

PIECE_BYTES = 64 * 1024
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # RFC 9659: the most that a content coding may ask for
_ZSTD_SLICE_BYTES = 256  # an RLE block of 4 bytes gives 128 KiB: at most 8 MiB at once
_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BROTLI_HELD_BYTES = 1024  # so many bytes after the end are passed over
_WRONG_SUMS = ("incorrect data check", "incorrect length check")  # zlib's words
_TRAILER_BYTES = 8  # CRC-32 and length of gzip; zlib has fewer


class DecodeError(Exception):
    """The coded content is cut, corrupt or followed by other bytes."""


class ChecksumError(DecodeError):
    """All of the content came, and the checksum or the length behind it is another."""


class Layer(Protocol):
    """One content coding being undone; not fed again after `finish`.

    `breaches`: what clients pass over, in words of `tolerance.BREACHES`.
    """

    breaches: Breaches

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Coded bytes in, decoded pieces out. Raises DecodeError."""
        ...

    def flush(self) -> Iterator[bytes]:
        """No more comes: decoded pieces of what was held back. Raises DecodeError."""
        ...

    def finish(self) -> None:
        """Raises DecodeError unless the coding's own end was reached."""
        ...


class _Zlib:
    """What gzip and deflate have in common: zlib's engine, and a checksum that may be wrong or missing."""

    def __init__(self, wbits: int) -> None:
        self.breaches = Breaches()
        self._engine = zlib.decompressobj(wbits)
        self._untouched = True
        self._wrong: ChecksumError | None = None

    def _undo(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces; `_behind` is given what comes after the end."""
        if data and not self._ended:
            self._untouched = False
            try:
                yield from _inflate(self._engine, data)
            except ChecksumError as exc:
                self._wrong = exc
                self.breaches.add("coding_checksum_wrong")
                return
            data = self._engine.unused_data
        if data and self._wrong is None:
            self._take_behind(data)

    @property
    def _ended(self) -> bool:
        return self._engine.eof or self._wrong is not None

    def _take_behind(self, data: bytes) -> None:
        self.breaches.add("bytes_after_coding")

    def flush(self) -> Iterator[bytes]:
        yield from ()

    def finish(self) -> None:
        if self._wrong is not None:
            raise self._wrong
        if not (self._untouched or self._engine.eof):
            _demand_content(self._engine, self.breaches)


class _Gzip(_Zlib):
    """The first member of RFC 1952; zlib checks CRC-32 and length. What comes behind it browsers and curl pass over.

    A further member is among what they pass over, though the RFC would have it read: it has a word of its own.
    """

    def __init__(self) -> None:
        super().__init__(31)
        self._behind = b""  # enough to tell whether it is another member

    def feed(self, data: bytes) -> Iterator[bytes]:
        return self._undo(data)

    def _take_behind(self, data: bytes) -> None:
        self._behind += data[: len(_GZIP_MAGIC) - len(self._behind)]

    def finish(self) -> None:
        super().finish()
        if self._behind:
            self.breaches.add("several_gzip_members" if self._behind == _GZIP_MAGIC else "bytes_after_coding")


class _Deflate(_Zlib):
    """RFC 1950 as RFC 9110 demands, or the bare RFC 1951 stream that many servers send under this name."""

    def __init__(self) -> None:
        super().__init__(15)
        self._held = b""
        self._chosen = self._bare = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._chosen:
            self._held += data
            if len(self._held) < 2:
                return
            data, self._held, self._chosen = self._held, b"", True
            if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31:
                self._engine, self._bare = zlib.decompressobj(-15), True
        yield from self._undo(data)

    def finish(self) -> None:
        _demand_end(not self._held)
        _demand_end(not self._bare or self._engine.eof)
        super().finish()


class _Brotli:
    """RFC 7932. The library loses what it has where bytes come after the end, so the last ones are taken singly."""

    def __init__(self) -> None:
        self.breaches = Breaches()
        self._engine = brotli.Decompressor()
        self._untouched = True
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        data = self._held + data
        self._held = data[-_BROTLI_HELD_BYTES:]
        return self._undo(data[:-_BROTLI_HELD_BYTES])

    def flush(self) -> Iterator[bytes]:
        held, self._held = self._held, b""
        for at in range(len(held)):
            if self._engine.is_finished():
                self.breaches.add("bytes_after_coding")
                return
            piece = self._process(held[at : at + 1])
            if piece or not self._engine.can_accept_more_data():
                yield piece
                yield from self._undo(b"")

    def _undo(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield self._process(data)
        while not self._engine.is_finished():
            piece = self._process(b"")
            if not piece and self._engine.can_accept_more_data():
                return
            yield piece

    def _process(self, data: bytes) -> bytes:
        self._untouched = False
        try:
            return bytes(self._engine.process(data, output_buffer_limit=PIECE_BYTES))
        except brotli.error:
            raise DecodeError("the brotli stream is corrupt, or many bytes come after its end") from None

    def finish(self) -> None:
        _demand_end(self._untouched or bool(self._engine.is_finished()))


class _Zstd:
    """RFC 8878, one frame or several. The library cannot bound its output, so its input is cut fine."""

    def __init__(self) -> None:
        self.breaches = Breaches()
        self._factory = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._engine = self._factory.decompressobj(write_size=PIECE_BYTES)
        self._untouched = True
        self._held = b""  # after a frame: too little to tell whether another one begins
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_SLICE_BYTES):
            rest = data[start : start + _ZSTD_SLICE_BYTES]
            while rest and not self._over:
                self._untouched = False
                if self._engine.eof:
                    rest, self._held = self._held + rest, b""
                    if len(rest) < len(_ZSTD_MAGIC):
                        self._held = rest
                        break
                    if not rest.startswith(_ZSTD_MAGIC) and not _is_skippable(rest):
                        self._pass_over()
                        return
                    self._engine = self._factory.decompressobj(write_size=PIECE_BYTES)
                try:
                    yield self._engine.decompress(rest)
                except zstandard.ZstdError as exc:
                    raise DecodeError(str(exc)) from None
                rest = self._engine.unused_data if self._engine.eof else b""

    def _pass_over(self) -> None:
        self._over = True
        self.breaches.add("bytes_after_coding")

    def flush(self) -> Iterator[bytes]:
        yield from ()

    def finish(self) -> None:
        if self._held:
            self._pass_over()
        _demand_end(self._untouched or self._engine.eof)


def _is_skippable(data: bytes) -> bool:
    """Does a frame begin here whose content nobody wants (RFC 8878 section 3.1.2)?"""
    return data[0] & 0xF0 == 0x50 and data[1:4] == b"\x2a\x4d\x18"


LAYERS: dict[str, Callable[[], Layer]] = {
    "gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


def _inflate(engine: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while not engine.eof:
        before = engine.copy()
        try:
            piece = engine.decompress(data, PIECE_BYTES)
        except zlib.error as exc:
            if not str(exc).endswith(_WRONG_SUMS):
                raise DecodeError(str(exc)) from None
            yield from _up_to_the_error(before, data)
            raise ChecksumError(str(exc)) from None
        yield piece
        data = engine.unconsumed_tail
        if not data and len(piece) < PIECE_BYTES:
            return


def _up_to_the_error(engine: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What the engine gives of `data` before it finds what is wrong."""
    for at in range(len(data)):
        try:
            yield engine.decompress(data[at : at + 1])
        except zlib.error:
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
        return str(exc).endswith(_WRONG_SUMS)
    return False


def _demand_end(reached: bool) -> None:
    if not reached:
        raise DecodeError("the compressed stream is cut short")
