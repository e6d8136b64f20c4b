"""An object that changes every second at the origin: nobody is accused, and an edge that breaks the rules still is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.records.verdict import Outcome
from tests.support.changing_origin import Run, made_world
from tests.support.sizes import scaled

COMPARISONS = scaled(10_000, 2_000)
SLOTS_A_WORLD = 40


@pytest.mark.scaled
def test_ten_thousand_comparisons_accuse_nobody() -> None:
    """Random lawful lifetimes, ages, words of caches, tiers, races of slots, and origins that may not be asked."""
    outcomes: Counter[tuple[str, str | None]] = Counter()
    reasons: Counter[str] = Counter()
    compared = 0
    for seed in range(10_000):
        made = Run(made_world(seed))
        made.run(SLOTS_A_WORLD)
        outcomes.update((v.outcome.value, v.reason) for v in made.verdicts)
        reasons.update(finding.reason for verdict in made.verdicts for finding in verdict.findings)
        compared += made.world.compared
        if compared >= COMPARISONS:
            break
    assert compared >= COMPARISONS
    assert set(outcomes) == {("ok", None)}
    # the loop did meet what it is about
    assert reasons["stale_fresh"] > COMPARISONS / 100
    assert reasons["integrity.origin_changing"] > COMPARISONS / 1000
    assert reasons["integrity.version_unseen"] > COMPARISONS / 100


@settings(max_examples=scaled(60), deadline=None)
@given(st.integers(min_value=0, max_value=2**48))
def test_no_lawful_history_accuses_anybody(seed: int) -> None:
    made = Run(made_world(seed))
    made.run(15)
    assert [(v.outcome, v.reason) for v in made.verdicts if v.outcome is not Outcome.OK] == []


def test_an_edge_that_keeps_too_long_is_accused() -> None:
    """The same worlds with an edge that goes on for minutes past the lifetime."""
    outcomes: Counter[str | None] = Counter()
    for seed in range(60):
        made = Run(made_world(seed, over_s=300.0))
        made.run(SLOTS_A_WORLD)
        outcomes.update(v.reason for v in made.verdicts)
    assert outcomes["content.overlong_cache"] > 100
    assert set(outcomes) <= {None, "content.overlong_cache"}


def test_an_edge_that_alters_what_it_serves_is_accused() -> None:
    """Its content carries the validator of a version that we know to have other bytes."""
    reasons: Counter[str | None] = Counter()
    for seed in range(60):
        made = Run(made_world(seed, tampering=True))
        made.run(SLOTS_A_WORLD)
        reasons.update(v.reason for v in made.verdicts)
    assert reasons["content.mismatch"] > 100
