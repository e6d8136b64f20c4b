"""The lab's own judging: what counts as right, and how it is printed. No server is needed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.truth.matrix import WIDTH, matrix, totals, wrong_rows
from tests.truth.scenario import PARTIES, Scenario, Step, Told, accuses_only, judge_once, judge_step, matches
from tests.truth.scenarios import EVERY


def row(words: str, task: str = "t", address: str | None = None, **more: Any) -> dict[str, Any]:
    outcome, fault, reason = (None if word == "-" else word for word in words.split(" "))
    found = {"outcome": outcome, "fault": fault, "address": address}
    return {"outcome": outcome, "fault": fault, "reason": reason, "task": task, "summary": "a sentence",
            "findings": [found] if fault else [], "host": {"loop_lag_us": 0}, **more}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("ok - -", False),
        ("failed cdn tcp.refused", True),
        ("failed origin tcp.refused", False),
        ("failed cdn x", False),
    ],
)
def test_a_row_is_matched_word_by_word(words: str, right: bool) -> None:
    assert matches(row(words), ["failed cdn tcp.*"]) is right


def test_a_row_that_matches_nothing_is_wrong_and_is_named_with_its_sentence() -> None:
    scenario = Scenario(name="n", party="vantage", why="", right=["inconclusive vantage *"])
    told = judge_once(scenario, [row("inconclusive vantage x"), row("failed cdn tcp.refused")])
    assert [one.right for one in told] == [True, False]
    assert "n: failed cdn tcp.refused" in wrong_rows(told)
    assert "“a sentence”" in wrong_rows(told)
    assert totals(told) == "2 rows, 1 wrong: 1 accuse for what is ours, 0 miss a fault"


def test_the_matrix_counts_rows_and_marks_the_wrong_ones_within_80_columns() -> None:
    told = [
        Told("n", party, row(f"failed {party} x" if party != "nobody" else "ok - -"), True)
        for party in PARTIES
    ]
    told += [Told("n", "vantage", row("failed cdn x"), False)] * 300
    lines = matrix(told).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line.split()[0] for line in lines] == ["cause", *PARTIES]
    assert lines[PARTIES.index("vantage") + 1].split()[2] == "300!300"


def test_a_row_of_a_machine_that_stood_still_says_nothing() -> None:
    stalled = "inconclusive agent agent.stalled"
    scenario = Scenario(name="n", party="cdn", why="", right=["failed cdn *"])
    rows = [row(stalled, host={"loop_lag_us": 700_000}), row(stalled, host={"loop_lag_us": 10})]
    assert [one.right for one in judge_once(scenario, rows)] == [True, False]


def step(**more: Any) -> Step:
    return Step(name="s", party="cdn", right=["failed cdn *", "ok - -"], **more)


def test_what_must_be_found_is_missed_if_it_comes_too_late() -> None:
    scenario = Scenario(name="n", party="cdn", why="")
    late = judge_step(scenario, step(found="failed cdn *", found_within=2), None, [row("ok - -")] * 3)
    assert [one.right for one in late] == [True, False, True]  # told once
    soon = judge_step(scenario, step(found="failed cdn *"), None, [row("ok - -"), row("failed cdn x")])
    assert all(one.right for one in soon)


def test_the_first_rows_of_a_step_may_still_be_right_by_the_step_before() -> None:
    before = Step(name="b", party="vantage", right=["inconclusive vantage *"])
    scenario = Scenario(name="n", party="cdn", why="")
    rows = [row("inconclusive vantage x")] * 3
    assert [one.right for one in judge_step(scenario, step(within=2), before, rows)] == [True, True, False]


def test_only_the_edges_at_fault_may_be_accused() -> None:
    accusing = row("failed cdn tcp.timed_out", address="10.94.101.1")
    assert accuses_only(accusing, ["10.94.101.1"])
    assert not accuses_only(accusing, ["10.94.101.2"])
    assert accuses_only(accusing, [])


def test_names_are_unique_and_every_pattern_has_three_words() -> None:
    names = [scenario.name for scenario in EVERY]
    assert len(set(names)) == len(names)
    patterns = [one for s in EVERY for one in (*s.right, *(p for each in s.steps for p in each.right))]
    assert {len(one.split(" ")) for one in patterns} == {3}
    assert {s.party for s in EVERY} <= set(PARTIES)
    assert [s.name for s in EVERY if not (s.right or s.steps or s.refused)] == []


def test_there_are_scenarios_enough() -> None:
    assert len(EVERY) >= 45
