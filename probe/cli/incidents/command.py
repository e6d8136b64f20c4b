"""`incidents`: what is in trouble, of this agent, or over copies of many agents as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import (
    DIRECTORY,
    FILE,
    PATH,
    config_option,
    customer_option,
    domain_option,
    json_option,
    seconds_option,
)


@click.command()
@click.argument("copies", nargs=-1, type=PATH, metavar="[COPY]...")
@config_option
@customer_option("Only this customer's.")
@domain_option("Only this domain's.")
@click.option("--all", "also_closed", is_flag=True, help="Also those that are closed.")
@json_option("One JSON object an incident a line; with --follow one a step.")
@click.option("--follow", is_flag=True, help="Of copies: go on, and tell each step, until Ctrl-C or SIGTERM.")
@click.option(
    "--vantage-points",
    type=click.IntRange(1, 1000),
    default=None,
    help="Of copies: so many must see a domain's trouble, over all agents. Default 1, or as --calls says.",
)
@click.option(
    "--calls",
    "calls_file",
    type=FILE,
    default=None,
    help="Of copies, with --follow: YAML file with `name`, `calls` and `incidents`; these are called.",
)
@click.option(
    "--state", type=DIRECTORY, default=None, help="With --calls: directory in which it is kept who was told."
)
@seconds_option
def incidents(copies: tuple[Path, ...], config_file: Path, as_json: bool, follow: bool, **typed: Any) -> int:
    """Open incidents, the oldest first: of this agent, or of COPYs of many agents together.

    Without COPY they are read from the events of the results that the configuration names; with COPY (copies, results
    directories, sealed segments) they are found anew from all rows, where one outage that several agents see is one
    incident. Exit code 1 if one is open.
    """
    if follow and not copies:
        raise click.UsageError("--follow needs a COPY: the agent itself logs each step and calls (calls:)")
    if (typed["calls_file"] is None) != (typed["state"] is None):
        raise click.UsageError("--calls and --state go together")
    if typed["calls_file"] is not None and not follow:
        raise click.UsageError("--calls needs --follow: who is called is told as it goes")
    if typed["vantage_points"] is not None and not copies:
        raise click.UsageError("--vantage-points needs a COPY; of the agent agent.yaml says it (incidents:)")
    with loading():
        from probe.cli.incidents import work
    if not copies:
        return work.of_agent(config_file, as_json=as_json, **work.selection(typed))
    return work.of_copies(copies, as_json=as_json, follow=follow, typed=typed)
