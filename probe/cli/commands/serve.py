"""`serve`: the API for pulling results, as the agent starts it beside itself; also alone, over results at rest."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, log_format_option


@click.command()
@config_option
@click.option(
    "--while-stdin-open", is_flag=True, help="End when standard input does: how the agent starts it."
)
@log_format_option
def serve(**typed: Any) -> None:
    """Offer results for pulling; `run` starts this by itself where agent.yaml has `api`."""
    with loading():
        from probe.cli.actions import serve as action
    action.serve(**typed)
