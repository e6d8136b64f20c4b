"""Rule: a pattern that a customer wrote is tried on short text and for a short time; one that runs away says nothing.

Regular expressions of check parameters, for texts such as the value of a header field.
"""

from __future__ import annotations

from typing import Annotated

import regex
from pydantic import AfterValidator, StringConstraints

MATCHED_CHARACTERS = 4096
WITHIN_S = 0.05


def check_pattern(text: str) -> str:
    """The text, if it is a regular expression. Raises ValueError with words for a person."""
    try:
        regex.compile(text)
    except regex.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


def matches(pattern: str, text: str) -> bool | None:
    """Whether the whole text matches; None where that cannot be told: too long a text, a pattern that runs away."""
    if len(text) > MATCHED_CHARACTERS:
        return None
    try:
        return regex.fullmatch(pattern, text, timeout=WITHIN_S) is not None
    except TimeoutError:
        return None


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(check_pattern)]
