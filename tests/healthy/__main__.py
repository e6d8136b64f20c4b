"""`python -m tests.healthy [--fetches N]`: healthy fetches in bulk. Exit 0: all held; 1: not; 2: it could not be tried.

Needs nginx and nsd. Touches loopback only.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.healthy.report import breaches, show
from tests.healthy.running import PHASES, run
from tests.healthy.world import PROGRAMS, PROTOCOLS
from tests.system.programs import find


@click.command()
@click.option("--fetches", type=click.IntRange(min=2), default=5_000, show_default=True)
@click.option(
    "--processes", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="That measure at a time."
)
@click.option("--at-once", type=click.IntRange(min=1), default=8, show_default=True, help="Slots of each.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    type=click.Choice(PROTOCOLS),
    default=PROTOCOLS,
    show_default=True,
    help="HTTP versions; may be repeated.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the rows that are not well here, a line each.",
)
def main(fetches: int, processes: int, at_once: int, protocols: tuple[str, ...], keep: Path | None) -> None:
    """Fetch from servers that are well: nobody may be accused, and what is not well is the agent's own, and rare."""
    if missing := [name for name in PROGRAMS if find(name) is None]:
        click.echo(f"not installed: {', '.join(missing)}", err=True)
        sys.exit(2)
    columns = (
        TextColumn("{task.description:>5}"), BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="cdn-probe-healthy-") as directory,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        Path(directory).chmod(0o755)  # nginx gives its rights away
        bars = {name: progress.add_task(name, total=fetches / 2) for name in PHASES}
        phases = asyncio.run(
            run(
                Path(directory),
                fetches,
                processes=processes,
                at_once=at_once,
                protocols=protocols,
                on_progress=lambda phase, done: progress.update(bars[phase], completed=done),
            )
        )
    if keep is not None:
        keep.write_text("".join(f"{row}\n" for phase in phases for row in phase.told.rows), encoding="utf-8")
    show(phases, Console(width=None if sys.stdout.isatty() else 80))
    sys.exit(1 if breaches(phases) else 0)


if __name__ == "__main__":
    main()
