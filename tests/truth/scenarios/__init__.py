"""All scenarios, by what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.codes.provoking import provokes
from tests.truth.scenario import Scenario
from tests.truth.scenarios import (
    agreements,
    content,
    edges,
    healthy,
    line,
    lossy,
    names,
    origin,
    own,
    redirects,
    resolvers,
    sequences,
    versions,
)

ROOMS: dict[str, tuple[Scenario, ...]] = {
    "healthy": healthy.SCENARIOS,
    "edges": edges.SCENARIOS,
    "origin": origin.SCENARIOS,
    "names": names.SCENARIOS,
    "resolvers": resolvers.SCENARIOS,
    "line": line.SCENARIOS,
    "lossy": lossy.SCENARIOS,
    "own": own.SCENARIOS,
    "content": content.SCENARIOS,
    "agreements": agreements.SCENARIOS,
    "redirects": redirects.SCENARIOS,
    "versions": versions.SCENARIOS,
    "sequences": sequences.SCENARIOS,
}
EVERY: tuple[Scenario, ...] = tuple(scenario for room in ROOMS.values() for scenario in room)


def marked(scenarios: Iterable[Scenario]) -> list[Any]:
    """As parameters of a test, each with the codes that it shows."""
    return [
        pytest.param(scenario, id=scenario.name, marks=provokes(*scenario.shows)) for scenario in scenarios
    ]
