"""Rule: what the cursor counts is on the disk; the cursor is read from the files and from nowhere else.

Lines are appended in verified order and fsynced before a head that counts them is kept. Killed at any moment, the files
hold an exact prefix of the stream and at most one torn line, which the next start cuts off. A file that is full is
packed: the packed one takes its place when it is whole and on the disk, and until then the plain one stays.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from probe.host.files import sync_directory
from probe.pull import layout
from probe.pull.chain import START, UNKNOWN, Cursor, Followed, StreamName, TamperedError, Witnessed
from probe.pull.heads import Key, WrongKeyError, read_key
from probe.pull.layout import CopyError, KeptHead, known_key
from probe.pull.page import Page

FILE_ROWS = 100_000
FILE_BYTES = 2 * 1024 * 1024  # of lines, before they are packed: so much of a stream at most lies there plain
ASIDE_FILES, ASIDE_BYTES = 100, 1024 * 1024
HEADS_READ_BYTES = 4 * 1024 * 1024


class Lock:
    """One pull a directory. Made by `Lock.take`; gone with the process, whatever ends it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(cls, directory: Path) -> Lock:
        """Raises CopyError where another pull has it, OSError where the directory cannot be written."""
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise CopyError(
                f"{directory}: another pull is writing here; one at a time, or another --into"
            ) from None
        except BaseException:
            os.close(handle)
            raise
        return cls(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)


class StreamFiles:
    """One stream's files, written by one pull. After an OSError it is open no more: open it anew."""

    def __init__(self, path: Path, stream: StreamName, *, file_rows: int = FILE_ROWS) -> None:
        self._path = path
        self._stream = stream
        self._file_rows = file_rows
        self._handle: int | None = None
        self._file: Path | None = None
        self._rows = self._bytes = 0
        self._day: str | None = None
        self.cursor: Cursor = START
        self.witnessed = Witnessed()

    @classmethod
    def open(cls, directory: Path, stream: StreamName, *, file_rows: int = FILE_ROWS) -> StreamFiles:
        """Find where it ended. Raises CopyError where what was kept before is damaged or gone; OSError."""
        made = cls(layout.stream_dir(directory, stream), stream, file_rows=file_rows)
        make_directory(made._path)
        try:
            heads = made._open_heads()
            made._open_last(heads[-1].seq if heads else 0)
            made._compare(heads)
        except BaseException:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Safe to call twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    # --- writing ----------------------------------------------------------------------------------

    def append(self, lines: Sequence[Followed]) -> None:
        """Write and fsync; the cursor is then behind the last of them. After an OSError it is to be opened anew."""
        try:
            start = 0
            for number, line in enumerate(lines):
                if self._handle is None or self._full(line):
                    self._write(lines[start:number])
                    self._begin_file(line.first_seq)
                    start = number
                self._day = self._day or line.day
                self._rows += 1
                self._bytes += len(line.text) + 1
            self._write(lines[start:])
        except OSError:
            self.close()
            raise

    def keep_head(self, page: Page, received_at: str) -> None:
        """Keep a head, and that everything up to the cursor was on the disk before it. Raises OSError."""
        kept = KeptHead(
            received_at=received_at, seq=self.cursor.seq, digest=self.cursor.digest, head=page.raw_head
        )
        append_line(self._path / layout.HEADS, msgspec.json.encode(kept))
        self.witnessed.forget(self.cursor.seq)

    def set_aside(self, problem: TamperedError, what: bytes, at: str) -> Path | None:
        """Keep what failed verification, with the reason; the same again is not kept twice. Raises OSError."""
        directory = self._path / layout.REJECTED
        make_directory(directory)
        name = f"{problem.seq:012d}-{hashlib.sha256(problem.reason.encode() + what).hexdigest()[:16]}"
        place = directory / f"{name}.json"
        if place.exists() or len(list(directory.glob("*.json"))) >= ASIDE_FILES:
            return place if place.exists() else None
        (directory / f"{name}.received").write_bytes(what[-ASIDE_BYTES:])
        told = {
            "at": at,
            "seq": problem.seq,
            "reason": problem.reason,
            "bytes": len(what),
            "bytes_kept": min(len(what), ASIDE_BYTES),
            "received": f"{name}.received",
        }
        place.write_bytes(msgspec.json.encode(told) + b"\n")
        return place

    def _full(self, line: Followed) -> bool:
        later = line.day is not None and self._day is not None and line.day > self._day
        return self._rows >= self._file_rows or self._bytes >= FILE_BYTES or later

    def _begin_file(self, first_seq: int) -> None:
        full, self._file = self._file, self._path / layout.file_name(first_seq)
        self.close()
        if full is not None:
            layout.pack(full)
        self._handle = os.open(
            self._file,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC,
            0o644,
        )
        self._rows = self._bytes = 0
        self._day = None
        sync_directory(self._path)

    def _write(self, lines: Sequence[Followed]) -> None:
        if not lines:
            return
        assert self._handle is not None
        before = os.fstat(self._handle).st_size
        try:
            write_all(self._handle, b"".join(part for line in lines for part in (line.text, b"\n")))
            os.fsync(self._handle)
        except OSError:
            with suppress(OSError):  # else the next start cuts the torn line off
                os.ftruncate(self._handle, before)
            raise
        self.cursor = lines[-1].cursor

    # --- finding where it ended -------------------------------------------------------------------

    def _open_heads(self) -> list[KeptHead]:
        """Cut a torn line off, and read what is there."""
        file = self._path / layout.HEADS
        if file.exists():
            size = layout.whole_size(file)
            if size < file.stat().st_size:
                layout.truncate(file, size)
        return list(layout.kept_heads(self._path, HEADS_READ_BYTES))

    def _open_last(self, sure: int) -> None:
        """The last file with a whole line. `sure`: the last number that was on the disk for certain."""
        files = layout.data_files(self._path)
        for _, file in files:
            if file.suffix == layout.PACKED:  # a kill may have left the plain one too
                file.with_suffix("").unlink(missing_ok=True)
        while files:
            first, file = files.pop()
            if self._open_file(file, first, sure):
                return
            if first <= sure:
                raise CopyError(f"{file}: the lines from {first} on were here and are gone; restore them")
            file.unlink()
            sync_directory(self._path)

    def _open_file(self, file: Path, first: int, sure: int) -> bool:
        cursor, size, torn = layout.begin_of(first), 0, None
        try:
            for line, end in layout.follow_file(file, cursor, self._stream):
                cursor, size = line.cursor, end
                self._rows += 1
                self._day = self._day or line.day
        except TamperedError as problem:
            # What was never on the disk for certain may be anything after a loss of power: it is pulled again.
            if cursor.seq < sure or file.suffix == layout.PACKED:
                raise CopyError(f"{file}: {problem}: the copy was damaged or altered; restore it") from None
            torn = problem
        if not self._rows:
            return False
        if file.suffix == layout.PACKED:
            self.cursor, self._rows, self._day = cursor, 0, None
            return True
        if torn is not None or size < file.stat().st_size:
            layout.truncate(file, size)
        self.cursor, self._bytes, self._file = cursor, size, file
        self._handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.fsync(self._handle)  # what a killed pull wrote may not be on the disk yet
        return True

    def _compare(self, heads: Sequence[KeptHead]) -> None:
        """Nothing that was kept before is missing, and heads still to come by are remembered."""
        if not heads:
            return
        sure = heads[-1]
        if self.cursor.seq < sure.seq:
            raise CopyError(
                f"{self._path}: the copy ends at {self.cursor.seq}, and it had come to {sure.seq}: files are missing or"
                " were cut. Restore them, or move this directory away to pull everything again"
            )
        for kept in heads:
            seq, digest = kept.head.get("seq"), kept.head.get("digest")
            if isinstance(seq, int) and isinstance(digest, str) and seq >= self.cursor.seq:
                self.witnessed.heads.setdefault(seq, digest)
        self._confirm(sure)

    def _confirm(self, sure: KeptHead) -> None:
        here = (self.cursor.seq, self.cursor.digest)
        differs = here[0] == sure.seq and here[1] != sure.digest and UNKNOWN not in (here[1], sure.digest)
        seen = self.witnessed.heads.get(here[0])
        if differs or (seen not in (None, UNKNOWN, here[1]) and here[1] != UNKNOWN):
            raise CopyError(
                f"{self._path}: the line {here[0]} is another than the one that was kept: it was altered"
            )


