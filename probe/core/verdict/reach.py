"""Rule: a node counts as answering if any request of this slot for the object got a complete reply below 500 from it.

The contract's question (B, interruption): did all the nodes in use fail, or only some? A node that failed first and
answered when it was asked again answers: that it failed once is in the verdict, not here. What was never asked
of it (our own host failed, or our address policy forbade it) counts as not asked. An address that is no node of the
CDN, as far as is known, counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from probe.core.model.task import Task
from probe.core.nodes.eligibility import is_address, learnable
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.surroundings import Reach
from probe.core.records.verdict import Evidence, Finding, Outcome
from probe.core.verdict.hijack import foreign

_OF_A_NODE = (Role.EDGE, Role.CONFIRM, Role.SWEEP)
_NEVER_SERVED = (Relation.UNKNOWN_VERSION, Relation.UNSEEN_VERSION)  # by the origin, as far as was seen
_ACCUSED = (Outcome.FAILED, Outcome.INCONCLUSIVE)


def reach(task: Task, evidence: Evidence) -> Reach | None:
    """The nodes asked in this slot and those that answered; None where none was asked, or nobody counts nodes."""
    facts = evidence.nodes
    if facts is None:
        return None
    nodes = set(learnable(task, evidence.resolution).addresses)
    new = [a for a in facts.strangers if a in nodes and not foreign(task, evidence, a)]
    no_nodes = set(facts.strangers).difference(new)
    well: dict[str, bool] = {}
    for observation in node_observations(evidence):
        if observation.address not in no_nodes:
            well[observation.address] = well.get(observation.address, False) or answers(observation)
    if not well:
        return None
    return Reach(
        known=max(facts.known + len(new), len(well)),  # others may have learned of more meanwhile
        asked=len(well),
        answered=sum(well.values()),
        unanswered=tuple(address for address, answered in well.items() if not answered),
    )


def node_observations(evidence: Evidence) -> Iterator[Observation]:
    """What was asked of nodes for the object itself, and really was sent to them."""
    for observation in evidence.observations:
        of_a_node = observation.role in _OF_A_NODE and observation.ask is None
        if of_a_node and is_address(observation.address) and _was_asked(observation):
            yield observation


def answers(observation: Observation) -> bool:
    """Whether this is a reply below 500, complete or cut by a limit of ours alone."""
    response = observation.answer
    return response is not None and response.status_code < 500


def served(evidence: Evidence, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """The addresses that answered in this slot, and nothing that was found speaks against them."""
    accused = {finding.address for finding in findings if finding.outcome in _ACCUSED}
    found = (o.address for o in node_observations(evidence) if answers(o) and not _wrong(o))
    return tuple(a for a in dict.fromkeys(found) if a not in accused)


def _was_asked(observation: Observation) -> bool:
    failure = observation.failure
    return failure is None or (
        failure.phase is not Phase.HOST and failure.type is not FailureType.TCP_ADDRESS_BLOCKED
    )


def _wrong(observation: Observation) -> bool:
    comparison = observation.comparison
    return comparison is not None and comparison.relation in _NEVER_SERVED
