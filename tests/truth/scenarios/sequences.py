"""Situations that change while the agent runs."""

from __future__ import annotations

from tests.truth.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