class Keys:
    """The agents' keys in a copy: the first one that an agent had is the one it has. Safe to use from several threads.

    Methods raise CopyError and OSError where the files cannot be used."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def known(self, agent: str) -> Key | None:
        """None before anything was pulled from it."""
        with self._lock:
            return self._known(agent)

    def use(self, agent: str, key: Key) -> None:
        """It is this one; kept if it was not known. Raises WrongKeyError where it is another than the one known."""
        with self._lock:
            known = self._known(agent)
            if known is not None and known.id != key.id:
                raise WrongKeyError(
                    f"{agent}: the key {key.id} is another than the one known here, {known.id}: nothing is taken. If"
                    " the agent was set up anew and its operator confirms the new key, pull into a new directory"
                )
            if known is None or (known.pem is None and key.pem is not None):
                pin(self._directory, agent, key)
                self._keys[agent] = key

    def _known(self, agent: str) -> Key | None:
        if agent not in self._keys and (found := known_key(self._directory, agent)) is not None:
            self._keys[agent] = found
        return self._keys.get(agent)


def given(pem: bytes | None) -> Key | None:
    """A key from PEM. Raises WrongKeyError."""
    return None if pem is None else read_key(pem)


def pin(directory: Path, agent: str, key: Key) -> None:
    """Keep an agent's key, or its id where that is all there is. Raises OSError."""
    place = directory / agent
    make_directory(place)
    name, data = (layout.KEY_ID, f"{key.id}\n".encode()) if key.pem is None else (layout.PUBLIC_KEY, key.pem)
    aside = place / f".{name}.new"
    aside.write_bytes(data)
    handle = os.open(aside, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(aside, place / name)
    sync_directory(place)


def append_line(file: Path, text: bytes) -> None:
    """One line more, on the disk when this returns. Raises OSError."""
    fresh = not file.exists()
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        before = os.fstat(handle).st_size
        try:
            write_all(handle, text + b"\n")
            os.fsync(handle)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)
    if fresh:
        sync_directory(file.parent)


def write_all(handle: int, data: bytes) -> None:
    """All of it. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.write(handle, view)
        if not written:
            raise OSError(errno.EIO, "nothing was written")
        view = view[written:]


def make_directory(path: Path) -> None:
    """With those above it, their names on the disk. Raises OSError."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_directory(place.parent)
