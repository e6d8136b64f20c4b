"""Cells of a track as one strip: neighbours of one state are one box with a tooltip; what is bad has a sign above it.

Text of SVG is made here by hand: thousands of boxes, all of numbers and of our own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from probe.page.look.clock import Clock
from probe.page.look.words import Tongue
from probe.page.model.board import GRAIN_US, Span
from probe.page.model.states import (
    MARKS,
    NOTHING,
    TROUBLE,
    Counts,
    State,
    added,
    count,
    found,
    is_excluded,
    missed,
    state_of,
)

PIXELS = {"24h": 3, "7d": 5, "30d": 4}
CLASSES = {
    State.OK: "o", State.PARTLY: "p", State.SLOW: "s", State.STALE: "t", State.FAILED_CDN: "c", State.FAILED_PATH: "w",
    State.FAILED_CUSTOMER: "k", State.FAILED_ORIGIN: "g", State.FAILED_UNKNOWN: "u", State.FAILED_VANTAGE: "v",
    State.FAILED_AGENT: "a", State.INCONCLUSIVE: "i", State.MISSED: "m",
}  # fmt: skip
SIGN_APART = 7  # pixels: signs closer than this would lie on each other
_SAID = (
    State.FAILED_CDN, State.FAILED_PATH, State.FAILED_CUSTOMER, State.FAILED_ORIGIN, State.FAILED_UNKNOWN, State.STALE,
    State.SLOW, State.FAILED_VANTAGE, State.FAILED_AGENT, State.INCONCLUSIVE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring cells of one state, from `first` to before `end`, and their sums."""

    first: int
    end: int
    state: State
    low: bool
    counts: Counts


