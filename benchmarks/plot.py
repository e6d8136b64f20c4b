"""Rule: the picture shows the ratios of the table and nothing else: shorter is better, the line is the peer."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.measure import Result
from benchmarks.report import Report

_LABELS, _WIDE, _ROW, _TOP = 300, 420, 22, 46
_INK, _OURS, _SPREAD, _PEER = "#333", "#3b7dd8", "#1d4e91", "#b3261e"


def plot(report: Report, file: Path) -> Path:
    """Write the ratios as SVG; the file. Raises OSError."""
    file.write_text(drawn(report.results), encoding="utf-8")
    return file


def drawn(results: Sequence[Result]) -> str:
    """A bar for each case, its least and greatest ratio as a line, and one line where the peer is."""
    most = max([1.5, *(r.ratio_max for r in results)])
    height = _TOP + _ROW * len(results) + 12

    def x(ratio: float) -> float:
        return round(_LABELS + ratio / most * _WIDE, 1)

    rows = [_row(r, _TOP + _ROW * place, x) for place, r in enumerate(results)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LABELS + _WIDE + 60} {height}" '
            'font-family="sans-serif" font-size="12">',
            f'<text x="8" y="18" font-size="14" fill="{_INK}">our time as a multiple of the peer\'s</text>',
            f'<text x="{x(1) + 4}" y="38" fill="{_PEER}">1.0: the peer</text>',
            *rows,
            f'<line x1="{x(1)}" x2="{x(1)}" y1="28" y2="{height - 8}" stroke="{_PEER}"/>',
            "</svg>\n",
        ]
    )


def _row(r: Result, y: int, x: object) -> str:
    assert callable(x)
    middle = y + _ROW // 2
    return (
        f'<text x="8" y="{middle + 4}" fill="{_INK}">{escape(r.case)} ({r.clock})</text>'
        f'<rect x="{_LABELS}" y="{y + 4}" width="{round(x(r.ratio) - _LABELS, 1)}" height="{_ROW - 8}" fill="{_OURS}"/>'
        f'<line x1="{x(r.ratio_min)}" x2="{x(r.ratio_max)}" y1="{middle}" y2="{middle}" stroke="{_SPREAD}"/>'
        f'<text x="{x(r.ratio_max) + 6}" y="{middle + 4}" fill="{_INK}">{r.ratio:.2f}</text>'
    )
