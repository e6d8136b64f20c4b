"""Rule: a stamp is kept only if the agent's key signed its head; whether its token holds is for whoever verifies.

The time stamps of one stream in a copy, in the order in which the host gave them. Whether an authority vouches for them
is verified offline by `results verify`, with its certificates; a pull needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from probe.core.proof.chain import line_digest
from probe.core.proof.stamp import STAMPED, parse_stamp
from probe.pull import layout
from probe.pull.chain import Followed, StreamName
from probe.pull.copy_dir import append_line
from probe.pull.heads import BadHeadError, Key, WrongKeyError, check_head
from probe.pull.layout import truncate
from probe.pull.page import TruncatedError

AT_ONCE = 500
_NAMES = f'"event":"{STAMPED}"'.encode()


class StampPage(msgspec.Struct, kw_only=True):
    """The last line of a page of stamps. `next`: so many are before it; `count`: so many there are."""

    kind: str
    next: int
    count: int


_PAGE = msgspec.json.Decoder(StampPage)


def read_page(data: bytes) -> tuple[list[bytes], StampPage]:
    """The stamps of a page, and its last line. Raises TruncatedError where that did not come."""
    *lines, last = data.removesuffix(b"\n").split(b"\n")
    try:
        page = _PAGE.decode(last)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        page = None
    if page is None or page.kind != "stamps" or not data.endswith(b"\n"):
        raise TruncatedError("the transfer of time stamps was cut")
    return lines, page


class StampsPull:
    """Of one stream; methods wait for the disk and raise OSError.

    `had`: how many of the host's stamps are here; `digest`: SHA-256 of the last of them. `refused`: what is wrong with
    the first stamp that was not kept, in words: those behind it are not asked for until the next pull.
    """

    def __init__(self, directory: Path, stream: StreamName) -> None:
        self._file = layout.stream_dir(directory, stream) / layout.STAMPS
        self._stream = stream
        self._here: set[str] | None = None
        self._due = True  # those of earlier pulls may not have come
        self.had = 0
        self.digest: str | None = None
        self.refused: str | None = None

    def due(self, lines: Iterable[Followed]) -> bool:
        """Whether there may be stamps that are not here: at first, and when a line of a page names one."""
        self._due = self._due or any(line.kind == "event" and _NAMES in line.text for line in lines)
        return self._due and self.refused is None

    def open(self) -> None:
        """Find what is here; a line that a kill cut off is removed."""
        if self._here is not None:
            return
        self._here = set()
        if not self._file.exists():
            return
        size = layout.whole_size(self._file)
        if size < self._file.stat().st_size:
            truncate(self._file, size)
        for text, _ in layout.read_lines(self._file):
            self._count(text)

    def begin_anew(self) -> None:
        """The host's stamps are not those that are here: all are asked for again, and new ones kept."""
        self.had, self.digest = 0, None

    def keep(self, lines: Sequence[bytes], key: Key | None) -> int:
        """Stamps that came; how many of them are new."""
        self.open()
        assert self._here is not None
        new = 0
        for text in lines:
            try:
                check_head(parse_stamp(text).head.to_json(), self._stream, key)
            except (ValueError, BadHeadError, WrongKeyError) as error:
                self.refused = f"a time stamp that came is not kept: {error}"
                return new
            if line_digest(text) not in self._here:
                append_line(self._file, text)
                new += 1
            self._count(text)
        return new

    def done(self) -> None:
        """All that the host has is here."""
        self._due = False

    def _count(self, text: bytes) -> None:
        self.had += 1
        self.digest = line_digest(text)
        assert self._here is not None
        self._here.add(self.digest)
