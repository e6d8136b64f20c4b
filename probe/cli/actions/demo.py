"""What `demo` does: the lab and the agent together, with faults injected and found."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from probe.cli.render.demo import LEGEND, live, verdict_table, wrong_lines
from probe.cli.render.slots import verdict_text
from probe.cli.render.terminal import console
from probe.lab.lab import LabError
from probe.net.event_loop import on_signals, run
from probe.services.demo import Demo, DemoError, Scene


def demo(seconds: float | None, directory: Path | None) -> None:
    """A small CDN on loopback, faults injected into it, and what the agent says of each."""
    where = directory or Path("results") / f"demo-{datetime.now():%Y%m%d-%H%M%S}"
    if where.exists():
        raise click.ClickException(f"{where} exists; name another --dir")
    out = console()
    out.print(f"lab and agent are starting; everything is kept in {where}")
    made = Demo(where, seconds)
    try:
        right = run(_run(made, out))
    except (DemoError, LabError) as error:
        raise click.ClickException(str(error)) from None
    out.print(f"\nread on: cdn-probe results -c {where}/agent.yaml list --outcome failed")
    if (agreement := made.agreement) is not None:
        # One line, however narrow the terminal: it is there to be copied.
        told = f"what a contract says of it: cdn-probe sla report {agreement} {where}/results"
        out.print(told, soft_wrap=True)
    if not right:
        raise click.exceptions.Exit(1)


async def _run(made: Demo, out: Console) -> bool:
    """Show the demo while it runs, then its table; True if every fault was found and nobody wrongly accused."""
    with on_signals((signal.SIGINT, signal.SIGTERM), made.stop):
        await _show(made, out)
    return _conclude(made, out)


async def _show(made: Demo, out: Console) -> None:
    if out.is_terminal:
        with Live(console=out, refresh_per_second=4, transient=True) as view:
            async for scene in made.events():
                view.update(live(scene))
    else:
        shown: set[str] = set()
        async for scene in made.events():
            _print_news(scene, shown, out)


def _conclude(made: Demo, out: Console) -> bool:
    """The table and its sum; True if all is right. The last verdict is that of the healthy time."""
    verdicts = made.verdicts
    if len(verdicts) < 2:
        out.print("stopped before the first fault")
        return True
    *faults, healthy = verdicts
    out.print(verdict_table(verdicts))
    out.print(Text(f"\n{LEGEND}\n", style="dim"))
    for line in wrong_lines(verdicts):
        out.print(Text(line, style="bold red"))
    found = sum(one.right for one in faults)
    rows = len(made.scene.rows)
    fair = "nobody wrongly accused" if healthy.right else "somebody WRONGLY ACCUSED"
    out.print(f"{found} of {len(faults)} faults found and rightly attributed, in {rows} rows; {fair}")
    return found == len(faults) and healthy.right


def _print_news(scene: Scene, shown: set[str], out: Console) -> None:
    """Without a terminal: a line when a fault begins, and one for each row that is not well."""
    for name in scene.in_force.keys() - shown:
        shown.add(name)
        out.print(f"{scene.elapsed_s:5.1f}s injected {name}")
    for row in scene.fresh:
        if row.outcome != "ok":
            out.print(
                f"{scene.elapsed_s:5.1f}s    found {row.domain}{row.path} from {row.vantage_point}:",
                verdict_text(row),
            )
