"""Rule: what is off follows from the observations alone, before anybody asks whose fault it is.

The symptoms that need no check: a name without an address, a resolver that failed, an edge without a complete
reply. Every check adds its own; `examine` collects them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from probe.core.caching.cache_status import origin_blamed
from probe.core.content.check_kind import Kinds, Symptom, SymptomKind
from probe.core.http.tolerance import BREACHES
from probe.core.model.task import Task
from probe.core.records.dns import Resolution
from probe.core.records.failure import OWN_LIMITS
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import CHECK_REQUESTS, SECOND_LOOKS, Evidence
from probe.core.vantage.loss import SLOW_LOOKS, may_be_a_lost_packet
from probe.core.verdict.node_symptoms import advertised_symptoms, node_symptoms

BASE = "observation"
PACED = frozenset({SECOND_LOOKS, CHECK_REQUESTS})  # what our own pace left out, in `Evidence.left_out`
_NOTE = SymptomKind.NOTE
_UNCONFIRMABLE = frozenset({_NOTE, SymptomKind.TIMING, SymptomKind.LIMIT})


def examine(task: Task, evidence: Evidence, kinds: Kinds) -> tuple[Symptom, ...]:
    """Everything off in this slot: the base symptoms first, then each check's in the task's order."""
    found = [
        *_resolution(evidence),
        *_transport(task, evidence, kinds),
        *_blaming(evidence),
        *node_symptoms(task, evidence),
        *_left_out(evidence),
        *advertised_symptoms(task, evidence),
    ]
    for spec in task.checks:
        found.extend(kinds[spec.kind].examine(spec.params, task, evidence))
    return tuple(found)


def edge_observations(evidence: Evidence) -> Iterator[tuple[int, Observation]]:
    """The observations that the slot was for, with their index in `evidence.observations`."""
    for index, observation in enumerate(evidence.observations):
        if observation.role is Role.EDGE:
            yield index, observation


def final_of(evidence: Evidence, index: int) -> Observation:
    """The last hop that was followed from observation `index`, or itself."""
    hops = [o for o in evidence.observations if o.role is Role.REDIRECT and o.of == index]
    return hops[-1] if hops else evidence.observations[index]


def final_observations(evidence: Evidence) -> Iterator[tuple[int, Observation]]:
    """As `edge_observations`, but with the reply at the end of each followed redirect."""
    for index, _ in edge_observations(evidence):
        yield index, final_of(evidence, index)


def asked_observations(evidence: Evidence, ask: str) -> Iterator[tuple[int, Observation]]:
    """What edges answered to a check's further request, by its whole name `check.name`, with the index."""
    for index, observation in enumerate(evidence.observations):
        if observation.role is Role.CHECK and observation.ask == ask:
            yield index, observation


def _resolution(evidence: Evidence) -> Iterator[Symptom]:
    resolution = evidence.resolution
    if resolution is None:
        return
    if resolution.failure is not None:
        yield Symptom(
            check=BASE,
            kind=SymptomKind.RESOLUTION,
            reason=resolution.failure.type,
            detail=resolution.failing_name,
        )
    elif "resolver_failed" in resolution.flags:
        failed = [q for q in resolution.queries if q.failure is not None or q.rcode not in (None, "NOERROR")]
        yield Symptom(
            check=BASE,
            kind=SymptomKind.NOTE if _in_use(resolution) else SymptomKind.RESOLVER,
            reason="dns.resolver_failed",
            detail=", ".join(dict.fromkeys(q.resolver for q in failed)),
        )
    for flag in ("doubled_cname", "ecs_ignored"):
        if flag in resolution.flags:
            yield Symptom(check=BASE, kind=SymptomKind.NOTE, reason=f"dns.{flag}")


def _left_out(evidence: Evidence) -> Iterator[Symptom]:
    if evidence.reference.self_comparison:
        yield Symptom(
            check=BASE,
            kind=SymptomKind.NOTE,
            reason="origin.is_the_cdn",
            detail="the origin leads to the CDN itself: configure its own address, else nothing can be compared",
        )
    for what in evidence.left_out:
        reason = f"{'pace' if what in PACED else 'budget'}.{what}_left_out"
        yield Symptom(check=BASE, kind=SymptomKind.NOTE, reason=reason)


