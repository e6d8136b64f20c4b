"""Rule: what is printed and what is saved are the same figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.facts import file_name
from benchmarks.growing import Growth
from benchmarks.measure import Result
from benchmarks.truth import Error
from benchmarks.working import Working


@dataclass(slots=True)
class Report:
    """Everything that one run found. `absent`: programs that were not there, so that their cases were left out."""

    results: list[Result] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    working: list[Working] = field(default_factory=list)
    errors: list[Error] = field(default_factory=list)
    rates: dict[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def show(report: Report, facts: dict[str, str], console: Console) -> None:
    """Tables that fit 132 columns; the peers and the machine under them."""
    if report.results:
        console.print(_compared(report.results))
    if report.growth:
        console.print(_grown(report.growth))
    if report.working:
        console.print(_worked(report.working))
    if report.errors:
        console.print(_true(report.errors))
    if report.rates:
        console.print(rates_table(report.rates))
    for peer in dict.fromkeys(r.peer for r in report.results):
        kinds = dict.fromkeys(re.split(r"[ ,]", r.case)[0] for r in report.results if r.peer == peer)
        console.print(f"peer of {' and '.join(kinds)}: {peer}", soft_wrap=True)
    if report.absent:
        console.print(f"not installed, so left out: {', '.join(report.absent)}", soft_wrap=True)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), soft_wrap=True)


def _table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, box=None)
    for heading in words:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _compared(results: Sequence[Result]) -> Table:
    headings = ("ours", "a second", "peer", "ratio", "min-max")
    table = _table("cdn-probe beside its peers: time an operation, medians", ("case", "clock"), headings)
    for r in results:
        spread = f"{r.ratio_min:.2f}-{r.ratio_max:.2f}"
        rate = f"{r.ours_per_s:,.0f}" if r.ours_per_s >= 10 else f"{r.ours_per_s:.2f}"
        table.add_row(
            r.case, r.clock, duration(r.ours_us), rate, duration(r.peer_us), f"{r.ratio:.2f}", spread
        )
    return table


def _grown(growth: Sequence[Growth]) -> Table:
    headings = (
        "start", "slots", "missed", "CPU a slot", "one more", "peer's probe", "of a core", "off the line",
        "late p99", "RSS", "a 1,000 tasks",
    )  # fmt: skip
    table = _table("a whole agent, every task once a minute", ("tasks",), headings)
    for g, smaller, off in zip(growth, (None, *growth), off_line(growth), strict=False):
        more = "" if smaller is None else duration(further_slot_us(smaller, g))
        peer = "-" if g.peer_us is None else duration(g.peer_us)
        table.add_row(
            f"{g.tasks:,}", f"{g.start_s:.2f} s", f"{g.measured:,}", _missed(g), duration(g.cpu_us), more, peer,
            f"{g.cpu_share:.1%}", f"{off:+.0%}",
            f"{g.lateness_p99_ms:.1f} ms", f"{g.rss_mb:.0f} MB", f"{g.mb_per_1000_tasks:.1f} MB",
        )  # fmt: skip
    return table


def off_line(growth: Sequence[Growth]) -> list[float]:
    """By which part each agent uses more CPU than the straight line, by tasks, that comes nearest to all of them.

    Least squares of these parts themselves, not of the differences: else the largest agent alone would lay the line.
    With fewer than three sizes any line fits, and all are 0.
    """
    if len({g.tasks for g in growth}) < 3:
        return [0.0] * len(growth)
    # a * x + b * y = 1 for all, as near as may be
    parts = [(1 / g.cpu_share, g.tasks / g.cpu_share) for g in growth]
    xx, yy, xy = (sum(p[i] * p[j] for p in parts) for i, j in ((0, 0), (1, 1), (0, 1)))
    x, y = (sum(p[i] for p in parts) for i in (0, 1))
    a, b = (x * yy - y * xy) / (xx * yy - xy * xy), (y * xx - x * xy) / (xx * yy - xy * xy)
    return [g.cpu_share / (a + b * g.tasks) - 1 for g in growth]


def _missed(growth: Growth) -> str:
    """How many, and why whatever did not come out well."""
    return " ".join((str(growth.missed), *(f"{reason} x{n}" for reason, n in growth.reasons.items())))


def further_slot_us(smaller: Growth, larger: Growth) -> float:
    """CPU of a slot that the larger agent measures and the smaller does not: what an idle agent costs is no part."""
    rates = [growth.measured / growth.seconds for growth in (smaller, larger)]
    return 1e6 * (larger.cpu_share - smaller.cpu_share) / (rates[1] - rates[0])


def _worked(working: Sequence[Working]) -> Table:
    headings = ("slots", "keeper", "workers", "a core each", "ratio", "as many cores", "ratio", "RSS")
    table = _table("whole agents by processes: CPU a slot, and slots a second", ("workers",), headings)
    for w in working:
        table.add_row(
            f"{w.workers}", f"{w.slots:,}", duration(w.keeper_us), duration(w.workers_us), f"{w.capacity:,.0f}",
            f"{w.capacity_ratio:.2f}", f"{w.on_cores:,.0f}", f"{w.on_cores_ratio:.2f}", f"{w.rss_mb:.0f} MB",
        )  # fmt: skip
    return table


def _true(errors: Sequence[Error]) -> Table:
    headings = ("load", "a second", "n", "marked", "median", "p99", "p99 with marked", "bound held")
    table = _table("measured minus true", ("what", "who"), headings)
    for e in sorted(errors, key=lambda e: (e.what, e.share, e.who)):
        table.add_row(
            e.what, e.who, f"{e.share:.0%}" if e.share else "idle",
            f"{e.per_s:,.0f}", f"{e.samples:,}", f"{e.marked:,}",
            f"{e.median_us:.0f} µs", f"{e.p99_us:,.0f} µs", f"{e.p99_all_us:,.0f} µs",
            "" if e.held is None else f"{e.held:.1%}",
        )  # fmt: skip
    return table


def rates_table(found: dict[str, Any]) -> Table:
    """What `benchmarks.pulling` found; the names say the units."""
    table = _table(f"writing and pulling {found['rows']:,} results", ("what",), ("figure",))
    for name, value in found.items():
        for inner, figure in value.items() if isinstance(value, dict) else [("", value)]:
            shown = f"{figure:,.1f}" if isinstance(figure, float) else f"{figure:,}"
            table.add_row(f"{name} {inner}".strip(), shown)
    return table


def duration(us: float) -> str:
    """Microseconds as a person reads them."""
    for limit, divisor, unit in ((1e3, 1.0, "µs"), (1e6, 1e3, "ms")):
        if us < limit:
            return f"{us / divisor:.3g} {unit}"
    return f"{us / 1e6:.3g} s"


def save(report: Report, facts: dict[str, str], directory: Path) -> Path:
    """Write the figures as JSON; the file's path. Raises OSError."""
    file = directory / file_name(facts)
    content = {
        "machine": facts,
        "results": [asdict(result) for result in report.results],
        "growth": [asdict(growth) for growth in report.growth],
        "working": [asdict(working) for working in report.working],
        "errors": [asdict(error) for error in report.errors],
        "rates": report.rates,
    }
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    return file
