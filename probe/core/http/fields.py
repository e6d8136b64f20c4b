"""Rule: header fields are read as they came, in wire order; a structured field that does not parse is absent.

Names are lower case in our records. RFC 9110 section 5.3 (several lines of one field), RFC 9651 (structured fields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import http_sf

Fields = Sequence[tuple[str, str]]
Members = list[tuple[Any, Mapping[str, Any]]]
# What a hostile server sends is bounded before it is parsed: no real field of these is a tenth as long.
PARSED_CHARACTERS = 16_384


def field_values(fields: Fields, name: str) -> list[str]:
    """All values of a field, in wire order; names are compared in lower case."""
    return [value for key, value in fields if key == name]


def first_value(fields: Fields, name: str) -> str | None:
    """The first value of a field; None where it is absent."""
    return next((value for key, value in fields if key == name), None)


def structured_list(fields: Fields, name: str) -> Members | None:
    """The members of a List as (item, parameters), inner lists left out; None where it does not parse."""
    found = _parsed(fields, name, "list")
    if not isinstance(found, list):
        return None
    return [member for member in found if isinstance(member, tuple) and not isinstance(member[0], list)]


def structured_dictionary(fields: Fields, name: str) -> dict[str, Any] | None:
    """The members of a Dictionary, without their parameters; None where it does not parse or is empty."""
    found = _parsed(fields, name, "dictionary")
    if not isinstance(found, dict) or not found:
        return None
    return {key: member[0] if isinstance(member, tuple) else member for key, member in found.items()}


def _parsed(fields: Fields, name: str, kind: str) -> object:
    text = ", ".join(field_values(fields, name))
    if len(text) > PARSED_CHARACTERS:
        return None
    try:
        return http_sf.parse(text.encode("latin-1", "replace"), tltype=kind)
    except (ValueError, LookupError, ArithmeticError, AssertionError, TypeError, RecursionError):
        return None  # the raw field stays in the response
