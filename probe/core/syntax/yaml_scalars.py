"""Rule: an unquoted word means the same under every YAML, or it is refused; nothing turns into something else.

YAML 1.1 reads `no` as False, `012` as 10 and `1:30` as 90; YAML 1.2 reads them otherwise. We read true, false,
decimal integers and decimal fractions; everything that either version would take for something else must be quoted.
Timestamps stay text: they are read where a time is expected.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False}
_BOOLEAN_LIKE = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false"])
_NULLS = frozenset(("", "~", "null"))
_NUMBER_LIKE = re.compile(
    r"""[-+]?(?:
        [0-9][0-9_]*                               # 012, 1_000, and integers that are too long
      | 0[bB][01_]+ | 0[oO][0-7_]+ | 0[xX][0-9a-fA-F_]+
      | [0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?  # sexagesimal: 1:30 is 90 in YAML 1.1
      | (?:[0-9][0-9_]*)?\.[0-9_]+(?:[eE][-+]?[0-9]+)?
      | [0-9][0-9_]*\.(?:[eE][-+]?[0-9]+)?
      | [0-9][0-9_]*[eE][-+]?[0-9]+
      | \.(?:inf|Inf|INF|nan|NaN|NAN)
    )""",
    re.VERBOSE,
)


def read_plain(text: str) -> tuple[Scalar, str | None]:
    """The value of an unquoted scalar, and what is wrong with it (None: nothing)."""
    if text in _BOOLEANS:
        return _BOOLEANS[text], None
    if _INT.fullmatch(text) and text != "-0":
        return int(text), None
    if _FLOAT.fullmatch(text):
        return float(text), None
    if text.lower() in _NULLS:
        return None, "no value is given here: write one, {} for an empty mapping, or leave the key out"
    if text.lower() in _BOOLEAN_LIKE:
        return (
            text,
            f'{text} means a truth value to some YAML readers: write true or false, or quote it: "{text}"',
        )
    if _NUMBER_LIKE.fullmatch(text):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        return text, (
            f'{shown} is read as different numbers by different YAML versions: quote it ("{shown}") '
            "or write a plain decimal number"
        )
    return text, "= needs quotes" if text == "=" else None
