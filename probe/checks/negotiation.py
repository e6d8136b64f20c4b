"""Rule: HEAD, ranges and conditional requests answer with the same object as GET, in the forms that HTTP has.

Contract B: ranges, conditional requests and HEAD are answered rightly. What they are measured by is the same edge's
reply to GET in the same slot; what may be a change of the object in between is a note (`core.verdict.origin_controls`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pydantic import Field, model_validator

from probe.core.content.check_kind import AtOrigin, CheckKind, FollowUpRequest, Params, Symptom, SymptomKind
from probe.core.http.conditional import (
    GONE,
    Finding,
    Says,
    another_version,
    dated_alike,
    judge_beyond,
    judge_head,
    judge_match,
    judge_range,
    judge_since,
    judge_unmatched,
    range_differs,
    same_version,
)
from probe.core.http.fields import first_value
from probe.core.http.validators import usable_date, usable_tag
from probe.core.model.task import Task
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence
from probe.core.verdict.origin_controls import (
    at_origin,
    control_replies,
    cut_short,
    origin_replies,
    own_reply,
    seen_again,
    told,
    unanswered,
)
from probe.core.verdict.symptoms import asked_observations

READ_BYTES = 64 * 1024
RANGE_BYTES = 100
BEYOND_BYTES = 1 << 20  # so far after the end that an object which grows meanwhile does not reach it
NO_TAG = '"cdn-probe-no-such-version"'

Duty = Literal["required", "allowed", "none"]


class Negotiation(Params):
    """What is asked for beside the object itself."""

    head: bool = Field(default=True, description="HEAD must equal GET")
    ranges: Duty = Field(
        default="allowed",
        description="required: ranges must be given; allowed: given rightly or not at all; none: not asked for",
    )
    conditional: Duty = Field(
        default="allowed",
        description="required: 304 must be given where due; allowed: 200 is a note; none: not asked for",
    )

    @property
    def first_bytes(self) -> int:
        """Those that a range of the object is to give."""
        return 0 if self.ranges == "none" else RANGE_BYTES

    @model_validator(mode="after")
    def _something(self) -> Negotiation:
        if not self.head and self.ranges == self.conditional == "none":
            raise ValueError("nothing is left to check: head, ranges or conditional must be on")
        return self


# A server's whole reply to GET, its answer, and the edge's whole reply of which the request was made.
Judge = Callable[[Response, Response, Response], Finding | None]


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of asking: the request made of the edge's own reply, and how its answer is judged beside that.

    `of_the_object`: the answer is held against the whole reply to GET of the same server, the origin's against the
    origin's own. Other answers are held against what the request named.
    """

    name: str
    reason: str
    settle: Callable[[Response], FollowUpRequest | None]
    judge: Judge
    duty: str
    of_the_object: bool = False


def _ways(params: Negotiation) -> Iterator[_Way]:
    if params.head:
        yield _Way("head", "negotiation.head_differs", _head, _judge_head, "allowed", of_the_object=True)
    if params.ranges != "none":
        wrong, duty = "negotiation.range_wrong", params.ranges
        yield _Way("range", wrong, _range, _judge_range, duty, of_the_object=True)
        yield _Way("range_beyond", wrong, _beyond, _judge_beyond, duty)
    if params.conditional != "none":
        wrong, duty = "negotiation.conditional_wrong", params.conditional
        yield _Way("if_none_match", wrong, _if_none_match, _judge_match, duty)
        yield _Way("if_modified_since", wrong, _if_modified_since, _judge_since, duty)
        yield _Way("unmatched", wrong, _unmatched, _judge_unmatched, duty)


def follow_ups(params: Negotiation, task: Task, slot_number: int) -> Iterator[FollowUpRequest]:
    """What one edge in turn is asked, each made of its own whole reply to GET."""
    for way in _ways(params):
        yield FollowUpRequest(name=way.name, settle=partial(_settled, way))


