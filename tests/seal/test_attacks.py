"""Every attack, 50 times at random places (5 in `make test`), in a store, segments and a copy: found, and named."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from probe.services.verification import Verification, verify
from tests.seal.attacks import ATTACKS, Held, InCopy, InSegments, InStore
from tests.seal.made import COUNT, CUSTOMERS, Made, made
from tests.support.sizes import scaled

HELD = {"store": InStore, "segments": InSegments, "copy": InCopy}
TIMES = scaled(50, 5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("proof"))


@pytest.mark.scaled
@pytest.mark.parametrize("where", HELD)
@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_is_found_wherever_it_is_tried(
    world: Made, tmp_path: Path, where: str, attack: str
) -> None:
    held = {name: HELD[where](world.cloned(tmp_path / name), name) for name in CUSTOMERS}
    for seed in range(TIMES):
        rng = random.Random(f"{where} {attack} {seed}")
        altered = held[rng.choice(CUSTOMERS)]
        lines = list(altered.whole)
        assert len(lines) == COUNT
        first = ATTACKS[attack](lines, rng.randrange(1, COUNT), rng)
        altered.write(lines)
        found = verify(altered.path, [altered.made.key])
        assert not found.good, (seed, first)
        _named(found, altered, first, attack)
        altered.restore()
    assert all(verify(each.path, [each.made.key]).good for each in held.values()), (
        "or the test proves nothing"
    )


def _named(found: Verification, held: Held, first: int, attack: str) -> None:
    """Only the stream that was altered is accused, and the first record named is the one, or its span begins there."""
    for report in found.streams:
        if report.customer != held.customer:
            assert not report.problems, report
    problems = [p for r in found.streams for p in r.problems if p.seq is not None]
    assert problems, found
    told = problems[0]
    earliest = told.since_seq or told.seq or 0
    assert earliest <= first, (first, told)
    if attack != "chained_anew":
        assert told.seq == first or (told.kind == "changed" and "or" in told.words), (first, problems[:3])
    else:
        assert first <= max(p.seq or 0 for p in problems)


def test_what_nobody_touched_is_not_accused(world: Made) -> None:
    for path in (world.results, world.copy, world.results / "acme"):
        for keys in ([], [world.key]):
            found = verify(path, keys)
            assert found.good, found
            assert all(r.signed_up_to == COUNT == r.last_seq for r in found.streams)
            assert found.independent == bool(keys)
