"""Rule: whatever holds the lines, they are read the same way: stream by stream, in order, each once.

A results directory, a copy made by pulling, a tree of sealed segments -> lines. What is missing between two of them is
one line that says so, as an agent hands it out.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec

from probe.core.proof.chain import Line
from probe.core.proof.manifest import ENDING, Manifest, parse_manifest
from probe.pull import layout
from probe.pull.copy import Copy
from probe.pull.layout import CopyError
from probe.seal.segment_files import ZST, LinesError, Read
from probe.store.base.schema import catalogue_file
from probe.store.read.reader import Reader

PAGE = 500
Wanted = Callable[[bytes], str | None]
SEGMENT_MISSING = "segment.missing"


class NoResults(OSError):  # noqa: N818 - it is what there is
    """The path holds no lines, or they cannot be read; the message says what was looked for."""


class SegmentUnreadable(NoResults):
    """The lines of one sealed segment are not there, or cannot be read; says which."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """A stream and the `seq` of its last line."""

    agent: str
    customer: str
    seq: int


class LineSource(Protocol):
    """Lines of several streams. Methods raise StoreError or NoResults (both OSError) where they cannot be read."""

    def streams(self) -> list[StreamEnd]:
        """What there is, by agent and customer."""
        ...

    def lines(self, agent: str, customer: str, after: int = 0) -> Iterator[Line]:
        """All lines of a stream behind number `after` up to where it ends now."""
        ...

    def last(self, agent: str, customer: str, wanted: Wanted, limit: int) -> list[tuple[str, Line]]:
        """The last `limit` lines of a stream that are wanted, with what `wanted` says of each; the last first."""
        ...

    def close(self) -> None:
        """End reading. Safe to call twice."""
        ...


def open_lines(path: Path) -> LineSource:
    """Whatever lies there; a store before segments beside it. Raises NoResults, StoreError."""
    if catalogue_file(path).is_file():
        return StoreLines(path)
    if path.is_dir():
        if any(layout.data_files(layout.stream_dir(path, name)) for name in layout.streams_in(path)):
            return CopyLines(path)
        if next(path.rglob(f"*{ENDING}"), None) is not None:
            return SegmentLines(path)
    raise NoResults(
        f"{path}: no results here: neither a results directory, nor a copy made by pulling"
        f" (<agent>/<customer>/*.ndjson), nor sealed segments (*{ENDING})"
    )


class StoreLines:
    """Of a results directory, all its streams: those of earlier names of its agent too."""

    def __init__(self, directory: Path) -> None:
        self._reader = Reader.open(directory)

    def streams(self) -> list[StreamEnd]:
        """What there is, by agent and customer."""
        return [StreamEnd(*stream) for stream in self._reader.streams()]

    def lines(self, agent: str, customer: str, after: int = 0) -> Iterator[Line]:
        """All lines of a stream behind `after` up to where it ends now."""
        self._reader.agent = agent
        end = self._reader.head(customer).seq
        while after < end:
            self._reader.agent = agent
            page = self._reader.lines(customer, after, PAGE)
            for line in page:
                if line.seq > end:
                    return
                yield line
            if not page:
                return
            after = page[-1].seq

    def last(self, agent: str, customer: str, wanted: Wanted, limit: int) -> list[tuple[str, Line]]:
        """The last lines of a stream that are wanted."""
        return list(reversed(deque(_that_are(self.lines(agent, customer), wanted), maxlen=limit)))

    def close(self) -> None:
        """End reading. Safe to call twice."""
        self._reader.close()


class CopyLines:
    """Of a directory that `pull` writes."""

    def __init__(self, directory: Path) -> None:
        self._copy = Copy(directory)

    def streams(self) -> list[StreamEnd]:
        """What there is, by agent and customer."""
        with _in_words():
            return [StreamEnd(s.agent, s.customer, s.seq) for s in self._copy.streams()]

    def lines(self, agent: str, customer: str, after: int = 0) -> Iterator[Line]:
        """All lines of a stream behind `after` up to where it ends now."""
        with _in_words():
            yield from self._copy.lines(agent, customer, after)

    def last(self, agent: str, customer: str, wanted: Wanted, limit: int) -> list[tuple[str, Line]]:
        """The last lines of a stream that are wanted; read from the end."""
        with _in_words():
            lines = self._copy.lines_backwards(agent, customer)
            return list(islice(_that_are(lines, wanted), limit))

    def close(self) -> None:
        """Nothing is open."""


class SegmentLines:
    """Of sealed segments, by their manifests. Nothing is verified: `results verify` does that."""

    def __init__(self, root: Path) -> None:
        self._segments: dict[tuple[str, str], list[tuple[Manifest, Path]]] = {}
        for path in root.rglob(f"*{ENDING}"):
            try:
                manifest = parse_manifest(path.read_bytes())
            except ValueError as error:
                raise NoResults(f"{path}: {error}") from None
            self._segments.setdefault((manifest.agent, manifest.customer), []).append((manifest, path))
        for found in self._segments.values():
            found.sort(key=lambda each: (each[0].first_seq, each[0].last_seq))

    def streams(self) -> list[StreamEnd]:
        """What there is, by agent and customer."""
        return [StreamEnd(*name, found[-1][0].last_seq) for name, found in sorted(self._segments.items())]

    def lines(self, agent: str, customer: str, after: int = 0) -> Iterator[Line]:
        """All lines of a stream behind `after`; of overlapping segments each line once."""
        found = self._segments.get((agent, customer), [])
        last = max(after, found[0][0].first_seq - 1 if found else 0)
        for manifest, path in found:
            if manifest.first_seq > last + 1:
                yield _gone(last + 1, manifest.first_seq - 1)
                last = manifest.first_seq - 1
            if manifest.last_seq <= last:
                continue
            for line in _sealed(path.with_name(manifest.stem + ZST)):
                if line.seq > last:
                    yield line
                    last = line.seq

    def last(self, agent: str, customer: str, wanted: Wanted, limit: int) -> list[tuple[str, Line]]:
        """The last lines of a stream that are wanted; segment by segment from the end."""
        found: list[tuple[str, Line]] = []
        for manifest, path in reversed(self._segments.get((agent, customer), [])):
            room = limit - len(found)
            if room <= 0:
                break
            lines = _sealed(path.with_name(manifest.stem + ZST))
            found += reversed(deque(_that_are(lines, wanted), maxlen=room))
        return found

    def close(self) -> None:
        """Nothing is open."""


class _Number(msgspec.Struct):
    seq: int = 0
    last_seq: int = 0


_NUMBER = msgspec.json.Decoder(_Number)


def _that_are(lines: Iterable[Line], wanted: Wanted) -> Iterator[tuple[str, Line]]:
    for line in lines:
        if (when := wanted(line.text.encode())) is not None:
            yield when, line


def _sealed(path: Path) -> Iterator[Line]:
    if not path.is_file():
        raise SegmentUnreadable(
            f"{path} is not there: of this segment only tables are here, or its lines were moved away"
        )
    try:
        for data in Read(path, digested=False).lines():
            mark = _NUMBER.decode(data)
            yield Line(mark.last_seq or mark.seq, data.decode("utf-8"))
    except (LinesError, msgspec.DecodeError, UnicodeError) as error:
        raise SegmentUnreadable(f"{path}: {error}") from None


def _gone(first: int, last: int) -> Line:
    """What stands for a span, as a store hands it out."""
    value = {"kind": "dropped", "first_seq": first, "last_seq": last, "previous": "", "digest": ""}
    return Line(last, json.dumps({**value, "reason": SEGMENT_MISSING}, separators=(",", ":")))


@contextmanager
def _in_words() -> Iterator[None]:
    """What a copy says of itself as an error for people."""
    try:
        yield
    except CopyError as error:
        raise NoResults(str(error)) from None
