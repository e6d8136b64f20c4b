"""`vantage list` and `vantage check`: the vantage points as configured, and as they are now, asked live."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, json_lines_option


@click.group()
def vantage() -> None:
    """The vantage points: list them, or look at them live."""


@vantage.command("list")
@config_option
@json_lines_option
def list_(**typed: Any) -> None:
    """Each vantage point with its line, resolvers, anchors and number of tasks. Nothing is asked."""
    with loading():
        from probe.cli.actions import vantage as action
    action.list_(**typed)


@vantage.command("check")
@config_option
@click.option("--vantage", "name", default=None, help="Only this vantage point.")
@json_lines_option
def check(**typed: Any) -> None:
    """Ask each vantage point's resolvers and anchors now, from its own line. Exit code 1 if one is not well."""
    with loading():
        from probe.cli.actions import vantage as action
    action.check(**typed)
