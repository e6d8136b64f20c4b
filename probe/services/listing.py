"""Rule: a list holds the newest records that match, whatever holds the lines; what does not match is hardly read.

A results directory, a copy made by pulling or sealed segments, and a filter -> records, the newest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from pathlib import Path

import msgspec

from probe.core.proof.chain import Line
from probe.core.records.codec import CodecError, decode, dropped_span
from probe.core.records.rows import Record, SlotRecord
from probe.services.export import ALL_TIME, Span
from probe.services.line_sources import LineSource, NoResults, open_lines
from probe.store.base.schema import catalogue_file
from probe.store.read.reader import Reader


class _Seen(msgspec.Struct):
    """What a filter looks at."""

    kind: str
    scheduled_at: str = ""
    at: str = ""
    domain: str | None = None
    path: str | None = None
    vantage_point: str | None = None
    outcome: str | None = None
    fault: str | None = None


_SEEN = msgspec.json.Decoder(_Seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records; None: any. Events pass only where nothing of a slot is asked for."""

    customer: str | None = None
    span: Span = ALL_TIME
    domain: str | None = None
    path: str | None = None
    vantage_point: str | None = None
    outcome: str | None = None
    fault: str | None = None

    def holds(self, line: str | bytes) -> str | None:
        """When it was due or happened, if the line matches. Raises CodecError for what is no record."""
        try:
            seen = _SEEN.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise CodecError(f"not a record: {error}") from error
        when = seen.scheduled_at or seen.at
        wanted = (self.domain, self.path, self.vantage_point, self.outcome, self.fault)
        has = (seen.domain, seen.path, seen.vantage_point, seen.outcome, seen.fault)
        if seen.kind == "dropped" or not self.span.holds(when):
            return None
        return (
            when if all(want is None or want == is_ for want, is_ in zip(wanted, has, strict=True)) else None
        )


def newest(path: Path, wanted: RecordFilter, limit: int) -> list[Record]:
    """Up to `limit` records, the newest first. Raises StoreError, NoResults: the customer is not known, too."""
    if catalogue_file(path).is_file():
        with Reader.open(path) as reader:
            require_customer(wanted.customer, reader.heads())
            return list(islice(_of_store(reader, wanted), limit))
    source = open_lines(path)
    try:
        require_customer(wanted.customer, (stream.customer for stream in source.streams()))
        found = merge(*_of_lines(source, wanted, limit), key=lambda pair: pair[0], reverse=True)
        return [decode(line.text) for _, line in islice(found, limit)]
    except CodecError as error:
        raise NoResults(f"{path}: {error}") from None
    finally:
        source.close()


def slots_in(path: Path, wanted: RecordFilter) -> Iterator[SlotRecord]:
    """All slots that match, stream by stream in the order of storing. Raises as `newest`."""
    with closing(open_lines(path)) as source:
        require_customer(wanted.customer, (stream.customer for stream in source.streams()))
        for stream in source.streams():
            if wanted.customer in (None, stream.customer):
                for line in source.lines(stream.agent, stream.customer):
                    if wanted.holds(line.text) is not None:
                        record = _decoded(path, line)
                        if isinstance(record, SlotRecord):
                            yield record


class Follower:
    """What comes to a results directory, a copy that is being pulled, or sealed segments, from now on."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError, NoResults."""
        self._path = path
        with closing(open_lines(path)) as source:
            self._seen = {(end.agent, end.customer): end.seq for end in source.streams()}

    def take(self) -> list[Record]:
        """The records that came since it was asked last, stream by stream. Raises StoreError, NoResults."""
        found: list[Record] = []
        with closing(open_lines(self._path)) as source:
            for end in source.streams():
                for line in source.lines(
                    end.agent, end.customer, self._seen.get((end.agent, end.customer), 0)
                ):
                    self._seen[end.agent, end.customer] = line.seq
                    if dropped_span(line.text.encode()) is None:
                        found.append(_decoded(self._path, line))
        return found


def _decoded(path: Path, line: Line) -> Record:
    try:
        return decode(line.text)
    except CodecError as error:
        raise NoResults(f"{path}: {error}") from None


def require_customer(customer: str | None, known: Iterable[str]) -> None:
    """Raises NoResults with those there are."""
    names = sorted(set(known))
    if customer is not None and customer not in names:
        raise NoResults(f"no results of customer {customer}; there are: {', '.join(names) or 'none'}")


def _of_store(reader: Reader, wanted: RecordFilter) -> Iterator[Record]:
    """In the order of storing, from the end."""
    for body in reader.bodies(wanted.customer, wanted.domain, wanted.outcome, wanted.span.since):
        if wanted.holds(body) is not None:
            yield decode(body)


def _of_lines(source: LineSource, wanted: RecordFilter, limit: int) -> Iterator[list[tuple[str, Line]]]:
    """(when, line) of each stream's last matches, in the order of storing from the end."""
    for stream in source.streams():
        if wanted.customer in (None, stream.customer):
            yield source.last(stream.agent, stream.customer, wanted.holds, limit)
