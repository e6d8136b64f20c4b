"""Up to which time a customer's slots are accounted for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.scheduling.open_slots import OpenSlots, Token, overlap_of
from tests.support.sizes import scaled


@settings(max_examples=scaled(100), deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.booleans()), max_size=60))
def test_the_earliest_open_one_is_known(script: list[tuple[str, int, bool]]) -> None:
    slots, known = OpenSlots(), list[Token]()
    for customer, number, opens in script:
        if opens or not known:
            known.append(slots.open(customer, number))
        else:
            token = known.pop(number % len(known))
            slots.close(token)
            slots.close(token)
        for name in "ab":
            times = [token.due_us for token in known if token.customer == name]
            assert slots.earliest_us(name) == (min(times) if times else None)
        assert set(slots.customers()) == {token.customer for token in known}


def test_as_many_slots_overlap_as_the_timeout_spans() -> None:
    second = 1_000_000
    assert overlap_of(60 * second, 10 * second, 4) == 4
    assert overlap_of(1 * second, 5 * second, 4) == 11
    assert overlap_of(1 * second, 600 * second, 4) == 32
