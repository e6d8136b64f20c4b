"""From a contract as it was agreed to the rules that figures are computed by."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from probe.core.records.verdict import Fault
from probe.core.sla.contract.computed import SERVED, UNKNOWN
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.profile import CountedError, Credit, GrainTerms
from probe.core.sla.contract.terms import Reason
from probe.core.sla.credits import CreditRule
from probe.core.sla.exclusions import Clause, Declared
from probe.core.sla.figures import GrainRule
from probe.core.sla.grains import CountingRule, Error
from probe.core.sla.lost_requests import LostRule
from probe.core.sla.periods import US, Span, instant_us

FOREVER_US = 2**62


class NotComputableError(ValueError):
    """The contract lacks what this figure needs; says what."""


def counting_rule(agreed: Agreed) -> CountingRule:
    """How facts are counted. Raises NotComputableError without grains."""
    grain = _grain(agreed)
    if set(grain.denominator) != SERVED or set(grain.unknown) != UNKNOWN:
        raise NotComputableError("grain.denominator and grain.unknown: other than all kinds are not computed")
    faults = frozenset(one.fault for one in grain.errors)
    return CountingRule(
        length_us=grain.length,
        faults=faults,
        errors=_kinds(grain.errors, faults),
        clocks=frozenset(grain.clock),
        clock_max_error_us=grain.clock_max_error,
    )


def grain_rule(agreed: Agreed) -> GrainRule:
    """When a grain is bad and what is promised. Raises NotComputableError without grains or an objective."""
    grain, run = _grain(agreed), agreed.profile.run
    assert run is not None, "a profile has grain and run, or neither"
    objective = agreed.profile.objective
    if objective is None or not isinstance(objective.at_least, Fraction):
        raise NotComputableError(f"{agreed.profile.profile}: objective.at_least is still to be agreed")
    coverage = agreed.profile.coverage
    return GrainRule(
        length_us=grain.length,
        over=grain.bad.over,
        strict=grain.bad.strict,
        significance=grain.significance,
        min_requests=grain.min_requests,
        at_least_us=run.at_least,
        clip=run.at_period_end == "clip",
        objective=objective.at_least,
        coverage=Fraction(0) if coverage is None else coverage.at_least,
        partial_is_judged=agreed.profile.period.partial == "judged",
    )


def clauses(agreed: Agreed) -> Mapping[str, Clause]:
    """The reasons that the contract admits, and what it asks of each."""
    zone = agreed.profile.period.time_zone
    return {one.reason: _clause(one, zone) for one in agreed.profile.exclusions.by_declaration}


def declared(agreed: Agreed) -> tuple[Declared, ...]:
    """What was declared, as spans."""
    return tuple(
        Declared(
            span=Span(instant_us(one.from_), instant_us(one.to)),
            reason=one.reason,
            source=one.source,
            domains=frozenset(one.scope.domains) or None,
            declared_at_us=instant_us(one.declared_at),
            announced_at_us=None if one.announced_at is None else instant_us(one.announced_at),
        )
        for one in agreed.agreement.exclusions
    )


def service_span(agreed: Agreed) -> Span:
    """When the service ran, by the agreement: never by the first row."""
    service = agreed.agreement.service
    return Span(instant_us(service.from_), FOREVER_US if service.to is None else instant_us(service.to))


def credit_rule(agreed: Agreed) -> CreditRule | None:
    """What is owed for begun hours; None where the contract names no such credit."""
    credit = agreed.profile.credit
    if not isinstance(credit, Credit) or credit.share is None:
        return None
    return CreditRule(
        over_us=credit.over or 0,
        share=credit.share,
        at_most=Fraction(1) if credit.at_most is None else credit.at_most,
    )


def lost_rule(agreed: Agreed) -> LostRule | None:
    """How requests lost to dead nodes are counted; None where the contract counts none, or no traffic is known."""
    node_down = agreed.profile.node_down
    if node_down is None or agreed.agreement.traffic is None:
        return None
    return LostRule(
        length_s=_grain(agreed).length // US,
        missing_counts=node_down.missing_days == "mean_of_others",
        all_grains=node_down.mean_of == "all_grains_of_7_days_before",
    )


def _grain(agreed: Agreed) -> GrainTerms:
    if agreed.profile.grain is None:
        raise NotComputableError(
            f"{agreed.profile.profile}: it has no grain, and nothing is counted by grains"
        )
    return agreed.profile.grain


def _kinds(errors: tuple[CountedError, ...], faults: frozenset[Fault]) -> frozenset[Error]:
    """One set of kinds for all faults: a contract that tells them apart by fault is not computed, not wrongly."""
    kinds = {frozenset(one.any_) for one in errors}
    if len(kinds) != 1 or len(faults) != len(errors):
        raise NotComputableError("grain.errors: each fault once, and all with the same kinds of failures")
    return next(iter(kinds))


def _clause(reason: Reason, period_zone: str) -> Clause:
    requires = reason.requires
    return Clause(
        announced_before_us=requires.announced_before,
        between=requires.between,
        time_zone=period_zone if requires.time_zone == "local" else requires.time_zone,
        unannounced=reason.unless == "announced_in_writing",
    )
