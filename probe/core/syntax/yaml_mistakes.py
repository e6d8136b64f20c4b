"""Rule: what a YAML parser cannot read is said in words of the file: which character, which line, what to type.

A parser says where it gave up and in the words of its grammar. People mistype a few things only: a full-width colon, a
space that is none, a backslash, a quote that is not closed, a line indented otherwise. Each has a rule below; where
none fits, the parser's own words stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import yaml

Mark = tuple[int, int]
"""Line and column, both from 1."""

_COLONS = "：﹕︰"
_OTHER_MARKS = dict(zip("，、；【】［］｛｝－", ",,;[][]{}-", strict=True))
_DASHES = "‐‑‒–—−"
_QUOTES = "“”„‟‘’‚‛「」『』＂＇«»"
_SPACES = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000\ufeff\u200b"
_LOOKALIKE = re.compile(f"[{_COLONS}{''.join(map(re.escape, _OTHER_MARKS))}{_QUOTES}{_SPACES}]")
_QUOTED_OR_COMMENT = re.compile(r""" "(?:[^"\\]|\\.)*" | '[^']*' | (?:^|(?<=\s))\#.* """, re.VERBOSE)
_NO_SPACE = "a key needs ': ' after it, a colon and a space: here the space is missing"
_NO_START = {
    "@": "a value cannot begin with @",
    "`": "a value cannot begin with `",
    "%": "a value cannot begin with %",
}


def explain(error: yaml.MarkedYAMLError, text: str) -> tuple[Mark, str]:
    """Where it is and what to do about it, in words without the parser's grammar where a rule knows better."""
    lines = text.removeprefix("\ufeff").splitlines()
    marks = [mark for mark in (error.context_mark, error.problem_mark) if mark is not None]
    places = [(mark.line + 1, mark.column + 1) for mark in marks] or [(1, 1)]
    raw = ", ".join(part for part in (error.context, error.problem) if part)
    for rule in _RULES:
        found = rule(raw, places, lines)
        if found is not None:
            return found
    return places[-1], f"not valid YAML: {raw}"


