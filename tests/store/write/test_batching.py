"""When a transaction begins: pure, by a clock in the test's hand."""

from __future__ import annotations

from probe.store.write.batching import A_RECORD_S, ENOUGH, LONGEST_S, Batching


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def made() -> tuple[Batching, Clock]:
    clock = Clock()
    return Batching(clock), clock


def rest_ms(batching: Batching) -> int:
    return round(batching.rest_s() * 1000)


def test_who_writes_now_and_then_waits_for_nothing() -> None:
    batching, clock = made()
    for _ in range(3):
        batching.put(1)
        assert batching.rest_s() <= 0
        batching.taken(0)
        batching.written(1, 0)
        clock.now_s += A_RECORD_S


def test_the_next_ones_are_waited_for_as_long_as_the_last_transaction_was_large() -> None:
    batching, clock = made()
    batching.written(3, 0)
    clock.now_s += 0.01
    batching.put(1)
    assert rest_ms(batching) == 20
    batching.written(1_000, 0)
    batching.taken(0)
    batching.put(1)
    assert rest_ms(batching) == round(LONGEST_S * 1000)


def test_the_least_patient_says_when() -> None:
    batching, clock = made()
    batching.put(1, 5.0)
    assert rest_ms(batching) == 5000
    batching.put(2, 7.0)
    assert rest_ms(batching) == 5000
    clock.now_s += 1
    batching.put(3, 2.0)
    assert rest_ms(batching) == 2000
    batching.put(4)
    assert batching.rest_s() <= 0
    batching.taken(0)
    assert batching.rest_s() == 0, "nothing waits: what there is beside records goes at once"
    batching.put(1, 5.0)
    assert rest_ms(batching) == 5000


def test_enough_is_enough_until_it_is_written() -> None:
    batching, _ = made()
    batching.put(ENOUGH - 1, 5.0)
    assert rest_ms(batching) == 5000
    batching.put(ENOUGH, 5.0)
    assert batching.rest_s() == 0
    batching.taken(0)
    batching.written(ENOUGH, 1)
    batching.put(2, 5.0)
    assert rest_ms(batching) == 5000
    batching.written(1, ENOUGH)
    assert batching.rest_s() == 0


def test_what_did_not_fit_into_a_transaction_goes_at_once() -> None:
    batching, _ = made()
    batching.put(1, 5.0)
    batching.taken(3)
    assert batching.rest_s() <= 0


def test_at_the_end_nothing_is_gathered() -> None:
    batching, _ = made()
    batching.put(1, 5.0)
    batching.end()
    assert batching.rest_s() == 0
    batching.wait()
