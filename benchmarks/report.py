"""Rule: what is printed and what is saved are the same figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.facts import file_name
from benchmarks.measure import Result


def show(results: Sequence[Result], facts: dict[str, str], console: Console) -> None:
    """A table of all cases that fits 80 columns; the peers and the machine under it."""
    table = Table(title="cdn-probe beside its peers: time an operation, medians", box=None)
    table.add_column("case", no_wrap=True)
    table.add_column("clock", no_wrap=True)
    for heading in ("ours", "a second", "peer", "ratio", "min-max"):
        table.add_column(heading, justify="right", no_wrap=True)
    for r in results:
        spread = f"{r.ratio_min:.2f}-{r.ratio_max:.2f}"
        rate = f"{r.ours_per_s:,.0f}" if r.ours_per_s >= 10 else f"{r.ours_per_s:.2f}"
        table.add_row(
            r.case, r.clock, duration(r.ours_us), rate, duration(r.peer_us), f"{r.ratio:.2f}", spread
        )
    console.print(table)
    for peer in dict.fromkeys(r.peer for r in results):
        kinds = dict.fromkeys(re.split(r"[ ,]", r.case)[0] for r in results if r.peer == peer)
        console.print(f"peer of {' and '.join(kinds)}: {peer}", soft_wrap=True)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), soft_wrap=True)


def duration(us: float) -> str:
    """Microseconds as a person reads them."""
    for limit, divisor, unit in ((1e3, 1.0, "µs"), (1e6, 1e3, "ms")):
        if us < limit:
            return f"{us / divisor:.3g} {unit}"
    return f"{us / 1e6:.3g} s"


def save(results: Sequence[Result], facts: dict[str, str], directory: Path) -> Path:
    """Write the figures as JSON; the file's path. Raises OSError."""
    file = directory / file_name(facts)
    content = {"machine": facts, "results": [asdict(result) for result in results]}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    return file
