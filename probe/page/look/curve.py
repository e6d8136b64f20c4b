"""Two quantiles over time as lines; where nothing was measured there is no line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from htpy import Element, div, h3
from markupsafe import Markup, escape

from probe.page.look.clock import Clock
from probe.page.look.words import Tongue

WIDTH, HEIGHT, LEFT, BELOW = 384, 90, 44, 14


@dataclass(frozen=True, slots=True)
class Point:
    """Of one slice of time: how many, and the quantiles; None: none, or beyond all bounds."""

    n: int
    p50_us: int | None
    p95_us: int | None


def curve(
    name: str, points: Sequence[Point], from_us: int, step_us: int, say: Tongue, clock: Clock
) -> Element:
    """One phase."""
    top_us = max((p.p95_us or p.p50_us or 0 for p in points), default=0) or 1
    step = (WIDTH - LEFT) / max(1, len(points))
    boxes = []
    for number, point in enumerate(points):
        if point.n:
            at = clock.minute(from_us + number * step_us)
            told = f"{at} n {point.n}, p50 ≤ {_ms(point.p50_us)}, p95 ≤ {_ms(point.p95_us)}"
            boxes.append(
                f'<rect class="hit" x="{LEFT + number * step:.1f}" y="0" width="{step:.1f}" height="{HEIGHT}">'
                f"<title>{told}</title></rect>"
            )
    lines = "".join(
        f'<path class="{kind}" d="{drawn}"/>'
        for kind, values in (("p95", [p.p95_us for p in points]), ("p50", [p.p50_us for p in points]))
        for drawn in _lines(values, top_us, step)
    )
    ends = (
        f'<text x="{LEFT - 4}" y="9" text-anchor="end">{_ms(top_us)}</text>'
        f'<text x="{LEFT - 4}" y="{HEIGHT}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT + BELOW - 2}">{clock.day_minute(from_us)}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + BELOW - 2}" text-anchor="end">'
        f"{clock.day_minute(from_us + len(points) * step_us)}</text>"
    )
    newest = next((p for p in reversed(points) if p.n), Point(0, None, None))
    heard = escape(f"{name}: p50 ≤ {_ms(newest.p50_us)}, p95 ≤ {_ms(newest.p95_us)}")
    return div(".curve")[
        h3[name],
        Markup(  # noqa: S704 - numbers, times, and an escaped name
            f'<svg class="lines" viewBox="0 0 {WIDTH} {HEIGHT + BELOW}" role="img" aria-label="{heard}">'
            f'<path class="base" d="M{LEFT} 0V{HEIGHT}H{WIDTH}"/>{lines}{ends}{"".join(boxes)}</svg>'
        ),
    ]


def _lines(values: Sequence[int | None], top_us: int, step: float) -> Iterator[str]:
    """A line for each stretch without a hole."""
    drawn: list[str] = []
    for number, value in enumerate([*values, None]):
        if value is None:
            if drawn:
                yield f"M{'L'.join(drawn)}h0.1"
            drawn = []
        else:
            y = HEIGHT - 2 - (HEIGHT - 6) * value / top_us
            drawn.append(f"{LEFT + (number + 0.5) * step:.1f} {y:.1f}")


def _ms(value_us: int | None) -> str:
    return "?" if value_us is None else f"{value_us / 1000:.0f} ms"
