"""Rule: `python -m benchmarks` is done in under a minute, `--quick` in under 15 s, and touches loopback only."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click
from rich.console import Console

from benchmarks import configuring, fetching, judging, slots, storing
from benchmarks.facts import machine_facts
from benchmarks.measure import FULL, QUICK, Effort, Result, WrongResultError
from benchmarks.peer_process import serving
from benchmarks.report import save, show

RESULTS = Path(__file__).with_name("results")


async def run_all(directory: Path, effort: Effort) -> list[Result]:
    """Every case; `directory` takes the files that they need."""
    with serving(directory, list(fetching.OPERATIONS)) as ports:
        results = await fetching.run(ports, effort)
        results += await slots.run(ports, directory / "slots", effort)
    results += await judging.run(effort)
    results += await storing.run(directory / "storing", effort)
    results += await configuring.run(directory / "configuring", effort)
    return results


@click.command()
@click.option("--quick", is_flag=True, help="A fifth of the work: for a look, not for a figure.")
@click.option("--save", "keep", is_flag=True, help="Write the figures to benchmarks/results/ as JSON.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="On which disk the store is measured (default: that of temporary files).",
)
def main(quick: bool, keep: bool, directory: Path | None) -> None:
    """Time cdn-probe beside peers in the same run, and print the ratios."""
    facts = machine_facts()  # the load before our own
    try:
        with tempfile.TemporaryDirectory(prefix="cdn-probe-bench-", dir=directory) as place:
            results = asyncio.run(run_all(Path(place), QUICK if quick else FULL))
        show(results, facts, Console())
        if keep:
            click.echo(f"saved: {save(results, facts, RESULTS)}")
    except (WrongResultError, RuntimeError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