def _in_use(resolution: Resolution) -> bool:
    """Whether the resolver whose answer counts is the first of those compared: then another one failed."""
    return bool(resolution.answers) and resolution.answers[0].resolver == resolution.resolver


def _transport(task: Task, evidence: Evidence, kinds: Kinds) -> Iterator[Symptom]:
    for index, observation in final_observations(evidence):
        if observation.over_our_limit:
            yield _limited(task, evidence, kinds, index, observation)
        elif observation.failure is not None:
            yield Symptom(
                check=BASE,
                kind=SymptomKind.TRANSPORT,
                reason=observation.failure.type,
                observation=index,
                detail=observation.failure.detail,
            )
        elif observation.response is not None:
            yield from _oddities(index, observation.response)


def _oddities(index: int, response: Response) -> Iterator[Symptom]:
    """What a user does not notice: the content arrived whole, and the protocol was broken on the way."""
    if "unrequested_coding" in response.flags:
        yield Symptom(check=BASE, kind=SymptomKind.NOTE, reason="http.unrequested_coding", observation=index)
    breaches = [flag for flag in response.flags if flag in BREACHES]
    if breaches:
        yield Symptom(
            check=BASE,
            kind=SymptomKind.NOTE,
            reason="http.nonconforming",
            observation=index,
            detail=", ".join(breaches),
            warning=True,
        )


def _limited(task: Task, evidence: Evidence, kinds: Kinds, index: int, observation: Observation) -> Symptom:
    """A limit of ours kept the rest from us: a note where no check of the task needed it."""
    failure = observation.failure
    assert failure is not None, "a limit that was passed is the observation's failure"
    lacking = [kinds[spec.kind].left_out(spec.params, evidence, index) for spec in task.checks]
    words = [failure.detail or failure.type.value, *dict.fromkeys(what for what in lacking if what)]
    judged = observation.answer is not None and len(words) == 1
    return Symptom(
        check=BASE,
        kind=SymptomKind.NOTE if judged else SymptomKind.LIMIT,
        reason=OWN_LIMITS[failure.type],
        observation=index,
        detail="; ".join(words),
    )


def _blaming(evidence: Evidence) -> Iterator[Symptom]:
    """An edge that fails and says that the origin did: noted, since saying so proves nothing (RFC 9209)."""
    for index, observation in final_observations(evidence):
        said = origin_blamed(observation.proxy_status)
        if said is not None and observation.response is not None and observation.response.status_code >= 500:
            detail = " ".join(part for part in (said.proxy, said.error, said.next_hop) if part)
            yield Symptom(
                check=BASE,
                kind=SymptomKind.NOTE,
                reason="edge.blames_origin",
                observation=index,
                detail=detail,
            )


def suspicious(symptoms: tuple[Symptom, ...], evidence: Evidence) -> bool:
    """Whether a confirmation round is owed: anything off, or something that a second look would tell."""
    if any(symptom.kind not in (SymptomKind.NOTE, SymptomKind.LIMIT) for symptom in symptoms):
        return True
    return bool(doubtful_edges(symptoms, evidence))


def doubtful_edges(symptoms: tuple[Symptom, ...], evidence: Evidence) -> tuple[int, ...]:
    """Indices of the edge observations that a second look can confirm; of slow ones see `late_edges`."""
    confirmable = (s for s in symptoms if s.kind not in _UNCONFIRMABLE or (s.kind is _NOTE and s.asked_again))
    return tuple(sorted({s.observation for s in confirmable if s.observation is not None}))


def late_edges(symptoms: tuple[Symptom, ...], evidence: Evidence) -> tuple[int, ...]:
    """Indices of the edge observations that were late where a lost packet would explain it.

    Those of too low a rate are not among them: another large body would be as much again.
    """
    late = {s.observation for s in symptoms if s.kind is SymptomKind.TIMING and s.asked_again}
    return tuple(sorted(i for i in late if i is not None and may_be_a_lost_packet(evidence.observations[i])))


def second_looks(off: Iterable[int], late: Iterable[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which edge observations are looked at again before the origin is asked, and after: as often as they stand there.

    What is off goes before: the origin's version is to be no older than what it is compared with. What was late goes
    after: an origin that is slow now may be well again after many slow replies, and would explain none of them.
    """
    before, slow = tuple(off), tuple(late)
    return before, tuple(i for i in slow for _ in range(SLOW_LOOKS - (i in before)))
