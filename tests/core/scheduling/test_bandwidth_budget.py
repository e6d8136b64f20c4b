"""Bytes of a day: what is over is left out and said, and a new day begins with nothing spent."""

from __future__ import annotations

from probe.checks import CHECKS
from probe.core.model.value import replace
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord
from probe.core.results.rows import measured_row
from probe.core.scheduling.bandwidth_budget import (
    BODY_LEFT_OUT,
    DAY_S,
    Budgets,
    DayBudget,
    body_bytes,
    head_only,
)
from tests.support import build

MIDNIGHT = 20_000 * DAY_S


def row(*sizes: int) -> SlotRecord:
    observations = []
    for size in sizes:
        made = build.seen(Role.EDGE)
        assert made.response is not None
        observations.append(replace(made, response=replace(made.response, encoded_body_bytes=size)))
    return measured_row(
        build.task(), build.evidence(*observations, build.refused()), CHECKS, finished_at=build.AT
    )


def test_a_day_is_counted_and_the_next_begins_anew() -> None:
    budget = DayBudget()
    budget.spend(600, MIDNIGHT + 10)
    assert budget.left_bytes(1000, MIDNIGHT + 20) == 400
    budget.spend(600, MIDNIGHT + DAY_S - 1)
    assert budget.left_bytes(1000, MIDNIGHT + DAY_S - 1) == 0
    assert budget.left_bytes(1000, MIDNIGHT + DAY_S) == 1000


def test_a_clock_that_goes_back_brings_no_day_back() -> None:
    budget = DayBudget()
    budget.spend(1000, MIDNIGHT)
    assert budget.left_bytes(1000, MIDNIGHT - 5) == 0
    assert budget.left_bytes(1000, MIDNIGHT + 5) == 0


def test_customers_have_budgets_of_their_own_and_none_without_a_bound() -> None:
    budgets = Budgets()
    one, other = build.task(bytes_per_day=1000), build.task(customer="beta", bytes_per_day=1000)
    budgets.spend(one, row(700, 400), MIDNIGHT)
    assert budgets.left_out(one, MIDNIGHT) == (BODY_LEFT_OUT,)
    assert budgets.left_out(other, MIDNIGHT) == ()
    assert budgets.left_out(build.task(), MIDNIGHT) == ()


def test_every_body_of_a_slot_counts() -> None:
    assert body_bytes(row(700, 400)) == 1100
    assert body_bytes(row()) == 0


def test_a_lean_task_asks_for_the_head_alone_and_stays_the_same_measurement() -> None:
    task = build.task()
    made = head_only(task)
    assert (made.request.method, made.origin) == ("HEAD", None)
    assert {spec.kind for spec in made.checks} == {"availability", "alias"}
    assert (made.id, made.definition) == (task.id, task.definition)


def test_what_an_earlier_run_moved_today_counts() -> None:
    budgets = Budgets()
    task = build.task(bytes_per_day=1000)
    budgets.resume("acme", 1000, MIDNIGHT + 50)
    assert budgets.left_out(task, MIDNIGHT + 60) == (BODY_LEFT_OUT,)
    assert budgets.left_out(task, MIDNIGHT + DAY_S) == ()


def test_what_somebody_else_counts_now_is_forgotten() -> None:
    budgets, task = Budgets(), replace(build.task(), bytes_per_day=100)
    budgets.resume(task.customer, 100, MIDNIGHT)
    assert budgets.left_out(task, MIDNIGHT) == (BODY_LEFT_OUT,)
    budgets.forget(task.customer)
    budgets.resume(task.customer, 99, MIDNIGHT)
    assert budgets.left_out(task, MIDNIGHT) == ()
