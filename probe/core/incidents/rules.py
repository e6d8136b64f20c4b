"""Rule: when trouble is an incident, and when it is over. All spans in microseconds."""

from __future__ import annotations

from probe.core.model.value import Value
from probe.core.records.verdict import Outcome

MINUTE_US = 60_000_000


class Rules(Value, frozen=True, kw_only=True):
    """What makes an incident.

    `vantage_points`: so many must see a domain's trouble at a time; where fewer look, all of them, after a second row.
    `calm_us`: it is closed when everybody who saw it saw it well for so long, twice at least; trouble that comes back
    sooner is the same incident. `outcomes`: what is trouble. `forget_us`: who has not looked for so long is waited for
    no longer. `change_us`: between two events that say that it grew. `several`: rows of several agents are merged, and
    a vantage point is named as agent/name.
    """

    vantage_points: int = 1
    calm_us: int = 5 * MINUTE_US
    outcomes: tuple[Outcome, ...] = (Outcome.FAILED, Outcome.STALE, Outcome.SLOW)
    forget_us: int = 60 * MINUTE_US
    change_us: int = MINUTE_US
    several: bool = False
