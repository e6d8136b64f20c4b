"""Packets are lost on one line, for hundreds of rows (R3)."""

from __future__ import annotations

from tests.truth.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
