"""Rule: `python -m benchmarks` is done in minutes, `--quick` in one, and touches loopback only.

The whole slot beside the exporter, growth and truth need nginx and nsd; the exporter where it is installed. What is not
installed is named and left out. The parts (fetch, judge, store, load, plan) need nothing but this checkout.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from benchmarks import configuring, fetching, growing, judging, slots, storing, truth, versus
from benchmarks.blackbox import PROGRAM, Blackbox, blackbox
from benchmarks.facts import machine_facts
from benchmarks.measure import FULL, QUICK, Effort, Result, WrongResultError
from benchmarks.peer_process import Ports, serving
from benchmarks.plot import plot
from benchmarks.programs import Servers, missing, real_servers
from benchmarks.report import Report, save, show

WIDE = 112  # characters, where no terminal says how wide it is
RESULTS = Path(__file__).with_name("results")
# Parts that others add, by the name of the directory that each may make and use.
FURTHER: dict[str, Callable[[Path, Effort], Awaitable[list[Result]]]] = {}


async def run_all(directory: Path, effort: Effort) -> list[Result]:
    """Every case; `directory` takes the files that they need."""
    with serving(directory, list(fetching.OPERATIONS)) as ports:
        results = await fetching.run(ports, effort)
        results += await slots.run(ports, directory / "slots", effort)
    results += await judging.run(effort)
    results += await storing.run(directory / "storing", effort)
    results += await configuring.run(directory / "configuring", effort)
    for name, further in FURTHER.items():
        results += await further(directory / name, effort)
    return results


async def run_whole(directory: Path, effort: Effort, seconds: float) -> Report:
    """Whole slots and whole agents beside programs that nobody here wrote."""
    report = Report()
    with_peer = not missing(PROGRAM)
    with real_servers(directory / "servers", list(versus.SIZES)) as servers:
        if with_peer:
            report.results = await versus.run(servers, directory / "versus", effort)
        report.growth = await growing.run(servers.ports, directory / "growing", seconds)
    with ExitStack() as stack:

        def peer(ports: Ports) -> Blackbox:
            servers = Servers(ports=ports, resolver53=None)
            return stack.enter_context(blackbox(directory / "truth-peer", servers))

        report.errors = await truth.run(directory / "truth", peer if with_peer else None, seconds / 5)
    return report


@click.command()
@click.option("--quick", is_flag=True, help="15 % of the work: for a look, not for a figure.")
@click.option("--only", type=click.Choice(["whole", "parts"]), help="Whole slots and agents, or their parts.")
@click.option(
    "--seconds", default=20.0, show_default=True, help="How long each agent of the growth is watched."
)
@click.option("--save", "keep", is_flag=True, help="Write the figures to benchmarks/results/ as JSON.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="On which disk the store is measured (default: that of temporary files).",
)
def main(quick: bool, only: str | None, seconds: float, keep: bool, directory: Path | None) -> None:
    """Time cdn-probe beside peers in the same run, and print the ratios."""
    facts = machine_facts()  # the load before our own
    try:
        with tempfile.TemporaryDirectory(prefix="cdn-probe-bench-", dir=directory) as place:
            report = asyncio.run(
                _report(Path(place), QUICK if quick else FULL, only, min(seconds, 5) if quick else seconds)
            )
        show(report, facts, Console(width=None if sys.stdout.isatty() else WIDE))
        if keep:
            file = save(report, facts, RESULTS)
            picture = plot(report, file.with_suffix(".svg"))
            click.echo(f"saved: {file.name}, {picture.name}")
    except (WrongResultError, RuntimeError, OSError) as error:
        raise click.ClickException(str(error)) from error


async def _report(directory: Path, effort: Effort, only: str | None, seconds: float) -> Report:
    absent = missing("nginx", "nsd")
    report = Report()
    if only != "parts" and not absent:
        report = await run_whole(directory / "whole", effort, seconds)
    if only != "whole":
        report.results = [*report.results, *await run_all(directory, effort)]
    report.absent = (*absent, *missing(PROGRAM))
    return report


if __name__ == "__main__":
    main()
