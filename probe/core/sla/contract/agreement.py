"""What one customer agreed on: a profile, what its paper left blank, and what was declared since."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from probe.core.config.types import Strict
from probe.core.sla.contract.values import Amount, Day, Instant, Name, Share
from probe.core.sla.periods import instant_us


class Between(Strict):
    """From an instant on, and until before another one; None: without end."""

    from_: Instant = Field(alias="from")
    to: Instant | None = None

    @model_validator(mode="after")
    def _forward(self) -> Between:
        if self.to is not None and instant_us(self.to) <= instant_us(self.from_):
            raise ValueError("a span ends after it begins")
        return self


class Fee(Strict):
    """Of one period."""

    amount: Amount
    currency: str = "CNY"


class Scope(Strict):
    """Of which domains; none named: of all."""

    domains: tuple[str, ...] = ()


class DeclaredExclusion(Between):
    """A span that is not to be counted. It may be declared after it was measured; `announced_at` may be asked for."""

    to: Instant
    reason: str
    source: str
    scope: Scope = Scope()
    declared_at: Instant
    announced_at: Instant | None = None


class DeclaredIncident(Between):
    """Trouble that the customer reported, and the provider answered."""

    reported_at: Instant | None = None
    responded_at: Instant | None = None
    source: str


class Complaint(Strict):
    """A complaint, and the report on it."""

    complaint_at: Instant
    reported_at: Instant | None = None
    source: str


class Purge(Strict):
    """Content that the customer had removed from the caches."""

    at: Instant
    domain: str
    paths: tuple[str, ...] = Field(min_length=1)


class DeclaredSurge(Between):
    """More bandwidth than usual, as both sides list it: `40%` more."""

    to: Instant
    bandwidth: Share
    source: str


class Columns(Strict):
    """The names of a traffic file's columns."""

    domain: str
    node: str
    time: str
    requests: str
    errors_5xx: str | None = None


class Traffic(Strict):
    """Requests by node and time, to weigh nodes that were down. `from`: who made the file."""

    file: str
    columns: Columns
    from_: Literal["provider", "customer"] = Field(alias="from")


class Agreement(Strict):
    """One customer's contract. `overrides`: keys of the profile, as they stand in it; the report lists each."""

    agreement: Name
    profile: Name
    customer: str
    domains: tuple[str, ...] = Field(min_length=1)
    service: Between
    fee: Fee | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)
    overlong_cache_agreed: bool = False
    exclusions: tuple[DeclaredExclusion, ...] = ()
    incidents: tuple[DeclaredIncident, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    purges: tuple[Purge, ...] = ()
    working_days: tuple[Day, ...] = ()
    surges: tuple[DeclaredSurge, ...] = ()
    traffic: Traffic | None = None
