"""YAML is read strictly, within bounds, and every value knows its place."""

from __future__ import annotations

import pytest
import yaml

from probe.core.syntax import yaml as strict_yaml
from probe.core.syntax.problem import Problem
from probe.core.syntax.yaml import MAX_DEPTH, read_document


@pytest.fixture(autouse=True, params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both parsers of PyYAML: where the C library is missing, the same must hold."""
    if request.param == "pure":
        monkeypatch.setattr(strict_yaml, "_PARSER", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML without libyaml")
    return str(request.param)


def problems(text: str) -> list[tuple[int, int, str]]:
    return [(p.line, p.column, p.message) for p in read_document(text, "f.yaml")[1]]


def only(text: str) -> tuple[int, int, str]:
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def plain(text: str) -> object:
    document, found = read_document(text, "f.yaml")
    assert document is not None
    assert not found
    return document.plain()


def test_values_are_what_they_look_like() -> None:
    text = "a: 1\nb: -7\nc: 1.5\nd: true\ne: false\nf: '012'\ng: \"no\"\nh: 60s\ni: 1.2.3.4\nj: [x, {k: 0}]\nl: ::1\n"
    assert plain(text) == {
        "a": 1, "b": -7, "c": 1.5, "d": True, "e": False, "f": "012", "g": "no", "h": "60s", "i": "1.2.3.4",
        "j": ["x", {"k": 0}], "l": "::1",
    }  # fmt: skip


def test_timestamps_stay_text() -> None:
    assert plain("from: 2026-11-25T00:00:00+08:00\nday: 2026-11-25") == {
        "from": "2026-11-25T00:00:00+08:00",
        "day": "2026-11-25",
    }


@pytest.mark.parametrize(
    "word",
    ["no", "NO", "yes", "on", "Off", "y", "N", "True", "FALSE", "012", "0o12", "0x1F", "0b1", "1_000", "1:30",
     "12:30:45", "+1", "-0", "089", ".5", "1.", "1e3", "1.5e3", ".inf", "-.INF", ".nan", "=", "1" * 25],
)  # fmt: skip
def test_words_with_two_meanings_are_refused_with_their_place(word: str) -> None:
    line, column, message = only(f"a: x\nb:\n  - {word}\n")
    assert (line, column) == (3, 5)
    assert "quote" in message
    assert plain(f'b: ["{word}"]') == {"b": [word]}


@pytest.mark.parametrize("empty", ["a:", "a: ~", "a: null", "a: Null", "a: [x, ]\nb:"])
def test_empty_values_are_refused(empty: str) -> None:
    assert "no value is given here" in only(empty)[2]


def test_a_key_given_twice_names_both_places() -> None:
    assert only("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == (
        5, 3, "the key 'c' is given twice; the first is at 3:3",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "column", "tag"),
    [
        ("a: !!python/object:os.system x", 4, "!!python/object:os.system"),
        ("a: !!python/object/apply:os.system ['id']", 4, "!!python/object/apply:os.system"),
        ("a: !!str 1", 4, "!!str"),
        ("a: !local {b: c}", 4, "!local"),
        ("!!map {a: b}", 1, "!!map"),
    ],
)
def test_tags_are_refused(text: str, column: int, tag: str) -> None:
    assert only(text) == (
        1, column, f"the tag {tag} is not allowed: a configuration holds plain values only",
    )  # fmt: skip


def test_anchors_aliases_and_merge_keys_work() -> None:
    text = "b: &base {x: 1, y: 2}\nc: {<<: *base, y: 3}\nd: {<<: [*base, {z: 9}], x: 5}\ne: *base\n"
    assert plain(text) == {
        "b": {"x": 1, "y": 2},
        "c": {"x": 1, "y": 3},
        "d": {"x": 5, "y": 2, "z": 9},
        "e": {"x": 1, "y": 2},
    }


def test_an_aliased_value_is_told_where_it_is_written() -> None:
    document, _ = read_document("a: &x\n  k: v\nb: *x\n", "f.yaml")
    assert document is not None
    assert document.mark(("b", "k")) == (2, 6)
    assert document.mark(("b", "k"), at_key=True) == (2, 3)
    assert document.mark(("b",), at_key=True) == (3, 1)
    assert document.mark(("b", "absent", 3)) == document.mark(("a",))


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: *x\n", (1, 4), "refers to no anchor"),
        ("a: &x [*x]\n", (1, 8), "refers to the very value"),
        ("a: 1\n---\nb: 1\n", (2, 1), "a second document"),
        ("? [a]\n: b\n", (1, 3), "a key must be plain text"),
        ("a: &k b\n*k : c\n", (2, 1), "a key must be plain text"),
        ("a: {<<: 3}\n", (1, 9), "<< merges mappings"),
        ("", (1, 1), "the file is empty"),
        ("# only a comment\n", (1, 1), "the file is empty"),
        ("- a\n", (1, 1), "not a list"),
        ("word", (1, 1), "not a single value"),
        ("a: b\u0007\n", (1, 5), "U+0007"),
        ("a: x\nb: \u2028\n", (2, 4), "U+2028"),
        ("a: x\r\nb: \x00\r\n", (2, 4), "U+0000"),
        ("a:\n\t- b\n", (2, 1), "indent with spaces"),
    ],
)
def test_refusals_have_their_place(text: str, place: tuple[int, int], words: str) -> None:
    line, column, message = only(text)
    assert (line, column) == place
    assert words in message


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: [1, 2\nb: 3\n", (1, 4), "the [ that opens here is not closed by line 2"),
        ("a: 'x\n", (1, 4), "the quote ' that opens here is not closed"),
        ("a: b: c\n", (1, 5), "a second ': ' on one line"),
        ("a: }\n", (1, 4), "'}' closes nothing here"),
        ("a:b\nc: d\n", (1, 2), "here the space is missing"),
        ("a:\n  b: 1\n c: 2\n", (3, 2), "indented by 1, the one before by 2"),
        ("a: “x”\n", (1, 4), "U+201C"),
        ("\u3000a: b\n", (1, 1), "U+3000 ideographic space"),
        ("a: 1\nb： 2\nc: 3\n", (2, 2), "U+FF1A fullwidth colon"),
        ("a: '：'\nb: \"：\"\nc：\nd: 1\n", (3, 2), "U+FF1A"),
        ("%YAML 9.9\n---\na: b\n", (1, 1), "not valid YAML: "),
    ],
)
def test_syntax_errors_say_where_and_what_to_type(text: str, place: tuple[int, int], words: str) -> None:
    line, column, message = only(text)
    assert (line, column) == place
    assert words in message


ALIASES = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}], k{i}: v}}\n" for i in range(1, 40)
)
LONG_TEXT = "a: &a '" + "x" * 100_000 + "'\nb: [" + ",".join(["*a"] * 5000) + "]\n"


@pytest.mark.parametrize("bomb", [ALIASES, MERGES, LONG_TEXT], ids=["aliases", "merges", "long text"])
def test_bombs_are_refused(bomb: str) -> None:
    _, _, message = only(bomb)
    assert "more than 400000 values once its aliases are expanded" in message


def test_an_alias_bomb_is_told_where_it_bursts() -> None:
    assert only(ALIASES)[:2] == (7, 18)


def test_many_aliases_are_refused() -> None:
    assert (
        only("a: &a x\nb: [" + ",".join(["*a"] * 20_001) + "]\n")[2] == "more than 20000 aliases in one file"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [("[" * 100_000, (1, 51)), ("{a: " * 100_000, (1, 201)), ("- " * 100_000, (1, 101))],
    ids=["lists", "mappings", "block lists"],
)
def test_deep_nesting_is_refused_without_exhausting_any_stack(text: str, place: tuple[int, int]) -> None:
    assert only(text) == (*place, f"nested deeper than {MAX_DEPTH} levels")


def test_deep_nesting_through_aliases_is_refused() -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 10_000))
    assert only(chain)[2].startswith("nested deeper than 50 levels once *a")


def test_one_run_tells_all_that_can_be_told() -> None:
    found = problems("a: no\nb: 012\na: x\nc: !!str y\nd:\n")
    assert [(line, column) for line, column, _ in found] == [(1, 4), (2, 4), (3, 1), (4, 4), (5, 3)]


def test_a_problem_prints_itself_as_a_place() -> None:
    assert str(Problem("f.yaml", 3, 7, "words")) == "f.yaml:3:7: words"
    assert str(Problem("f.yaml", 0, 0, "words")) == "f.yaml: words"
