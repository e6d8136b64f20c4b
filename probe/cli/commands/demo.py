"""`demo`: the lab and the agent together, with faults injected and found."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import PATH


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=None, help="End after so many seconds; 40 holds all."
)
@click.option("--page", is_flag=True, help="Serve the page meanwhile, until Ctrl-C; its address is printed.")
@click.option("--dir", "directory", type=PATH, default=None, help="Where to keep everything.")
def demo(**typed: Any) -> None:
    """A small CDN on loopback, faults injected into it, and what the agent says of each."""
    with loading():
        from probe.cli.actions import demo as action
    action.demo(**typed)
