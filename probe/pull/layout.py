"""Rule: the names in a copy are few and fixed, and what a host says of itself cannot make others.

DIR/.lock                                 held by the one pull that writes
DIR/<agent>/agent.pub                     the agent's public key (PEM), known since the first pull or given
DIR/<agent>/agent.key-id                  where nobody gave the key: only which one it is
DIR/<agent>/<customer>/000000000001.ndjson    lines, by the number of the first one; `.ndjson.zst` once it is full
DIR/<agent>/<customer>/heads.ndjson       every head received
DIR/<agent>/<customer>/stamps.ndjson      time stamps by a third party, as the host gave them
DIR/<agent>/<customer>/rejected/          what failed verification, with the reason
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import zstandard

from probe.core.syntax.values import OWN_NAME
from probe.host.files import sync_directory
from probe.pull.chain import BrokenLinkError, Cursor, Followed, StreamName, follow
from probe.pull.heads import Key, WrongKeyError, read_key

LOCK, PUBLIC_KEY, KEY_ID, HEADS, REJECTED = ".lock", "agent.pub", "agent.key-id", "heads.ndjson", "rejected"
FILE_NAME = re.compile(r"([0-9]{12,19})\.ndjson(\.zst)?")
PACKED = ".zst"
PACK_LEVEL = 3
STAMPS = "stamps.ndjson"
READ_BYTES = 1 << 20
PACKED_BYTES = 4096  # at once into the decompressor: what comes of it is 128 MiB at most
UNPACKED_MOST_BYTES = 1 << 30  # much more than any pull puts into a file
WINDOW_BYTES = 1 << 27


class CopyError(Exception):
    """The copy on disk cannot be used as it is; the message names the file and what to do."""


class KeptHead(msgspec.Struct, kw_only=True):
    """One line of heads.ndjson. `seq`, `digest`: how far the copy had come, on the disk, when it was written."""

    received_at: str
    seq: int
    digest: str
    head: dict[str, object]


_KEPT = msgspec.json.Decoder(KeptHead)


def stream_dir(directory: Path, stream: StreamName) -> Path:
    """Where a stream lies."""
    return directory / stream.agent / stream.customer


def streams_in(directory: Path) -> list[StreamName]:
    """The streams of a copy, by name."""
    found = []
    for agent in sorted(_directories(directory)):
        for customer in sorted(_directories(agent)):
            if OWN_NAME.fullmatch(agent.name) and OWN_NAME.fullmatch(customer.name):
                found.append(StreamName(agent.name, customer.name))
    return found


def _directories(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []


def data_files(path: Path) -> list[tuple[int, Path]]:
    """(number of the first line, file), in order. Of a file that is there plain and packed, the packed one."""
    if not path.is_dir():
        return []
    found, before = _data_files(path), None
    while before is None or before.keys() != found.keys():
        # A directory that is read while a file is packed in it may show neither of the two.
        found, before = _data_files(path), found
    return sorted(found.items())


def _data_files(path: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for file in sorted(path.iterdir()):  # the plain one of two comes first
        if match := FILE_NAME.fullmatch(file.name):
            found[int(match[1])] = file
    return found


def packed_name(file: Path) -> Path:
    """What a file of lines is called once it is packed."""
    return file.with_name(file.name + PACKED)


def file_name(first_seq: int) -> str:
    """`000000000042.ndjson`."""
    return f"{first_seq:012d}.ndjson"


def pack(file: Path) -> None:
    """Put a packed file in place of a plain one that is on the disk and written no more. Raises OSError."""
    place = packed_name(file)
    aside = place.with_name(f".{place.name}.new")
    packer = zstandard.ZstdCompressor(level=PACK_LEVEL, write_checksum=True)
    with open(file, "rb") as plain, open(aside, "wb") as packed:
        packer.copy_stream(plain, packed, size=file.stat().st_size)
        packed.flush()
        os.fsync(packed.fileno())
    os.replace(aside, place)
    sync_directory(file.parent)
    file.unlink()


def truncate(file: Path, size: int) -> None:
    """Cut off what is behind `size`, on the disk. Raises OSError."""
    handle = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)


def whole_size(file: Path) -> int:
    """Up to where the file holds whole lines, in bytes. Raises OSError."""
    with open(file, "rb") as stream:
        end = stream.seek(0, 2)
        while end:
            begin = max(0, end - READ_BYTES)
            stream.seek(begin)
            found = stream.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0


def kept_heads(path: Path, last_bytes: int | None = None) -> Iterator[KeptHead]:
    """What heads.ndjson holds, oldest first; or its last bytes. Raises CopyError for what cannot be read; OSError."""
    file = path / HEADS
    if not file.exists():
        return
    skip = 0 if last_bytes is None else max(0, file.stat().st_size - last_bytes)
    for text, end in read_lines(file, skip):
        try:
            yield _KEPT.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise CopyError(
                f"{file}: what ends at byte {end} is no head that a pull wrote: the file was damaged or altered"
            ) from None


def known_key(directory: Path, agent: str) -> Key | None:
    """What is known of an agent's key; None before the first pull. Raises CopyError, OSError."""
    try:
        return read_key((directory / agent / PUBLIC_KEY).read_bytes())
    except FileNotFoundError:
        pass
    except WrongKeyError as error:
        raise CopyError(f"{directory / agent / PUBLIC_KEY}: {error}") from None
    try:
        told = (directory / agent / KEY_ID).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    if not re.fullmatch(r"[0-9a-f]{16}", told):
        raise CopyError(
            f"{directory / agent / KEY_ID}: no id of a key: put agent.pub there, or remove the file"
        )
    return Key(told)


