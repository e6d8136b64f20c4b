"""Rule: only time that the network took counts against a limit; what may have been our own is taken off first.

Contract B: response time of objects; contract D: time to first byte. Both are measured from the start of the
connection, as a user without one would wait; the look-up of the name is recorded apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field, model_validator

from probe.core.content.check_kind import CheckKind, Params, Symptom, SymptomKind
from probe.core.model.task import Task
from probe.core.model.units import DurationUs, format_duration
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation
from probe.core.records.transport import TimingUncertainty
from probe.core.records.verdict import Evidence
from probe.core.redirects.chain import chain_of
from probe.core.verdict.origin_controls import second_looks_at
from probe.core.verdict.symptoms import edge_observations

# Of a connection that came about; one that did not may have lost its first packets.
_LATER_STILL = frozenset({FailureType.TLS_TIMED_OUT, FailureType.HTTP_TIMED_OUT, FailureType.BODY_TIMED_OUT})


class ResponseTime(Params):
    """Limits from the start of the connection to the first byte and to the last one."""

    ttfb_us: DurationUs | None = Field(
        default=None, alias="ttfb", description="Limit from the start of the connection to the first byte"
    )
    total_us: DurationUs | None = Field(
        default=None, alias="total", description="Limit from the start of the connection to the last byte"
    )
    chain: bool = Field(
        default=False,
        description="Redirects that were followed count: what all replies took together, up to the last one's bytes",
    )

    @model_validator(mode="after")
    def _one_at_least(self) -> ResponseTime:
        if self.ttfb_us is None and self.total_us is None:
            raise ValueError("give at least one limit: ttfb or total")
        return self


def examine(params: ResponseTime, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A TIMING symptom for each edge over a limit; `agent.stalled` where our own lag may explain the excess."""
    for index, _ in edge_observations(evidence):
        over = _over(params, evidence, index)
        if over is None:
            continue
        ours = over.explained
        looks = second_looks_at(evidence, index)
        again = () if ours else tuple(i for i in looks if _late_again(params, evidence, i))
        seen = f"; {len(again)} of {len(looks)} further looks too" if looks and not ours else ""
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.TIMING,
            reason="agent.stalled" if ours else "timing.over_limit",
            observation=index,
            detail=f"{over.words}{seen}",
            again=bool(again) if looks and not ours else None,
            again_at=again,
            asked_again=not ours,
        )


@dataclass(frozen=True, slots=True)
class _Over:
    """A limit that was passed; `explained`: what may have been our own time explains it."""

    words: str
    explained: bool


def _over(params: ResponseTime, evidence: Evidence, index: int) -> _Over | None:
    """The first limit that this reply passed, or what its redirects took together; None: none was, or none came."""
    observation, lag_us = evidence.observations[index], evidence.host.loop_lag_us or 0
    replies = chain_of(evidence.observations, index) if params.chain else (observation,)
    if any(reply.answer is None for reply in replies):
        return None
    for name, limit_us, taken_us, unsure_us in _measured(params, replies):
        if limit_us is not None and taken_us is not None and taken_us > limit_us:
            words = f"{name} {taken_us / 1000:.1f}ms{_of(replies)}, limit {format_duration(limit_us)}"
            return _Over(words, explained=taken_us - max(lag_us, unsure_us) <= limit_us)
    return None


def _late_again(params: ResponseTime, evidence: Evidence, index: int) -> bool:
    """Over a limit again, or nothing came in time at all."""
    failure = evidence.observations[index].failure
    over = _over(params, evidence, index)
    return (over is not None and not over.explained) or (failure is not None and failure.type in _LATER_STILL)


def _of(replies: Sequence[Observation]) -> str:
    return f" over {len(replies)} replies" if len(replies) > 1 else ""


def left_out(params: ResponseTime, evidence: Evidence, index: int) -> str | None:
    """The last byte never came to us."""
    return None if params.total_us is None else "its total time was not measured"


def _measured(
    params: ResponseTime, replies: Sequence[Observation]
) -> Iterator[tuple[str, int | None, int | None, int]]:
    """Name, limit, what it took, and how much of that may have been our own.

    Of several replies all but the last count to their last byte; what we did between them does not.
    """
    before = [_taken(reply, "response_end_us") for reply in replies[:-1]]
    for name, limit_us, end in (
        ("ttfb", params.ttfb_us, "response_start_us"),
        ("total", params.total_us, "response_end_us"),
    ):
        spans = [*before, _taken(replies[-1], end)]
        taken = [taken_us for taken_us, _ in spans if taken_us is not None]
        whole = sum(taken) if len(taken) == len(spans) else None
        yield name, limit_us, whole, sum(unsure_us for _, unsure_us in spans)


def _taken(reply: Observation, end: str) -> tuple[int | None, int]:
    """From the start of the connection to `end`, and how much of it may have been our own."""
    timing, unsure = reply.timing, reply.timing.uncertainty or TimingUncertainty()
    start_us, end_us = timing.connect_start_us, getattr(timing, end)
    taken_us = None if start_us is None or end_us is None else end_us - start_us
    return taken_us, unsure.until(getattr(unsure, end))


KIND = CheckKind(
    name="response_time",
    params=ResponseTime,
    examine=examine,
    left_out=left_out,
    summary="first byte and last byte arrive within the agreed limits",
)
