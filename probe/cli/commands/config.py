"""`check-config` and `schema`: everything about configuration files, before anything runs."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import config_option


@click.command("check-config")
@config_option
def check_config(config_file: Path) -> None:
    """Check agent.yaml and every customer file; errors are file:line:column."""
    with loading():
        from probe.checks import CHECKS
        from probe.cli.actions.origins import kept_standings, warn_of_unanswering
        from probe.core.config.plan import make_plan
        from probe.services.forecast import forecast
        from probe.services.learned import learned
        from probe.settings.config_files import load_config
        from probe.settings.preflight import missing, unspoken, untrusted, warnings
    config = load_config(config_file, CHECKS)
    plan = make_plan(config)
    shard = "" if plan.shard is None else f" as host {plan.shard}"
    refused = bool(untrusted(config) or unspoken(config))
    word = "valid, and `run` refuses it here, for the reasons below" if refused else "good"
    click.echo(
        f"{config_file}: {word}. {_count(len(config.customers), 'customer')}, "
        f"{_count(len(config.agent.vantage_points), 'vantage point')}, {_count(len(plan.tasks), 'task')}{shard}\n"
        f"digest {config.digest[:12]}"
    )
    warn_of_unanswering(plan.tasks, kept_standings(Path(config.agent.results)))
    for problem in warnings(config, plan):
        click.echo(f"warning: {problem}", err=True)
    for words in forecast(config.agent, plan.tasks, CHECKS, learned(config.agent.results)).warnings:
        click.echo(f"warning: {config_file}: {words} (cdn-probe plan)", err=True)
    lacking = missing(config)
    for problem in lacking:
        click.echo(str(problem), err=True)
    if lacking:
        raise click.exceptions.Exit(1)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


@click.command("schema")
@click.argument("which", type=click.Choice(["agent", "customer", "agreement", "profile", "report"]))
def schema(which: str) -> None:
    """Print the JSON Schema of agent.yaml, a customer's file, an agreement, a profile or a report."""
    with loading():
        import json

        from probe.checks import CHECKS
        from probe.core.config.json_schema import agent_schema, customer_schema
        from probe.core.sla.contract.json_schema import agreement_schema, profile_schema
        from probe.sla.write import report_schema
    made = {
        "agent": agent_schema,
        "customer": lambda: customer_schema(CHECKS),
        "agreement": agreement_schema,
        "profile": profile_schema,
        "report": report_schema,
    }
    document = made[which]()
    click.echo(json.dumps(document, indent=2))
