"""Ceilings hold, room is never left while somebody could use it, and it is shared out evenly."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.scheduling.admission import RESERVE, Admission, Ceilings, Place
from tests.support.sizes import scaled
from tests.support.work import counted

PLACES = [Place(c, o, v) for c in "abcd" for o in ("o1", "o2", f"own-{c}", None) for v in ("v1", "v2")]
some_ceiling = st.one_of(st.none(), st.integers(1, 4))
ceilings = st.builds(
    Ceilings,
    total=st.integers(1, 8),
    per_customer=some_ceiling,
    per_origin=some_ceiling,
    per_vantage_point=some_ceiling,
)


class Book:
    """What a plain list knows of who runs and who waits."""

    def __init__(self, limits: Ceilings, customers: int) -> None:
        self.limits, self.customers = limits, customers
        self.admission: Admission[int] = Admission(limits, customers=customers)
        self.running: dict[int, Place] = {}
        self.waiting: dict[int, tuple[Place, int]] = {}
        self.started: list[int] = []
        self.expired: list[int] = []
        self.asked = 0

    def ask(self, place: Place, give_up_us: int) -> None:
        self.asked += 1
        self.admission.put(self.asked, place, give_up_us)
        self.waiting[self.asked] = (place, give_up_us)

    def fill(self) -> None:
        while (item := self.admission.take()) is not None:
            place, _ = self.waiting.pop(item)
            fewest = min(
                self._of_customer()[p.customer]
                for p, _ in [*self.waiting.values(), (place, 0)]
                if self.fits(p)
            )
            assert self._of_customer()[place.customer] == fewest, "whoever has the fewest comes first"
            self._began(item, place)

    def leave(self, item: int) -> None:
        self.admission.leave(self.running.pop(item))

    def expire(self, now_us: int) -> None:
        gone = self.admission.expire(now_us)
        assert set(gone) == {item for item, (_, end) in self.waiting.items() if end < now_us}
        for item in gone:
            del self.waiting[item]
        self.expired += gone

    def _began(self, item: int, place: Place) -> None:
        assert self.fits(place), "a ceiling was passed"
        self.running[item] = place
        self.started.append(item)

    def _of_customer(self) -> Counter[str]:
        return Counter(place.customer for place in self.running.values())

    def fits(self, place: Place) -> bool:
        limits, places = self.limits, list(self.running.values())
        mine = self._of_customer()[place.customer]
        ends = [
            (len(places), limits.total),
            (mine, limits.per_customer),
            (sum(p.origin == place.origin for p in places), limits.per_origin if place.origin else None),
            (sum(p.vantage_point == place.vantage_point for p in places), limits.per_vantage_point),
        ]
        if mine >= max(limits.total // self.customers, RESERVE * (limits.total - len(places))):
            return False
        return all(most is None or used < most for used, most in ends)

    def check(self) -> None:
        """After filling nobody waits who could run, and everybody asked is in one place."""
        assert not [place for place, _ in self.waiting.values() if self.fits(place)]
        assert self.admission.running == len(self.running)
        assert self.admission.waiting == len(self.waiting)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(PLACES), st.integers(0, 9)),
        st.tuples(st.just("leave"), st.integers(0, 50), st.just(0)),
        st.tuples(st.just("expire"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("set"), ceilings, st.integers(1, 4)),
    ),
    max_size=120,
)


@settings(max_examples=scaled(150), deadline=None)
@given(limits=ceilings, customers=st.integers(1, 4), script=steps)
def test_ceilings_hold_and_no_room_is_left_to_anybody_who_waits(
    limits: Ceilings, customers: int, script: list[tuple[str, Any, int]]
) -> None:
    book = Book(limits, customers)
    for kind, what, more in script:
        if kind == "ask":
            book.ask(what, more)
        elif kind == "leave" and book.running:
            book.leave(sorted(book.running)[what % len(book.running)])
        elif kind == "expire":
            book.expire(what)
        elif kind == "set":
            book.limits, book.customers = what, more
            book.admission.set(what, customers=more)
        book.fill()
        book.check()
    while book.running:
        book.leave(next(iter(book.running)))
        book.fill()
    assert len(book.started) == len(set(book.started))
    assert sorted([*book.started, *book.expired]) == list(range(1, book.asked + 1))
    assert (book.admission.running, book.admission.waiting) == (0, 0)
    assert not book.admission._customers
    assert not book.admission._groups
    assert not book.admission._queues


def test_a_place_gives_out_its_slots_in_the_order_in_which_they_came() -> None:
    book = Book(Ceilings(total=1), 1)
    for _ in range(5):
        book.ask(PLACES[0], 100)
    book.fill()
    while book.running:
        book.leave(next(iter(book.running)))
        book.fill()
    assert book.started == [1, 2, 3, 4, 5]


def test_those_who_wait_can_be_taken_off_at_once() -> None:
    admission: Admission[str] = Admission(Ceilings(total=1))
    admission.put("one", PLACES[0], 5)
    assert admission.take() == "one"
    admission.put("two", PLACES[1], 9)
    admission.put("three", PLACES[2], 7)
    assert admission.empty() == ["two", "three"]
    admission.leave(PLACES[0])
    assert (admission.take(), admission.waiting, admission.running) == (None, 0, 0)


def test_a_clock_that_is_set_moves_the_ends() -> None:
    admission: Admission[str] = Admission(Ceilings(total=1))
    admission.put("one", PLACES[0], 5)
    admission.put("two", PLACES[0], 10)
    assert admission.take() == "one"
    admission.shift(-3)
    assert admission.expire(7) == []
    assert admission.expire(8) == ["two"]


def simulate(
    tasks: dict[str, int], period_s: int, lasts_s: int, total: int, seconds: int
) -> dict[str, tuple[int, int]]:
    """Customer -> (due, started), second by second; a slot waits for five at most. All are due at once."""
    admission: Admission[tuple[str, int]] = Admission(Ceilings(total=total), customers=len(tasks))
    due: Counter[str] = Counter()
    started: Counter[str] = Counter()
    ends: dict[int, list[str]] = {}

    def begin(name: str, now: int) -> None:
        started[name] += 1
        ends.setdefault(now + lasts_s, []).append(name)

    for now in range(seconds):
        for name in ends.pop(now, ()):
            admission.leave(Place(name, name, "v"))
        admission.expire(now)
        if now % period_s == 0:
            for name, number in tasks.items():
                due[name] += number
                for task in range(number):
                    admission.put((name, task), Place(name, name, "v"), now + 5)
        while (item := admission.take()) is not None:
            begin(item[0], now)
    return {name: (due[name], started[name]) for name in tasks}


@pytest.mark.parametrize("order", [("big", "small"), ("small", "big")])
@pytest.mark.parametrize("lasts_s", [pytest.param(1, marks=pytest.mark.long), 30])
def test_a_customer_with_ten_thousand_tasks_does_not_starve_one_with_ten(
    order: tuple[str, ...], lasts_s: int
) -> None:
    """Also while every slot of the big one hangs for 30 s, longer than a slot waits."""
    sizes = {"big": 10_000, "small": 10}
    made = simulate({name: sizes[name] for name in order}, 60, lasts_s, 50, 600)
    assert made["small"] == (100, 100)
    assert 0 < made["big"][1] < made["big"][0], "what is shed is the big one's"


def test_three_that_are_alike_are_shed_alike() -> None:
    made = simulate({"a": 300, "b": 300, "c": 300}, 10, 2, 60, 600)
    shares = [began / due for due, began in made.values()]
    assert max(shares) - min(shares) < 0.02
    assert max(shares) < 0.9


def test_a_customer_alone_gets_all_the_room() -> None:
    admission: Admission[int] = Admission(Ceilings(total=20))
    for number in range(30):
        admission.put(number, Place("a", None, "v"), 9)
    assert sum(admission.take() is not None for _ in range(30)) == 20


def test_the_cost_of_a_slot_hardly_grows_with_how_many_wait() -> None:
    """Two hundred times as many waiting, and a slot costs less than twice as many calls and lines."""

    def work_of_300_slots(waiting: int) -> int:
        limits = Ceilings(total=50, per_origin=3, per_vantage_point=20)
        admission: Admission[int] = Admission(limits, customers=40)
        places = [Place(f"c{n % 40}", f"o{n % 120}", f"v{n % 7}") for n in range(waiting)]
        running: list[Place] = []

        def fill() -> None:
            while (taken := admission.take()) is not None:
                running.append(places[taken])

        for number, place in enumerate(places):
            admission.put(number, place, 10**9)
        fill()

        def work() -> None:
            for _ in range(300):
                admission.leave(running.pop(0))
                places.append(places[len(places) % waiting])
                admission.put(len(places) - 1, places[-1], 10**9)
                fill()

        return counted(work)[1]

    some, many = work_of_300_slots(500), work_of_300_slots(100_000)
    print(some, many)
    assert many < 2 * some
