"""What `replay` does: stored observations judged again, and what changes."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import track
from rich.table import Table
from rich.text import Text

from probe.checks import CHECKS
from probe.cli.render.terminal import console
from probe.services.replay import Case, CaseError, Change, cases_in, cases_of_store, rejudge
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader


def replay(paths: tuple[Path, ...], directory: Path | None, config_file: Path) -> None:
    """Judge again: cases under PATHS, or else everything in the store. Exit 1 if a verdict changes."""
    try:
        cases = _cases(paths, directory, config_file)
    except CaseError as error:
        raise click.ClickException(str(error)) from None
    _report(cases)


def _cases(paths: tuple[Path, ...], directory: Path | None, config_file: Path) -> list[Case]:
    if paths:
        return [case for path in paths for case in cases_in(path, CHECKS)]
    if directory is None:
        directory = Path(load_config(config_file, CHECKS).agent.results)
    with Reader.open(directory) as reader:
        return list(cases_of_store(reader, CHECKS))


def _report(cases: list[Case]) -> None:
    out = console()
    changes = [
        change for case in track(cases, "judging", transient=True) if (change := rejudge(case, CHECKS))
    ]
    if changes:
        out.print(changes_table(changes))
    out.print(f"{len(cases)} judged again, {len(changes)} changed")
    if changes or not cases:
        raise click.exceptions.Exit(1)


def changes_table(changes: list[Change]) -> Table:
    """A line for each that would be judged otherwise now."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("case", "was", "is", "why"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(*map(Text, (change.name, change.was, change.now, change.summary)))
    return table
