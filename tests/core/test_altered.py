"""Altered records are what `dataclasses.replace` gives, and the first one is as it was."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from probe.core.altered import altered
from probe.core.records import Observation, ResourceTiming, Role

SEEN = Observation(role=Role.EDGE, address="192.0.2.1", port=80, url="http://a.example/", tainted=True)


def test_the_same_as_replace() -> None:
    timing = ResourceTiming(connect_start_us=1)
    made = altered(SEEN, timing=timing, address="192.0.2.2")
    assert made == replace(SEEN, timing=timing, address="192.0.2.2")
    assert (made.timing, made.address, made.tainted) == (timing, "192.0.2.2", True)
    assert SEEN.address == "192.0.2.1"
    with pytest.raises(FrozenInstanceError):
        made.address = "192.0.2.3"  # type: ignore[misc]


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="adress"):
        altered(SEEN, adress="192.0.2.2")


def test_a_record_that_computes_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Computed:
        given: int

        def __post_init__(self) -> None:
            object.__setattr__(self, "given", self.given + 1)

    with pytest.raises(TypeError, match="Computed"):
        altered(Computed(1), given=2)
