"""Rule: a file of results is there whole, under its name, or not at all; and it is never written to again.

Lines to files and back: NDJSON, compressed with Zstandard (RFC 8878) or gzip (RFC 1952) where the name says so.
Written aside, on the disk, then renamed. Read in pieces: the memory of one line and one piece is needed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

import zstandard

from probe.host.files import sync_directory
from probe.pull.chain import LINE_MOST_BYTES

SEALED_MODE = 0o440
DIRECTORY_MODE = 0o750
PIECE_BYTES = 1 << 20
WINDOW_BYTES = 128 << 20
INPUT_BYTES = 4096  # at once into the decompressor: what comes of it is 128 MiB at most
LEVEL = 6
NDJSON, ZST = ".ndjson", ".ndjson.zst"


class LinesError(ValueError):
    """A file of lines cannot be read to its end; the message says why."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _NoHash:
    """Where nobody asks for it."""

    def update(self, data: bytes, /) -> None:
        """Nothing."""

    def hexdigest(self) -> str:
        """Nothing."""
        return ""


class Digesting(io.RawIOBase):
    """A file that is read or written, with the SHA-256 and the number of the bytes that passed."""

    def __init__(self, file: IO[bytes], *, wanted: bool = True) -> None:
        super().__init__()
        self._file = file
        self._hash: _Hash = hashlib.sha256() if wanted else _NoHash()
        self.bytes = 0

    def readable(self) -> bool:
        """It may be."""
        return True

    def writable(self) -> bool:
        """It may be."""
        return True

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        data = self._file.read(size)
        self._hash.update(data)
        self.bytes += len(data)
        return data

    def write(self, data: object) -> int:
        """As of a file."""
        raw = bytes(cast(bytes, data))
        self._hash.update(raw)
        self.bytes += len(raw)
        self._file.write(raw)
        return len(raw)

    @property
    def sha256(self) -> str:
        """Of what has passed, lower-case hexadecimal."""
        return self._hash.hexdigest()


def compressed(file: IO[bytes], name: str) -> IO[bytes]:
    """To write to in the coding that a file name asks for; closing it leaves `file` open."""
    if name.endswith(".zst"):
        writer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(file, closefd=False)
        return cast(IO[bytes], writer)
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename=""))
    return cast(IO[bytes], _Unclosed(file))


class _Unclosed(io.BufferedWriter):
    """Bytes as they are; closing it leaves the file open."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(cast(io.RawIOBase, file), PIECE_BYTES)

    def close(self) -> None:
        """Only what waits is written."""
        with suppress(ValueError):
            self.flush()
            self.detach()


@dataclass(slots=True)
class Read:
    """A file of lines that is being read: its digest and size in bytes once it is read to its end.

    `cut`: its last line has no line feed. `digested`: whether the digest is wanted.
    """

    path: Path
    digested: bool = True
    sha256: str = ""
    size: int = 0
    cut: bool = False

    def lines(self) -> Iterator[bytes]:
        """Each line without its line feed. Raises LinesError, OSError."""
        with open(self.path, "rb") as file:
            passed = Digesting(file, wanted=self.digested)
            rest = _Rest()
            try:
                for piece in _pieces(passed, self.path.name):
                    *ends, begin = piece.split(b"\n")
                    for end in ends:
                        rest.add(end)
                        yield rest.take()
                    rest.add(begin)
            finally:
                while passed.read(PIECE_BYTES):  # what stands behind the coded part counts for the digest
                    pass
                self.sha256, self.size, self.cut = passed.sha256, passed.bytes, bool(rest.bytes)
        if rest.bytes:
            yield rest.take()


class _Rest:
    """The line that has begun: its pieces are joined once, so that a long line costs no more than its length."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.bytes = 0

    def add(self, piece: bytes) -> None:
        """Raises LinesError where the line is longer than a pull would take: a file made to exhaust memory."""
        self.bytes += len(piece)
        if self.bytes > LINE_MOST_BYTES:
            raise LinesError(f"a line is longer than {LINE_MOST_BYTES} bytes")
        self._pieces.append(piece)

    def take(self) -> bytes:
        """The line; the next one begins."""
        line = b"".join(self._pieces)
        self._pieces, self.bytes = [], 0
        return line


def _pieces(file: Digesting, name: str) -> Iterator[bytes]:
    try:
        if name.endswith(".zst"):
            yield from _unpacked(file)
        elif name.endswith(".gz"):
            with gzip.GzipFile(fileobj=cast(IO[bytes], file), mode="rb") as unpacked:
                while piece := unpacked.read(PIECE_BYTES):
                    yield piece
        else:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except (zstandard.ZstdError, EOFError, gzip.BadGzipFile, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise LinesError(f"cannot be decompressed: {error}") from error
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise LinesError(f"cannot be decompressed: {error}") from error
        raise


def _unpacked(file: Digesting) -> Iterator[bytes]:
    """Every frame, each to its end: a stream that is cut within one is an error, which the plain reader passes over."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
    frame = unpacker.decompressobj(write_size=PIECE_BYTES)
    begun = False
    while data := file.read(INPUT_BYTES):
        while data:
            begun = True
            piece = frame.decompress(data)
            if piece:
                yield piece
            data = b""
            if frame.eof:
                data = frame.unused_data
                frame = unpacker.decompressobj(write_size=PIECE_BYTES)
                begun = False
    if begun:
        raise LinesError("it is cut off within the compressed data")


def install(files: Iterable[tuple[Path, Path]], place: Path) -> None:
    """Give whole files their names in `place`, in this order, read-only; all on the disk when this returns.

    Raises OSError.
    """
    for aside, path in files:
        handle = os.open(aside, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(handle, SEALED_MODE)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(aside, path)
    sync_directory(place)


def make_directory(path: Path, below: Path) -> None:
    """A directory and those above it up to `below`, on the disk. Raises OSError."""
    missing = []
    while path != below and not path.is_dir():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        each.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        sync_directory(each.parent)


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file. Raises OSError."""
    with open(path, "rb") as file:
        passed = Digesting(file)
        while passed.read(PIECE_BYTES):
            pass
    return passed.sha256, passed.bytes
