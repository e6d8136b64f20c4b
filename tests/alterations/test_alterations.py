"""Every kind of alteration, a few times: found and the first bad record named, or declared. The command tries more."""

from __future__ import annotations

import pytest

from probe.services.verification import verify
from tests.alterations.kinds import kinds
from tests.alterations.trying import Kind, attempt
from tests.alterations.world import World, make_world
from tests.support.sizes import LONG, scaled

KINDS = kinds()
TRIES = scaled(5, 1)
TRIED = KINDS if LONG else KINDS[::6]  # some of each place; all of them in the long run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("altered") / "w")


def test_what_nobody_touched_is_good_and_vouched_for(world: World) -> None:
    """Or the rest proves nothing."""
    for path in (world.made.results, world.made.copy):
        found = verify(path, [world.made.key], stamp_ca=world.pki.ca)
        assert found.good, found
        assert all(
            report.stamps >= 5 and report.vouched for report in found.streams if report.source != "segments"
        )


def test_there_are_kinds_of_everything_that_is_kept() -> None:
    assert len(KINDS) >= 60
    assert {"store", "segments", "copy", "heads", "evidence", "stamps", "dispute file"} <= {
        k.where for k in KINDS
    }
    assert len({(kind.where, kind.attack) for kind in KINDS}) == len(KINDS)


@pytest.mark.scaled
@pytest.mark.parametrize("kind", TRIED, ids=lambda kind: f"{kind.where}: {kind.attack}")
def test_each_is_found_or_declared(world: World, kind: Kind) -> None:
    told = attempt(world, kind, TRIES)
    assert told.wrong == []
    assert (told.tries, told.found + told.declared) == (TRIES, TRIES)
