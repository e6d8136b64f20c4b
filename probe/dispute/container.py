"""Rule: a file from the other party is read within bounds, and refused in words where it is not as we write it.

A dispute file is a ZIP archive (PKWARE APPNOTE 6.3) of one form: members one behind the other from the first byte on,
deflated, without dates, comments, extra fields or directories, and nothing between or behind them. So there is no place
for what nobody looks at, the same members always give the same bytes, and any tool opens it.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

MEMBERS_MOST = 50_000
TOTAL_MOST_BYTES = 512 << 20  # whoever verifies needs about three times as much memory
FILE_MOST_BYTES = 512 << 20
DIRECTORY_MOST_BYTES = 16 << 20
PIECE_BYTES = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows
_ATTRIBUTES = 0o100644 << 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,5}")
_END = struct.Struct("<4s4H2LH")  # end of central directory record
_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_MADE_BY = 3 << 8 | 20  # Unix, version 2.0
_PACKED = 20, 0, zipfile.ZIP_DEFLATED, 0, 0x21  # version 2.0, no flags, midnight of the date
BEGINS_WITH = b"PK\x03\x04"


class DisputeFileError(ValueError):
    """The file is not one that this program writes, or is over a bound; the message says what and what to do."""


def write_container(path: Path, members: Mapping[str, bytes]) -> None:
    """Write members in their order; the file appears under its name when it is whole. Raises OSError, ValueError."""
    total = sum(map(len, members.values()))
    if len(members) > MEMBERS_MOST or total > TOTAL_MOST_BYTES:
        raise ValueError(
            f"{len(members)} members of {total} bytes in all are too many for one file: choose a shorter span"
        )
    aside = path.with_name(f".{path.name}.new")
    try:
        with open(aside, "xb") as out:
            with zipfile.ZipFile(out, "w", allowZip64=False) as archive:
                for name, data in members.items():
                    info = zipfile.ZipInfo(name, _DATE)
                    info.compress_type, info.external_attr, info.create_system = (
                        zipfile.ZIP_DEFLATED,
                        _ATTRIBUTES,
                        3,
                    )
                    archive.writestr(info, data, compresslevel=6)
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


class Container:
    """A dispute file that is open for reading; a context manager. Raises DisputeFileError, OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed with the container
        try:
            self._members = {info.filename: info for info in self._listed()}
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

    def size(self, name: str) -> int:
        """Bytes of a member, as it says itself."""
        return self._members[name].file_size

    def pieces(self, name: str) -> Iterator[bytes]:
        """A member's bytes. Never more than it says; another number, or another sum, is an error."""
        info = self._members[name]
        self._file.seek(info.header_offset + _LOCAL.size + len(name.encode()))
        inflate, left, sum_, had = zlib.decompressobj(-15), info.compress_size, 0, 0
        try:
            while not inflate.eof:
                data = inflate.unconsumed_tail
                if not data and left:
                    data = self._file.read(min(PIECE_BYTES, left))
                    left -= len(data)
                piece = inflate.decompress(data, PIECE_BYTES)
                had += len(piece)
                if had > info.file_size:
                    raise self._wrong(name, f"unpacks to more than the {info.file_size} bytes that it says")
                if not data and not piece and not inflate.eof:
                    raise self._wrong(name, "is cut off")
                sum_ = zlib.crc32(piece, sum_)
                yield piece
        except zlib.error as error:
            raise self._wrong(name, f"cannot be unpacked: {error}") from None
        if left or inflate.unused_data or had != info.file_size or sum_ != info.CRC:
            raise self._wrong(name, "is not what it was: its length or its sum (CRC) differs")

    def read(self, name: str, most_bytes: int) -> bytes:
        """A member as a whole."""
        if self.size(name) > most_bytes:
            raise self._wrong(name, f"has {self.size(name)} bytes, and at most {most_bytes} are read")
        return b"".join(self.pieces(name))

    def _wrong(self, name: str, why: str) -> DisputeFileError:
        return DisputeFileError(f"{name} {why}")

    # --- the directory --------------------------------------------------------------------------------

    def _listed(self) -> list[zipfile.ZipInfo]:
        size = os.fstat(self._file.fileno()).st_size
        if size > FILE_MOST_BYTES:
            raise DisputeFileError(f"has {size} bytes, and at most {FILE_MOST_BYTES} are read")
        directory_at, end = self._end(size)
        try:
            infos = zipfile.ZipFile(self._file).infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise DisputeFileError(f"its directory cannot be read: {error}") from None
        if len(infos) != end[4]:
            raise DisputeFileError("its directory has another number of members than it says")
        self._check_names(infos)
        self._check_form(infos, directory_at, end[5])
        return infos

    def _end(self, size: int) -> tuple[int, tuple[bytes, int, int, int, int, int, int, int]]:
        self._file.seek(max(0, size - _END.size))
        data = self._file.read(_END.size)
        if len(data) < _END.size or data[:4] != b"PK\x05\x06":
            raise DisputeFileError(
                "is no ZIP archive of the form of a dispute file, or is cut off, or has been added to"
            )
        end = _END.unpack(data)
        _, disk, disk_begin, here, members, length, at, comment = end
        if disk or disk_begin or here != members or comment or at + length + _END.size != size:
            raise DisputeFileError("has something before, between or behind its members")
        if members > MEMBERS_MOST or length > DIRECTORY_MOST_BYTES:
            raise DisputeFileError(f"has {members} members, and at most {MEMBERS_MOST} are read")
        return at, end

    def _check_names(self, infos: list[zipfile.ZipInfo]) -> None:
        seen: set[str] = set()
        for info in infos:
            if not _NAME.fullmatch(info.filename) or info.orig_filename != info.filename:
                raise DisputeFileError(
                    f"the member {info.filename!r} has a name that leads elsewhere or is none of ours"
                )
            if info.filename.lower() in seen:
                raise DisputeFileError(f"the member {info.filename} is there twice")
            seen.add(info.filename.lower())
        total = sum(info.file_size for info in infos)
        if total > TOTAL_MOST_BYTES:
            raise DisputeFileError(f"unpacks to {total} bytes, and at most {TOTAL_MOST_BYTES} are read")

    def _check_form(self, infos: list[zipfile.ZipInfo], directory_at: int, directory_bytes: int) -> None:
        """Members lie one behind the other, and their headers say twice the same, and nothing else."""
        at, listed = 0, b""
        for info in infos:
            if info.compress_type != zipfile.ZIP_DEFLATED:
                raise DisputeFileError(f"the member {info.filename} is not packed as this program packs")
            if info.header_offset != at:
                raise DisputeFileError(
                    f"the member {info.filename} does not lie where the one before it ends"
                )
            listed += _listed(info)
            at = self._local(info, self._file) + info.compress_size
        self._file.seek(directory_at)
        if at != directory_at or self._file.read(directory_bytes) != listed:
            raise DisputeFileError(
                "has something between its members, or in its directory, that is not of our form"
            )

    @staticmethod
    def _local(info: zipfile.ZipInfo, file: IO[bytes]) -> int:
        """Where the member's data begin."""
        name = info.filename.encode()
        file.seek(info.header_offset)
        data = file.read(_LOCAL.size + len(name))
        sizes = info.CRC, info.compress_size, info.file_size
        made = _LOCAL.pack(BEGINS_WITH, *_PACKED, *sizes, len(name), 0)
        if data != made + name:
            raise DisputeFileError(f"the member {info.filename} says of itself what the directory does not")
        return info.header_offset + len(data)


def _listed(info: zipfile.ZipInfo) -> bytes:
    """What the directory says of a member, as we write it."""
    name = info.filename.encode()
    sizes = info.CRC, info.compress_size, info.file_size
    places = 0, 0, _ATTRIBUTES, info.header_offset  # disk, internal, external
    return _ENTRY.pack(b"PK\x01\x02", _MADE_BY, *_PACKED, *sizes, len(name), 0, 0, *places) + name
