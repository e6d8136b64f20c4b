"""Rule: how far each host and customer is, how fast, and how far behind is seen at a glance; nothing is decided here.

A pull's board as a rich table: live on a terminal, else one line for each change of state, so that a log stays short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.live import Live
from rich.table import Table
from rich.text import Text

from probe.cli.render.layout import columns_without_terminal, harmless
from probe.cli.render.terminal import HarmlessConsole
from probe.core.model.times import epoch_s
from probe.pull.progress import Board, State, StreamProgress

REFRESH_S = 0.5
STYLES = {
    State.COMPLETE: "green",
    State.PULLING: "cyan",
    State.WAITING: "cyan",
    State.INCOMPLETE: "yellow",
    State.REFUSED: "bold red",
}


def board_table(board: Board, now_s: float, wall_s: float) -> Table:
    """A line for each stream. `now_s`: the clock of the board; `wall_s`: seconds since the epoch, for the lag."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stream", "rows", "rows/s", "up to, of", "behind", "heads", "state"):
        right = name in ("rows", "rows/s", "up to, of", "behind")
        folded = name in ("stream", "state")
        table.add_column(name, justify="right" if right else "left", no_wrap=not folded, overflow="fold")
    for item in board.streams:
        name = "" if item.stream is None else f"{item.stream.agent}/{item.stream.customer}\n"
        table.add_row(
            Text(name).append(item.url, style="dim"),
            *([""] * 5 if item.stream is None else _figures(item, now_s, wall_s)),
            _state(item),
        )
    return table


def _figures(item: StreamProgress, now_s: float, wall_s: float) -> list[str]:
    return [
        f"{item.rows:,}",
        f"{item.rate(now_s):,.0f}",
        f"{item.seq:,}\n{item.head:,}",
        lag(item.complete_up_to, wall_s),
        {None: "", True: "signed", False: "not\nproved"}[item.proved],
    ]


def lag(complete_up_to: str | None, wall_s: float) -> str:
    """How long ago the results are complete up to: `12 s`, `3 min`, `5.0 h`; a dash where nothing says it."""
    if complete_up_to is None:
        return "–"
    seconds = max(0.0, wall_s - epoch_s(complete_up_to))
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def _state(item: StreamProgress) -> Text:
    text = Text(item.state.value, style=STYLES[item.state])
    if item.dropped:
        text.append(
            f" {item.dropped:,} rows were dropped by the agent before they were pulled", style="yellow"
        )
    if item.stamps:
        text.append(f" {item.stamps:,} time stamp{'s' * (item.stamps != 1)}", style="")
    if item.bundles:
        text.append(f" {item.bundles:,} evidence bundle{'s' * (item.bundles != 1)}", style="")
    if item.note and not (item.state is State.COMPLETE and item.note == "stopped"):
        text.append(f" {_one_line(item.note)}", style="")
    return text


def _one_line(note: str) -> str:
    """A message of an agent's server on one line: with line breaks of its own it could imitate our output."""
    return harmless(" ".join(note.splitlines()))


class Shown:
    """The board on a stream of text while the block runs."""

    def __init__(
        self, board: Board, out: TextIO, now_s: Callable[[], float], wall_s: Callable[[], float]
    ) -> None:
        self._board = board
        self._now_s = now_s
        self._wall_s = wall_s
        self._console = HarmlessConsole(file=out)
        if not self._console.is_terminal:
            self._console = HarmlessConsole(file=out, width=columns_without_terminal())
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._told: dict[int, tuple[State, str | None]] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    async def keep_up(self) -> None:
        """Until cancelled."""
        while True:
            if self._console.is_terminal:
                self._live.update(board_table(self._board, self._now_s(), self._wall_s()), refresh=True)
            else:
                self._changes()
            await asyncio.sleep(REFRESH_S)

    def final(self) -> None:
        """How it ended."""
        self._console.print(board_table(self._board, self._now_s(), self._wall_s()))

    def _changes(self) -> None:
        """What somebody who reads a log must know: trouble, and its end."""
        for item in list(self._board.streams):
            new = (item.state, item.note)
            old = self._told.get(id(item))
            if old != new and (item.note is not None or (old is not None and old[1] is not None)):
                what = item.url if item.stream is None else f"{item.url} {item.stream}"
                self._console.print(
                    f"{what}: {item.state.value} at {item.seq:,}: {_one_line(item.note or 'well again')}",
                    markup=False,
                    soft_wrap=True,
                )
            self._told[id(item)] = new
