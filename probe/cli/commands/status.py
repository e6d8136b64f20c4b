"""`status`: how the agent is, whether it runs or not."""

from __future__ import annotations

from pathlib import Path

import click

from probe.api.request.settings import read_agent
from probe.cli.commands import config_option, console
from probe.cli.render.status import status_view
from probe.control.server import ask
from probe.core.records.codec import encode_any
from probe.host.clock import SystemClock
from probe.services.status import look


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--all", "all_tasks", is_flag=True, help="The last verdict of every task, also of those that are ok."
)
@click.option("--metrics", is_flag=True, help="Only the metrics, in Prometheus' text format.")
def status(config_file: Path, as_json: bool, all_tasks: bool, metrics: bool) -> int:
    """How the agent is: tasks, last verdicts, lateness, queue, disk, clock, vantage points, who pulled what.

    Works beside a running agent and without one. Exit code 1 if it does not run, or something is to be acted on.
    """
    agent = read_agent(config_file)
    if metrics:
        click.echo(ask(Path(agent.results), {"ask": "metrics"}).get("text"), nl=False)
        return 0
    found = look(Path(agent.results), agent.agent)
    if as_json:
        click.echo(encode_any(found))
    else:
        console().print(status_view(found, SystemClock().time_ns() / 1e9, all_tasks=all_tasks))
    return 1 if found.problems else 0
