"""Rule: the refresh time that was agreed binds the CDN even where a header would let it wait longer.

Contract B: the cache is refreshed within the agreed time. Counted from when the origin was first seen to serve the
newer version, which is never before it changed. What contradicts the agreement without harm so far is a note. An
origin that fails cannot be refreshed from: then nobody is accused.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from pydantic import Field, model_validator

from probe.core.caching.freshness import declared
from probe.core.content.check_kind import CheckKind, Params, Symptom, SymptomKind
from probe.core.http.fields import first_value
from probe.core.model.task import Task
from probe.core.model.times import http_date_s
from probe.core.model.units import DurationUs, format_duration
from probe.core.records.observation import Observation, Relation
from probe.core.records.response import Freshness, Response
from probe.core.records.verdict import Evidence, received_at_s
from probe.core.verdict.corroboration import Corroboration
from probe.core.verdict.origin_controls import at_origin, origin_replies, seen_again
from probe.core.verdict.symptoms import edge_observations

_COUNTED_FROM_RECEIPT_US = 1_000_000
Duration = Annotated[DurationUs, Field(ge=0)]


class MaxAge(Params):
    """Bounds of the declared lifetime."""

    at_least_us: Duration | None = Field(default=None, alias="at_least", description="Shortest lifetime")
    at_most_us: Duration | None = Field(default=None, alias="at_most", description="Longest lifetime")

    @model_validator(mode="after")
    def _can_be(self) -> MaxAge:
        if self.at_least_us is None and self.at_most_us is None:
            raise ValueError("give at_least, at_most or both")
        if None not in (self.at_least_us, self.at_most_us) and (self.at_least_us or 0) > (
            self.at_most_us or 0
        ):
            raise ValueError("at_least is longer than at_most: no lifetime can be both")
        return self


class FreshnessParams(Params):
    """What was agreed on how soon a change at the origin is seen."""

    refresh_us: Annotated[DurationUs, Field(ge=1)] | None = Field(
        default=None,
        alias="refresh",
        description="Longest time after a change in which the old version is served",
    )
    max_age: MaxAge | None = Field(
        default=None, description="Bounds of the lifetime that the reply declares to shared caches"
    )

    @model_validator(mode="after")
    def _something(self) -> FreshnessParams:
        if self.refresh_us is None and self.max_age is None:
            raise ValueError("give refresh, max_age or both")
        return self


def examine(params: FreshnessParams, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """STALE for an old version over the agreed time, POLICY for a lifetime out of bounds, else notes."""
    failing = Corroboration(task, evidence).origin_failing
    for index, observation in edge_observations(evidence):
        response = observation.answer
        if response is None or response.status_code not in (200, 203):
            continue
        received_s = received_at_s(evidence, observation)
        fresh = declared(response.fields, received_s)
        if params.refresh_us is not None:
            yield from _refreshed(params.refresh_us, index, observation, failing=failing)
            yield from _contradicting(params.refresh_us, index, observation, response, fresh)
        if params.max_age is not None:
            yield from _bounded(params.max_age, evidence, index, response, received_s)


def _refreshed(refresh_us: int, index: int, observation: Observation, *, failing: bool) -> Iterator[Symptom]:
    comparison = observation.comparison
    if comparison is None or comparison.relation is not Relation.OLDER or comparison.behind_s is None:
        return
    if comparison.behind_s * 1e6 > refresh_us:
        words = f"{comparison.behind_s:.1f}s behind the origin, agreed {format_duration(refresh_us)}"
        kind, reason = SymptomKind.STALE, "freshness.over_refresh_time"
        if failing:
            kind, reason = SymptomKind.NOTE, "freshness.origin_failing"
        yield Symptom(check=KIND.name, kind=kind, reason=reason, observation=index, detail=words)


def _contradicting(
    refresh_us: int, index: int, observation: Observation, response: Response, fresh: Freshness
) -> Iterator[Symptom]:
    """What lets the agreed time pass one day, though it did no harm in this slot."""
    agreed = format_duration(refresh_us)
    if fresh.explicit and (fresh.lifetime_s or 0.0) * 1e6 > refresh_us:
        words = f"{fresh.lifetime_s:.0f}s by {fresh.source}, agreed {agreed}"
        yield _note("freshness.lifetime_over_agreed", index, words)
    comparison, age_s = observation.comparison, response.age_s
    equal = comparison is not None and comparison.relation is Relation.EQUAL
    if equal and age_s is not None and age_s * 1_000_000 > refresh_us:
        yield _note("freshness.age_over_agreed", index, f"Age {age_s}s, agreed {agreed}")


def _note(reason: str, index: int, words: str) -> Symptom:
    return Symptom(check=KIND.name, kind=SymptomKind.NOTE, reason=reason, observation=index, detail=words)


def _bounded(
    bounds: MaxAge, evidence: Evidence, index: int, response: Response, received_s: float
) -> Iterator[Symptom]:
    found = _outside(bounds, received_s, response)
    if found is not None and not (found[0] == "none" and "fields_cut" in response.flags):
        which, words = found
        replies = origin_replies(evidence, response.status_code)
        defect = partial(_is_outside, bounds, which, received_s)
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.POLICY,
            reason="freshness.lifetime_outside",
            observation=index,
            detail=words,
            at_origin=at_origin(evidence, replies, defect),
            again=seen_again(evidence, index, defect),
        )


def _is_outside(bounds: MaxAge, which: str, received_s: float, response: Response) -> bool:
    """In the same way: a lifetime that is too long does not come from an origin that declares none."""
    return (_outside(bounds, received_s, response) or ("", ""))[0] == which


def _outside(bounds: MaxAge, received_s: float, response: Response) -> tuple[str, str] | None:
    """In which way, and in words; a heuristic is nobody's declaration.

    An Expires without a valid Date is counted from when the slot's reply came, which may be a second off.
    """
    fresh = declared(response.fields, received_s)
    if not fresh.explicit or fresh.lifetime_s is None:
        return "none", "no lifetime declared"
    lifetime_us, said = fresh.lifetime_s * 1e6, f"{fresh.lifetime_s:.0f}s by {fresh.source}"
    dated = fresh.source != "expires" or http_date_s(first_value(response.fields, "date")) is not None
    slack_us = 0 if dated else _COUNTED_FROM_RECEIPT_US
    if bounds.at_least_us is not None and lifetime_us + slack_us < bounds.at_least_us:
        return "short", f"{said}, agreed at least {format_duration(bounds.at_least_us)}"
    if bounds.at_most_us is not None and lifetime_us - slack_us > bounds.at_most_us:
        return "long", f"{said}, agreed at most {format_duration(bounds.at_most_us)}"
    return None


def needs_origin(params: FreshnessParams) -> str | None:
    """When the origin changed is seen at the origin; what a reply declares is in the reply."""
    return None if params.refresh_us is None else "refresh of freshness"


KIND = CheckKind(
    name="freshness",
    params=FreshnessParams,
    needs_origin=needs_origin,
    examine=examine,
    summary="a change at the origin is seen within the agreed time",
)