@dataclass(frozen=True, slots=True)
class Strips:
    """Draws the strips of one page: the last column holds the grain `end`."""

    span: Span
    end: int
    say: Tongue
    clock: Clock

    @property
    def width(self) -> int:
        return self.span.columns * PIXELS[self.span.name]

    @property
    def from_us(self) -> int:
        """When the first column begins."""
        return (self.end // self.span.grains - self.span.columns + 1) * self.span.column_us

    @property
    def to_us(self) -> int:
        return self.from_us + self.span.columns * self.span.column_us

    def strip(self, cells: Sequence[Counts], label: str = "") -> Markup:
        """One track. `label`: whose it is, for those who hear the page, where its name does not stand beside it."""
        pixels = PIXELS[self.span.name]
        runs = list(runs_of(cells))
        boxes: list[str] = []
        signs: list[tuple[int, str]] = []
        well: list[Run] = []
        for run in runs:
            x, width = run.first * pixels, (run.end - run.first) * pixels
            if run.state is State.OK:
                well.append(run)
            elif run.state is not State.NONE:
                name = CLASSES[run.state]
                boxes.append(
                    f"<rect class={name.upper() if run.low else name} x={x} width={width}>"
                    f"<title>{self.told(run)}</title></rect>"
                )
            if (sign := MARKS.get(run.state)) is not None:
                at = min(x, self.width - SIGN_APART)
                if not signs or at - signs[-1][0] >= SIGN_APART:
                    signs.append((at, sign))
        heard = escape(f"{label}: {self.heard(runs)}" if label else self.heard(runs))
        parts = "".join((self._well(well), *boxes, _signs(signs), self._excluded(cells)))
        return Markup(  # noqa: S704 - numbers, our own words, and an escaped label
            f'<svg class=h role=img aria-label="{heard}">{parts}</svg>'
        )

    def _well(self, runs: Sequence[Run]) -> str:
        """All that is well as one shape: it is most of the map, and has least to tell."""
        if not runs:
            return ""
        pixels = PIXELS[self.span.name]
        drawn = "".join(
            f"M{run.first * pixels} 10h{(run.end - run.first) * pixels}v13H{run.first * pixels}"
            for run in runs
        )
        told = f"{self.say.state(State.OK)} n {sum(found(run.counts) for run in runs)}"
        return f"<path class=o d='{drawn}'><title>{told}</title></path>"

    def _excluded(self, cells: Sequence[Counts]) -> str:
        pixels = PIXELS[self.span.name]
        return "".join(
            f"<rect class=x x={first * pixels} width={(end - first) * pixels}></rect>"
            for first, end in excluded_in(cells)
        )

    def told(self, run: Run) -> str:
        """The tooltip: when, how many requests, and what of them."""
        from_us = self.from_us + run.first * self.span.column_us
        to_us = self.from_us + run.end * self.span.column_us
        write = self.clock.minute if self.span.grains == 1 else self.clock.day_minute
        said = [f"{write(from_us)}–{write(to_us)} n {found(run.counts)}"]
        said += [
            f"{self.say.state(state)} {number}"
            for state in _SAID
            if (number := count(run.counts, state.value))
        ]
        if gone := missed(run.counts):
            said.append(f"{self.say('slots missed')} {gone}")
        return ", ".join(said)

    def heard(self, runs: Sequence[Run]) -> str:
        """All of it in one sentence, the gravest first."""
        lengths: Counter[State] = Counter()
        for run in runs:
            lengths[run.state] += run.end - run.first
        order = (*_SAID, State.MISSED, State.PARTLY, State.OK, State.NONE)
        return ", ".join(f"{self.say.state(state)} {lengths[state]}" for state in order if lengths[state])

    def axis(self) -> Markup:
        """Times above the strips."""
        pixels, column_us = PIXELS[self.span.name], self.span.column_us
        if self.span.grains == 1:
            hour = 12 * GRAIN_US
            first = -(-self.from_us // hour)
            ticks = [(at * hour, self.clock.minute(at * hour)) for at in range(first, self.to_us // hour + 1)]
            ticks = ticks[:: max(1, len(ticks) // 12)]
        else:
            days = self.clock.midnights(self.from_us, self.to_us)
            step = 1 if self.span.name == "7d" else 3
            ticks = [(at, self.clock.day(at)) for at in days[::step]]
        made = []
        for at_us, words in ticks:
            x = round((at_us - self.from_us) * pixels / column_us)
            if x > self.width - 30:
                continue
            made.append(
                f'<path d="M{x} 12v4"/><text x="{x + 2}" y="12" data-t="{at_us // 1_000_000}">{words}</text>'
            )
        return Markup(  # noqa: S704 - numbers
            f'<svg class="axis" width="{self.width}" height="16" viewBox="0 0 {self.width} 16" aria-hidden="true"'
            f' data-from="{self.from_us // 1_000_000}" data-step="{column_us // 1_000_000 / pixels:g}">'
            f"{''.join(made)}</svg>"
        )


def runs_of(cells: Sequence[Counts]) -> Iterator[Run]:
    """Neighbours of one state together; equal cells that stand beside each other are one object mostly."""
    states: dict[int, State] = {}
    begun, now, sums = 0, State.NONE, NOTHING
    for number, cell in enumerate(cells):
        state = states.get(id(cell))
        if state is None:
            state = states[id(cell)] = state_of(cell)[0]
        if number and state is now:
            sums = sums if cell is NOTHING else added(sums, cell)
            continue
        if number:
            yield _run(begun, number, now, sums)
        begun, now, sums = number, state, cell
    if cells:
        yield _run(begun, len(cells), now, sums)


def _run(first: int, end: int, state: State, sums: Counts) -> Run:
    return Run(first, end, state, state in TROUBLE and state_of(sums) == (state, True), sums)


def excluded_in(cells: Sequence[Counts]) -> Iterator[tuple[int, int]]:
    """Spans of columns that a declaration touches."""
    begun: int | None = None
    for number, cell in enumerate([*cells, NOTHING]):
        if is_excluded(cell):
            begun = number if begun is None else begun
        elif begun is not None:
            yield begun, number
            begun = None


def _signs(signs: Sequence[tuple[int, str]]) -> str:
    """All of a track as one text: each character has its place."""
    if not signs:
        return ""
    places = " ".join(str(x) for x, _ in signs)
    return f'<text y=8 x="{places}">{"".join(sign for _, sign in signs)}</text>'
