"""Rule: a node counts as answering if any request of this slot got a complete reply below 500 from it.

The contract's question (B, interruption): did all the nodes in use fail, or only some?
"""

from __future__ import annotations

from probe.core.records import Evidence, Observation, Reach, Role

_OF_A_NODE = (Role.EDGE, Role.CONFIRM, Role.SWEEP)


def reach(evidence: Evidence) -> Reach | None:
    """The nodes asked in this slot and those that answered; None where nobody counts nodes."""
    facts = evidence.nodes
    if facts is None:
        return None
    well: dict[str, bool] = {}
    for observation in evidence.observations:
        if observation.role in _OF_A_NODE and observation.ask is None:
            well[observation.address] = well.get(observation.address, False) or _answers(observation)
    strangers = len(facts.strangers)
    return Reach(
        known=facts.known + strangers,
        asked=len(well),
        answered=sum(well.values()),
        unanswered=tuple(address for address, answers in well.items() if not answers),
    )


def _answers(observation: Observation) -> bool:
    response = observation.response
    return observation.failure is None and response is not None and response.status_code < 500
