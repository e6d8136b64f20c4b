"""`sla ingest`: results of many hosts into tables, each record once."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import DIRECTORY, FILE

EXISTING = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("ingest")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--into", required=True, type=DIRECTORY, help="Where the tables are; made if need be.")
@click.option(
    "--key", "keys", multiple=True, type=EXISTING, help="An agent's public key, kept since you had it."
)
@click.option("--heads", multiple=True, type=EXISTING, help="Signed heads that another witness kept.")
@click.option(
    "--signing-key",
    type=FILE,
    default=None,
    help="What signs the tables; DIR.key beside DIR, made if need be.",
)
def ingest(
    inputs: tuple[Path, ...],
    into: Path,
    keys: tuple[Path, ...],
    heads: tuple[Path, ...],
    signing_key: Path | None,
) -> None:
    """Take verified results into Parquet by customer and day, each record once; `sla report` reads it.

    A second time takes what is new. Needs the extra `sla` (DuckDB).
    """
    with loading():
        from probe.cli.sla.make import ingested
    for one in ingested(inputs, into, keys, heads, signing_key):
        click.echo(f"{one.customer} of {one.agent}: {one.records} records, up to {one.up_to}")
