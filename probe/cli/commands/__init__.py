"""The commands, one file each. Options that several share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from probe.cli.render.terminal import HarmlessConsole

DEFAULT_CONFIG = Path("config/agent.yaml")

F = TypeVar("F", bound=Callable[..., Any])

config_option: Callable[[F], F] = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The agent's configuration.",
)


def selection_options(function: F) -> F:
    """--customer, --domain and --vantage, for commands that work on a part of the plan."""
    for name, what in (
        ("--vantage", "Only this vantage point."),
        ("--domain", "Only this domain."),
        ("--customer", "Only this customer."),
    ):
        function = click.option(name, default=None, help=what)(function)
    return function


def console() -> Console:
    """Standard output; as wide as the terminal, and wide enough for tables where there is none."""
    out = HarmlessConsole()
    return out if out.is_terminal else HarmlessConsole(width=160)
