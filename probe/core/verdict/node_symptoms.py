"""Rule: nodes are not down because we are offline: only what a working line showed is said of them.

Notes on the slot's nodes, which change no outcome: addresses that are no node of the CDN, a carrier's user sent to
another carrier's node, and whether all nodes failed or some (contract B, interruption). The same in words.
"""

from __future__ import annotations

from collections.abc import Iterator

from probe.core.content.check_kind import Symptom, SymptomKind
from probe.core.content.origin_standing import considered
from probe.core.http.alternatives import SHOWN, alternatives
from probe.core.model.addresses import in_prefixes
from probe.core.model.task import Task
from probe.core.nodes.eligibility import BY_PROXY, is_address, other_carrier
from probe.core.records.failure import Phase
from probe.core.records.observation import Alternative, Observation, Role
from probe.core.records.surroundings import Reach
from probe.core.records.verdict import Evidence
from probe.core.verdict.corroboration import TIMEOUTS, Corroboration
from probe.core.verdict.reach import answers, node_observations, reach

CHECK = "nodes"
NAMED_AT_MOST = 16  # addresses in a finding; the row's `reach` has them all


def node_symptoms(task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """One note for each address that does not belong here, and one on the nodes that did not answer."""
    edges = {o.address: i for i, o in reversed(list(enumerate(evidence.observations))) if o.role is Role.EDGE}
    for address in _answered(evidence):
        found = _stranger(task, evidence, address)
        if found is not None:
            reason, words = found
            yield _note(reason, f"{address} {words}", edges.get(address))
    seen = trusted_reach(task, evidence)
    if seen is not None and seen.unanswered:
        whole = seen.answered == 0 and seen.asked == seen.known
        yield _note("nodes.all_unanswered" if whole else "nodes.some_unanswered", _counted(seen))
    yield from _alike(task, evidence)


def _note(reason: str, detail: str, observation: int | None = None) -> Symptom:
    return Symptom(check=CHECK, kind=SymptomKind.NOTE, reason=reason, observation=observation, detail=detail)


# --- addresses that do not belong here ------------------------------------------------------------


def _answered(evidence: Evidence) -> tuple[str, ...]:
    """The addresses of the answer, also those that we will not connect to."""
    resolution = evidence.resolution
    if resolution is None or resolution.failure is not None or BY_PROXY in resolution.flags:
        return ()
    return tuple(dict.fromkeys(r.address for r in resolution.addresses if is_address(r.address)))


def _stranger(task: Task, evidence: Evidence, address: str) -> tuple[str, str] | None:
    """Reason and words: the gravest one of what may be said of the address."""
    facts = evidence.nodes
    unknown = facts is not None and facts.settled and address in facts.strangers
    if task.cdn_prefixes and not in_prefixes(address, task.cdn_prefixes):
        return "node.outside_prefixes", "lies in none of the prefixes that the CDN declared"
    carrier = other_carrier(task, address)
    if carrier is not None:
        new = ", and was not seen before" if unknown else ""
        ours = task.vantage_point.carrier
        return "node.other_carrier", f"is a node for {carrier}, we look from {ours}{new}"
    if unknown:
        return "node.unknown", "was not among the nodes known so far"
    return None


def _alike(task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """Several nodes relay one and the same 5xx while the origin answers us: what they share may have failed."""
    first: dict[str, int] = {}
    for node in node_observations(evidence):
        if node.failure is None and node.response is not None and node.response.status_code >= 500:
            first.setdefault(node.address, node.response.status_code)
    codes = set(first.values())
    if len(first) > 1 and len(codes) == 1 and Corroboration(task, evidence).origin_well:
        code = codes.pop()
        named = ", ".join(sorted(first)[:NAMED_AT_MOST])
        words = f"{len(first)} nodes answered {code}, the origin, asked directly, did not: {named}"
        yield _note("nodes.alike", words)


# --- how many answered ----------------------------------------------------------------------------


def trusted_reach(task: Task, evidence: Evidence) -> Reach | None:
    """How many nodes answered, or None where that may be our own doing: offline, nobody reacted, a stalled loop.

    Asked of the same evidence again, as the judge and the row do, it is not worked out again.
    """
    global _last_answer
    if _last_answer is None or _last_answer[0] is not evidence or _last_answer[1] is not task:
        _last_answer = evidence, task, _trusted_reach(task, evidence)
    return _last_answer[2]


_last_answer: tuple[Evidence, Task, Reach | None] | None = None


def _trusted_reach(task: Task, evidence: Evidence) -> Reach | None:
    seen = reach(task, evidence)
    if seen is None or not seen.unanswered:
        return seen
    corroboration = Corroboration(*considered(task, evidence)[:2])
    failures = {o.failure.type for o in node_observations(evidence) if o.failure is not None}
    unproven = any(corroboration.unproven(failure) for failure in failures)
    stalled = bool(failures & TIMEOUTS) and corroboration.stalled
    return None if corroboration.offline or unproven or stalled else seen


def told_of_nodes(task: Task, evidence: Evidence) -> str:
    """What the slot's summary says of the nodes, ending in `; `, or nothing."""
    seen = trusted_reach(task, evidence)
    if seen is None:
        return ""
    resolution = evidence.resolution
    if not seen.unanswered:
        # Worth a word only where the name failed: then nobody was sent to the nodes, and they were asked anyway.
        failed = resolution is not None and resolution.failure is not None
        return f"{_of(seen, seen.answered)}, asked by address, did answer; " if failed else ""
    unanswered = len(seen.unanswered)
    did = "gave no answer" if _nothing_came(evidence) else "failed"
    if seen.answered == 0:
        return f"{_of(seen, unanswered)} {did}; "
    return f"{_of(seen, unanswered)} {did}, the other{'s' * (seen.answered > 1)} did{_well(did)}; "


def _well(did: str) -> str:
    return "" if did == "gave no answer" else " not"


def _of(seen: Reach, number: int) -> str:
    """`all 3 known nodes`, `1 of 3 known nodes`, `the only known node`, `all 64 nodes asked, of 90 known,`."""
    if seen.asked < seen.known:
        some = f"all {number}" if number == seen.asked else f"{number} of {seen.asked}"
        return f"{some} nodes asked, of {seen.known} known,"
    if number == seen.known:
        return "the only known node" if number == 1 else f"all {number} known nodes"
    return f"{number} of {seen.known} known nodes"


def _counted(seen: Reach) -> str:
    """`1 of 3: 192.0.2.1`."""
    asked = f"{seen.asked}" if seen.asked == seen.known else f"{seen.asked} asked ({seen.known} known)"
    named = ", ".join(seen.unanswered[:NAMED_AT_MOST])
    more = len(seen.unanswered) - NAMED_AT_MOST
    return f"{len(seen.unanswered)} of {asked}: {named}" + (f" and {more} more" if more > 0 else "")


def _nothing_came(evidence: Evidence) -> bool:
    """Whether the nodes that did not answer sent no status at all: a 5xx is an answer of a kind."""
    well = {o.address for o in node_observations(evidence) if answers(o)}
    return all(o.response is None for o in node_observations(evidence) if o.address not in well)


# --- what an edge advertises of itself --------------------------------------------------------------

ADVERTISED = "http.advertised_unserved"
_NOT_REACHED = (Phase.TCP, Phase.TLS, Phase.QUIC)


def advertised_symptoms(task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A note for each edge of which the version asked for was not to be had, while the same edge advertised it."""
    for index, seen in enumerate(evidence.observations):
        failed = seen.failure is not None and seen.failure.phase in _NOT_REACHED
        if seen.role is not Role.EDGE or not failed:
            continue
        told = next((word for other in evidence.observations if (word := _told(task, seen, other))), None)
        if told is not None:
            yield Symptom(
                check="observation",
                kind=SymptomKind.NOTE,
                reason=ADVERTISED,
                observation=index,
                detail=f"{SHOWN[told.by]}: {told}",
                warning=True,
            )


def _told(task: Task, seen: Observation, other: Observation) -> Alternative | None:
    """What `other`, of the same edge, advertises of the version and port that `seen` asked for; or the DNS of both."""
    if other.address != seen.address:
        return None
    return next(
        (
            each
            for each in other.advertised
            or alternatives(_fields(other))  # rows of earlier versions have the field alone
            if (each.protocol, each.port) == (task.request.protocol, seen.port)
            and each.host in ("", task.request.host.lower())
        ),
        None,
    )


def _fields(observation: Observation) -> tuple[tuple[str, str], ...]:
    return () if observation.response is None else observation.response.fields
