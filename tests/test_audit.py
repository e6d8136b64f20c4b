"""What the audit reads is what is installed: every package pinned, with hashes, by no address (docs/decisions/0011)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-long.lock"])
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 20
    for line in lines:
        assert re.match(
            r"^[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[^ ;=*]+( ;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+ *$", line
        ), line
    assert "://" not in text


def test_what_runs_is_pinned_alike_for_development_and_for_the_long_tests() -> None:
    def pinned(name: str) -> set[str]:
        return set(
            re.findall(r"^([A-Za-z0-9_.-]+==[^ ;\\]+)", (ROOT / name).read_text(encoding="utf-8"), re.M)
        )

    assert pinned("requirements.lock") <= pinned("requirements-dev.lock") <= pinned("requirements-long.lock")


def test_what_the_threat_model_points_at_is_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    places = re.findall(r"`(tests/[\w/.]+)`", text)
    assert len(places) > 10
    assert [place for place in places if not (ROOT / place).exists()] == []
