"""`sla check`: everything about an agreement, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import FILE

BLANK = 1


@click.command("check")
@click.argument("agreements", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--profile", type=FILE, default=None, help="A profile of your own, in place of the shipped one."
)
def check(agreements: tuple[Path, ...], profile: Path | None) -> int:
    """Check agreements; errors are file:line:column. Exit code 1 while something is still to be agreed."""
    with loading():
        from probe.cli.render.layout import for_standard_output
        from probe.cli.sla.agreement_text import agreement_text
        from probe.core.syntax.problem import ConfigError, Problem
        from probe.sla.agreement_files import load_agreement
    problems: list[Problem] = []
    blank = False
    for file in agreements:
        try:
            made = load_agreement(file, profile)
        except ConfigError as error:
            problems += error.problems
            continue
        blank = blank or bool(made.agreed.blank)
        click.echo(agreement_text(made, for_standard_output()[0]), nl=False)
    if problems:
        raise ConfigError(problems)
    return BLANK if blank else 0
