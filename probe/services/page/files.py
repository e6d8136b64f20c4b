"""Rule: the page of a copy is made of the copy alone: files that open from a disk, and need nobody.

Copies, results directories, sealed segments -> HTML files in a directory. `PageWriter.more` takes what came since, and
writes anew what it changes; each file is replaced whole, so that whoever looks never sees half of one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from probe.core.proof.chain import Line
from probe.host.files import write_whole
from probe.page import overview as overview_page
from probe.page.links import file_of, overview_path
from probe.page.model.board import SPANS
from probe.page.model.feed import Feed
from probe.page.model.values import Looking, Standing
from probe.pull.copy import Copy
from probe.services.line_sources import CopyLines, LineSource, open_lines

LANGUAGES = ("en", "zh")
BATCH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """What one round did."""

    lines: int
    files: int


class PageWriter:
    """Reads each line of some inputs once, and writes the page of all of them together."""

    def __init__(self, paths: Sequence[Path], into: Path, *, refresh_s: int | None) -> None:
        """`refresh_s`: how often whoever looks asks again; None: the files stay as they are."""
        self._paths = tuple(paths)
        self._into = into
        self._refresh_s = refresh_s
        self._feed = Feed()

    def more(self, *, over: bool = False) -> Wrote:
        """Take what is new, and write. `over`: nothing will come any more. Raises NoResults, StoreError, CodecError."""
        count = sum(self._take(path) for path in self._paths)
        return Wrote(lines=count, files=self._write(over))

    def _take(self, path: Path) -> int:
        count = 0
        with closing(open_lines(path)) as source:
            for stream in source.streams():
                after = self._feed.after(stream.agent, stream.customer)
                if stream.seq > after:
                    for batch in _batches(_after(source, path, stream.agent, stream.customer, after)):
                        count += self._feed.take(stream.agent, stream.customer, batch)
        return count

    def _write(self, over: bool) -> int:
        standing = Standing(
            as_of_us=time.time_ns() // 1000,
            sources=self._feed.sources(None),
            fed=not over or self._refresh_s is None,
            refresh_s=None if over else self._refresh_s,
        )
        shown = overview_page.Overview(
            domains=tuple(self._feed.board.of(None)),
            troubles=tuple(self._feed.book.troubles(None, standing.as_of_us)),
            end=self._feed.board.last,
        )
        files = 0
        for language in LANGUAGES:
            for span in SPANS:
                looking = Looking(language=language, span=span, static=True)
                for page in range(1, overview_page.pages_of(shown, looking) + 1):
                    path = overview_path(span) if page == 1 else f"{overview_path(span)}-{page}"
                    text = overview_page.overview(shown, replace(looking, page=page), standing)
                    self._put(file_of(path, language), text)
                    files += 1
        return files

    def _put(self, name: str, text: str) -> None:
        file = self._into / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text.encode("utf-8", "backslashreplace"), 0o644)


def _after(source: LineSource, path: Path, agent: str, customer: str, after: int) -> Iterator[Line]:
    """The lines behind `after`; of a copy without reading those before."""
    if after and isinstance(source, CopyLines):
        yield from Copy(path).lines(agent, customer, after)
        return
    for line in source.lines(agent, customer):
        if line.seq > after:
            yield line


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
