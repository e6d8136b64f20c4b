"""Rule: a file from the other party is read within bounds, and refused in words where it is not as we write it.

A dispute file is a ZIP archive (PKWARE APPNOTE 6.3) of one form: members one behind the other from the first byte on,
deflated, without dates, comments, extra fields or directories, and nothing between or behind them. So there is no place
for what nobody looks at, the same members always give the same bytes, and any tool opens it. Headers are read by
writing them: what a member says of itself is packed again, and must be the bytes that are there.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from probe.pull.chain import LINE_MOST_BYTES

MEMBERS_MOST = 50_000
TOTAL_MOST_BYTES = 512 << 20
FILE_MOST_BYTES = 512 << 20
DIRECTORY_MOST_BYTES = 16 << 20
PIECE_BYTES = 1 << 20
LEVEL = 6
BEGINS_WITH = b"PK\x03\x04"
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,5}")
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header
_ENTRY = struct.Struct("<4s6H3L5H2L")  # central directory header
_END = struct.Struct("<4s4H2LH")  # end of central directory record
_MADE_BY = 3 << 8 | 20  # Unix, version 2.0
_PACKED = (
    20,
    0,
    8,
    0,
    0x21,
)  # version 2.0, no flags, deflated, midnight of 1 January 1980: the earliest there is
_ATTRIBUTES = 0o100644 << 16  # a plain file


class DisputeFileError(ValueError):
    """The file is not one that this program writes, or is over a bound; the message says what and what to do."""


@dataclass(frozen=True, slots=True)
class _Member:
    """One member. `packed_bytes` of its data lie behind the header at `at`; `crc`, `size`: of what they unpack to."""

    name: bytes
    at: int
    crc: int
    packed_bytes: int
    size: int

    def header(self) -> bytes:
        """What stands before its data."""
        return _LOCAL.pack(b"PK\x03\x04", *_PACKED, *self._sizes(), len(self.name), 0) + self.name

    def entry(self) -> bytes:
        """What the directory says of it."""
        places = 0, 0, _ATTRIBUTES, self.at  # disk, internal, external attributes, header
        return (
            _ENTRY.pack(b"PK\x01\x02", _MADE_BY, *_PACKED, *self._sizes(), len(self.name), 0, 0, *places)
            + self.name
        )

    def _sizes(self) -> tuple[int, int, int]:
        return self.crc, self.packed_bytes, self.size


def write_container(path: Path, members: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Write members in their order, each piece by piece: (name, pieces). None is held, only the directory is.

    The same bytes give the same file, in whatever pieces they come. It appears under its name when it is whole. Raises
    OSError, ValueError, and what `members` raises.
    """
    aside, directory, count, total = path.with_name(f".{path.name}.new"), bytearray(), 0, 0
    try:
        with open(aside, "xb") as out:
            for count, (name, pieces) in enumerate(members, 1):
                member = _write_member(out, name.encode(), pieces, TOTAL_MOST_BYTES - total)
                directory += member.entry()
                total += member.size
                if count > MEMBERS_MOST:
                    raise _too_many()
            at = out.tell()
            out.write(directory + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), at, 0))
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _write_member(out: BinaryIO, name: bytes, pieces: Iterable[bytes], most_bytes: int) -> _Member:
    """One member behind what is there; its header last, for that holds its sizes."""
    at, crc, size, packed_bytes = out.tell(), 0, 0, 0
    out.write(_Member(name, at, 0, 0, 0).header())
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    for piece in _even(pieces):
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        if size > most_bytes:
            raise _too_many()
        packed_bytes += out.write(deflate.compress(piece))
    packed_bytes += out.write(deflate.flush())
    member = _Member(name, at, crc, packed_bytes, size)
    out.seek(at)
    out.write(member.header())
    out.seek(0, os.SEEK_END)
    return member


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of PIECE_BYTES, so that nothing hangs on where they were divided."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    yield bytes(held)


def _too_many() -> ValueError:
    return ValueError(
        f"more than {MEMBERS_MOST} members or {TOTAL_MOST_BYTES} bytes are too many for one file: choose a shorter span"
    )


