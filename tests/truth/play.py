"""Play a scenario: build its situation, measure as a user would, hold each row against what is right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from tests.codes.provoking import saw
from tests.system.sites import until
from tests.truth.lab import Lab
from tests.truth.scenario import Scenario, Step, Told, judge_once, judge_step, stood_still
from tests.truth.setup import Daemon, Row, once, running

STEP_WITHIN_S = 150.0
TRIES = 3  # where the machine kept the agent from running


class NotPlayedError(Exception):
    """The product gave no row to judge, or ended otherwise than it must."""


def play(lab: Lab, scenario: Scenario, directory: Path) -> list[Told]:
    """Every row of the scenario, judged."""
    with ExitStack() as stack:
        for part in scenario.parts:
            stack.enter_context(part(lab))
        if scenario.steps:
            return _steps(lab, scenario, directory)
        for _ in range(TRIES):
            measured = once(lab, scenario.setup, directory, scenario.name)
            if not any(map(stood_still, measured.rows)):
                break
        if scenario.refused is not None:
            if measured.rows or measured.exit_code != scenario.refused:
                ended = f"exit code {measured.exit_code}, {len(measured.rows)} rows"
                raise NotPlayedError(f"{ended}; {measured.stderr[-500:]}")
            return []
        if not measured.rows:
            raise NotPlayedError(f"no row; exit code {measured.exit_code}: {measured.stderr[-800:]}")
        if "Traceback" in measured.stderr:
            raise NotPlayedError(measured.stderr[-1500:])
        return judge_once(scenario, saw(measured.rows))


def _steps(lab: Lab, scenario: Scenario, directory: Path) -> list[Told]:
    told: list[Told] = []
    before: Step | None = None
    with running(lab, scenario.setup, directory, scenario.name) as daemon:
        until(lambda: daemon.look(), "a first row", 60)
        for step in scenario.steps:
            with ExitStack() as stack:
                for part in step.parts:
                    stack.enter_context(part(lab))
                rows = saw(_rows_of(daemon, step, time.time()))
            told += judge_step(scenario, step, before, rows)
            before = step
    return told


def _rows_of(daemon: Daemon, step: Step, since_s: float) -> list[Row]:
    """The step's rows: those of slots that began in it, in the order of beginning."""

    def begun() -> Sequence[Row]:
        return [
            row
            for row in daemon.look()
            if row["state"] == "measured" and _epoch_s(row["started_at"]) >= since_s
        ]

    until(lambda: len(begun()) >= step.rows, f"{step.rows} rows of the step {step.name}", STEP_WITHIN_S)
    return sorted(begun(), key=lambda row: str(row["started_at"]))


def _epoch_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
