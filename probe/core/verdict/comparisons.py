"""Rule: comparisons are made from the kept observations, and can be made again.

Evidence -> the same evidence with every edge-side observation beside the reference as it is known at the end.
"""

from __future__ import annotations

from probe.core.caching.cache_status import words_of
from probe.core.content.by_protocol import asked_by_protocol, with_own_reply
from probe.core.content.compare import compare
from probe.core.model.task import Task
from probe.core.model.times import epoch_s, utc_text
from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence
from probe.core.verdict.corroboration import Corroboration
from probe.core.verdict.symptoms import final_of

_COMPARED = (Role.EDGE, Role.CONFIRM, Role.SWEEP, Role.ELSEWHERE)
_FOLLOWED = (Role.EDGE, Role.CONFIRM)


def with_comparisons(task: Task, evidence: Evidence) -> Evidence:
    """Compare each edge-side observation at the moment of its own request; none without an origin.

    Where a redirect was followed, what stands at its end is compared.
    """
    if not evidence.reference.configured:
        return evidence
    # An origin whose body is over our limit answered, and yet it is not known what it serves now.
    cut = any(o.role is Role.ORIGIN and o.over_our_limit for o in evidence.observations)
    failing = cut or Corroboration(task, evidence).origin_failing
    words = words_of(o for o in evidence.observations if o.role is Role.ORIGIN)
    last_us = _origin_asked_us(evidence)
    started_s = epoch_s(evidence.started_at)
    ends = {id(final_of(evidence, i)) for i, o in enumerate(evidence.observations) if o.role in _FOLLOWED}

    def compared(observation: Observation) -> Observation:
        end = observation.role is Role.REDIRECT and id(observation) in ends
        own = (end or observation.role in _COMPARED) and observation.ask is None
        by_another = asked_by_protocol(observation)
        if not own and not by_another:
            return observation
        asked_at = utc_text(started_s + (observation.timing.request_start_us or 0) / 1e6)
        unsure = _is_off_by_its_checksum(observation)
        comparison = compare(
            replace(observation, failure=None) if unsure else observation,
            with_own_reply(evidence, observation) if by_another else evidence.reference,
            asked_at,
            origin_failing=failing,
            origin_words=words,
            asked_after=last_us is not None and last_us >= (observation.timing.response_end_us or 0),
        )
        if unsure:
            # Only the origin can say whether the content that came is right. If so, users miss nothing.
            right = comparison is not None and comparison.relation is Relation.EQUAL
            return replace(observation, failure=None, comparison=comparison) if right else observation
        return replace(observation, comparison=comparison)

    return replace(evidence, observations=tuple(compared(o) for o in evidence.observations))


def _is_off_by_its_checksum(observation: Observation) -> bool:
    """All content came, and the checksum behind it is another's."""
    failure, response = observation.failure, observation.response
    if failure is None or failure.type is not FailureType.BODY_DECODE_FAILED or response is None:
        return False
    return "coding_checksum_wrong" in response.flags and response.content_digest is not None


def _origin_asked_us(evidence: Evidence) -> int | None:
    """When the last request to the origin was begun that showed which version it has (offset in the slot)."""
    looks = (final_of(evidence, i) for i, o in enumerate(evidence.observations) if o.role is Role.ORIGIN)
    begun = [
        o.timing.request_start_us
        for o in looks
        if o.failure is None and o.response is not None and _tells(o.response)
    ]
    return max((us for us in begun if us is not None), default=None)


def _tells(response: Response) -> bool:
    return response.status_code == 304 or 200 <= response.status_code < 300
