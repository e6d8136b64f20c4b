"""What `results export` does: any span of results into files: NDJSON, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from probe.cli.actions.progress import progress
from probe.core.proof.chain import Line
from probe.core.proof.manifest import stem
from probe.core.records.codec import CodecError
from probe.seal.export_files import ENDINGS, Export
from probe.seal.parquet import ParquetMissing, require
from probe.services.export import Span, lines_in
from probe.store.read.reader import Reader


def export(
    reader: Reader,
    customer: str | None,
    since: str | None,
    until: str | None,
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
        span = Span.of(since, until)
        if kind == "parquet":
            require()
    except (ValueError, ParquetMissing) as error:
        raise click.ClickException(str(error)) from None
    heads = reader.heads()
    customers = sorted(heads) if customer is None else [customer]
    if customer is not None and customer not in heads:
        known = ", ".join(sorted(heads)) or "none"
        raise click.ClickException(f"no results of customer {customer}; there are: {known}")
    try:
        with progress("exporting", sum(heads[name] for name in customers)) as tick:
            if output is not None:
                _one_file(reader, customers, span, kind, output, tick)
            else:
                assert into is not None
                for name in customers:
                    _file_of(reader, name, span, kind, into, tick)
    except CodecError as error:
        raise click.ClickException(str(error)) from None


def _one_file(
    reader: Reader, customers: list[str], span: Span, kind: str, output: Path, tick: Callable[[int], None]
) -> None:
    with Export(kind, output.absolute().parent, output.name) as made:
        for name in customers:
            for line in lines_in(reader, name, span, tick):
                made.put(reader.agent, name, line.text)
        path = made.keep(output.name)
    _report(path, made.rows)


def _file_of(
    reader: Reader, customer: str, span: Span, kind: str, into: Path, tick: Callable[[int], None]
) -> None:
    """`<into>/<customer>/<agent>-<first>-<last>`, named as segments are."""
    place = into / customer
    place.mkdir(parents=True, exist_ok=True)
    first: Line | None = None
    last: Line | None = None
    with Export(kind, place, f"{reader.agent}-{customer}{ENDINGS[kind]}") as made:
        for line in lines_in(reader, customer, span, tick):
            first, last = first or line, line
            made.put(reader.agent, customer, line.text)
        if first is None or last is None:
            click.echo(f"{customer}: nothing in this span", err=True)
            return
        path = made.keep(stem(reader.agent, first.seq, last.seq) + ENDINGS[kind])
    _report(path, made.rows)


def _report(path: Path, rows: int) -> None:
    click.echo(f"{path}: {rows} rows", err=True)
