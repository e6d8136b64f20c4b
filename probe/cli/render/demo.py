"""Rule: injected and found stand side by side; a wrong line is seen at a glance.

The demo's live view and its final table. Reads, decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from probe.cli.render.slots import STYLES, verdict_text
from probe.core.records.rows import SlotRecord
from probe.lab.assessment import Assessment
from probe.lab.faults import FAULTS
from probe.services.demo import Scene


def live(scene: Scene) -> Group:
    """Left the script, right what the agent says, below the sums."""
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=4)
    grid.add_column(ratio=7)
    grid.add_row(
        Panel(_script(scene), title="injected", border_style="dim"),
        Panel(_found(scene.findings), title="found (newest last)", border_style="dim"),
    )
    return Group(grid, _sums(scene))


def _script(scene: Scene) -> Table:
    table = Table.grid(padding=(0, 1))
    for step in scene.steps:
        if step.fault in scene.in_force:
            table.add_row(
                Text("●", style="bold red"), Text(step.fault, style="bold"), FAULTS[step.fault].does
            )
        elif step.fault in scene.done:
            table.add_row(Text("✓", style="green"), Text(step.fault, style="dim"), "")
        else:
            table.add_row(Text("·", style="dim"), Text(step.fault, style="dim"), "")
    return table


def _found(rows: Sequence[SlotRecord]) -> Group:
    lines = [
        Text(f"{(row.scheduled_at)[11:19]} ", style="dim")
        .append(f"{row.domain}{row.path} from {row.vantage_point}  ", style="")
        .append(verdict_text(row))
        for row in rows
    ]
    return Group(*lines or [Text("nothing but good so far", style="green")])


def _sums(scene: Scene) -> Text:
    text = Text(f"{scene.elapsed_s:5.1f} s  ", style="bold")
    for word, count in sorted(scene.counts.items()):
        text.append(f"{word} {count}  ", style=_style(word))
    return text


def _style(word: str) -> str:
    return next(
        (style for outcome, style in STYLES.items() if outcome is not None and outcome == word), "magenta"
    )


def verdict_table(verdicts: Sequence[Assessment]) -> Table:
    """What was injected and what the agent said of it, a line each, within 80 columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("injected", "found", "fault", "reason", "rows", "after", ""):
        right = name in ("rows", "after")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for one in verdicts:
        mark = Text("✓", style="green") if one.right else Text("✗", style="bold red")
        table.add_row(
            Text(one.fault),
            Text(one.outcome or "nothing", style=STYLES[one.outcome]),
            Text(one.blamed or ""),
            Text(one.reason or ""),
            f"{one.shown}/{one.affected}",
            "–" if one.first_seen_after_s is None else f"{max(0.0, one.first_seen_after_s):.1f}s",
            mark,
        )
    return table


LEGEND = """\
fault   whose it is as the agent judged it, without knowing what was injected
rows    objects × vantage points that showed it, of those that it reaches
after   from the injection to the end of the first row that shows it
✓       every row that it reaches says what is right, no other accuses anybody
healthy the time and the rows without a fault: nobody may be accused there"""


def wrong_lines(verdicts: Sequence[Assessment]) -> list[str]:
    """For each verdict that is not right: what was expected, and what was said instead."""
    return [
        f"✗ {one.fault}: expected {one.expected.replace('/', ' · ')}; {one.why}"
        for one in verdicts
        if not one.right
    ]
