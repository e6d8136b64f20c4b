"""Which file of the store goes next: ages, sizes, what nobody has confirmed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.results.retention import (
    Action,
    KeepPolicy,
    PartFacts,
    Step,
    Stream,
    evidence_to_drop,
    next_action,
)

DAY = 86_400_000_000
POLICY = KeepPolicy(failures_us=400 * DAY, healthy_us=100 * DAY, size_bytes=1000, hard_size_bytes=2000)
NOW = 1000 * DAY


def part(number: int, age_days: float, size: int = 100, thinned: bool = False, **heads: int) -> PartFacts:
    return PartFacts(
        number=number,
        size_bytes=size,
        closed_us=NOW - round(age_days * DAY),
        thinned=thinned,
        heads={("a1", name): head for name, head in (heads or {"acme": 10 * number}).items()},
    )


def ask(*parts: PartFacts, confirmed: dict[Stream, int] | None = None, newest: int = 0) -> Action | None:
    return next_action(parts, confirmed or {}, NOW, POLICY, newest_bytes=newest)


def test_young_and_small_stays() -> None:
    assert ask() is None
    assert ask(part(1, 99), part(2, 1)) is None


def test_healthy_rows_go_first_and_once() -> None:
    assert ask(part(1, 101), part(2, 1)) == Action(Step.THIN, 1, "age")
    assert ask(part(1, 101, thinned=True), part(2, 101)) == Action(Step.THIN, 2, "age")
    assert ask(part(1, 101, thinned=True)) is None


def test_failures_go_at_their_age() -> None:
    assert ask(part(1, 401, thinned=True), part(2, 401)) == Action(Step.DROP, 1, "age")


def test_too_large_thins_all_before_it_drops_the_oldest() -> None:
    assert ask(part(1, 5, 600), part(2, 4, 600)) == Action(Step.THIN, 1, "size")
    assert ask(part(1, 5, 600, thinned=True), part(2, 4, 600)) == Action(Step.THIN, 2, "size")
    assert ask(part(1, 5, 600, thinned=True), part(2, 4, 600, thinned=True)) == Action(Step.DROP, 1, "size")
    assert ask(part(1, 5, 100), newest=1001) == Action(Step.THIN, 1, "size")


def test_what_is_not_confirmed_stays_up_to_the_hard_limit() -> None:
    old = part(1, 900, 1500)
    assert ask(old, confirmed={("a1", "acme"): 9}) is None
    assert ask(old, confirmed={("a1", "acme"): 10}) == Action(Step.DROP, 1, "age")
    assert ask(old, part(2, 1, 600), confirmed={("a1", "acme"): 9}) == Action(Step.DROP, 1, "hard_size")
    both = part(1, 900, acme=10, other=5)
    assert ask(both, confirmed={("a1", "acme"): 10, ("a1", "other"): 4}) is None
    assert ask(both, confirmed={("a1", "acme"): 10}) == Action(Step.DROP, 1, "age"), "nobody confirms other's"


def test_a_part_behind_an_unconfirmed_one_may_go_before_it() -> None:
    first, second = part(1, 401, slow=7), part(2, 401, acme=20)
    assert ask(first, second, confirmed={("a1", "slow"): 6}) == Action(Step.DROP, 2, "age")


@given(
    st.lists(
        st.tuples(st.floats(0, 999), st.integers(0, 900), st.booleans(), st.integers(0, 9)), max_size=12
    ),
    st.integers(0, 9),
)
def test_it_ends_and_never_loses_unconfirmed_rows_below_the_hard_limit(
    given_parts: list[tuple[float, int, bool, int]], confirmed: int
) -> None:
    parts = [part(i, age, size, thin, acme=head) for i, (age, size, thin, head) in enumerate(given_parts, 1)]
    for _ in range(3 * len(parts) + 1):
        total = sum(p.size_bytes for p in parts)
        action = ask(*parts, confirmed={("a1", "acme"): confirmed})
        if action is None:
            assert total <= POLICY.hard_size_bytes
            return
        chosen = next(p for p in parts if p.number == action.number)
        assert chosen.heads["a1", "acme"] <= confirmed or total > POLICY.hard_size_bytes
        parts.remove(chosen)
        if action.step is Step.THIN:
            parts.append(replace(chosen, thinned=True))
            parts.sort(key=lambda p: p.number)
    raise AssertionError("it does not end")


def test_evidence_goes_by_age_and_by_room() -> None:
    files = [(1, 50, NOW - 9 * DAY), (2, 50, NOW - 3 * DAY), (3, 50, NOW - DAY)]
    assert evidence_to_drop(files, NOW, 10 * DAY, 150) == []
    assert evidence_to_drop(files, NOW, 5 * DAY, 150) == [1]
    assert evidence_to_drop(files, NOW, 10 * DAY, 149) == [1]
    assert evidence_to_drop(files, NOW, 10 * DAY, 40) == [1, 2, 3]
