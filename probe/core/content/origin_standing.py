"""An origin's failure explains an edge's only if the origin was ever seen to answer us.

Pure. An origin behind a firewall that lets in the CDN alone never answers us; it would look like the cause of every
failure. Input: one look at the origin after the other; output: its standing, kept over restarts.
"""

from __future__ import annotations

from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.failure import Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginAsk, OriginStanding, Reference
from probe.core.records.verdict import Evidence

KEPT_ASKS = 5


def with_ask(standing: OriginStanding, observation: Observation, at: str) -> OriginStanding:
    """The standing after one more look, begun at `at` (RFC 3339 UTC). What our own host lacked is no ask."""
    failure, answered = observation.failure, observation.response is not None
    if failure is not None and failure.phase is Phase.HOST:
        return standing
    address = observation.address if failure is None or failure.phase is not Phase.DNS else None
    ask = OriginAsk(
        at=at, address=address, answered=answered, failure=None if failure is None else failure.type.value
    )
    return OriginStanding(
        asks=(*standing.asks, ask)[-KEPT_ASKS:],
        last_answered_at=at if answered else standing.last_answered_at,
        last_answered_address=address if answered else standing.last_answered_address,
    )


def never_answered(evidence: Evidence) -> bool:
    """Whether this origin was asked and never answered. A kept version of its content is an answer too.

    So is the reply to a further request of this slot: it need not be as large as the object, which our line may lose.
    False where no standing is on record: rows of earlier versions are judged as they were.
    """
    reference = evidence.reference
    standing = reference.standing
    if standing is None or not standing.never_answered or reference.versions:
        return False
    return not any(o.role in _OF_THE_ORIGIN and o.response is not None for o in evidence.observations)


def in_words(standing: OriginStanding) -> str:
    """What is known of it, for people."""
    if not standing.asks:
        return "was not asked yet"
    failed = sum(not ask.answered for ask in standing.asks)
    last = standing.asks[-1]
    if standing.last_answered_at is None:
        why = f", the last time with {last.failure}" if last.failure else ""
        return f"never answered; asked at {last.at}{why}"
    where = f" at {standing.last_answered_address}" if standing.last_answered_address else ""
    return f"answered last {standing.last_answered_at}{where}; {failed} of the last {len(standing.asks)} asks failed"


def considered(task: Task, evidence: Evidence) -> tuple[Task, Evidence, tuple[int, ...] | None]:
    """Task and evidence as they are judged: an origin that never answered is as if none were configured.

    The third is None where nothing is left out; else the place that each observation left had among all of them.
    """
    if not never_answered(evidence):
        return task, evidence, None
    all_of = evidence.observations
    kept = tuple(
        i
        for i, o in enumerate(all_of)
        if o.role not in _OF_THE_ORIGIN and (o.of is None or all_of[o.of].role not in _OF_THE_ORIGIN)
    )
    new_place = {place: i for i, place in enumerate(kept)}
    left = (evidence.observations[place] for place in kept)
    return (
        replace(task, origin=None),
        replace(
            evidence,
            reference=Reference(configured=False),
            observations=tuple(o if o.of is None else replace(o, of=new_place[o.of]) for o in left),
        ),
        kept,
    )


_OF_THE_ORIGIN = (Role.ORIGIN, Role.CONTROL)