def _settled(way: _Way, edge: Observation) -> FollowUpRequest | None:
    response = edge.response
    if edge.failure is not None or response is None or edge.method != "GET" or response.status_code != 200:
        return None
    return way.settle(response)


def _ask(name: str, field: str, value: str) -> FollowUpRequest:
    return FollowUpRequest(name=name, fields=((field, value),), origin_if_off=True, limit_bytes=READ_BYTES)


def _head(own: Response) -> FollowUpRequest:
    return FollowUpRequest(name="head", method="HEAD", origin_if_off=True)


def _span(own: Response) -> tuple[int, int]:
    return 0, min(RANGE_BYTES, own.encoded_body_bytes or 0) - 1


def _range(own: Response) -> FollowUpRequest | None:
    first, last = _span(own)
    return _ask("range", "Range", f"bytes={first}-{last}") if last >= first else None


def _judge_head(own: Response, reply: Response, of: Response) -> Finding | None:
    return judge_head(own, reply)


def _judge_range(own: Response, reply: Response, of: Response) -> Finding | None:
    return judge_range(own, reply, *_span(of))


def _judge_match(own: Response, reply: Response, of: Response) -> Finding | None:
    return judge_match(of, reply)


def _judge_since(own: Response, reply: Response, of: Response) -> Finding | None:
    return judge_since(of, reply)


def _judge_unmatched(own: Response, reply: Response, of: Response) -> Finding | None:
    return judge_unmatched(reply)


def _beyond(own: Response) -> FollowUpRequest | None:
    size = own.encoded_body_bytes
    return _ask("range_beyond", "Range", f"bytes={size + BEYOND_BYTES}-") if size else None


def _judge_beyond(own: Response, reply: Response, of: Response) -> Finding | None:
    return judge_beyond(reply, (of.encoded_body_bytes or 0) + BEYOND_BYTES)


def _if_none_match(own: Response) -> FollowUpRequest | None:
    tag = usable_tag(first_value(own.fields, "etag"))
    return None if tag is None else _ask("if_none_match", "If-None-Match", tag)


def _if_modified_since(own: Response) -> FollowUpRequest | None:
    date = usable_date(first_value(own.fields, "last-modified"))
    return None if date is None else _ask("if_modified_since", "If-Modified-Since", date)


def _unmatched(own: Response) -> FollowUpRequest:
    return _ask("unmatched", "If-None-Match", NO_TAG)


