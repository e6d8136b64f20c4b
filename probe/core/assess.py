"""Rule: comparisons are opinions too: they are made from the kept observations, and can be made again.

Evidence -> the same evidence with every edge-side observation beside the reference as it is known at the end.
"""

from __future__ import annotations

from dataclasses import replace

from probe.core.cache_fields import words_of
from probe.core.compare import compare
from probe.core.records import Evidence, Observation, Role
from probe.core.task import Task
from probe.core.times import epoch_s, utc_text
from probe.core.witness import Witness

_COMPARED = (Role.EDGE, Role.CONFIRM, Role.SWEEP, Role.ELSEWHERE)


def with_comparisons(task: Task, evidence: Evidence) -> Evidence:
    """Compare each edge-side observation at the moment of its own request; none without an origin."""
    if not evidence.reference.configured:
        return evidence
    failing = Witness(task, evidence).origin_failing
    words = words_of(o for o in evidence.observations if o.role is Role.ORIGIN)
    started_s = epoch_s(evidence.started_at)

    def compared(observation: Observation) -> Observation:
        if observation.role not in _COMPARED or observation.ask is not None:
            return observation
        asked_at = utc_text(started_s + (observation.timing.request_start_us or 0) / 1e6)
        comparison = compare(
            observation, evidence.reference, asked_at, origin_failing=failing, origin_words=words
        )
        return replace(observation, comparison=comparison)

    return replace(evidence, observations=tuple(compared(o) for o in evidence.observations))
