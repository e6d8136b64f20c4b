"""Pieces that the whole page is made of: tables, instants, keys of rows, the word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from htpy import (
    Element,
    Node,
    details,
    span,
    summary,
    table,
    tbody,
    th,
    thead,
    tr,
)

from probe.core.sla.report.words import (
    VERDICTS,
    Said,
)

CLASSES = {"breach shown": "breach", "kept shown": "kept", "not decided": "open"}


def word_of(word: str, say: Said) -> Element:
    """The verdict, in its colour."""
    return span(class_=f"word {CLASSES[word]}")[say.code(VERDICTS, word)]


def time_of(text: str) -> Element:
    """An instant to the second, on one line; the exact one is in the JSON."""
    moment = datetime.fromisoformat(text) if text else None
    shown = "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
    return span(".time", title=text)[shown]


def between(begin: str, end: str, say: Said) -> Node:
    """From one instant to another."""
    return [time_of(begin), f" {say('to')} ", time_of(end)]


def keys_of(rows: Sequence[str], more: int) -> str:
    """Rows by customer/seq, and how many there are beside them."""
    return ", ".join(rows) + (f" +{more}" if more else "")


def evidence_of(ids: Sequence[str], say: Said) -> Node:
    """Ids of evidence bundles, folded away."""
    return details[summary[say("evidence")], ", ".join(ids)] if ids else None


def right(*names: str) -> tuple[tuple[str], ...]:
    """Heads of columns of numbers."""
    return tuple((name,) for name in names)


def made_table(heads: Iterable[str | tuple[str]], rows: Iterable[Node]) -> Element:
    """With heads, where any of them says something."""
    cells = [th(".n")[name[0]] if isinstance(name, tuple) else th[name] for name in heads]
    return table[thead[tr[cells]] if any(heads) else None, tbody[rows]]
