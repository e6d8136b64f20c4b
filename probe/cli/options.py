"""Options that several commands share; click and little else, for this is loaded to show a command's help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from probe.settings.agent_file import OWN_FILE, SYSTEM_FILE, VARIABLE, usual_file

TOKEN_VARIABLE = "CDN_PROBE_TOKEN"  # noqa: S105
OUTCOMES = ("ok", "slow", "stale", "failed", "inconclusive")  # of probe.core.records.verdict.Outcome
FAULTS = (
    "cdn",
    "origin",
    "customer",
    "path",
    "vantage",
    "agent",
    "unknown",
)  # of probe.core.records.verdict.Fault

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]

PATH: click.Path = click.Path(path_type=Path)
FILE: click.Path = click.Path(path_type=Path, dir_okay=False)
DIRECTORY: click.Path = click.Path(path_type=Path, file_okay=False)


def config_option_for(purpose: str | None, show_default: bool = True) -> Option[Any]:
    """-c, the file agent.yaml; `purpose`: what this command reads it for."""
    return click.option(
        "-c",
        "--config",
        "config_file",
        type=PATH,
        default=usual_file,
        show_default=f"${VARIABLE}, {SYSTEM_FILE}, {OWN_FILE}" if show_default else False,
        help=purpose,
    )


def json_option(what: str) -> Option[Any]:
    """--json; `what`: what is printed then."""
    return click.option("--json", "as_json", is_flag=True, help=what)


def directory_option(what: str) -> Option[Any]:
    """-d, a results directory that is named instead of being found by the configuration."""
    return click.option("-d", "--dir", "directory", type=PATH, help=what)


config_option = config_option_for("The agent's configuration.")
json_lines_option = json_option("One JSON object a line.")
results_directory_option = directory_option("The results directory itself, or a copy.")
seconds_option: Option[Any] = click.option(
    "--seconds", type=click.FloatRange(min=0), default=None, help="Stop by itself after so many seconds."
)
log_format_option: Option[Any] = click.option(
    "--json-logs/--word-logs", default=None, help="JSON lines (default unless a terminal) or words."
)
since_option: Option[Any] = click.option(
    "--since", default=None, help="Only what was due at or after: RFC 3339, or how long ago: 2h."
)
until_option: Option[Any] = click.option(
    "--until", default=None, help="Only what was due before: RFC 3339, or how long ago: 1h."
)


def selection_options(function: F) -> F:
    """--customer, --domain and --vantage, for commands that work on a part of the plan."""
    vantage = click.option("--vantage", default=None, help="Only this vantage point.")
    for option in (vantage, domain_option("Only this domain."), customer_option("Only this customer.")):
        function = option(function)
    return function


def customer_option(what: str | None = None) -> Option[Any]:
    """--customer, at most one."""
    return click.option("--customer", default=None, help=what)


def domain_option(what: str | None = None) -> Option[Any]:
    """--domain, at most one."""
    return click.option("--domain", default=None, help=what)


PLACE = "cdn-probe.place"  # in click's `meta`: what was typed behind a command of a group


def place_options(function: F) -> F:
    """-c and -d of a command in the group `results`, where people type them too; they go before the group's."""

    def kept(context: click.Context, option: click.Parameter, value: Path | None) -> None:
        if value is not None:
            context.meta.setdefault(PLACE, {})[option.name] = value

    for names, words in (
        (("-c", "--config", "config_file"), "Find the results directory in this configuration."),
        (("-d", "--dir", "directory"), "The results directory itself, or a copy."),
    ):
        option = click.option(*names, type=PATH, default=None, expose_value=False, callback=kept, help=words)
        function = option(function)
    return function
