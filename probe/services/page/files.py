"""Rule: the page of a copy is made of the copy alone: files that open from a disk, and need nobody.

Copies, results directories, sealed segments -> HTML files in a directory. `PageWriter.more` takes what came since, and
writes anew what it changes; each file is replaced whole, so that whoever looks never sees half of one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from probe.core.proof.chain import Line
from probe.core.records.rows import SlotRecord
from probe.page import overview as overview_page
from probe.page.domain import DomainView, domain
from probe.page.incident import IncidentView, incident, rows_of
from probe.page.links import domain_path, file_of, incident_path, overview_path, row_path
from probe.page.model.board import SPANS
from probe.page.model.facts import DomainFacts
from probe.page.model.feed import Feed
from probe.page.model.values import Looking, RowName, Standing, Trouble
from probe.page.row import row
from probe.services.line_sources import LineSource, open_lines
from probe.services.page.rows import KeptRows, put

Stream = tuple[str, str]  # agent and customer
Place = tuple[Path, LineSource, int]  # and the last line that it has of a stream
LANGUAGES = ("en", "zh")
BATCH = 2_000
INCIDENTS = 100  # with a page of their own: the open ones and the newest
CALM_S = 30.0  # without anything new pages are written again so often: they say as of when they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """What one round did."""

    lines: int
    files: int


class PageWriter:
    """Reads each line of some inputs once, and writes the page of all of them together."""

    def __init__(
        self, paths: Sequence[Path], into: Path, *, refresh_s: int | None, disputes: bool = False
    ) -> None:
        """`refresh_s`: how often whoever looks asks again; None: the files stay as they are. `disputes`: see `rows`."""
        self._paths = tuple(paths)
        self._into = into
        self._refresh_s = refresh_s
        self._rows = KeptRows(into, disputes=disputes)
        self._feed = Feed(several=len(self._paths) > 1, on_trouble=self._rows.keep)
        self._files = 0
        self._wrote = float("-inf")

    def more(self, *, over: bool = False) -> Wrote:
        """Take what is new, and write. `over`: nothing will come any more. Raises NoResults, StoreError, CodecError."""
        count = self._take()
        self._feed.settle()
        self._files = 0
        if count or over or time.monotonic() - self._wrote >= CALM_S:
            self._write(over)
            self._wrote = time.monotonic()
        return Wrote(lines=count, files=self._files)

    def _take(self) -> int:
        """All that is new, of the stream that is furthest behind first: one story in order, of which little waits."""
        count, feed = 0, self._feed
        places: dict[Stream, list[Place]] = {}
        with ExitStack() as stack:
            for path in self._paths:
                source = stack.enter_context(closing(open_lines(path)))
                for end in source.streams():
                    places.setdefault((end.agent, end.customer), []).append((path, source, end.seq))
            going = {stream: self._new(stream, found) for stream, found in places.items()}
            while going:
                stream = min(going, key=lambda one: feed.reached_us(*one))
                found = next(going[stream], None)
                if found is None:
                    del going[stream]
                else:
                    self._rows.path, batch = found
                    count += feed.take(*stream, batch)
                feed.settle(up_to_us=min((feed.reached_us(*one) for one in going), default=None))
        return count

    def _new(self, stream: Stream, places: list[Place]) -> Iterator[tuple[Path, list[Line]]]:
        """What each place has of a stream beyond what was taken before, and from where."""
        for path, source, seq in places:
            after = self._feed.after(*stream)
            if seq > after:
                for batch in _batches(source.lines(*stream, after)):
                    yield path, batch

    def _write(self, over: bool) -> None:
        standing = Standing(
            as_of_us=time.time_ns() // 1000,
            sources=self._feed.sources(None),
            fed=not over or self._refresh_s is None,
            refresh_s=None if over else self._refresh_s,
        )
        troubles = tuple(self._feed.book.troubles()[:INCIDENTS])
        pages = self._rows.write(rows_of(troubles), self._row)
        for language in LANGUAGES:
            looking = Looking(language=language, static=True)
            self._overviews(troubles, looking, standing)
            for one in troubles:
                self._incident(one, replace(looking, root="../"), standing, pages)
            for (customer, name), sums in self._feed.board.domains.items():
                view = DomainView(
                    sums=sums,
                    facts=self._feed.facts.get((customer, name)) or DomainFacts(),
                    troubles=tuple(t for t in troubles if (t.customer, t.domain) == (customer, name)),
                    end=self._feed.board.last,
                )
                self._put(
                    domain_path(customer, name),
                    domain(view, replace(looking, root="../../"), standing),
                    language,
                )

    def _overviews(self, troubles: tuple[Trouble, ...], looking: Looking, standing: Standing) -> None:
        shown = overview_page.Overview(
            domains=tuple(self._feed.board.of(None)), troubles=troubles, end=self._feed.board.last
        )
        for span in SPANS:
            of = replace(looking, span=span)
            for page in range(1, overview_page.pages_of(shown, of) + 1):
                path = overview_path(span) if page == 1 else f"{overview_path(span)}-{page}"
                text = overview_page.overview(shown, replace(of, page=page), standing)
                self._put(path, text, looking.language)

    def _incident(
        self, one: Trouble, looking: Looking, standing: Standing, pages: frozenset[RowName]
    ) -> None:
        view = IncidentView(
            trouble=one,
            sums=self._feed.board.domains.get((one.customer or "", one.domain or "")),
            briefs=self._feed.book.briefs,
            end=self._feed.board.last,
            pages=pages,
        )
        self._put(incident_path(one.id), incident(view, looking, standing), looking.language)

    def _row(self, name: RowName, record: SlotRecord) -> None:
        """A row's files: they are written once, for it never changes."""
        view = self._rows.view(name, record)
        for language in LANGUAGES:
            text = row(view, Looking(language=language, static=True, root="../../../"), None)
            self._put(row_path(name), text, language)

    def _put(self, path: str, text: str, language: str) -> None:
        put(self._into / file_of(path, language), text.encode("utf-8", "backslashreplace"))
        self._files += 1


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
