"""Rule: a pattern that a customer wrote says the same of the same text on every machine.

Regular expressions of check parameters, for texts such as the value of a header field. Their syntax is RE2's
(`core.text.pattern_syntax`), and what they are tried on is bounded in characters; no clock has a part in it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from probe.core.text.pattern_syntax import compiled_for_text

MATCHED_CHARACTERS = 4096


def check_pattern(text: str) -> str:
    """The text, if it is a regular expression that can be used. Raises ValueError with words for a person."""
    compiled_for_text(text)
    return text


def matches(pattern: str, text: str) -> bool | None:
    """Whether the whole text matches; None where the text is no evidence: over MATCHED_CHARACTERS, or no Unicode.

    Raises ValueError for a pattern that `check_pattern` refuses.
    """
    if len(text) > MATCHED_CHARACTERS:
        return None
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
    return compiled_for_text(pattern).fullmatch(data) is not None


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(check_pattern)]
