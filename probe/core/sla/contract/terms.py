"""Terms of a profile beside its grains: exclusions, incidents, deadlines, criteria of an acceptance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from probe.core.config.types import Strict
from probe.core.model.units import DurationUs
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.contract.values import Hour, Name, Part, Required, Share, Zone, parse_share, whole_number

MISMATCH = "content_mismatch"  # where nothing is said, none is admitted


class ByFault(Strict):
    """Failures of somebody else: no error, and in the denominator."""

    fault: Fault


class Requires(Strict):
    """What a declaration must fulfil: announced so long before, and within these hours."""

    announced_before: DurationUs | None = None
    between: tuple[Hour, Hour] | None = None
    time_zone: Literal["local"] | Zone = "local"

    @model_validator(mode="after")
    def _on_one_day(self) -> Requires:
        if self.between is not None and self.between[0] >= self.between[1]:
            raise ValueError("the hours begin before they end, on one day, such as 00:00 to 08:00")
        return self


class Reason(Strict):
    """A reason that the contract admits."""

    reason: str
    zh: str | None = None
    en: str | None = None
    requires: Requires = Requires()
    unless: Literal["announced_in_writing"] | None = None


class Unreported(Strict):
    """What the customer did not report in time is not counted."""

    after: DurationUs
    counted_from: Literal["incident_begin"] = "incident_begin"
    witness: tuple[Literal["reported_at", "first_pull"], ...] = ("reported_at", "first_pull")
    strict: bool = True


class Exclusions(Strict):
    """What is not counted. `partial_grain`: of a grain that a span touches, the rows outside decide, or none."""

    partial_grain: Literal["rows", "grain"] = "rows"
    by_observation: tuple[ByFault, ...] = ()
    by_declaration: tuple[Reason, ...] = ()
    unreported: Unreported | None = None


class Scope(Strict):
    """Whom an incident must reach."""

    by: tuple[Literal["region", "carrier"], ...]
    some: int = Field(ge=1)
    whole: bool = Field(default=False, description="Also where everybody is reached")


class Condition(Strict):
    """One way in which an incident of this kind comes about."""

    all_nodes: Literal["unanswered"] | None = None
    outcome: Outcome | None = None
    fault: Fault | None = None
    reason: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    confirmed: bool = False
    over: DurationUs
    strict: bool = True
    scope: Literal["all_vantage_points"] | Scope | None = None
    needs: Literal["all_known_nodes_asked"] | None = None


class IncidentKind(Strict):
    """An incident that the contract names."""

    name: Name
    any_: tuple[Condition, ...] = Field(alias="any")
    counts_as_unavailable: bool = True


class NotUnavailable(Strict):
    """What by agreement is no unavailability."""

    outcome: Outcome | None = None
    when: Literal["overlong_cache_agreed"] | None = None
    carrier_line: Literal["cut"] | None = None
    while_: Literal["anchors_of_carrier_reachable"] | None = Field(default=None, alias="while")
    zh: str | None = None
    en: str | None = None


class Deadline(Strict):
    """Something that must be declared within a time from something else."""

    within: DurationUs | Required
    from_: Literal["reported_at", "complaint_at", "incident_begin", "request"] = Field(alias="from")
    declared: str | None = None


class Opening(Strict):
    """Initial settings to be right within working days, which the agreement lists."""

    within_working_days: int = Field(ge=1)
    checks: tuple[str, ...]


class Deadlines(Strict):
    """Those of a contract."""

    response: Deadline | None = None
    complaint_report: Deadline | None = None
    first_notice: Deadline | None = None
    repair: Deadline | None = None
    opening: Opening | None = None


class Compare(Strict):
    """A quantile against the same hours before."""

    figure: str
    quantile: Part
    with_: Literal["same_hours_of_28_days"] = Field(alias="with")
    at_most: Share


def _more(text: str) -> str:
    parse_share(text.removeprefix("+"))
    return text


class Surge(Strict):
    """Response time under more bandwidth than usual."""

    bandwidth: Annotated[str, AfterValidator(_more)]
    response_time: Literal["not_noticeably_above_normal"]
    compare: Compare


class Criterion(Strict):
    """One line of an acceptance. Bounds that the paper leaves blank are `required`."""

    name: Name
    figure: str | None = None
    quantile: Part | None = None
    at_most: DurationUs | int | Required | None = None
    at_least: Annotated[str, AfterValidator(whole_number)] | None = None
    by: tuple[Literal["region", "carrier"], ...] = ()
    min_samples: int | None = None
    profile: Name | None = None
    nodes: Literal["all"] | None = None
    after: Literal["purge"] | None = None
    checks: tuple[str, ...] = ()
    failures: int | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Criterion:
        if self.at_most is not None and self.at_least is not None:
            raise ValueError("a figure is bounded by at_most or by at_least, not by both")
        if self.figure not in (None, MISMATCH) and self.at_most is None and self.at_least is None:
            raise ValueError(f"{self.figure} has no bound: write at_most or at_least")
        return self
