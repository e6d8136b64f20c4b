"""Rule: only time that the network took counts against a limit; what may have been our own is taken off first.

Contract B: response time of objects; contract D: time to first byte. Both are measured from the start of the
connection, as a user without one would wait; the look-up of the name is recorded apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, model_validator

from probe.core.content.check_kind import CheckKind, Params, Symptom, SymptomKind
from probe.core.model.task import Task
from probe.core.model.units import DurationUs, format_duration
from probe.core.records.observation import Observation
from probe.core.records.transport import TimingUncertainty
from probe.core.records.verdict import Evidence
from probe.core.verdict.symptoms import edge_observations


class ResponseTime(Params):
    """Limits from the start of the connection to the first byte and to the last one."""

    ttfb_us: DurationUs | None = Field(
        default=None, alias="ttfb", description="Limit from the start of the connection to the first byte"
    )
    total_us: DurationUs | None = Field(
        default=None, alias="total", description="Limit from the start of the connection to the last byte"
    )

    @model_validator(mode="after")
    def _one_at_least(self) -> ResponseTime:
        if self.ttfb_us is None and self.total_us is None:
            raise ValueError("give at least one limit: ttfb or total")
        return self


def examine(params: ResponseTime, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A TIMING symptom for each edge over a limit; `agent.stalled` where our own lag may explain the excess."""
    lag_us = evidence.host.loop_lag_us or 0
    for index, observation in edge_observations(evidence):
        if observation.failure is not None:
            continue
        for name, limit_us, taken_us, unsure_us in _measured(params, observation):
            if limit_us is not None and taken_us is not None and taken_us > limit_us:
                explained = taken_us - max(lag_us, unsure_us) <= limit_us
                yield Symptom(
                    check=KIND.name,
                    kind=SymptomKind.TIMING,
                    reason="agent.stalled" if explained else "timing.over_limit",
                    observation=index,
                    detail=f"{name} {taken_us / 1000:.1f}ms, limit {format_duration(limit_us)}",
                )
                break


def _measured(
    params: ResponseTime, observation: Observation
) -> Iterator[tuple[str, int | None, int | None, int]]:
    """Name, limit, what it took, and how much of that may have been our own."""
    timing, unsure = observation.timing, observation.timing.uncertainty or TimingUncertainty()
    start_us = timing.connect_start_us
    for name, limit_us, end_us, unsure_us in (
        ("ttfb", params.ttfb_us, timing.response_start_us, unsure.response_start_us),
        ("total", params.total_us, timing.response_end_us, unsure.response_end_us),
    ):
        taken_us = None if start_us is None or end_us is None else end_us - start_us
        yield name, limit_us, taken_us, unsure.until(unsure_us)


KIND = CheckKind(
    name="response_time",
    params=ResponseTime,
    examine=examine,
    summary="first byte and last byte arrive within the agreed limits",
)
