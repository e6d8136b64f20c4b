"""`status`: how the agent is, whether it runs or not."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, json_option


@click.command()
@config_option
@json_option("One JSON object.")
@click.option(
    "--all", "all_tasks", is_flag=True, help="The last verdict of every task, also of those that are ok."
)
@click.option("--metrics", is_flag=True, help="Only the metrics, in Prometheus' text format.")
def status(config_file: Path, as_json: bool, all_tasks: bool, metrics: bool) -> int:
    """How the agent is: tasks, last verdicts, lateness, queue, disk, clock, vantage points, who pulled what.

    Works beside a running agent and without one. Exit code 1 if it does not run, or something is to be acted on.
    """
    with loading():
        from probe.control.client import ask
        from probe.host.clock import SystemClock
        from probe.services.status import look
        from probe.settings.agent_file import whereabouts
    where = whereabouts(config_file)
    if metrics:
        click.echo(ask(where.results, {"ask": "metrics"}).get("text"), nl=False)
        return 0
    found = look(where.results, where.agent)
    if as_json:
        from probe.cli.render.json_lines import print_json
        from probe.core.records.codec import encode_any

        print_json(encode_any(found))
    else:
        from probe.cli.render.layout import drawn, for_standard_output
        from probe.cli.render.status import status_view

        parts = status_view(found, SystemClock().time_ns() / 1e9, all_tasks=all_tasks)
        width, styles = for_standard_output()
        click.echo(drawn(parts, width, styles=styles), nl=False)
    return 1 if found.problems else 0
