"""`results export`: any span of results into files: lines or tables, as NDJSON, CSV or Parquet."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import DIRECTORY, FILE, customer_option, place_options, since_option, until_option

FORMATS = ("ndjson", "csv", "parquet")  # of probe.seal.export_files
TABLES = ("slots", "requests", "events", "grains")  # of probe.core.tables.columns


@click.command("export")
@customer_option("Only this customer; else all.")
@since_option
@until_option
@click.option(
    "--table",
    type=click.Choice(TABLES),
    default=None,
    help="Rows of this table (docs/tables.md) instead of one a line.",
)
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="ndjson", show_default=True, help="What to write."
)
@click.option("--into", type=DIRECTORY, default=None, help="A file a customer, below this directory.")
@click.option(
    "--output",
    type=FILE,
    default=None,
    help="All into this file; NDJSON and CSV compressed where it ends in .zst or .gz.",
)
@place_options
@click.pass_context
def export(context: click.Context, /, **typed: Any) -> None:
    """Results of any span as files; each appears under its name only when it is whole."""
    with loading():
        from probe.cli.actions import export as action
        from probe.cli.actions.listing import opened_lines
    action.export(opened_lines(context), **typed)