class Container:
    """A dispute file that is open for reading; a context manager. Raises DisputeFileError, OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed with the container
        try:
            self._members = self._listed()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The members in their order."""
        return list(self._members)

    def pieces(self, name: str) -> Iterator[bytes]:
        """A member's bytes. Never more than it says; another number, or another sum, is an error.

        Several may be read at the same time.
        """
        member = self._members[name]
        at = member.at + len(member.header())
        inflate, left, found, had = zlib.decompressobj(-zlib.MAX_WBITS), member.packed_bytes, 0, 0
        try:
            while not inflate.eof:
                data = inflate.unconsumed_tail
                if not data and left:
                    data = os.pread(self._file.fileno(), min(PIECE_BYTES, left), at)
                    at, left = at + len(data), left - len(data)
                piece = inflate.decompress(data, PIECE_BYTES)
                had += len(piece)
                if had > member.size:
                    raise DisputeFileError(
                        f"{name} unpacks to more than the {member.size} bytes that it says"
                    )
                if not data and not piece and not inflate.eof:
                    raise DisputeFileError(f"{name} is cut off")
                found = zlib.crc32(piece, found)
                yield piece
        except zlib.error as error:
            raise DisputeFileError(f"{name} cannot be unpacked: {error}") from None
        if left or inflate.unused_data or had != member.size or found != member.crc:
            raise DisputeFileError(f"{name} is not what it was: its length or its sum (CRC) differs")

    def lines(self, name: str) -> Iterator[bytes]:
        """A member's lines, without line feeds. One that is longer than a pull takes is an error."""
        parts: list[bytes] = []
        size = 0
        for piece in self.pieces(name):
            *whole, rest = piece.split(b"\n")
            if whole:
                yield b"".join([*parts, whole[0]])
                yield from whole[1:]
                parts, size = [], 0
            parts.append(rest)
            size += len(rest)
            if size > LINE_MOST_BYTES:
                raise DisputeFileError(f"{name} holds a line of more than {LINE_MOST_BYTES} bytes")
        if last := b"".join(parts):
            yield last

    # --- the directory --------------------------------------------------------------------------------

    def _listed(self) -> dict[str, _Member]:
        directory, at, count = self._directory()
        found: dict[str, _Member] = {}
        place = 0
        while place < len(directory):
            member = _member_at(directory, place)
            place += len(member.entry())
            self._check(member, found)
            found[member.name.decode("ascii")] = member
        if len(found) != count:
            raise DisputeFileError("its directory has another number of members than it says")
        self._check_places(found, at)
        total = sum(member.size for member in found.values())
        if total > TOTAL_MOST_BYTES:
            raise DisputeFileError(f"unpacks to {total} bytes, and at most {TOTAL_MOST_BYTES} are read")
        return found

    def _directory(self) -> tuple[bytes, int, int]:
        """The directory, where it begins, and how many members it says that it has."""
        size = os.fstat(self._file.fileno()).st_size
        if size > FILE_MOST_BYTES:
            raise DisputeFileError(f"has {size} bytes, and at most {FILE_MOST_BYTES} are read")
        self._file.seek(max(0, size - _END.size))
        data = self._file.read(_END.size)
        if len(data) < _END.size or data[:4] != b"PK\x05\x06":
            raise DisputeFileError(
                "is no archive of the form of a dispute file, or is cut off, or has been added to"
            )
        _, disk, disk_begin, here, count, length, at, comment = _END.unpack(data)
        if disk or disk_begin or here != count or comment or at + length + _END.size != size:
            raise DisputeFileError("has something before, between or behind its members")
        if count > MEMBERS_MOST or length > DIRECTORY_MOST_BYTES:
            raise DisputeFileError(f"has {count} members, and at most {MEMBERS_MOST} are read")
        self._file.seek(at)
        return self._file.read(length), at, count

    @staticmethod
    def _check(member: _Member, known: Mapping[str, _Member]) -> None:
        if not _NAME.fullmatch(member.name):
            shown = member.name.decode("ascii", "backslashreplace")[:100]
            raise DisputeFileError(f"the member {shown!r} has a name that leads elsewhere or is none of ours")
        if member.name.decode("ascii") in known:
            raise DisputeFileError(f"the member {member.name.decode('ascii')} is there twice")

    def _check_places(self, members: Mapping[str, _Member], directory_at: int) -> None:
        """Members lie one behind the other, and say of themselves what the directory says."""
        at = 0
        for name, member in members.items():
            if member.at != at:
                raise DisputeFileError(f"the member {name} does not lie where the one before it ends")
            header = member.header()
            self._file.seek(at)
            if self._file.read(len(header)) != header:
                raise DisputeFileError(f"the member {name} says of itself what the directory does not")
            at += len(header) + member.packed_bytes
        if at != directory_at:
            raise DisputeFileError("has something between its members and its directory")


def _member_at(directory: bytes, place: int) -> _Member:
    """The member that the directory names at a place; what it says otherwise than we do is an error."""
    if len(directory) - place < _ENTRY.size:
        raise DisputeFileError("its directory is cut off, or holds what is no member")
    values = _ENTRY.unpack_from(directory, place)
    name_bytes = values[10]
    name = directory[place + _ENTRY.size : place + _ENTRY.size + name_bytes]
    member = _Member(name, values[16], *values[7:10])
    entry = member.entry()
    if directory[place : place + len(entry)] != entry:
        shown = name.decode("ascii", "backslashreplace")[:100]
        raise DisputeFileError(
            f"the member {shown!r} is not packed as this program packs, or its name is cut off"
        )
    return member
