"""Text and tables of `status`: no line is wider than the terminal, nothing is lost, nothing is obeyed."""

from __future__ import annotations

import re
import sys
from unicodedata import combining, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.cli.render.layout import Table, Text, drawn, for_standard_output

ANY = st.text(max_size=60)
CELL = st.text(alphabet="ab 界e\u0301-", max_size=40)


def columns(line: str) -> int:
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in line)


def test_lines_are_cut_between_words_and_long_words_within() -> None:
    assert drawn([Text("one two three")], 8) == "one two\nthree\n"
    assert drawn([Text("a abcdefghij b")], 4) == "a\nabcd\nefgh\nij b\n"
    assert drawn([Text("界界界")], 4) == "界界\n界\n"
    assert drawn([Text("a\n\nb"), Text()], 80) == "a\n\nb\n\n"


def test_a_table_is_as_wide_as_it_must_be_and_its_widest_column_gives_way() -> None:
    table = Table("name", "what")
    table.add_row("a", "one two three four")
    assert drawn([table], 80) == "name  what\na     one two three four\n"
    assert drawn([table], 16) == "name  what\na     one two\n      three four\n"
    assert drawn([Table()], 80) == ""


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=4), st.integers(10, 60))
def test_nothing_is_wider_than_the_terminal_and_every_letter_is_shown(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    table = Table()
    for row in rows:
        table.add_row(*row)
    text = drawn([table], width)
    assert all(columns(line) <= width for line in text.split("\n"))
    for column in range(3):
        typed = "".join(row[column] for row in rows)
        assert all(text.count(char) >= typed.count(char) for char in set(typed) - {" "})


@given(ANY, st.integers(2, 40))
def test_nothing_that_is_shown_is_a_command_to_the_terminal(text: str, width: int) -> None:
    table = Table(text)
    table.add_row(Text("x").append(text, "red"))
    shown = drawn([Text(text), table], width, styles={"red", "bold"})
    without_ours = re.sub(r"\x1b\[(31|1|0)m", "", shown)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", without_ours)


def test_only_the_styles_that_are_allowed_are_used() -> None:
    parts = [Text("a", "bold red").append("b").append("c", "dim")]
    assert drawn(parts, 80) == "abc\n"
    assert drawn(parts, 80, styles={"bold", "red", "dim"}) == "\x1b[1;31ma\x1b[0mb\x1b[2mc\x1b[0m\n"
    assert drawn(parts, 80, styles={"bold"}) == "\x1b[1ma\x1b[0mbc\n"


@pytest.mark.parametrize(
    ("environment", "some", "not_one"),
    [
        ({"TERM": "xterm"}, {"bold", "red"}, set()),
        ({"TERM": "xterm", "NO_COLOR": "1"}, {"bold", "dim"}, {"red", "green"}),
        ({"TERM": "dumb"}, set(), {"bold", "red"}),
    ],
)
def test_what_a_terminal_takes(
    environment: dict[str, str], some: set[str], not_one: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "72")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert for_standard_output() == (72, frozenset())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    width, styles = for_standard_output()
    assert width == 72
    assert some <= styles
    assert not styles & not_one
