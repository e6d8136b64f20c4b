"""Charts as SVG: the period as a strip of grains, and bounds beside what the contract allows. No script, no font."""

from __future__ import annotations

from collections.abc import Sequence

from htpy import Element, defs, g, line, pattern, rect, svg, text, title
from markupsafe import Markup

from probe.sla.html.style import COLOURS, HATCHED

WIDTH = 960
STRIP = 46
LEAST = 1.5  # what is bad is seen however long the period is
BAR = 22


def strip(
    states: Sequence[tuple[str, int]], labels: Sequence[tuple[int, str]], names: dict[str, str]
) -> Element:
    """Grains in order, those alike together. `labels`: at which grain which words stand below."""
    total = max(1, sum(count for _, count in states))
    boxes: list[Element] = []
    trouble: list[Element] = []
    at = 0
    for state, count in states:
        x, width = at * WIDTH / total, count * WIDTH / total
        grave = state in ("bad", "shown")
        box = rect(
            x=_n(x),
            y="0",
            width=_n(max(width, LEAST) if grave else width),
            height=str(STRIP),
            fill=f"url(#{state})" if state in HATCHED else COLOURS[state],
        )[title[f"{names[state]}: {count}"]]
        (trouble if grave else boxes).append(box)
        at += count
    marks = []
    for number, words in labels:
        anchor = {"text-anchor": _anchor(number, total)}
        marks.append(text(x=_n(number * WIDTH / total), y=str(STRIP + 14), **anchor)[words])
    frame = rect(x="0", y="0", width=str(WIDTH), height=str(STRIP), fill="none", stroke="#5c6675")
    hatched = defs[(_hatching(state) for state in HATCHED if any(state == one for one, _ in states))]
    drawing = (hatched, boxes, trouble, frame, marks)
    return svg(".strip", viewBox=f"0 0 {WIDTH} {STRIP + 20}", role="img")[drawing]


def _hatching(state: str) -> Element:
    """Lines on white: what is neither good nor bad is told from both by more than its colour."""
    turned = {"patternTransform": f"rotate({HATCHED[state]})", "patternUnits": "userSpaceOnUse"}
    return pattern(id=state, width="6", height="6", **turned)[
        rect(width="6", height="6", fill="#fff"),
        line(x1="0", y1="0", x2="6", y2="0", stroke=COLOURS[state], **{"stroke-width": "4"}),
    ]


def bounds(bars: Sequence[tuple[str, int, int]], allowed_us: int | None, words: str) -> Element:
    """For each (name, shown, possible): what is shown dark, what is possible light; a line where the allowance ends."""
    scale = max(
        [possible for _, _, possible in bars] + [shown for _, shown, _ in bars] + [allowed_us or 0, 1]
    )
    # What is possible may be a month where nothing was measured: then the allowance would not be seen.
    if allowed_us:
        scale = min(scale, 4 * max([allowed_us, *(shown for _, shown, _ in bars)]))
    left, room = 190, WIDTH - 200
    made: list[Element] = []
    for number, (name, shown, possible) in enumerate(bars):
        y = number * (BAR + 12) + 6
        light, dark = (min(value, scale) * room / scale for value in (possible, shown))
        made.append(
            g[
                text(x=str(left - 8), y=_n(y + BAR * 0.7), **{"text-anchor": "end"})[name],
                rect(x=str(left), y=_n(y), width=_n(light), height=str(BAR), fill="#e9c9a4"),
                rect(
                    x=str(left),
                    y=_n(y),
                    width=_n(max(dark, LEAST) if shown else 0),
                    height=str(BAR),
                    fill="#b3271e",
                ),
            ]
        )
    height = len(bars) * (BAR + 12) + 24
    if allowed_us is not None:
        x = _n(left + min(allowed_us, scale) * room / scale)
        made.append(
            line(x1=x, y1="0", x2=x, y2=str(height - 18), stroke="#1d2430", **{"stroke-width": "1.5"})
        )
        made.append(text(x=x, y=str(height - 5), **{"text-anchor": "middle"})[words])
    return svg(viewBox=f"0 0 {WIDTH} {height}", role="img")[made]


def _anchor(number: int, total: int) -> str:
    return "start" if number == 0 else "end" if number >= total else "middle"


def _n(value: float) -> Markup:
    """A length with two digits, always written in the same way."""
    return Markup(f"{value:.2f}")  # noqa: S704 - a number
