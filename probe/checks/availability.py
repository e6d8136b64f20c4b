"""Rule: a complete reply counts as available only if its status is one that the customer expects.

That there is no complete reply at all is seen without any check (`core.verdict.symptoms`). Contract A: error rate by
5xx.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from probe.core.content.check_kind import CheckKind, Params, Symptom, SymptomKind
from probe.core.model.task import Task
from probe.core.records.verdict import Evidence
from probe.core.verdict.symptoms import final_observations

Status = Annotated[int, Field(ge=100, le=599)]


class Availability(Params):
    """`status`: the status codes that count as available."""

    status: tuple[Status, ...] = Field(
        default=(200,), min_length=1, description="Status codes that count as available"
    )


def examine(params: Availability, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A STATUS symptom for each edge whose reply, after followed redirects, has another status."""
    for index, observation in final_observations(evidence):
        response = observation.answer
        if response is not None and response.status_code not in params.status:
            expected = ", ".join(map(str, params.status))
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.STATUS,
                reason="http.error",
                observation=index,
                detail=f"status {response.status_code}, expected {expected}",
            )


KIND = CheckKind(
    name="availability",
    params=Availability,
    examine=examine,
    summary="the edge answers with a status of the agreed set",
)
