"""When a transaction begins: pure, by a clock in the test's hand."""

from __future__ import annotations

from probe.store.write.batching import A_RECORD_S, ENOUGH, LONGEST_S, Gathering


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def made() -> tuple[Gathering, Clock]:
    clock = Clock()
    return Gathering(clock), clock


def rest_ms(gathering: Gathering) -> int:
    return round(gathering.rest_s() * 1000)


def test_who_writes_now_and_then_waits_for_nothing() -> None:
    gathering, clock = made()
    for _ in range(3):
        gathering.put(1)
        assert gathering.rest_s() <= 0
        gathering.taken(0)
        gathering.written(1, 0)
        clock.now_s += A_RECORD_S


def test_the_next_ones_are_waited_for_as_long_as_the_last_transaction_was_large() -> None:
    gathering, clock = made()
    gathering.written(3, 0)
    clock.now_s += 0.01
    gathering.put(1)
    assert rest_ms(gathering) == 20
    gathering.written(1_000, 0)
    gathering.taken(0)
    gathering.put(1)
    assert rest_ms(gathering) == round(LONGEST_S * 1000)


def test_the_least_patient_says_when() -> None:
    gathering, clock = made()
    gathering.put(1, 5.0)
    assert rest_ms(gathering) == 5000
    gathering.put(2, 7.0)
    assert rest_ms(gathering) == 5000
    clock.now_s += 1
    gathering.put(3, 2.0)
    assert rest_ms(gathering) == 2000
    gathering.put(4)
    assert gathering.rest_s() <= 0
    gathering.taken(0)
    assert gathering.rest_s() == 0, "nothing waits: what there is beside records goes at once"
    gathering.put(1, 5.0)
    assert rest_ms(gathering) == 5000


def test_enough_is_enough_until_it_is_written() -> None:
    gathering, _ = made()
    gathering.put(ENOUGH - 1, 5.0)
    assert rest_ms(gathering) == 5000
    gathering.put(ENOUGH, 5.0)
    assert gathering.rest_s() == 0
    gathering.taken(0)
    gathering.written(ENOUGH, 1)
    gathering.put(2, 5.0)
    assert rest_ms(gathering) == 5000
    gathering.written(1, ENOUGH)
    assert gathering.rest_s() == 0


def test_what_did_not_fit_into_a_transaction_goes_at_once() -> None:
    gathering, _ = made()
    gathering.put(1, 5.0)
    gathering.taken(3)
    assert gathering.rest_s() <= 0


def test_at_the_end_nothing_is_gathered() -> None:
    gathering, _ = made()
    gathering.put(1, 5.0)
    gathering.end()
    assert gathering.rest_s() == 0
    gathering.wait()
