"""When slots are due, what became of them, and which are owed after an absence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.rows import State
from probe.core.results.coverage import (
    Agenda,
    Coverage,
    Gap,
    LedgerRow,
    absent_slots,
    due_between,
    summarise,
    to_us,
)
from tests.support.build import task

PERIODS = st.integers(1, 10**9)
TIMES = st.integers(0, 2 * 10**15)
S = 1_000_000


def text(us: int) -> str:
    from probe.host.clock import rfc3339

    return rfc3339(us * 1000)


# --- the grid ---------------------------------------------------------------------------------------


def test_due_is_after_the_one_end_and_up_to_the_other() -> None:
    assert list(due_between(10, 3, 3, 33)) == [13, 23, 33]
    assert list(due_between(10, 3, 2, 32)) == [3, 13, 23]
    assert list(due_between(10, 3, 3, 12)) == []
    assert list(due_between(10, 3, 33, 3)) == []


@given(PERIODS, st.integers(0, 10**9), TIMES, st.integers(0, 10**10))
def test_the_grid_follows_from_period_and_phase(period: int, phase: int, after: int, span: int) -> None:
    due = due_between(period, phase, after, after + span)
    assert all((time - phase) % period == 0 for time in (due[:1] or [phase]))
    assert len(due) in (span // period, span // period + 1)
    assert all(after < time <= after + span for time in (*due[:1], *due[-1:]))


@given(PERIODS, TIMES, st.integers(0, 10**10), st.integers(0, 10**10))
def test_two_spans_in_a_row_make_the_whole(period: int, after: int, one: int, two: int) -> None:
    middle, end = after + one, after + one + two
    parts = len(due_between(period, 7, after, middle)) + len(due_between(period, 7, middle, end))
    assert parts == len(due_between(period, 7, after, end))


@pytest.mark.parametrize("period", [0, -1])
def test_a_period_must_be_positive(period: int) -> None:
    with pytest.raises(ValueError, match="not positive"):
        due_between(period, 0, 0, 10)


@given(TIMES)
def test_times_survive_as_text(us: int) -> None:
    assert to_us(text(us)) == us


# --- the agenda -------------------------------------------------------------------------------------


def tasks(*periods: int) -> list:
    return [task(id=f"t{i}", period_us=period, phase_us=i) for i, period in enumerate(periods)]


def test_what_is_due_comes_out_once_and_in_order() -> None:
    agenda = Agenda(tasks(10, 4), after_us=0)
    assert agenda.next_due_us == 1
    popped = [(t.id, time) for t, time in agenda.pop_due(20)]
    assert popped == [
        ("t1", 1), ("t1", 5), ("t1", 9), ("t0", 10), ("t1", 13), ("t1", 17), ("t0", 20),
    ]  # fmt: skip
    assert agenda.pop_due(20) == []
    assert agenda.next_due_us == 21


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.lists(st.integers(0, 60), max_size=10))
def test_however_it_is_asked_all_that_was_due_comes_out(periods: list[int], steps: list[int]) -> None:
    agenda, now, popped = Agenda(tasks(*periods), after_us=0), 0, []
    for step in steps:
        now += step
        popped += [(t.id, time) for t, time in agenda.pop_due(now)]
    expected = [
        (t.id, time) for t in tasks(*periods) for time in due_between(t.period_us, t.phase_us, 0, now)
    ]
    assert sorted(popped) == sorted(expected)


def test_a_long_silence_costs_one_entry_a_task() -> None:
    agenda = Agenda([task(period_us=S)], after_us=0)
    ((_, times),) = agenda.pop_spans(10**9 * S)
    assert len(times) == 10**9


def test_an_empty_agenda_is_never_due() -> None:
    agenda = Agenda(after_us=0)
    assert (len(agenda), agenda.next_due_us, agenda.pop_due(10**18)) == (0, None, [])


def test_replacing_keeps_the_place_of_what_is_the_same() -> None:
    one, two, three = tasks(10, 10, 10)
    agenda = Agenda([one, two], after_us=0)
    agenda.pop_due(15)
    changed = replace(one, definition="d2")
    agenda.replace([changed, three], after_us=100)
    assert agenda.next_due_us == 20, "the unchanged grid goes on where it was"
    assert [(t.id, t.definition, time) for t, time in agenda.pop_due(102)][-1] == ("t2", "d1", 102)
    assert {t.id for t in agenda.tasks} == {"t0", "t2"}
    agenda.replace([replace(changed, period_us=7)], after_us=102)
    assert [time for _, time in agenda.pop_due(112)] == [105, 112]


def test_removed_tasks_are_not_due() -> None:
    agenda = Agenda(tasks(10, 10), after_us=0)
    agenda.remove("t0")
    assert [t.id for t, _ in agenda.pop_due(30)] == ["t1"] * 3
    with pytest.raises(KeyError):
        agenda.remove("t0")


def test_two_tasks_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="t1"):
        Agenda([task(), task()], after_us=0)
    with pytest.raises(ValueError, match="t1"):
        Agenda(after_us=0).replace([task(), task(definition="d2")], after_us=0)


def test_restart_makes_nothing_in_between_due() -> None:
    agenda = Agenda(tasks(10), after_us=0)
    agenda.restart(1000)
    assert [time for _, time in agenda.pop_due(1020)] == [1010, 1020]
    agenda.restart(5)
    assert [time for _, time in agenda.pop_due(20)] == [10, 20]


# --- what became of them ----------------------------------------------------------------------------


def row(time: int, state: State = State.MEASURED, reason: str | None = None) -> LedgerRow:
    return LedgerRow(scheduled_us=time, state=state, missed_reason=reason)


def test_every_due_slot_is_one_of_four() -> None:
    rows = [
        row(10),
        row(20, State.MISSED, "agent.stalled"),
        row(30, State.MISSED, "agent.stalled"),
        row(40, State.ABORTED, "agent.aborted"),
        row(60),
    ]
    assert summarise(rows, due_between(10, 0, 0, 60)) == Coverage(
        due=6,
        measured=2,
        missed=2,
        aborted=1,
        unaccounted=1,
        reasons={"agent.stalled": 2, "agent.aborted": 1, "unaccounted": 1},
        gaps=(
            Gap(first_us=20, last_us=30, slots=2, reason="agent.stalled"),
            Gap(first_us=40, last_us=40, slots=1, reason="agent.aborted"),
            Gap(first_us=50, last_us=50, slots=1, reason="unaccounted"),
        ),
    )


def test_gaps_for_one_reason_with_a_measurement_between_are_two() -> None:
    rows = [row(10, State.MISSED, "x"), row(20), row(30, State.MISSED, "x")]
    assert len(summarise(rows).gaps) == 2


def test_doubled_and_foreign_rows_are_counted_apart() -> None:
    found = summarise([row(10, State.MISSED, "x"), row(10), row(13)], due_between(10, 0, 0, 10))
    assert (found.due, found.measured, found.missed, found.doubled, found.off_grid) == (2, 1, 1, 1, 1), (
        "the first row of a time counts"
    )


def test_nothing_due_is_not_complete() -> None:
    assert summarise([]).measured_share is None
    assert summarise([row(1), row(2, State.MISSED, "x")]).measured_share == 0.5


@given(st.dictionaries(st.integers(0, 300), st.sampled_from(list(State))))
def test_the_sum_holds(states: dict[int, State]) -> None:
    rows = [row(time, state, None if state is State.MEASURED else "x") for time, state in states.items()]
    found = summarise(rows, due_between(5, 2, 0, 200))
    assert found.due == found.measured + found.missed + found.aborted + found.unaccounted
    assert sum(gap.slots for gap in found.gaps) == found.due - found.measured


# --- after an absence -------------------------------------------------------------------------------


def test_slots_due_while_away_are_owed() -> None:
    one, new = task(id="old", period_us=10 * S), task(id="new", period_us=10 * S)
    listed, left_out = absent_slots([one, new], {"old": text(100 * S)}, 135 * S, 100)
    assert [(t.id, time // S) for t, time in listed] == [("old", 110), ("old", 120), ("old", 130)]
    assert left_out == {}


def test_over_the_limit_the_newest_of_each_are_listed() -> None:
    busy, idle = task(id="busy", period_us=S), task(id="idle", period_us=50 * S)
    last = {"busy": text(0), "idle": text(0)}
    listed, left_out = absent_slots([busy, idle], last, 100 * S, 12)
    assert [time // S for t, time in listed if t.id == "idle"] == [50, 100]
    assert [time // S for t, time in listed if t.id == "busy"] == list(range(91, 101))
    assert left_out == {"busy": 90}
    assert [time for _, time in listed] == sorted(time for _, time in listed)


def test_a_last_row_in_the_future_owes_nothing() -> None:
    assert absent_slots([task(period_us=S)], {"t1": text(10**9 * S)}, 100 * S, 10) == ([], {})


def test_slots_in_flight_at_a_crash_are_holes_among_the_recent() -> None:
    one = task(period_us=10 * S)
    recent = {"t1": [50 * S, 60 * S, 80 * S, 90 * S]}
    listed, _ = absent_slots([one], {"t1": text(90 * S)}, 105 * S, 10, recent)
    assert [time // S for _, time in listed] == [70, 100]


def test_rows_of_another_period_are_no_holes() -> None:
    one = task(period_us=10 * S)
    recent = {"t1": [7 * S, 14 * S, 50 * S, 60 * S]}
    assert absent_slots([one], {"t1": text(60 * S)}, 60 * S, 10, recent) == ([], {})


def test_a_wide_gap_among_the_recent_is_no_crash() -> None:
    """The clock was set forward by an hour: nothing was due in it."""
    one = task(period_us=10 * S)
    recent = {"t1": [50 * S, 60 * S, 3660 * S]}
    assert absent_slots([one], {"t1": text(3660 * S)}, 3660 * S, 10, recent) == ([], {})
