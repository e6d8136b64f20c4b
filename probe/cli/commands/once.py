"""`once`: every selected object now, as a table with phases or as JSON lines."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, json_option, selection_options


@click.command()
@config_option
@selection_options
@json_option("One JSON object a line: the record as it is stored.")
def once(**typed: Any) -> None:
    """Measure each selected object once, now. Nothing is stored; how origins answered before is read, if it is."""
    with loading():
        from probe.cli.actions import once as action
    action.once(**typed)
