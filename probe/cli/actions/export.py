"""`results export`: any span of results as files for evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from probe.cli.actions.progress import progress
from probe.core.proof.chain import Line
from probe.core.proof.manifest import stem
from probe.core.records.codec import CodecError
from probe.core.tables.columns import EXPORTED, Table
from probe.seal.export_files import ENDINGS, Export
from probe.seal.parquet import ParquetMissing, require
from probe.services.export import Span, lines_in
from probe.services.line_sources import LineSource, StreamEnd
from probe.services.listing import require_customer


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be written of which lines. `table` None: the lines themselves, or their flat columns."""

    source: LineSource
    span: Span
    kind: str
    table: Table | None
    tick: Callable[[int], None]

    @property
    def ending(self) -> str:
        if self.table is None:
            return ENDINGS[self.kind]
        return f".{self.table.name}{ENDINGS[self.kind]}"


def export(
    source: LineSource,
    customer: str | None,
    since: str | None,
    until: str | None,
    table: str | None,
    kind: str,
    into: Path | None,
    output: Path | None,
) -> None:
    """Results of any span as files; each appears under its name only when it is whole."""
    if (into is None) == (output is None):
        raise click.ClickException(
            "say where to: --into DIRECTORY for a file a customer, or --output FILE for one"
        )
    try:
        span = Span.of(since, until, time.time_ns() // 1000)
        if kind == "parquet":
            require()
    except (ValueError, ParquetMissing) as error:
        raise click.ClickException(str(error)) from None
    streams = streams_of(source, customer)
    try:
        with progress("exporting", sum(stream.seq for stream in streams)) as tick:
            wanted = _Wanted(source, span, kind, None if table is None else EXPORTED[table], tick)
            if output is not None:
                _one_file(wanted, streams, output)
            else:
                assert into is not None
                for stream in streams:
                    _file_of(wanted, stream, into)
    except CodecError as error:
        raise click.ClickException(str(error)) from None


def streams_of(source: LineSource, customer: str | None) -> list[StreamEnd]:
    """Those of a customer, or all. Raises NoResults where there is no such customer."""
    streams = source.streams()
    require_customer(customer, (stream.customer for stream in streams))
    return [stream for stream in streams if customer in (None, stream.customer)]


def _one_file(wanted: _Wanted, streams: list[StreamEnd], output: Path) -> None:
    with Export(wanted.kind, output.absolute().parent, output.name, wanted.table) as made:
        for stream in streams:
            for line in _lines(wanted, stream):
                made.put(stream.agent, stream.customer, line.text)
        path = made.keep(output.name)
    _report(path, made.rows)


def _file_of(wanted: _Wanted, stream: StreamEnd, into: Path) -> None:
    """`<into>/<customer>/<agent>-<first>-<last>`, named as segments are."""
    place = into / stream.customer
    place.mkdir(parents=True, exist_ok=True)
    first: Line | None = None
    last: Line | None = None
    name = f"{stream.agent}-{stream.customer}{wanted.ending}"
    with Export(wanted.kind, place, name, wanted.table) as made:
        for line in _lines(wanted, stream):
            first, last = first or line, line
            made.put(stream.agent, stream.customer, line.text)
        if first is None or last is None:
            click.echo(f"{stream.customer}: nothing in this span", err=True)
            return
        path = made.keep(stem(stream.agent, first.seq, last.seq) + wanted.ending)
    _report(path, made.rows)


def _lines(wanted: _Wanted, stream: StreamEnd) -> Iterator[Line]:
    return lines_in(wanted.source.lines(stream.agent, stream.customer), wanted.span, wanted.tick)


def _report(path: Path, rows: int) -> None:
    click.echo(f"{path}: {rows} rows", err=True)
