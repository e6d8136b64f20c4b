"""Rule: a character that only looks like the one that is meant is named by its code, for nobody can see it.

Full-width forms come from an input method that was left on, Cyrillic letters and spaces without a width from texts that
were copied. They are text like any other, so only where text is refused is it looked at for them.
"""

from __future__ import annotations

import unicodedata

_ALIKE = dict(zip("аеорсухіѕјԁ。‐‑‒–—−", "aeopcyxisjd.------", strict=True))
_INVISIBLE = frozenset(("Cf", "Zs"))  # categories of Unicode: without a width, spaces


def lookalike(text: str) -> str | None:
    """The first character of `text` that looks like an ASCII one, or like nothing; None: there is none."""
    for character in text:
        if character.isascii():
            continue
        named = f"U+{ord(character):04X} {unicodedata.name(character, '').lower()}".rstrip()
        if unicodedata.category(character) in _INVISIBLE:
            return f"a character that one does not see is in it, {named}: type this text anew"
        meant = _ALIKE.get(character) or unicodedata.normalize("NFKC", character)
        if meant.isascii() and len(meant) == 1:
            return f"'{character}' is {named}: type '{meant}'"
    return None
