"""What `demo` does: the lab and the agent together, with faults injected and found."""

from __future__ import annotations

import shlex
import signal
import sys
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

WIDTH = 80
BUSY_US = 100_000  # of the 500 ms after which a first byte is late in the lab
_FOUND = "found "


def demo(seconds: float | None, page: bool, directory: Path | None) -> None:
    """A small CDN on loopback, faults injected into it, and what the agent says of each."""
    where = directory or Path("results") / f"demo-{datetime.now():%Y%m%d-%H%M%S}"
    if where.exists():
        raise click.ClickException(f"{where} exists; name another --dir")
    out = console()
    out.print(f"lab and agent are starting; everything is kept in {where}")
    made = Demo(where, seconds, page=page)
    try:
        right = run(_run(made, out))
    except (DemoError, LabError) as error:
        raise click.ClickException(str(error)) from None
    typed = (
        shlex.quote(sys.argv[0]) if "/" in sys.argv[0] else "cdn-probe"
    )  # as it was found: it may be on no PATH
    out.print("\nWhat the agent stored, and what a contract says of it:")
    steps = [f"  {typed} results -c {where}/agent.yaml list"]
    if (agreement := made.agreement) is not None:
        steps.append(f"  {typed} sla report {agreement} \\\n    {where}/results")
    for step in steps:  # not wrapped, however narrow the terminal: they are there to be copied
        out.print(step, soft_wrap=True)
    if not right:
        raise click.exceptions.Exit(1)


async def _run(made: Demo, out: Console) -> bool:
    """Show the demo while it runs, then its table; True if every fault was found and nobody wrongly accused."""
    with on_signals((signal.SIGINT, signal.SIGTERM), made.stop):
        await _show(made, out)
    return _conclude(made, out)


async def _show(made: Demo, out: Console) -> None:
    said = made.token is None
    if out.is_terminal:
        with Live(console=out, refresh_per_second=4, transient=True) as view:
            async for scene in made.events():
                said = said or _say_page(made, out)
                view.update(live(scene))
    else:
        shown: set[str] = set()
        async for scene in made.events():
            said = said or _say_page(made, out)
            _print_news(scene, shown, out)


def _say_page(made: Demo, out: Console) -> bool:
    """Where the page is, once it is there; whether it was said."""
    if made.scene.page is None:
        return False
    out.print(f"the page: {made.scene.page}, until Ctrl-C; sign in with {made.token}", soft_wrap=True)
    return True


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
    out.print(f"{found} of {len(faults)} faults found and rightly attributed in {rows} rows; {fair}")
    right = found == len(faults) and healthy.right
    if not right and made.lab_waited_us > BUSY_US:
        out.print(
            f"This machine was too busy: the lab's servers, which stand for the CDN, waited up to"
            f" {made.lab_waited_us / 1e6:.1f} s for a processor, so that they were slow indeed. Try it again with"
            " less beside it."
        )
    return right


def _print_news(scene: Scene, shown: set[str], out: Console) -> None:
    """Without a terminal: a line when a fault begins, and one when an object first looks so from a vantage point."""
    for name in scene.in_force.keys() - shown:
        shown.add(name)
        shown -= {line for line in shown if line.startswith(_FOUND)}
        out.print(f"{scene.elapsed_s:5.1f}s injected {name}")
    for row in scene.fresh:
        verdict = verdict_text(row)
        found = f"{_FOUND}{row.domain}{row.path} from {row.vantage_point}: {verdict}"
        if row.outcome != "ok" and found not in shown:
            shown.add(found)
            room = WIDTH - len(f"{scene.elapsed_s:5.1f}s    from {row.vantage_point}: {verdict}")
            name = f"{row.domain}{row.path}"
            name = name if len(name) <= room else f"…{name[1 - room :]}"
            out.print(f"{scene.elapsed_s:5.1f}s   {name} from {row.vantage_point}:", verdict)
