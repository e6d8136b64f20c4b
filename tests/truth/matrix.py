"""The confusion matrix in rows, as text within 80 columns: who was to blame, and whom the product named."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from tests.truth.scenario import ACCUSED, PARTIES, Scenario, Told

WIDTH = 80


def matrix(told: Sequence[Told]) -> str:
    """A line for each party that was to blame, a column for each that was named; `!N`: so many of them wrongly."""
    all_of, wrong = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for one in told:
        all_of[one.party, one.accused] += 1
        wrong[one.party, one.accused] += not one.right
    lines = ["".join(["cause    ", *(f"{party:>8}" for party in PARTIES)]).rstrip()]
    for cause in PARTIES:
        if not any(found == cause for found, _ in all_of):
            continue
        cells = (_cell(all_of[cause, named], wrong[cause, named]) for named in PARTIES)
        lines.append("".join([f"{cause:<9}", *(f"{cell:>8}" for cell in cells)]).rstrip())
    return "\n".join(lines)


def _cell(rows: int, wrong: int) -> str:
    return "." if not rows else f"{rows}!{wrong}" if wrong else str(rows)


def debatable(told: Sequence[Told], scenarios: Sequence[Scenario]) -> str:
    """Each scenario that has more than one right verdict: what the product said, and why another would be right too."""
    lines = []
    for scenario in scenarios:
        if scenario.debatable:
            said = Counter(one.words for one in told if one.scenario.split("/")[0] == scenario.name)
            words = ", ".join(f"{number} x {word}" for word, number in said.items())
            lines += _wrapped(f"{scenario.name}: {words}. {scenario.debatable}", "  ")
    return "\n".join(lines)


def wrong_rows(told: Sequence[Told]) -> str:
    """Each row off the diagonal: its scenario, what the product said, and the sentence."""
    blocks = []
    for one in told:
        if one.right:
            continue
        head = f"{one.scenario}: {one.words}{f' ({one.why})' if one.why else ''}"
        blocks.append("\n".join(_wrapped(head, "  ") + _wrapped(f"“{one.row['summary']}”", "    ", "    ")))
    return "\n".join(blocks)


def _wrapped(text: str, after: str, first: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=after)


def totals(told: Sequence[Told]) -> str:
    """One line: rows, wrong ones, and those that accuse somebody for what is ours or nobody's."""
    wrong = sum(not one.right for one in told)
    ours = sum(
        one.accused in ACCUSED and one.party in ("nobody", "vantage", "agent", "path") and not one.right
        for one in told
    )
    missed = sum(one.party in ACCUSED and not one.right and one.accused not in ACCUSED for one in told)
    return f"{len(told)} rows, {wrong} wrong: {ours} accuse for what is ours, {missed} miss a fault"
