"""`nodes`: the inventory of a domain's nodes: which, since when, given to whom, and whether still in use."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, json_lines_option


@click.command()
@click.argument("domain")
@config_option
@json_lines_option
@click.option("--all", "also_gone", is_flag=True, help="Also nodes that are no longer in use, or on trial.")
def nodes(**typed: Any) -> None:
    """The nodes known of DOMAIN; works beside a running agent and without one."""
    with loading():
        from probe.cli.actions import nodes as action
    action.nodes(**typed)
