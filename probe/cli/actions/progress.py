"""Rule: progress is shown to people only: on standard error, and only where that is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Tick = Callable[[int], None]


@contextmanager
def progress(what: str, total: int | None, unit: str = "lines") -> Iterator[Tick]:
    """A bar while the block runs; call what it gives with how many more are done. `total` None: not known."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda count: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda count: shown.advance(task, count)


@contextmanager
def progress_after(
    quiet_s: float, what: str, total: int | None = None, unit: str = "lines"
) -> Iterator[Tick]:
    """The same, shown only once the block runs for longer than that."""
    began = time.monotonic()
    waiting = 0
    with ExitStack() as stack:
        shown: Tick | None = None

        def tick(count: int) -> None:
            nonlocal shown, waiting
            if shown is None and time.monotonic() - began < quiet_s:
                waiting += count
                return
            if shown is None:
                shown = stack.enter_context(progress(what, total, unit))
                count += waiting
            shown(count)

        yield tick
