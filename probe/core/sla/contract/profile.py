"""A profile: one kind of contract, with what its paper says, and which readings of it are ours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from probe.core.config.types import Strict
from probe.core.model.protocols import Protocol
from probe.core.model.units import DurationUs
from probe.core.records.verdict import Fault
from probe.core.sla.contract.terms import (
    Criterion,
    Deadlines,
    Exclusions,
    IncidentKind,
    NotUnavailable,
    Surge,
)
from probe.core.sla.contract.values import Instant, Name, Part, Required, Share, Words, Zone
from probe.core.sla.grains import SHORTEST_US, Error
from probe.core.sla.periods import instant_us


class Period(Strict):
    """Over what time a promise is made. `partial`: whether a service that ran for a part of it is judged."""

    unit: Literal["calendar_month", "calendar_year", "span"]
    time_zone: Zone
    partial: Literal["judged", "not_judged"] = "judged"
    from_: Instant | Required | None = Field(default=None, alias="from")
    to: Instant | Required | None = None

    @model_validator(mode="after")
    def _whole(self) -> Period:
        if (self.unit == "span") != (self.from_ is not None and self.to is not None):
            raise ValueError("a span has from and to, and a calendar period neither")
        if self.from_ in (None, "required") or self.to in (None, "required"):
            return self
        if instant_us(self.to) <= instant_us(self.from_):
            raise ValueError("a span ends after it begins")
        return self


class Objective(Strict):
    """What is promised: a share of all time, or so many minutes that may be missed in every period."""

    figure: Literal["availability", "connected_time"]
    at_least: Part | Required | None = None
    denominator: Literal["total_time"] = "total_time"
    allowance: DurationUs | None = None
    of: DurationUs | None = None
    fixed: bool = False

    @model_validator(mode="after")
    def _one(self) -> Objective:
        if (self.at_least is None) == (self.allowance is None):
            raise ValueError("an objective is at_least a share, or an allowance of time")
        if self.of == 0:
            raise ValueError("an allowance is of some time: of 0 it is no share")
        return self


class Bad(Strict):
    """When a grain is bad."""

    figure: Literal["error_rate"]
    over: Part
    strict: bool = True


class CountedError(Strict):
    """Failures that are errors: whose they are, and of which kinds (none named: of every kind)."""

    fault: Fault
    any_: tuple[Error, ...] = Field(default=tuple(Error), alias="any")
    outcome: Literal["failed"] = "failed"


Counted = Literal["ok", "slow", "stale", "failed"]
Unknown = Literal["missed", "aborted", "inconclusive", "failed_unknown", "clock_unsure"]


Protocols = Annotated[
    tuple[Protocol, ...],
    Field(
        min_length=1, description="HTTP versions whose requests count, as tasks name them; others stand apart"
    ),
]


def _a_second(length_us: int) -> int:
    if length_us < SHORTEST_US:
        raise ValueError("a grain is at least one second long")
    return length_us


class GrainTerms(Strict):
    """The shortest time that is looked at by itself."""

    length: Annotated[DurationUs, AfterValidator(_a_second)]
    aligned_to: Literal["epoch"] = "epoch"
    time_of: Literal["scheduled_at"] = "scheduled_at"
    bad: Bad
    errors: tuple[CountedError, ...]
    denominator: tuple[Counted, ...] = ("ok", "slow", "stale", "failed")
    unknown: tuple[Unknown, ...] = ("missed", "aborted", "inconclusive", "failed_unknown", "clock_unsure")
    clock: tuple[Literal["kernel", "dates"], ...] = ("kernel", "dates")
    clock_max_error: DurationUs = 60_000_000
    min_requests: Annotated[int, Field(ge=1)] = 1
    protocols: Protocols = ("h1",)
    evidence: Literal["literal", "shown"] = "literal"
    significance: Part = Field(default="1/1000", validate_default=True)


class RunTerms(Strict):
    """How long bad time must last to count."""

    state: Literal["bad"] = "bad"
    at_least: DurationUs
    across_unknown: Literal["break"] = "break"
    across_excluded: Literal["break"] = "break"
    at_period_end: Literal["whole", "clip"] = "whole"


class NodeDown(Strict):
    """Requests lost to a node that was down."""

    source: Literal["traffic"]
    dead: dict[str, str | list[str]]
    mean_of: Literal["same_grain_of_7_days_before", "all_grains_of_7_days_before"]
    missing_days: Literal["unknown", "mean_of_others"] = "unknown"
    requests_in_denominator: Literal["received", "received_and_lost"] = "received"


class Coverage(Strict):
    """Below which share of due slots measured nothing is judged. Ours, in every profile."""

    at_least: Part
    below: Literal["not_judged"] = "not_judged"


class Duration(Strict):
    """How samples tell the length of a span."""

    shown: Literal["first_failed_to_last_failed"]
    possible: Literal["last_well_to_next_well"]
    decide_by: Literal["shown", "possible"] = "shown"
    at_most_gap: str | None = None


class Credit(Strict):
    """For each hour begun beyond `over`, `share` of the fee, at most `at_most` of it; or a table by availability."""

    per: Literal["begun_hour"] | None = None
    over: DurationUs | None = None
    share: Share | None = None
    at_most: Share | None = None
    table: Required | tuple[CreditStep, ...] | None = None
    by: Literal["availability"] | None = None
    currency: str = "CNY"
    rounding: Literal["half_up_to_fen"] = "half_up_to_fen"

    @model_validator(mode="after")
    def _one(self) -> Credit:
        if (self.table is None) == (self.share is None):
            raise ValueError("a credit is a share of the fee for begun hours, or a table by availability")
        return self


class CreditStep(Strict):
    """Below this availability so much of the fee is owed."""

    below: Part
    share: Share


class Down(Strict):
    """What a network agreement calls disconnected."""

    outcome: Literal["failed"]
    fault: Fault
    scope: Literal["all_nodes_from_all_vantage_points"]


class Trigger(Strict):
    """From how much time down on anything is owed."""

    down: DurationUs
    strict: bool = False


class Clause(Strict):
    """One sentence of the paper, and which keys of the profile compute it."""

    of: tuple[str, ...]
    en: str
    zh: str


class Profile(Strict):
    """One kind of contract. `ours`: keys, with dots, whose reading is ours and not the paper's.

    `protocols`: of a contract that counts in grains, `grain.protocols` counts in place of it.
    """

    profile: Name
    version: Annotated[int, Field(ge=1)]
    title: Words
    source: str | None = None
    clauses: tuple[Clause, ...] = ()
    ours: tuple[str, ...] = ()
    period: Period
    subject: tuple[Literal["customer", "domain"], ...] = ("customer", "domain")
    unit: Literal["request", "slot"] = "request"
    protocols: Protocols = ("h1",)
    objective: Objective | None = None
    grain: GrainTerms | None = None
    run: RunTerms | None = None
    node_down: NodeDown | None = None
    incidents: tuple[IncidentKind, ...] = ()
    duration: Duration | None = None
    trigger: Trigger | None = None
    down: Down | None = None
    sum: Literal["all_spans"] | None = None
    not_unavailable: tuple[NotUnavailable, ...] = ()
    exclusions: Exclusions = Exclusions()
    deadlines: Deadlines = Deadlines()
    surge: Surge | None = None
    coverage: Coverage | None = None
    credit: Credit | Literal["none"] = "none"
    criteria: tuple[Criterion, ...] = ()
    verdict: Literal["all"] | None = None
    report: dict[str, bool | str | list[str]] = Field(default_factory=dict)
    cumulated_fault_time: dict[str, DurationUs | Required] = Field(default_factory=dict)
    bandwidth: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _decidable(self) -> Profile:
        if (self.grain is None) != (self.run is None):
            raise ValueError("grain and run belong together: bad grains count in runs")
        return self
