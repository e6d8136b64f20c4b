"""A command loads what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from probe.cli.commands.token import VERBS
from probe.cli.main import cli
from probe.cli.options import OUTCOMES
from probe.cli.results.export import FORMATS
from probe.core.config import results as config
from probe.core.records.verdict import Outcome
from probe.seal import export_files
from tests.support.agent_process import cdn_probe

HEAVY = {
    "aiohttp", "apscheduler", "asyncio", "cryptography", "dns", "msgspec", "pydantic", "regex", "rich", "selectolax",
    "sqlite3", "sqlite_utils", "ssl", "yaml", "zstandard",
}  # fmt: skip
STATUS_NEEDS = {"msgspec", "sqlite3", "yaml", "zstandard"}

_LOADED = """
import sys
from probe.cli.main import cli
for words in sys.argv[1].split("|"):
    try:
        cli(words.split(), prog_name="cdn-probe")
    except SystemExit:
        pass
print("loaded", *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def loaded(commands: list[str], env: dict[str, str] | None = None) -> set[str]:
    """The top-level modules that one process holds after these commands."""
    made = subprocess.run(
        [sys.executable, "-c", _LOADED, "|".join(commands)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **(env or {})},
    )
    return set(made.stderr.splitlines()[-1].split()[1:])


def every_command(command: click.Command, words: tuple[str, ...] = ()) -> list[str]:
    """Of the whole tree, as words."""
    inner = command.commands.items() if isinstance(command, click.Group) else ()
    return [" ".join(words), *(line for name, each in inner for line in every_command(each, (*words, name)))]


def test_version_and_every_help_load_click_alone() -> None:
    commands = every_command(cli)
    assert "results verify" in commands
    assert loaded(["--version", *(f"{command} --help" for command in commands)]) & HEAVY == set()


@pytest.mark.parametrize("words", ["cdn-probe ", "cdn-probe results ", "cdn-probe token --may "])
def test_completion_loads_click_alone(words: str) -> None:
    env = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split())), "_CDN_PROBE_COMPLETE": "bash_complete"}
    assert loaded([""], env) & HEAVY == set()


def test_status_loads_no_model_of_the_configuration_and_nothing_that_writes(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text("agent: one\nresults: results\n")
    assert loaded([f"status -c {tmp_path}/agent.yaml"]) & HEAVY <= STATUS_NEEDS


async def test_status_says_what_is_wrong_where_it_needs_it(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("agent: No Name\nresults: results\n")
    made = await cdn_probe("status", "-c", file)
    assert made.code == 2
    assert f"{file}:1:" in made.err
    file.write_text(
        "agent: one\nresults: results\nnonsense: 1\n"
    )  # of no concern here: it can be asked all the same
    made = await cdn_probe("status", "-c", file)
    assert made.code == 1
    assert "no agent runs here" in made.out


def test_choices_that_are_offered_are_those_that_there_are() -> None:
    assert tuple(outcome.value for outcome in Outcome) == OUTCOMES
    assert config.VERBS == VERBS
    assert export_files.FORMATS == FORMATS