def _merge_conflict(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    at = next((number for number, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")), None)
    if at is None:
        return None
    words = "a merge was not finished: keep one of the two versions and delete the lines <<<<<<<, =======, >>>>>>>"
    return (at, 1), words


def _directive(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    at = next((number for number, line in enumerate(lines, 1) if line.startswith("%")), None)
    if at is None or "document start" not in raw:
        return None
    return (at, 1), f"'{lines[at - 1][:20]}' is a directive of YAML and not needed: delete this line"


def _dash(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    """Another dash where an item of a list begins."""
    for number in _with_lines_before(raw, places, lines):
        found = re.match(f"(\\s*)([{_DASHES}])\\s", _line(lines, number))
        if found is not None:
            return (number, len(found[1]) + 1), _instead(found[2])
    return None


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 1 <= number <= len(lines) else ""


def _lookalike(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    """A character that looks like one of YAML's, on a line that the parser names; quoted text may hold any."""
    for number in _with_lines_before(raw, places, lines):
        line = _QUOTED_OR_COMMENT.sub(lambda found: "x" * len(found[0]), _line(lines, number))
        found = _LOOKALIKE.search(line)
        if found is not None:
            return (number, found.start() + 1), _instead(found[0])
    return None


def _with_lines_before(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> list[int]:
    """The lines that the parser names; where it stumbled over a key, what is wrong may be the line before."""
    numbers = [number for number, _ in places]
    if "mapping values are not allowed" in raw or "could not find expected ':'" in raw:
        numbers.insert(0, _before(lines, places[-1][0]))
    return numbers


def _before(lines: Sequence[str], number: int) -> int:
    """The last line before it that is neither empty nor a comment; 0: none."""
    return next((at for at in range(number - 1, 0, -1) if re.match(r"\s*[^\s#]", lines[at - 1])), 0)


def mistyped(event: yaml.ScalarEvent, *, as_key: bool) -> str | None:
    """Why unquoted text is hardly meant as it stands, and what to type; None: nothing speaks against it."""
    text: str = event.value
    if not text:
        return None
    if as_key and (instead := colon_lookalike(text)) is not None:
        return instead
    begin, end = event.start_mark, event.end_mark
    if "\n" not in text and " - " in text and begin and end and begin.line != end.line:
        return (
            "text begins here and goes on over lines that begin with '- ': align the items, or quote the text"
        )
    odd = next(
        (end for end in (text[0], text[-1]) if end in _SPACES), text[0] if text[0] in _QUOTES else None
    )
    return None if odd is None else _instead(odd)


def colon_lookalike(text: str) -> str | None:
    """The same for text where keys and values were due."""
    found = next((character for character in text if character in _COLONS), None)
    return None if found is None else _instead(found)


def _instead(character: str) -> str:
    name = f"U+{ord(character):04X} {unicodedata.name(character, '').lower()}".rstrip()
    if character in _SPACES:
        return f"this space is {name}: type an ordinary space"
    if character in _COLONS:
        return f"'{character}' is {name}: after a key type ':' and a space"
    if character in _QUOTES:
        return f"{character} is {name}: quote with \" or '"
    return f"'{character}' is {name}: type '{_OTHER_MARKS.get(character, '-')}'"


def _tab(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    for number, _ in places:
        line = _line(lines, number)
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            return (
                number,
                indent.index("\t") + 1,
            ), "a tab indents this line: indent with spaces, not with tabs"
    return None


def _escape(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "escape" not in raw and "hexdecimal" not in raw and "hexadecimal" not in raw:
        return None
    number, column = places[-1]
    at = _line(lines, number).rfind("\\", 0, column)
    words = "within \"double quotes\" a backslash begins an escape: write \\\\, or use 'single quotes'"
    return (number, at + 1 if at >= 0 else column), words


def _alias(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "scanning an alias" not in raw and "scanning an anchor" not in raw:
        return None
    number, column = places[0]
    character = _line(lines, number)[column - 1 : column]
    kind = "an alias" if character == "*" else "an anchor"
    return (number, column), f'{character} begins {kind}: quote the value, "{character}..."'


def _unclosed_quote(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "quoted scalar" not in raw or not ("end of stream" in raw or "document indicator" in raw):
        return None
    number, column = places[0]
    return (
        number,
        column,
    ), f"the quote {_line(lines, number)[column - 1 : column]} that opens here is not closed"


def _unclosed_bracket(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "flow sequence" not in raw and "flow mapping" not in raw:
        return None
    closing = "]" if "flow sequence" in raw else "}"
    (number, column), (at, _) = places[0], places[-1]
    opening = _line(lines, number)[column - 1 : column]
    until = f" by line {at}" if at != number else ""
    words = f"the {opening} that opens here is not closed{until}: a ',' or a '{closing}' is missing"
    return (number, column), words


def _value_missing(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "parsing a flow node" not in raw:
        return None
    return places[-1], "a value is missing before this place, or a [ or { that opens above it is not closed"


def _stray_bracket(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    number, column = places[-1]
    character = _line(lines, number)[column - 1 : column]
    if character not in ("]", "}", ",") or character == "":
        return None
    if character == "," and _line(lines, number)[: column - 1].rstrip()[-1:] in ("", ",", "[", "{"):
        return (number, column), "nothing stands before this ',': delete it, or write what is missing"
    return (number, column), f"'{character}' closes nothing here: quote the value if it is part of it"


def _no_start(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    number, column = places[-1]
    character = _line(lines, number)[column - 1 : column]
    if "cannot start any token" not in raw or character not in _NO_START:
        return None
    return (number, column), f'{_NO_START[character]}: quote it, "{character}..."'


def _second_colon(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "mapping values are not allowed" not in raw:
        return None
    number, column = places[-1]
    before = _line(lines, number)[: column - 1]
    if ": " in before:
        return (number, column), "a second ': ' on one line: quote the value, or begin a line of its own"
    above = _before(lines, number)
    stuck = re.match(r"(\s*(?:- +)?[\w-]+:)[^\s/]", _line(lines, above))
    if stuck is not None:
        return (above, len(stuck[1])), _NO_SPACE
    return (
        number,
        column,
    ), "no key can stand here: check the indentation of this line and the value above it"


def _no_colon(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "could not find expected ':'" not in raw:
        return None
    number, column = places[0]
    word = _line(lines, number)[column - 1 :].strip()
    if word.startswith("//"):
        return (number, column), "a comment begins with #, not with //"
    if (equals := re.match(r"([\w-]+)\s*=", word)) is not None:
        return (number, column), f"after the key '{equals[1]}' stands ': ', not ="
    if re.match(r"[^\s:]+:\S", word):
        return (number, column), _NO_SPACE
    return (number, column), "a key needs ': ' and a value after it, an item of a list '- ' before it"


def _item_beside_key(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    number, column = places[-1]
    if not re.match(r"\s*[^\s#-][^:]*:\s+$", _line(lines, number)[: column - 1]):
        return None
    if _line(lines, number)[column - 1 : column + 1] != "- ":
        return None
    return (number, column), "a list begins on a line of its own, below its key; or write [a, b]"


def _item_without_space(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    number, _ = places[-1]
    for at in (number, _before(lines, number)):
        found = re.match(r"( *)-[^\W\d]", _line(lines, at))
        if found is not None:
            return (at, len(found[1]) + 1), "an item of a list begins with '- ', a hyphen and a space"
    return None


def _indentation(raw: str, places: Sequence[Mark], lines: Sequence[str]) -> tuple[Mark, str] | None:
    if "block mapping" not in raw and "block collection" not in raw and "block sequence" not in raw:
        return None
    (begun, depth), (number, column) = places[0], places[-1]
    line = _line(lines, number)
    indent = len(line) - len(line.lstrip())
    if column > indent + 1:
        behind = _line(lines, number)[: column - 1].rstrip()[-1:]
        if behind in ("'", '"', "]", "}"):
            return (number, column), f"nothing may follow the closing {behind} here{_doubled(behind)}"
        return (number, column), "this cannot stand here: quote the value, or begin a line of its own"
    if indent == depth - 1:
        kind = "a key" if "mapping" in raw else "a '- ' item"
        return (number, column), f"{kind} was expected here, as deep as line {begun}"
    above = _line(lines, _before(lines, number))
    before = len(above) - len(above.lstrip())
    words = f"this line is indented by {indent}, the one before by {before}, and their block by {depth - 1}: align it"
    return (number, indent + 1), words


def _doubled(quote: str) -> str:
    hints = {"'": ": within 'single quotes' a ' is written twice", '"': ': within "double quotes" write \\"'}
    return hints.get(quote, "")


_RULES: tuple[Callable[[str, Sequence[Mark], Sequence[str]], tuple[Mark, str] | None], ...] = (
    _merge_conflict,
    _directive,
    _dash,
    _lookalike,
    _tab,
    _escape,
    _alias,
    _unclosed_quote,
    _unclosed_bracket,
    _no_start,
    _item_without_space,
    _second_colon,
    _no_colon,
    _item_beside_key,
    _indentation,
    _stray_bracket,
    _value_missing,
)
