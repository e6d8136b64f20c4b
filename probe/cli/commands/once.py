"""`once`: every selected object now, as a table with phases or as JSON lines."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import FILE, config_option, json_option, selection_options


@click.command()
@config_option
@selection_options
@json_option("One JSON object a line: the record as it is stored.")
@click.option(
    "--into", type=FILE, help="Keep the records, chained and signed, as a dispute file; it must not exist."
)
def once(**typed: Any) -> None:
    """Measure each selected object once, now. Nothing is stored; how origins answered before is read, if it is.

    With --into it is an acceptance run that is kept: `results verify FILE` verifies it.
    """
    with loading():
        from probe.cli.actions import once as action
    action.once(**typed)
