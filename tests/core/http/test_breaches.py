"""The closed list of breaches stands in the documentation of records."""

from __future__ import annotations

from pathlib import Path

from probe.core.http.tolerance import BREACHES

RECORDS = Path(__file__).parents[3] / "docs/records.md"


def test_each_word_is_documented_with_its_meaning() -> None:
    text = RECORDS.read_text(encoding="utf-8")
    for word, meaning in BREACHES.items():
        assert f"| `{word}` | {meaning} |" in text
