"""Rule: a list holds the newest records that match, whatever holds the lines; what does not match is hardly read.

A results directory, a copy made by pulling or sealed segments, and a filter -> records, the newest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from pathlib import Path

import msgspec

from probe.core.proof.chain import Line
from probe.core.records.codec import CodecError, decode
from probe.core.records.rows import Record
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
