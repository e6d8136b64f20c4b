"""Rule: a pattern is one that ends in time proportional to the text, on any machine; others are refused with a reason.

Patterns are regular expressions in RE2's syntax. RE2 never goes back in the text, so a match takes time that grows with
the text alone. The price is what cannot be matched that way: look-around, back-references, and what is built of them.
Refused too is what RE2 would read otherwise than Python's `re` does, without a word. A pattern is compiled within a
fixed amount of memory and to a limited size; both depend on the pattern alone, so whatever is accepted once can be
matched.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

MEMORY_BYTES = 2 * 1024 * 1024  # of one compiled pattern and what it remembers while it matches
PROGRAM_AT_MOST = 5000  # instructions; `.{1,500}` has 4,500, over text
_COUNT_AT_MOST = 1000  # RE2's own

_NOT_KNOWN = {
    "Z": r"\Z is not known; write \z for the end",
    "u": r"\u is not known; write a character by its number as \x{20ac}",
    "U": r"\U is not known; write a character by its number as \x{20ac}",
    "N": r"\N is not known; write a character by its number as \x{20ac}",
    **{letter: f"\\{letter} is not known" for letter in "hHRXKGmMeyYJ"},
}
_GROUPS = (
    (("?=", "?!", "?<=", "?<!"), "look-around is not supported; match the text around it too"),
    (("?>",), "an atomic group is not supported; write (?:...), matching never goes back"),
    (
        ("?P=", "?P>", "?&", "?R", "?1", "?|"),
        "a reference to another group is not supported; write it out again",
    ),
    (("?(",), "a condition is not supported; write both alternatives with |"),
    (("?#",), "a comment is not supported inside a pattern; take it out"),
)
_NAMED = re.compile(r"\(\?(P?<[A-Za-z_]\w*>|[imsU]*(-[imsU]+)?[:)])", re.ASCII)
_COUNTED = re.compile(r"\{(\d*)(,?)(\d*)\}", re.ASCII)
_POSIX_CLASS = re.compile(r"\[:\^?[a-z]+:\]")


def compiled_for_text(pattern: str) -> Any:
    """A pattern over characters. Raises ValueError with words for a person."""
    return _compiled(pattern, False)


def compiled_for_bytes(pattern: str) -> Any:
    """The same over bytes: `.` is one byte, and a letter outside ASCII is the bytes of its UTF-8. Raises ValueError."""
    return _compiled(pattern, True)


@lru_cache(maxsize=128)
def _compiled(pattern: str, over_bytes: bool) -> Any:
    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    options.never_capture = True  # groups only hold together
    if over_bytes:
        options.encoding = re2.Options.Encoding.LATIN1
    words = refused(pattern)
    if words is not None:
        raise ValueError(f"not a regular expression that can be used: {words}")
    try:
        made = re2.compile(pattern.encode(), options)
    except UnicodeEncodeError:
        raise ValueError("not a regular expression: half of a surrogate pair is no character") from None
    except re2.error as error:
        raise ValueError(_told(error)) from None
    if made.reverseprogramsize < 0 or made.programsize > PROGRAM_AT_MOST:
        raise ValueError(_too_large(f"{made.programsize:,} steps, at most {PROGRAM_AT_MOST:,}"))
    return made


def _told(error: Exception) -> str:
    """RE2's own words, which come as bytes."""
    said = error.args[0] if error.args else b""
    words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if "too large" in words:
        return _too_large("it does not fit into its memory")
    return f"not a regular expression: {words}"


def _too_large(why: str) -> str:
    return (
        f"not a regular expression that can be used: too large ({why}); write + or * for a long counted "
        r"repetition, and a class such as [a-z] for a wide one such as \pL"
    )


def refused(pattern: str) -> str | None:
    """What in it is not supported, at which character, and what to do; None where nothing is."""
    place = 0
    while place < len(pattern):
        words, length = _at(pattern, place)
        if words is not None:
            return f"{words} (at character {place + 1})"
        place += length
    return None


def _at(pattern: str, place: int) -> tuple[str | None, int]:
    """(words or None, how many characters were looked at) of what begins at this place."""
    char = pattern[place]
    if char == "\\":
        if pattern[place + 1 : place + 2] == "Q":
            end = pattern.find("\\E", place)
            return None, (end + 2 if end >= 0 else len(pattern)) - place
        return _escape(pattern[place + 1 : place + 2], in_class=False), 2
    if char == "[":
        return _class(pattern, place)
    if char == "(" and pattern.startswith("(?", place):
        return _group(pattern, place), 2
    if char in "*+?" and pattern[place + 1 : place + 2] == "+":
        return "a possessive repetition is not supported; leave the second + out, matching never goes back", 2
    if char == "{":
        return _counted(pattern, place)
    return None, 1


def _escape(letter: str, *, in_class: bool) -> str | None:
    if letter and letter in "123456789":
        return None if in_class else "a back-reference is not supported; write the group out again"
    return _NOT_KNOWN.get(letter)


def _class(pattern: str, start: int) -> tuple[str | None, int]:
    """A class of characters ends at the first ] that is not its first member."""
    place = start + (2 if pattern.startswith("[^", start) else 1)
    first = True
    while place < len(pattern) and (first or pattern[place] != "]"):
        first = False
        if pattern[place] == "\\":
            words = _escape(pattern[place + 1 : place + 2], in_class=True)
            if words is not None:
                return words, 1
            place += 2
        elif posix := _POSIX_CLASS.match(pattern, place):
            place = posix.end()
        else:
            place += 1
    return None, place + 1 - start


def _group(pattern: str, place: int) -> str | None:
    if _NAMED.match(pattern, place):
        return None
    for beginnings, words in _GROUPS:
        if pattern.startswith(beginnings, place + 1):
            return words
    return "only the flags i, m, s and U are known, as in (?i) and (?i:...)"


def _counted(pattern: str, place: int) -> tuple[str | None, int]:
    """A brace that is no repetition is a brace: `{"t":[0-9]+}`."""
    counted = _COUNTED.match(pattern, place)
    if counted is None:
        return None, 1
    least, comma, most = counted.groups()
    if not least and comma and most:
        return f"{{,{most}}} would be read as these characters; write {{0,{most}}}", 1
    if any(number and int(number[:6]) > _COUNT_AT_MOST for number in (least, most)):
        return f"a repetition is counted up to {_COUNT_AT_MOST} at most; write + or *", 1
    if least and pattern[counted.end() : counted.end() + 1] == "+":
        return "a possessive repetition is not supported; leave the + out, matching never goes back", 1
    return None, counted.end() - place
