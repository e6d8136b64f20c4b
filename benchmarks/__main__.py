"""Rule: `python -m benchmarks` is done in minutes, `--quick` in one or two, and touches loopback only.

Each suite is one row of SUITES. Slots, growth and workers need nginx and nsd; slots and truth stand beside the exporter
where it is installed. What is not installed is named and left out. The others need nothing but this checkout.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console

from benchmarks import (
    configuring,
    fetching,
    growing,
    judging,
    pulling,
    slots,
    storing,
    truth,
    versus,
    working,
)
from benchmarks.blackbox import PROGRAM, Blackbox, blackbox
from benchmarks.facts import machine_facts
from benchmarks.measure import FULL, QUICK, Effort, Result, WrongResultError
from benchmarks.peer_process import Ports, serving
from benchmarks.plot import plot
from benchmarks.programs import Servers, missing, real_servers
from benchmarks.report import Report, save, show
from probe.net.event_loop import run

WIDE = 132  # characters, where no terminal says how wide it is
RESULTS = Path(__file__).with_name("results")
ROWS = 200_000  # results that are written and pulled


@dataclass(frozen=True, slots=True)
class Run:
    """What every suite is given. `seconds`, `rounds`: how long each agent of the growth is watched, how often.

    `tasks`: the sizes of these agents.
    """

    directory: Path
    effort: Effort
    seconds: float
    rounds: int
    tasks: tuple[int, ...]
    report: Report


async def _slots(given: Run) -> None:
    """Whole slots beside the bare probes of an exporter."""
    with real_servers(given.directory / "servers", list(versus.SIZES)) as servers:
        given.report.results += await versus.run(servers, given.directory, given.effort)


async def _growth(given: Run) -> None:
    """Whole agents of several sizes, beside the exporter at the same rates."""
    with ExitStack() as stack:
        servers = stack.enter_context(real_servers(given.directory / "servers", list(versus.SIZES)))
        peer = None
        if not missing(PROGRAM):
            peer = stack.enter_context(blackbox(given.directory / "peer", servers))
        given.report.growth += await growing.run(
            servers.ports, given.directory, given.seconds, given.tasks, peer, given.rounds
        )


async def _working(given: Run) -> None:
    """Whole agents of one process and of two workers."""
    with real_servers(given.directory / "servers", list(versus.SIZES)) as servers:
        seconds = min(given.seconds, working.SECONDS)
        given.report.working += await working.compared(servers.ports, given.directory, given.effort, seconds)


async def _truth(given: Run) -> None:
    """Measured minus true, beside the exporter's."""
    with ExitStack() as stack:

        def peer(ports: Ports) -> Blackbox:
            return stack.enter_context(
                blackbox(given.directory / "peer", Servers(ports=ports, resolver53=None))
            )

        beside = None if missing(PROGRAM) else peer
        given.report.errors += await truth.run(given.directory / "truth", beside, given.seconds / 5)


async def _rates(given: Run) -> None:
    """Writing and pulling many results."""
    given.report.rates = await pulling.run(given.effort.operations(ROWS), given.directory)


async def _parts(given: Run) -> None:
    given.report.results += await run_parts(given.directory, given.effort)


async def run_parts(directory: Path, effort: Effort) -> list[Result]:
    """Fetch, bare slot, judge, store, load and plan; `directory` takes the files that they need."""
    with serving(directory, list(fetching.OPERATIONS)) as ports:
        results = await fetching.run(ports, effort)
        results += await slots.run(ports, directory / "slots", effort)
    results += await judging.run(effort)
    results += await storing.run(directory / "storing", effort)
    results += await configuring.run(directory / "configuring", effort)
    return results


Suite = Callable[[Run], Awaitable[None]]
# name -> what it does, the programs without which it is left out
SUITES: dict[str, tuple[Suite, tuple[str, ...]]] = {
    "slots": (_slots, ("nginx", "nsd", PROGRAM)),
    "growth": (_growth, ("nginx", "nsd")),
    "working": (_working, ("nginx", "nsd")),
    "truth": (_truth, ()),
    "rates": (_rates, ()),
    "parts": (_parts, ()),
}


@click.command()
@click.option("--quick", is_flag=True, help="15 % of the work: for a look, not for a figure.")
@click.option("--only", multiple=True, type=click.Choice(list(SUITES)), help="These suites; may be repeated.")
@click.option(
    "--seconds", default=20.0, show_default=True, help="How long each agent of the growth is watched."
)
@click.option("--rounds", default=1, show_default=True, help="How often each agent of the growth is watched.")
@click.option(
    "--tasks",
    multiple=True,
    default=growing.TASKS,
    show_default=True,
    type=click.IntRange(min=growing.VANTAGE_POINTS),
    help="Sizes of the growth; may be repeated.",
)
@click.option("--save", "keep", is_flag=True, help="Write the figures to benchmarks/results/ as JSON.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="On which disk the store is measured (default: that of temporary files).",
)
def main(
    quick: bool,
    only: tuple[str, ...],
    seconds: float,
    rounds: int,
    tasks: tuple[int, ...],
    keep: bool,
    directory: Path | None,
) -> None:
    """Time cdn-probe beside peers in the same run, and print the ratios."""
    facts = machine_facts()  # the load before our own
    effort = QUICK if quick else FULL
    try:
        with tempfile.TemporaryDirectory(prefix="cdn-probe-bench-", dir=directory) as place:
            seconds = min(seconds, 5) if quick else seconds
            given = Run(Path(place), effort, seconds, rounds, tasks, Report())
            report = run(_report(given, only or tuple(SUITES)))
        show(report, facts, Console(width=None if sys.stdout.isatty() else WIDE))
        if keep:
            file = save(report, facts, RESULTS)
            picture = plot(report, file.with_suffix(".svg"))
            click.echo(f"saved: {file.name}, {picture.name}")
    except (WrongResultError, RuntimeError, OSError) as error:
        raise click.ClickException(str(error)) from error


async def _report(given: Run, names: tuple[str, ...]) -> Report:
    absent = dict[str, None]()
    for name in names:
        suite, needed = SUITES[name]
        lacking = missing(*needed)
        absent.update(dict.fromkeys(lacking))
        if not lacking:
            place = given.directory / name
            place.mkdir()
            await suite(replace(given, directory=place))
    given.report.absent = tuple(absent)
    return given.report


if __name__ == "__main__":
    main()
