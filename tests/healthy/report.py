"""The closing table of a run, within 80 columns, and what does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.healthy.running import BUSY, Phase
from tests.healthy.tally import Tally, Told, total

LINES = {"idle": "quiet", BUSY: "busy core"}


def breaches(phases: Sequence[Phase]) -> list[str]:
    """What does not hold of the whole run, in words."""
    return total(phase.told.sum() for phase in phases).breaches()


def show(phases: Sequence[Phase], out: Console) -> None:
    """A line for each half and kind, one for each object, the sum; below it every verdict that is not ok."""
    told = Told()
    for phase in phases:
        told.add(phase.told)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("fetched from")
    for name in ("fetches", "slots", "ok", "agent", "unnamed", "accuse", "per s"):
        table.add_column(name, justify="right")
    for phase in phases:
        for kind in dict.fromkeys(name.partition(" ")[0] for name in sorted(told.kinds)):
            table.add_row(f"{kind:<5} {LINES[phase.name]}", *_numbers(phase.told.sum(f"{kind} ")), "")
        table.add_row(f"all   {LINES[phase.name]}", *_numbers(phase.told.sum()), f"{phase.per_s:,.0f}")
        table.add_section()
    for path in sorted({kind.partition(" ")[2] for kind in told.kinds}):
        of_path = total(tally for kind, tally in told.kinds.items() if kind.endswith(f" {path}"))
        table.add_row(path, *_numbers(of_path), "")
    table.add_section()
    took_s = sum(phase.took_s for phase in phases)
    whole = told.sum()
    table.add_row("all", *_numbers(whole), f"{whole.fetches / took_s:,.0f}", style="bold")
    out.print(table)
    for verdict, count in Counter(told.verdicts).most_common():
        out.print(f"{count:>8,} × {verdict}")
    said = breaches(phases) or ["nobody is accused; what is not ok is the agent's own, and at most 0.1 %"]
    for words in said:
        out.print(words)


def _numbers(tally: Tally) -> tuple[str, ...]:
    counts = (tally.fetches, tally.rows, tally.ok, tally.ours, tally.unnamed, tally.accusing)
    return tuple(f"{count:,}" for count in counts)
