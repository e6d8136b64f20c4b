"""What others rely on changes only on purpose: commands, configuration, API, fields, codes, exit codes.

Made first with version 0.1.0 (commit 4ddf4b8). A change that is meant: `python -m tests.interface.write`, and say so in
CHANGELOG.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interface.current import HERE, snapshots

NAMES = sorted(file.name for file in HERE.iterdir() if file.suffix in (".txt", ".json"))


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return snapshots(tmp_path_factory.mktemp("interface"))


def test_each_is_compared(current: dict[str, str]) -> None:
    assert sorted(current) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nobody_finds_it_changed(current: dict[str, str], name: str) -> None:
    assert current[name].splitlines() == (HERE / name).read_text(encoding="utf-8").splitlines()


def test_the_schemas_in_config_are_those_that_are_printed(current: dict[str, str]) -> None:
    for which in ("agent", "customer", "agreement", "profile"):
        name = f"{which}.schema.json"
        kept = (Path(__file__).parents[2] / "config/schema" / name).read_text(encoding="utf-8")
        assert kept.split() == current[name].split()
