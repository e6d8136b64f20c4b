"""`sla plan`: what sampling shows of a contract, before it is paid for."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import FILE, config_option


@click.command("plan")
@click.argument("agreement", type=click.Path(path_type=Path, dir_okay=False))
@config_option
@click.option(
    "--nodes", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Nodes that a slot asks."
)
@click.option(
    "--profile", type=FILE, default=None, help="A profile of your own, in place of the shipped one."
)
def plan(agreement: Path, config_file: Path, nodes: int, profile: Path | None) -> None:
    """Say which error rate today's sampling can show, and what more of it would."""
    with loading():
        from probe.checks import CHECKS
        from probe.cli.render.layout import for_standard_output
        from probe.cli.sla.plan_text import plan_text
        from probe.core.config.plan import make_plan
        from probe.core.sla.contract.rules import NotComputableError, grain_rule
        from probe.settings.config_files import load_config
        from probe.sla.agreement_files import load_agreement
        from probe.sla.planning import planned
    agreed = load_agreement(agreement, profile).agreed
    try:
        found = planned(agreed, make_plan(load_config(config_file, CHECKS)), nodes)
        rule = grain_rule(agreed)
    except NotComputableError as error:
        raise click.ClickException(str(error)) from None
    if not found:
        domains = ", ".join(agreed.agreement.domains)
        raise click.ClickException(f"{config_file} has no tasks of {domains} for {agreed.agreement.customer}")
    click.echo(plan_text(found, rule, for_standard_output()[0]), nl=False)
