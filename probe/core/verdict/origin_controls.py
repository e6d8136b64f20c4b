"""Rule: a defect of an edge is looked for at the origin too, before anybody is blamed.

What the observations of a slot show of the origin in the same matter, for checks that judge header fields and
further requests. A check says what was seen there (`AtOrigin`); the judge says what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from probe.core.caching.cache_status import may_have_waited
from probe.core.content.check_kind import AtOrigin, Symptom, SymptomKind
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence
from probe.core.redirects.chain import chain_of
from probe.core.vantage.loss import SLOW_LOOKS
from probe.core.vantage.refusals import says_nothing

_BODY_LIMITS = (FailureType.BODY_TOO_LARGE, FailureType.BODY_DECODED_TOO_LARGE)

Defect = Callable[[Response], bool]


def origin_replies(evidence: Evidence, status_code: int | None = None) -> tuple[Response, ...]:
    """The origin's replies for the object itself, asked directly; with `status_code`, those with it.

    A 304 names few of the fields (RFC 9110 section 15.4.5) and is none of them. An origin that answered from the CDN
    itself proves nothing.
    """
    if evidence.reference.self_comparison:
        return ()
    found = (o for o in evidence.observations if o.role is Role.ORIGIN)
    return tuple(r for r in map(_whole, found) if r is not None and status_code in (None, r.status_code))


def origin_ends(evidence: Evidence, status_code: int | None = None) -> tuple[Response, ...]:
    """As `origin_replies`, but the reply at the end of what was followed from each."""
    if evidence.reference.self_comparison:
        return ()
    seen = evidence.observations
    found = (chain_of(seen, i)[-1] for i, o in enumerate(seen) if o.role is Role.ORIGIN)
    return tuple(r for r in map(_whole, found) if r is not None and status_code in (None, r.status_code))


def control_replies(evidence: Evidence, ask: str | None) -> tuple[Response, ...]:
    """What the origin answered to a check's further request, as far as it was read."""
    found = (o for o in evidence.observations if o.role is Role.CONTROL and o.ask == ask)
    return tuple(o.response for o in found if o.response is not None and _read(o) and not says_nothing(o))


def at_origin(evidence: Evidence, replies: Iterable[Response], defect: Defect) -> AtOrigin:
    """Whether the origin has the same defect; `UNSEEN` where one is configured and no reply of it shows this."""
    given = tuple(replies)
    if any(defect(reply) for reply in given):
        return AtOrigin.SAME
    if given or not evidence.reference.configured:
        return AtOrigin.NOT_THERE
    return AtOrigin.UNSEEN


def seen_again(evidence: Evidence, index: int, defect: Defect) -> bool | None:
    """Whether a second look at observation `index` showed the defect too, or got no reply; None: nobody looked."""
    looks = [evidence.observations[i] for i in second_looks_at(evidence, index)]
    if not looks:
        return None
    return any(o.response is None or not _read(o) or defect(o.response) for o in looks)


def second_looks_at(evidence: Evidence, index: int) -> tuple[int, ...]:
    """Indices of the second looks at observation `index` that were not refused."""
    asked = enumerate(evidence.observations)
    return tuple(i for i, o in asked if o.role is Role.CONFIRM and o.of == index and not says_nothing(o))


def asked_when_all_was_well(evidence: Evidence, index: int | None, late: Iterable[int]) -> bool:
    """Whether the origin was asked only after this edge's last late look began, and edges were quick from then on.

    Then the origin's quick reply says nothing of the time before: an origin that was slow until then explains it all.
    Replies from a cache do not tell. `late`: indices of the further looks at this edge that were late too.
    """
    seen = evidence.observations
    began = [o.timing.connect_start_us for o in seen if o.role is Role.ORIGIN]
    asked_us = [at_us for at_us in began if at_us is not None]
    if index is None or not asked_us or not may_have_waited(seen[index].cache_status):
        return False
    if len(second_looks_at(evidence, index)) < SLOW_LOOKS:
        return False  # not asked about that, as in rows of earlier versions, whose verdicts stay
    slow_us, last_us = seen[index].timing.ttfb_us or 0, max(_began_us(seen[i]) for i in (index, *late))
    looks = [o for o in seen if o.role in (Role.EDGE, Role.CONFIRM) and _began_us(o) > last_us]
    quick = any(may_have_waited(o.cache_status) and 0 < (o.timing.ttfb_us or 0) * 2 <= slow_us for o in looks)
    return quick and min(asked_us) > last_us


def _began_us(observation: Observation) -> int:
    return observation.timing.request_start_us or 0


def own_reply(evidence: Evidence, asked: Observation) -> Observation | None:
    """What the same edge answered to the object's own request in this slot."""
    return next(
        (o for o in evidence.observations if o.role is Role.EDGE and o.address == asked.address), None
    )


def _read(observation: Observation) -> bool:
    return observation.failure is None or cut_short(observation)


def cut_short(observation: Observation) -> bool:
    """The body was longer than the further request wanted to read, or than we read at all: that is no failure."""
    failure = observation.failure
    return failure is not None and failure.type in _BODY_LIMITS


def unanswered(check: str, index: int, observation: Observation) -> Symptom | None:
    """A further request that got no whole reply, or a 5xx; None where it got something to judge."""
    failure, response = observation.failure, observation.response
    if failure is not None and not cut_short(observation):
        return Symptom(
            check=check,
            kind=SymptomKind.POLICY,
            reason=failure.type,
            observation=index,
            detail=told(observation, failure.detail or failure.type),
        )
    if response is not None and response.status_code >= 500:
        return Symptom(
            check=check,
            kind=SymptomKind.POLICY,
            reason="http.error",
            observation=index,
            detail=told(observation, f"status {response.status_code}"),
        )
    return None


def told(observation: Observation, words: str) -> str:
    """Words about a further request, with its name before them."""
    return f"{observation.ask}: {words}" if observation.ask else words


def _whole(observation: Observation) -> Response | None:
    response = observation.answer
    return None if response is None or response.status_code == 304 else response
