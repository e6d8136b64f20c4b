"""Which values of a query are hidden: by the rule as one would write it, and in time for whatever strangers send."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from probe.core.text.redaction import REDACTED, secret_query_values, without_secret_query
from tests.support.work import linear

# Tried again from each question mark in a key: the square of a text's length.
RULE = re.compile(
    r"""([?&;][^=&;#\s"'<>]*(?:token|secret|passw|signature|credential|api-?_?key|auth)[^=&;#\s"'<>]*=
        |[?&;](?:key|sig|sign|pwd)=)([^&;#\s"'<>,}\]]+)""",
    re.VERBOSE | re.IGNORECASE,
)
PIECES = (
    "?", "&", ";", "=", "key", "sig", "sign", "pwd", "token", "auth", "api_key", "api-key", "to", "ken", "a",
    ",", "}", "]", "#", " ", '"', "<", "KEY", "Pa\u017f\u017fw", "\u212aey", REDACTED,
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(TEXTS)
@example("/a?x?key=1")
@example("/a?token=abc,?sig=x")
@example("/a?a=b?token=x")
@example("/a?tokentoken&token=")
def test_as_the_rule_says(text: str) -> None:
    assert without_secret_query(text) == RULE.sub(rf"\1{REDACTED}", text)
    long = text + " " * 1025  # such are not remembered
    assert without_secret_query(long) == RULE.sub(rf"\1{REDACTED}", long)
    values = [match[2] for match in RULE.finditer(text) if len(match[2]) >= 6]
    assert secret_query_values(text)[: len(set(values))] == tuple(dict.fromkeys(values))


def test_long_texts_end() -> None:
    """By the rule's own pattern 32 KB of question marks take half a minute, and 8 KB of `?auth` as long."""
    for piece in (
        "?",
        "?a",
        "?auth",
        "?token",
        "?key",
        "?key=",
        "&key",
        ";",
        "?a&",
        "?auth=",
        "?auth=x&",
        "=",
        "auth",
    ):
        text = piece * (128 * 1024 // len(piece))
        linear(lambda text=text: without_secret_query(text), len(text), each=4)