def examine(params: Negotiation, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A POLICY symptom for each way that was answered wrongly, a note where a change may be why."""
    for way in _ways(params):
        for index, observation in asked_observations(evidence, f"{KIND.name}.{way.name}"):
            own = own_reply(evidence, observation)
            if own is not None and own.response is not None:
                yield from _one(way, evidence, index, observation, own.response)


def _one(
    way: _Way, evidence: Evidence, index: int, observation: Observation, own: Response
) -> Iterator[Symptom]:
    bodied = _body_where_none_is_due(observation)
    failed = None if bodied else unanswered(KIND.name, index, observation)
    if failed is not None or observation.response is None:
        if failed is not None:
            yield failed
        return
    found = Finding("a body where none may be") if bodied else _found(way, own, observation)
    if found is None and way.name == "range":
        found = _other_bytes(evidence, observation, own)
    if found is not None and _gone(evidence, observation):
        found = Finding(found.words, Says.CHANGED)
    if found is None:
        return
    if _is_wrong(way, found):
        defect = partial(_defect, way, own, own)
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.POLICY,
            reason=way.reason,
            observation=index,
            detail=told(observation, found.words),
            at_origin=_bodied_at_origin(evidence, observation)
            if bodied
            else _at_origin(evidence, way, own, observation),
            again=None if bodied else seen_again(evidence, index, defect),
        )
    elif found.says is Says.CHANGED or way.reason.endswith("conditional_wrong"):
        changed = found.says is Says.CHANGED
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.NOTE,
            reason="negotiation.version_differs" if changed else "negotiation.conditional_ignored",
            observation=index,
            detail=told(observation, found.words),
        )


def _other_bytes(evidence: Evidence, asked: Observation, own: Response) -> Finding | None:
    """A range with other bytes than the beginning of the same edge's whole reply.

    Wrong where both are of one version: they share a strong tag, or their dates agree and the plain GET that was made
    last of all begins as the first one did.
    """
    reply = asked.response
    if reply is None or not range_differs(own, reply, RANGE_BYTES):
        return None
    last = (
        o.response
        for _, o in asked_observations(evidence, f"{KIND.name}.unmatched")
        if o.address == asked.address
    )
    unchanged = dated_alike(own, reply) and any(
        r is not None and r.first_bytes_digest == own.first_bytes_digest and dated_alike(own, r) for r in last
    )
    certain = same_version(own, reply) or unchanged
    return Finding("other bytes than GET gave in their place", Says.WRONG if certain else Says.CHANGED)


def _at_origin(evidence: Evidence, way: _Way, own: Response, asked: Observation) -> AtOrigin:
    """Whether the origin does the same, by what the origin itself answered to GET where the object's is meant."""
    controls = control_replies(evidence, asked.ask)
    wholes = origin_replies(evidence, 200)
    if not way.of_the_object:
        return at_origin(evidence, controls, partial(_defect, way, own, own))
    if not wholes:
        return at_origin(evidence, (), partial(_defect, way, own, own))
    return at_origin(evidence, controls, partial(_defect, way, wholes[-1], own))


def _gone(evidence: Evidence, asked: Observation) -> bool:
    """The object was taken away in this slot: a plain GET, made last of all, does not find it either."""
    if asked.response is None or asked.response.status_code not in GONE:
        return False
    last = (
        o for _, o in asked_observations(evidence, f"{KIND.name}.unmatched") if o.address == asked.address
    )
    return any(o.response is not None and o.response.status_code in GONE for o in last)


def _found(way: _Way, own: Response, observation: Observation) -> Finding | None:
    response = observation.response
    if response is None:
        return None
    if cut_short(observation) and response.status_code not in (200, 203):
        return Finding(f"more than {READ_BYTES} bytes with status {response.status_code}")
    return way.judge(own, response, own)


def _defect(way: _Way, own: Response, of: Response, reply: Response) -> bool:
    found = way.judge(own, reply, of)
    if found is None and way.name == "range" and not another_version(own, reply):
        return range_differs(own, reply, RANGE_BYTES)
    return found is not None and _is_wrong(way, found)


def _is_wrong(way: _Way, found: Finding) -> bool:
    return found.says is Says.WRONG or (found.says is Says.IGNORED and way.duty == "required")


def _body_where_none_is_due(observation: Observation) -> bool:
    """Bytes after a head that ends its response (RFC 9112 section 6.3): HEAD and 304 have no body."""
    failure, response = observation.failure, observation.response
    if failure is None or response is None or failure.type is not FailureType.HTTP_PROTOCOL_VIOLATION:
        return False
    return observation.method == "HEAD" or response.status_code == 304


def _bodied_at_origin(evidence: Evidence, asked: Observation) -> AtOrigin:
    controls = (o for o in evidence.observations if o.role is Role.CONTROL and o.ask == asked.ask)
    return AtOrigin.SAME if any(map(_body_where_none_is_due, controls)) else AtOrigin.NOT_THERE


def left_out(params: Negotiation, evidence: Evidence, index: int) -> str | None:
    """Further answers are held against the whole reply to GET."""
    return "further requests for it were not made"


KIND = CheckKind(
    name="negotiation",
    params=Negotiation,
    examine=examine,
    summary="HEAD, ranges and conditional requests are answered rightly",
    follow_ups=follow_ups,
    left_out=left_out,
)
