"""Rule: who is called, and how; secrets are references."""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.task import SecretRef
from probe.core.model.value import Value

MINUTE_US = 60_000_000
ALL = "*"


class Via(StrEnum):
    """How a target is told."""

    ALERTMANAGER = "alertmanager"
    WEBHOOK = "webhook"


class Target(Value, frozen=True, kw_only=True):
    """One who is called. `repeat_us`: how often an Alertmanager is told of what is open.

    `customers`: of whose incidents; `*`: of all. `silent_in_exclusions`: what began in a declared exclusion is told
    when it outlasts it, else never. `secret`: signs what a webhook gets; `bearer`, or `user` and `password`: show who
    calls.
    """

    name: str
    via: Via
    url: str
    customers: tuple[str, ...] = (ALL,)
    repeat_us: int = MINUTE_US
    silent_in_exclusions: bool = False
    ca: str | None = None
    secret: SecretRef | None = None
    bearer: SecretRef | None = None
    user: str | None = None
    password: SecretRef | None = None

    def hears_of(self, customers: tuple[str, ...]) -> bool:
        """Whether an incident of these customers is its business."""
        return ALL in self.customers or any(customer in self.customers for customer in customers)