def begin_of(first_seq: int, known: Cursor | None = None) -> Cursor:
    """The cursor before the first line of a file; its digest is known only from the file before."""
    if known is not None or first_seq == 1:
        return known or Cursor()
    return Cursor(seq=first_seq - 1, digest="")


def follow_file(file: Path, cursor: Cursor, stream: StreamName) -> Iterator[tuple[Followed, int]]:
    """Each whole line with the offset of its end; a torn one at the end is left out. Raises TamperedError, OSError."""
    lines = read_lines(file)
    for text, end in lines:
        try:
            line = follow(cursor, text, stream)
        except BrokenLinkError as problem:
            after = next(lines, None)
            raise (problem if after is None else problem.blamed(after[0])) from None
        cursor = line.cursor
        yield line, end


def read_lines(file: Path, skip: int = 0) -> Iterator[tuple[bytes, int]]:
    """Each whole line without its line feed, and the offset behind it; those that begin at `skip` or later.

    Of a packed file all lines, and offsets of the plain one. Raises CopyError where it cannot be unpacked, OSError.
    """
    if file.suffix == PACKED:
        yield from _unpacked(file)
        return
    try:
        opened = open(file, "rb", buffering=READ_BYTES)  # noqa: SIM115 (below)
    except FileNotFoundError:
        if not packed_name(file).exists():
            raise
        yield from _unpacked(packed_name(file))  # a pull that goes on has packed it meanwhile
        return
    with opened as stream:
        end = max(0, skip - 1)
        stream.seek(end)
        if skip:
            end += len(stream.readline())
        for text in stream:
            if not text.endswith(b"\n"):
                return
            end += len(text)
            yield text[:-1], end


def _unpacked(file: Path) -> Iterator[tuple[bytes, int]]:
    """The lines of a packed file, a piece of it at a time."""
    end, rest = 0, b""
    unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()
    with open(file, "rb") as stream:
        try:
            while data := stream.read(PACKED_BYTES):
                *lines, rest = (rest + unpacker.decompress(data)).split(b"\n")
                if end + len(rest) > UNPACKED_MOST_BYTES:
                    raise CopyError(f"{file}: it holds more than any file of a copy")
                for text in lines:
                    end += len(text) + 1
                    yield text, end
        except zstandard.ZstdError as error:
            raise CopyError(f"{file}: cannot be unpacked: it was damaged or altered ({error})") from None
    if rest or not unpacker.eof or unpacker.unused_data:
        raise CopyError(f"{file}: its end is missing or is another: it was cut or altered")


def lines_backwards(file: Path) -> Iterator[bytes]:
    """The whole lines from the last to the first. Raises CopyError, OSError."""
    if file.suffix == PACKED or not file.exists():
        yield from reversed([text for text, _ in read_lines(file)])
        return
    end = whole_size(file) - 1  # without the last line feed
    if end < 0:
        return
    with open(file, "rb") as stream:
        rest = b""
        while end > 0:
            begin = max(0, end - READ_BYTES)
            stream.seek(begin)
            rest, *others = (stream.read(end - begin) + rest).split(b"\n")
            yield from reversed(others)
            end = begin
    yield rest
