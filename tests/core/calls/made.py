"""Incidents that open, grow and close, for tests of calls."""

from __future__ import annotations

from typing import Any

from probe.core.calls.target import Target, Via
from probe.core.incidents.incident import Transition
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.model.value import replace
from tests.core.incidents.looking import fed, minutes

ALERTMANAGER = Target(name="ops", via=Via.ALERTMANAGER, url="http://127.0.0.1:9093")
WEBHOOK = Target(name="desk", via=Via.WEBHOOK, url="http://127.0.0.1:8000/hook")


def story(domain: str = "www.example.net", **more: Any) -> list[Transition]:
    """Opened, changed, closed."""
    looks = minutes({"bj": ".XXXX......", "sh": "..XXX......"}, domain=domain, **more)
    told = fed(Tracker(Rules()), looks)
    assert [each.stage for each in told] == ["opened", "changed", "closed"]
    return told


def with_exclusion(told: Transition, excluded: bool) -> Transition:
    incident = replace(told.incident, excluded=excluded, exclusions=("maintenance",))
    return Transition(stage=told.stage, incident=incident, customers=told.customers)
