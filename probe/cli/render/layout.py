"""Rule: text is laid out as far as `status` needs it, by a module that costs nothing to load.

In: lines of styled text and tables. Out: text for a terminal of a width, with ANSI styles (ECMA-48 SGR) or without.
`status` is asked every few seconds by people and by scripts; loading rich would be a quarter of what it costs. Commands
that draw trees or follow something use rich (`terminal`). What a server sent is shown here too, and never obeyed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import zip_longest

from probe.core.text.control_characters import CONTROL

NO_TERMINAL_COLUMNS = 80
_GAP = "  "
_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_ATTRIBUTES = {"bold", "dim"}

Piece = tuple[str, str]
"""Text without line breaks, and its style: words of `_SGR`."""


def harmless(text: str) -> str:
    """With a sign in the place of each character that a terminal would obey."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


class Text:
    """Styled text of one or more lines."""

    def __init__(self, text: str = "", style: str = "") -> None:
        self.pieces: list[Piece] = []
        self.append(text, style)

    def append(self, text: str, style: str = "") -> Text:
        """Put more at its end; gives itself."""
        if text:
            self.pieces.append((harmless(text), style))
        return self

    def lines(self, width: int) -> Iterator[list[Piece]]:
        """Cut where it breaks lines, between words where it is too wide, and within a word that is too long itself.

        What goes on in a line below stands as far in as it began.
        """
        line: list[Piece] = []
        for text, style in self.pieces:
            first, *others = text.split("\n")
            line.append((first, style))
            for other in others:
                yield from _cut(line, width)
                line = [(other, style)]
        yield from _cut(line, width)


class Table:
    """Columns that are as wide as what stands in them, and together no wider than there is room."""

    def __init__(self, *names: str, whole: Collection[str] = ()) -> None:
        """`whole`: columns that give up room last, since what they say must not be broken."""
        self._whole = frozenset(at for at, name in enumerate(names) if name in whole)
        self.rows: list[tuple[Text, ...]] = [tuple(Text(name, "bold") for name in names)] if names else []

    def add_row(self, *cells: Text | str) -> None:
        """One cell for each column."""
        self.rows.append(tuple(cell if isinstance(cell, Text) else Text(cell) for cell in cells))

    def lines(self, width: int) -> Iterator[list[Piece]]:
        """Row by row; a cell that has no room goes on in a line below."""
        natural = [[max(map(_columns, cell.lines(sys.maxsize))) for cell in row] for row in self.rows]
        widths = _fitted([max(column) for column in zip(*natural, strict=True)], width, self._whole)
        for row in self.rows:
            cells = [cell.lines(room) for cell, room in zip(row, widths, strict=True)]
            for parts in zip_longest(*cells, fillvalue=()):
                line: list[Piece] = []
                for part, room in zip(parts, widths, strict=True):
                    line += (*part, (" " * (room - _columns(part)) + _GAP, ""))
                yield line


def drawn(parts: Iterable[Text | Table], width: int, *, styles: Iterable[str] = ()) -> str:
    """All parts, one below the other, each line at most `width` columns; `styles` are those that may be used."""
    allowed = frozenset(styles)
    return "".join(_line(line, allowed) + "\n" for part in parts for line in part.lines(width))


def printed(*parts: Text | Table | str) -> str:
    """The same for standard output as it is."""
    width, styles = for_standard_output()
    made = (Text(part) if isinstance(part, str) else part for part in parts)
    return drawn(made, width, styles=styles)


def columns_without_terminal() -> int:
    """As terminals usually are wide, or as `COLUMNS` says (POSIX, 8.3), so that who reads a file may have it wider."""
    told = os.environ.get("COLUMNS", "")
    return int(told) if told.isdecimal() and int(told) > 0 else NO_TERMINAL_COLUMNS


def for_standard_output() -> tuple[int, frozenset[str]]:
    """The columns of standard output, and the styles it takes (no colour where NO_COLOR says so, no-color.org)."""
    if not sys.stdout.isatty():
        return columns_without_terminal(), frozenset()
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        styles: frozenset[str] = frozenset()
    else:
        styles = frozenset(_ATTRIBUTES if os.environ.get("NO_COLOR") else _SGR)
    return shutil.get_terminal_size().columns, styles


def _line(pieces: Sequence[Piece], allowed: frozenset[str]) -> str:
    last = len(pieces)
    while last and not pieces[last - 1][0].strip():
        last -= 1
    made = []
    for text, style in pieces[:last]:
        codes = ";".join(_SGR[word] for word in style.split() if word in allowed)
        made.append(f"\x1b[{codes}m{text}\x1b[0m" if codes else text)
    return "".join(made)


def _fitted(widths: list[int], room: int, whole: Collection[int] = ()) -> list[int]:
    """What is too wide is taken from the widest column, the last of those that are alike; of `whole` ones last."""
    room = max(room - len(_GAP) * (len(widths) - 1), len(widths))
    others = [at for at in range(len(widths)) if at not in whole]
    while sum(widths) > room:
        able = [at for at in others if widths[at] > 1] or range(len(widths))
        widest = max(able, key=lambda at: (widths[at], at))
        widths[widest] -= 1
    return widths


def _columns(pieces: Iterable[Piece]) -> int:
    return sum(_width(text) for text, _ in pieces)


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_character_width, text))


def _character_width(character: str) -> int:
    """Columns of a terminal (Unicode Standard Annex 11): wide characters take two, combining ones none."""
    if character < "\u0300":
        return 1
    from unicodedata import combining, east_asian_width

    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _cut(line: list[Piece], width: int) -> Iterator[list[Piece]]:
    """One line as those that fit."""
    if _columns(line) <= width:
        yield line
        return
    characters = [
        (character, style, _character_width(character)) for text, style in line for character in text
    ]
    inset = next((at for at, one in enumerate(characters) if one[0] != " "), 0)
    inset = inset if inset < width // 2 else 0
    start = 0
    while start < len(characters):
        begin: list[tuple[str, str, int]] = [(" ", "", 1)] * (inset if start else 0)
        end, taken, space = start, len(begin), None
        while end < len(characters) and taken + characters[end][2] <= width:
            taken += characters[end][2]
            end += 1
            if inset < end < len(characters) and characters[end][0] == " ":
                space = end
        if end < len(characters) and space is not None:
            end = space
        end = max(end, start + 1)
        yield _pieces([*begin, *characters[start:end]])
        start = end
        while start < len(characters) and characters[start][0] == " ":
            start += 1


def _pieces(characters: Iterable[tuple[str, str, int]]) -> list[Piece]:
    found: list[Piece] = []
    for character, style, _ in characters:
        if found and found[-1][1] == style:
            found[-1] = (found[-1][0] + character, style)
        else:
            found.append((character, style))
    return found
