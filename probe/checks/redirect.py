"""Rule: an agreed redirect is right only with its agreed status and its agreed target, compared as text.

Contract B: redirects are among the initial settings that are to be right. The check reads the edge's own reply,
before any redirect is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from probe.core.fields import field_values
from probe.core.kinds import CheckKind, Params, Symptom, SymptomKind
from probe.core.records import Evidence
from probe.core.symptoms import edge_observations
from probe.core.task import Task


class Redirect(Params):
    """`status` and `location`: what the edge must answer."""

    status: Literal[301, 302, 303, 307, 308] = Field(default=301, description="Expected status code")
    location: str = Field(description="Expected value of the Location field, exactly")


def examine(params: Redirect, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A STATUS symptom for each edge that redirects otherwise, or not at all."""
    for index, observation in edge_observations(evidence):
        response = observation.response
        if observation.failure is not None or response is None:
            continue
        locations = field_values(response.fields, "location")
        if (response.status_code, locations) != (params.status, [params.location]):
            told = f"{response.status_code} to {', '.join(locations) or 'nowhere'}"
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.STATUS,
                reason="http.redirect_unexpected",
                observation=index,
                detail=f"{told}, expected {params.status} to {params.location}",
            )


KIND = CheckKind(
    name="redirect",
    params=Redirect,
    examine=examine,
    summary="the edge redirects with the agreed status to the agreed place",
)
