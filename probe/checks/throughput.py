"""Rule: a rate is computed from whole large bodies alone, and what may have been our own time is taken off first.

Contract B: download speed of large objects. Bytes on the wire after the transfer coding, from the first byte of the
response to its last. Nothing is judged of an observation during which our loop stalled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from probe.core.content.check_kind import AtOrigin, CheckKind, Params, Symptom, SymptomKind
from probe.core.model.task import Task
from probe.core.model.units import RateBps, SizeBytes, format_rate
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Evidence
from probe.core.verdict.origin_controls import second_looks_at
from probe.core.verdict.symptoms import final_observations


class Throughput(Params):
    """`at_least`: the least rate; `size_at_least`: smaller bodies say nothing about a rate."""

    at_least_bps: Annotated[RateBps, Field(ge=1)] = Field(
        alias="at_least",
        description="Least rate between the first and the last byte, such as 10Mbps or 1MiB/s",
    )
    size_at_least_bytes: Annotated[SizeBytes, Field(ge=1024)] = Field(
        default=1 << 20, alias="size_at_least", description="Smaller bodies are not judged"
    )


def examine(params: Throughput, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A TIMING symptom for each edge that sent a large body slower than agreed."""
    lag_us = evidence.host.loop_lag_us or 0
    for index, observation in final_observations(evidence):
        rate_bps = _rate_bps(params, observation, lag_us)
        if rate_bps is None or rate_bps >= params.at_least_bps:
            continue
        measured_bps = _rate_bps(params, observation, None) or 0
        rates = {
            i: _rate_bps(params, evidence.observations[i], lag_us) for i in second_looks_at(evidence, index)
        }
        again = {i: rate < params.at_least_bps for i, rate in rates.items() if rate is not None}
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.TIMING,
            reason="throughput.under_limit",
            observation=index,
            detail=f"{measured_bps / 1e6:.2f}Mbps, agreed {format_rate(params.at_least_bps)}",
            at_origin=_at_origin(params, evidence, lag_us),
            again=any(again.values()) if again else None,
            again_at=tuple(i for i, slow in again.items() if slow),
        )


def _at_origin(params: Throughput, evidence: Evidence, lag_us: int) -> AtOrigin:
    looks = (o for o in evidence.observations if o.role is Role.ORIGIN)
    rates = (_rate_bps(params, look, lag_us) for look in looks)
    slow = any(rate is not None and rate < params.at_least_bps for rate in rates)
    return AtOrigin.SAME if slow else AtOrigin.NOT_THERE


def _rate_bps(params: Throughput, observation: Observation, lag_us: int | None) -> float | None:
    """Bits per second without our own lag and late looking; `lag_us` None: as measured. None: nothing to judge."""
    response, timing = observation.response, observation.timing
    if (
        observation.failure is not None
        or observation.tainted
        or response is None
        or not response.body_complete
    ):
        return None
    size_bytes = response.encoded_body_bytes
    if size_bytes is None or size_bytes < params.size_at_least_bytes:
        return None
    if timing.response_start_us is None or timing.response_end_us is None:
        return None
    unsure_us = timing.uncertainty.response_end_us if timing.uncertainty is not None else 0
    ours_us = 0 if lag_us is None else max(lag_us, unsure_us)
    return size_bytes * 8e6 / max(1, timing.response_end_us - timing.response_start_us - ours_us)


def left_out(params: Throughput, evidence: Evidence, index: int) -> str | None:
    """A rate is given for whole bodies alone."""
    return "its rate was not measured"


KIND = CheckKind(
    name="throughput",
    params=Throughput,
    examine=examine,
    left_out=left_out,
    summary="large bodies arrive at the agreed rate",
)
