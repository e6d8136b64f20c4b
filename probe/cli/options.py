"""Options that several commands share; click and nothing else, for this is loaded to show a command's help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

DEFAULT_CONFIG = Path("config/agent.yaml")
TOKEN_VARIABLE = "CDN_PROBE_TOKEN"  # noqa: S105
OUTCOMES = ("ok", "slow", "stale", "failed", "inconclusive")  # of probe.core.records.verdict.Outcome

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]

PATH: click.Path = click.Path(path_type=Path)
FILE: click.Path = click.Path(path_type=Path, dir_okay=False)
DIRECTORY: click.Path = click.Path(path_type=Path, file_okay=False)

config_option: Option[Any] = click.option(
    "-c",
    "--config",
    "config_file",
    type=PATH,
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The agent's configuration.",
)
json_lines_option: Option[Any] = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line."
)
seconds_option: Option[Any] = click.option(
    "--seconds", type=click.FloatRange(min=0), default=None, help="Stop by itself after so many seconds."
)
log_format_option: Option[Any] = click.option(
    "--json-logs/--word-logs", default=None, help="JSON lines (default unless a terminal) or words."
)
results_directory_option: Option[Any] = click.option(
    "-d", "--dir", "directory", type=PATH, help="The results directory itself."
)
since_option: Option[Any] = click.option(
    "--since", default=None, help="RFC 3339: only slots scheduled at or after."
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
