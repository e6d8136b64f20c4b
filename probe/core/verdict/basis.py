"""Rule: a verdict lists the observations that it rests on, so that nobody has to guess what convicted.

Those that showed it, those that looked again, and the witnesses: the origin, the anchors, the other nodes, the same
request made of the origin, if it ever answered. What a verdict does not rest on stays in the record all the same.
"""

from __future__ import annotations

from probe.core.content.origin_standing import never_answered
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Evidence, Outcome, Verdict

_OF_THE_ORIGIN = (Role.ORIGIN, Role.CONTROL)
_CORROBORATING = frozenset({Role.ORIGIN, Role.ANCHOR, Role.SWEEP})


def basis_of(verdict: Verdict, evidence: Evidence) -> tuple[int, ...]:
    """Indices into the row's observations, ascending. Of a slot that is well: the edges, and the origin if asked."""
    observations = evidence.observations
    if verdict.outcome is Outcome.OK:
        return tuple(i for i, o in enumerate(observations) if o.role in (Role.EDGE, Role.ORIGIN))
    shown = {
        finding.observation
        for finding in verdict.findings
        if (finding.outcome, finding.fault, finding.reason)
        == (verdict.outcome, verdict.fault, verdict.reason)
        and finding.observation is not None
    }
    mute = never_answered(evidence)
    asks = {observations[index].ask for index in shown} - {None}
    rests: set[int] = set()
    for index, observation in enumerate(observations):
        followed = observation.role is Role.REDIRECT and observation.of in rests
        if (
            index in shown
            or observation.of in shown
            or followed
            or (_corroborates(observation, asks) and not (mute and observation.role in _OF_THE_ORIGIN))
        ):
            rests.add(index)
    return tuple(sorted(rests))


def _corroborates(observation: Observation, asks: set[str | None]) -> bool:
    return observation.role in _CORROBORATING or (
        observation.role is Role.CONTROL and observation.ask in asks
    )
