"""Kept observations judged again: the recorded cases, and what the command makes of right and wrong ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from probe.checks import CHECKS
from probe.cli.main import cli
from probe.services.replay import Case, cases_in, rejudge
from tests.support.agent_process import cdn_probe

CASES = Path(__file__).parents[1] / "replay"
RECORDED = list(cases_in(CASES, CHECKS))


def test_there_is_one_case_for_each_folder_and_every_sort_of_fault() -> None:
    assert len(RECORDED) == len(list(CASES.glob("*/case.json"))) >= 110
    faults = {case.expected[1] for case in RECORDED}
    assert faults >= {None, "cdn", "origin", "customer", "vantage"}


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_recorded_case_is_judged_as_expected(case: Case) -> None:
    assert rejudge(case, CHECKS) is None


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_comparisons_and_findings_are_not_taken_from_the_record(case: Case, tmp_path: Path) -> None:
    """Without what was concluded then, the same is concluded now."""
    data = kept(case.name)
    data["record"].update(outcome="ok", fault=None, reason=None, findings=[], summary="")
    for observation in data["record"]["observations"]:
        observation["comparison"] = None
    assert rejudge(written(tmp_path, data), CHECKS) is None


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_wrong_expectation_is_a_change(case: Case, tmp_path: Path) -> None:
    data = kept(case.name)
    data["expected"] = {"outcome": "slow", "fault": "agent", "reason": "agent.stalled"}
    change = rejudge(written(tmp_path, data), CHECKS)
    assert change is not None
    assert change.was == "slow · agent · agent.stalled"
    assert change.now == " · ".join(part for part in case.expected if part is not None)


def kept(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / name / "case.json").read_text())
    return found


def written(directory: Path, data: dict[str, Any], name: str = "one") -> Case:
    (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / name / "case.json").write_text(json.dumps(data))
    return next(case for case in cases_in(directory, CHECKS) if case.name == name)


def test_command_judges_the_recorded_cases() -> None:
    made = CliRunner().invoke(cli, ["replay", str(CASES)])
    assert made.exit_code == 0
    assert f"{len(RECORDED)} judged again, 0 changed" in made.output


def test_command_takes_a_single_case() -> None:
    made = CliRunner().invoke(cli, ["replay", str(CASES / "healthy"), str(CASES / "edge_down")])
    assert made.exit_code == 0
    assert "2 judged again, 0 changed" in made.output


def test_command_tells_what_changes(tmp_path: Path) -> None:
    data = kept("edge_down")
    data["expected"] = {"outcome": "failed", "fault": "origin", "reason": "origin.tcp.refused"}
    written(tmp_path, data, "wrong")
    written(tmp_path, kept("healthy"), "right")
    made = CliRunner().invoke(cli, ["replay", str(tmp_path)])
    assert made.exit_code == 1
    assert "2 judged again, 1 changed" in made.output
    (line,) = [line for line in made.output.splitlines() if line.startswith("wrong")]
    assert "failed · origin · origin.tcp.refused" in line
    assert "failed · cdn · tcp.refused" in line


def test_no_case_at_all_is_not_well(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli, ["replay", str(tmp_path)])
    assert made.exit_code == 1
    assert "0 judged again" in made.output


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("expected"),
        lambda data: data.pop("definition"),
        lambda data: data["record"].update(kind="nothing"),
        lambda data: data["record"].update(state="missed", started_at=None, reference=None),
        lambda data: data["definition"].pop("id"),
        lambda data: data["definition"]["checks"][0].update(kind="nothing"),
    ],
    ids=["no expected", "no definition", "unknown kind", "not measured", "task without id", "unknown check"],
)
async def test_a_case_that_is_none_is_told_with_its_file(tmp_path: Path, change: Any) -> None:
    data = kept("healthy")
    change(data)
    (tmp_path / "case.json").write_text(json.dumps(data))
    made = await cdn_probe("replay", tmp_path)
    assert made.code == 2
    assert str(tmp_path / "case.json") in made.err


async def test_a_case_that_is_no_json_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text('{"record": ')
    made = await cdn_probe("replay", tmp_path)
    assert made.code == 2
    assert str(tmp_path / "case.json") in made.err


async def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    made = await cdn_probe("replay", tmp_path / "nowhere")
    assert made.code == 2
    assert "nowhere" in made.err
