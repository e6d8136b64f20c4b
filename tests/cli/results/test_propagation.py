"""`results propagation`: the store's rows as intervals, a node and a change a line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from probe.cli.main import cli
from probe.core.records.rows import SlotRecord
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.core.nodes.test_propagation import known, row


async def stored(directory: Path, *rows: SlotRecord) -> None:
    store = Store.open(directory, "a", SystemClock())
    await store.append(list(rows))
    await store.close()


def run(directory: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["results", "-d", str(directory), "propagation", *options])


CHANGED = (known("a", 0, 10), known("b", 10, 40))


async def test_each_node_and_change_is_a_line(tmp_path: Path) -> None:
    old = row(12, "a", *CHANGED)
    new = row(20, "b", *CHANGED)
    await stored(tmp_path / "r", old, new)
    shown = run(tmp_path / "r")
    assert shown.exit_code == 0, shown.output
    assert "192.0.2.1" in shown.output
    assert " to " in shown.output
    (line,) = [json.loads(text) for text in run(tmp_path / "r", "--json").output.splitlines()]
    assert line["digest"] == "b"
    assert 0 < line["at_least_s"] <= line["at_most_s"]


async def test_a_node_that_still_has_the_old_one_is_told_as_at_least(tmp_path: Path) -> None:
    await stored(tmp_path / "r", row(12, "a", *CHANGED), row(30, "a", *CHANGED))
    assert "at least" in run(tmp_path / "r").output


async def test_without_a_change_there_is_nothing_to_tell(tmp_path: Path) -> None:
    await stored(tmp_path / "r", row(5, "a", known("a", 0, 10)))
    shown = run(tmp_path / "r")
    assert (shown.exit_code, shown.output) == (0, "no object changed at its origin in these results\n")


async def test_a_time_that_is_none_is_told(tmp_path: Path) -> None:
    await stored(tmp_path / "r", row(5, "a", known("a", 0, 10)))
    shown = run(tmp_path / "r", "--since", "yesterday")
    assert shown.exit_code != 0
    assert "--since" in shown.output
