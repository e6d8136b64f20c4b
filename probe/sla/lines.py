"""Rule: a line counts once, whichever of several inputs hold it; two different lines of one number are refused.

Stores, sealed segments, copies and files of lines -> one series of lines for each stream, in the order of seq.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from probe.seal.proofs import Stream
from probe.seal.segment_files import LinesError, Read
from probe.seal.verify_sources import first_line
from probe.services.line_sources import LineSource, SegmentLines, StoreLines, open_lines

Numbered = tuple[int, bytes]


class ForkedError(Exception):
    """Two inputs hold different records under one number: one of them was altered, or two agents share a name."""


class _Number(msgspec.Struct):
    seq: int | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    reason: str | None = None


_NUMBER = msgspec.json.Decoder(_Number)
NOT_HERE = "not in these inputs"


def streams_in(paths: Iterable[Path]) -> dict[Stream, Iterator[Numbered]]:
    """The streams of all inputs, by agent and customer. Raises OSError, StoreError, KeyFileError.

    While they are read: LinesError for what cannot be read, ForkedError.
    """
    parts: dict[Stream, list[Iterator[Numbered]]] = {}
    for path in paths:
        for stream, lines in _parts(path):
            parts.setdefault(stream, []).append(lines)
    return {stream: _merged(stream, found) for stream, found in sorted(parts.items())}


def _parts(path: Path) -> Iterator[tuple[Stream, Iterator[Numbered]]]:
    """What one input holds; of a results directory also what was sealed in it, and is not in the store any more."""
    if not path.is_dir():
        yield first_line(path)[0], _of_file(path)
        return
    sources: list[LineSource] = [open_lines(path)]
    if isinstance(sources[0], StoreLines):
        sources.append(SegmentLines(path))
    for source in sources:
        for stream in source.streams():
            name = stream.agent, stream.customer
            yield name, _of_source(path, type(source), *name)
        source.close()


def _of_source(
    path: Path, kind: Callable[[Path], LineSource], agent: str, customer: str
) -> Iterator[Numbered]:
    with closing(kind(path)) as source:
        for line in source.lines(agent, customer):
            text = line.text.encode()
            yield _number(text), text


def _of_file(file: Path) -> Iterator[Numbered]:
    read = Read(file, digested=False)
    for text in read.lines():
        if text and not read.cut:  # a pull that was cut off leaves the begin of a line
            yield _number(text), text


def _number(text: bytes) -> int:
    of = _read(text)
    number = of.seq if of.seq is not None else of.first_seq
    if number is None:
        raise LinesError("a record without a number")
    return number


def span_of(text: bytes) -> tuple[int | None, str]:
    """Of what stands for a span: its last number and the reason; of a record (None, "")."""
    of = _read(text)
    return (None, "") if of.seq is not None else (of.last_seq, of.reason or NOT_HERE)


def _read(text: bytes) -> _Number:
    try:
        return _NUMBER.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise LinesError(f"a line that is no record: {error}") from None


def _merged(stream: Stream, parts: list[Iterator[Numbered]]) -> Iterator[Numbered]:
    """Each record once. What no input holds is a `dropped` line, with the reason where one of them declares it."""
    last, before, reasons = 0, b"", [NOT_HERE]
    for number, text in heapq.merge(*parts, key=lambda part: part[0]):
        of = _read(text)
        if of.seq is None:
            reasons.append(of.reason or NOT_HERE)
            continue
        if number == last:
            if text != before:
                raise ForkedError(
                    f"record {number} of {stream[1]} of agent {stream[0]} differs between two of the inputs"
                )
            continue
        if number > last + 1:
            yield last + 1, _dropped(last + 1, number - 1, reasons[-1])
        yield number, text
        last, before, reasons = number, text, [NOT_HERE]
    if len(reasons) > 1:
        yield last + 1, _dropped(last + 1, last + 1, reasons[-1])


def _dropped(first: int, last: int, reason: str) -> bytes:
    return msgspec.json.encode({"kind": "dropped", "first_seq": first, "last_seq": last, "reason": reason})
