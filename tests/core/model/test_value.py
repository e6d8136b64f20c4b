"""Altered records have the values given, the others of the first one, which is as it was."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.records.transport import ResourceTiming

SEEN = Observation(role=Role.EDGE, address="192.0.2.1", port=80, url="http://a.example/", tainted=True)


def test_a_value() -> None:
    timing = ResourceTiming(connect_start_us=1)
    made = replace(SEEN, timing=timing, address="192.0.2.2")
    assert made == Observation(
        role=Role.EDGE, address="192.0.2.2", port=80, url="http://a.example/", tainted=True, timing=timing
    )
    assert SEEN.address == "192.0.2.1"
    with pytest.raises(AttributeError, match="immutable"):
        made.address = "192.0.2.3"  # type: ignore[misc]


def test_a_frozen_dataclass() -> None:
    @dataclass(frozen=True, slots=True)
    class Plain:
        one: int
        other: int

    assert replace(Plain(1, 2), other=3) == Plain(1, 3)
    with pytest.raises(TypeError, match="third"):
        replace(Plain(1, 2), third=3)


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="adress"):
        replace(SEEN, adress="192.0.2.2")
