"""Who works on what: what shares a memory stays together, the load is spread, and a reload moves little."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.scheduling.worker_assignment import UNEVEN, Group, groups_of, spread
from tests.support import build

ORIGIN = build.task().origin
PERIODS = (1_000_000, 5_000_000, 60_000_000)


def task(name: str, customer: str, domain: str, origin: str | None, **changes: object) -> Task:
    assert ORIGIN is not None
    spec = None if origin is None else replace(ORIGIN, address=origin)
    return build.task(id=name, customer=customer, domain=domain, origin=spec, **changes)


@st.composite
def plans(draw: st.DrawFn) -> list[Task]:
    bounded = draw(st.sets(st.sampled_from("abc")))
    return [
        task(
            f"t{number}",
            customer := draw(st.sampled_from("abc")),
            draw(st.sampled_from(("x", "y", "z", "w"))),
            draw(st.sampled_from((None, "1", "2", "3", "4"))),
            period_us=draw(st.sampled_from(PERIODS)),
            bytes_per_day=1000 if customer in bounded else None,
        )
        for number in range(draw(st.integers(0, 30)))
    ]


def related(one: Task, other: Task) -> bool:
    """Whether the two share something that slots remember."""
    if one.customer != other.customer:
        return False
    same_origin = (
        one.origin is not None and other.origin is not None and one.origin.address == other.origin.address
    )
    return one.bytes_per_day is not None or one.domain == other.domain or same_origin


@given(plans())
def test_each_task_is_in_one_group_and_none_is_parted_from_its_relatives(tasks: list[Task]) -> None:
    groups = groups_of(tasks)
    assert sorted(name for group in groups for name in group.tasks) == sorted(t.id for t in tasks)
    place = {name: number for number, group in enumerate(groups) for name in group.tasks}
    for one, other in combinations(tasks, 2):
        if related(one, other):
            assert place[one.id] == place[other.id]


@given(plans())
def test_no_group_holds_more_than_what_is_connected(tasks: list[Task]) -> None:
    by_id = {t.id: t for t in tasks}
    for group in groups_of(tasks):
        reached, news = {group.tasks[0]}, [group.tasks[0]]
        while news:
            here = by_id[news.pop()]
            found = [n for n in group.tasks if n not in reached and related(here, by_id[n])]
            reached.update(found)
            news.extend(found)
        assert reached == set(group.tasks)


def test_customers_share_nothing_and_an_origin_joins_domains() -> None:
    groups = groups_of(
        [
            task("1", "a", "x", "o"),
            task("2", "b", "x", "o"),
            task("3", "a", "y", "o"),
            task("4", "a", "z", None),
            task("5", "a", "z", "p", period_us=500_000),
        ]
    )
    assert [group.tasks for group in groups] == [("1", "3"), ("2",), ("4", "5")]
    assert groups[2].load == pytest.approx(1 / 60 + 2)


def test_who_has_bytes_of_a_day_stays_whole() -> None:
    tasks = [task(str(n), "a", f"d{n}", None, bytes_per_day=5) for n in range(4)]
    assert [group.tasks for group in groups_of(tasks)] == [("0", "1", "2", "3")]


loads = st.lists(st.floats(0.01, 100), max_size=40)


def grouped(found: list[float]) -> list[Group]:
    return [Group((f"t{number}",), load) for number, load in enumerate(found)]


def of_workers(groups: list[Group], places: dict[str, int], workers: int) -> list[float]:
    sums = [0.0] * workers
    for group in groups:
        sums[places[group.tasks[0]]] += group.load
    return sums


@given(loads, st.integers(1, 64))
def test_the_fullest_has_at_most_its_share_and_one_group_more(found: list[float], workers: int) -> None:
    groups = grouped(found)
    places = spread(groups, workers)
    assert set(places) == {f"t{n}" for n in range(len(found))}
    assert all(0 <= worker < workers for worker in places.values())
    if found:
        sums = of_workers(groups, places, workers)
        assert max(sums) <= sum(found) / workers + max(found) + 1e-9
        assert max(sums) <= 4 / 3 * max(sum(found) / workers, max(found), pair_bound(found, workers)) + 1e-9


def pair_bound(found: list[float], workers: int) -> float:
    """Of one group more than workers two must share one: no answer is better."""
    largest = sorted(found, reverse=True)
    return largest[workers - 1] + largest[workers] if len(found) > workers else 0.0


@given(loads, st.integers(1, 8))
def test_asked_again_it_moves_nothing(found: list[float], workers: int) -> None:
    places = spread(grouped(found), workers)
    again = spread(grouped(found), workers, places)
    sums = of_workers(grouped(found), places, workers)
    if not found or max(sums) <= UNEVEN * sum(found) / workers:
        assert again == places


@given(st.lists(st.floats(0.5, 2), min_size=20, max_size=40), st.integers(2, 4), st.randoms())
def test_a_few_that_come_and_go_leave_the_others_where_they_are(
    found: list[float], workers: int, random: object
) -> None:
    before = spread(grouped(found), workers)
    fewer = grouped(found)[2:]
    came = [Group(("new",), 1.0)]
    after = spread([*fewer, *came], workers, before)
    moved = [g for g in fewer if after[g.tasks[0]] != before[g.tasks[0]]]
    assert len(moved) <= 2
    sums = of_workers([*fewer, *came], after, workers)
    assert max(sums) <= sum(sums) / workers * UNEVEN + 2


def test_groups_that_join_go_where_most_of_them_was() -> None:
    before = {"1": 1, "2": 0, "3": 1, "4": 0}
    joined = [Group(("1", "2", "3"), 1.0), Group(("4",), 1.0)]
    assert spread(joined, 2, before) == {"1": 1, "2": 1, "3": 1, "4": 0}


def test_what_was_with_a_worker_that_is_no_more_goes_to_another() -> None:
    assert spread(grouped([1.0, 1.0]), 1, {"t0": 1, "t1": 0}) == {"t0": 0, "t1": 0}


def test_an_uneven_load_is_evened_out_by_the_largest_that_fits() -> None:
    groups = grouped([5.0, 3.0, 2.0, 1.0])
    places = spread(groups, 2, {"t0": 0, "t1": 0, "t2": 0, "t3": 1})
    assert places == {"t0": 0, "t1": 1, "t2": 0, "t3": 1}


def test_nobody_works_without_a_worker() -> None:
    with pytest.raises(ValueError, match="worker"):
        spread([], 0)
