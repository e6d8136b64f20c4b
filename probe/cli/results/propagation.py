"""`results propagation`: how long each node went on serving the old version after the origin changed."""

from __future__ import annotations

import click

from probe.cli.commands import console
from probe.cli.render.propagation import propagation_table
from probe.core.nodes.propagation import propagation_report
from probe.core.records.codec import encode_any
from probe.core.records.rows import SlotRecord
from probe.store.read.reader import Reader


@click.command("propagation")
@click.option("--customer", default=None)
@click.option("--domain", default=None)
@click.option("--since", default=None, help="RFC 3339: only slots scheduled at or after.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: node and change.")
@click.pass_obj
def propagation(
    reader: Reader, customer: str | None, domain: str | None, since: str | None, as_json: bool
) -> None:
    """How long after each change of the origin each node served the old version, as our looks leave it open."""
    try:
        rows = reader.iterate(customer, domain, None, since, newest_first=False)
        found = propagation_report(row for row in rows if isinstance(row, SlotRecord))
    except ValueError as error:
        raise click.ClickException(f"--since: {error}") from None
    if as_json:
        for node in found:
            click.echo(encode_any(node))
    elif found:
        console().print(propagation_table(found))
    else:
        click.echo("no object changed at its origin in these results")
