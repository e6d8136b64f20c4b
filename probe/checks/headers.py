"""Rule: header fields are judged on whole replies alone, and the origin's are looked at before anybody is blamed.

Contract B: header fields are among the settings that are to be right. Read is the reply at the end of followed
redirects, where its status is below 400: the fields of an error page are nobody's agreement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from probe.core.caching.cache_status import fetched_for_us
from probe.core.caching.freshness import declared
from probe.core.content.check_kind import AtOrigin, CheckKind, Params, Symptom, SymptomKind
from probe.core.http.fields import Fields, field_values
from probe.core.model.task import Task
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence, received_at_s
from probe.core.text.patterns import MATCHED_CHARACTERS, Pattern, matches
from probe.core.verdict.origin_controls import at_origin, origin_ends, seen_again
from probe.core.verdict.symptoms import final_observations

_NO_WORDS: Mapping[str, int] = {}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 section 5.6.2


def _field_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no name of a header field, such as Content-Type")
    return text.lower()


Name = Annotated[str, AfterValidator(_field_name)]
Value = Annotated[str, StringConstraints(max_length=MATCHED_CHARACTERS - 1)]


class Headers(Params):
    """What the reply's header fields must be. Several lines of one field are one value, joined by `, `."""

    present: tuple[Name, ...] = Field(default=(), description="Fields that must be there")
    absent: tuple[Name, ...] = Field(default=(), description="Fields that must not be there")
    equal: dict[Name, Value] = Field(default={}, description="Fields and their exact values")
    match: dict[Name, Pattern] = Field(
        default={}, description="Fields and a regular expression that the whole value must match"
    )
    same_as_origin: tuple[Name, ...] = Field(
        default=(), description="Fields whose values must be those that the origin gives, asked directly"
    )

    @model_validator(mode="after")
    def _something_that_can_be(self) -> Headers:
        wanted = {*self.present, *self.equal, *self.match}
        if not (wanted or self.absent or self.same_as_origin):
            raise ValueError("name at least one of present, absent, equal, match, same_as_origin")
        both = sorted(wanted & set(self.absent))
        if both:
            raise ValueError(f"{both[0]} cannot be there and absent at once")
        return self


def examine(params: Headers, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A POLICY symptom for each field that is not as agreed; a note for what a cache may lawfully differ in."""
    for index, observation in final_observations(evidence):
        response = observation.answer
        if response is None or response.status_code >= 400:
            continue
        replies = origin_ends(evidence, response.status_code)
        for reason, name, words in _wrong(params, response.fields):
            if "fields_cut" in response.flags and reason != "headers.forbidden":
                yield _not_seen(index, words)
                continue
            defect = partial(_has, params, reason, name)
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.POLICY,
                reason=reason,
                observation=index,
                detail=words,
                at_origin=at_origin(evidence, replies, defect),
                again=seen_again(evidence, index, defect) if observation.role is Role.EDGE else None,
            )
        beside = replies or _kept(evidence, response.status_code)
        yield from _beside_origin(params, evidence, index, observation, response, beside)


def _not_seen(index: int, words: str) -> Symptom:
    """We did not keep all fields of this reply: what is not among those that we did may have been there."""
    return Symptom(
        check=KIND.name,
        kind=SymptomKind.NOTE,
        reason="agent.limit.fields",
        observation=index,
        detail=f"not judged, since not all fields were kept: {words}",
    )


def _kept(evidence: Evidence, status_code: int) -> tuple[Response, ...]:
    """What the origin gave with its present version, where this slot needed no whole reply of it."""
    reference = evidence.reference
    if not reference.fields or reference.self_comparison or reference.left_out or not reference.versions:
        return ()
    if reference.versions[-1].status_code != status_code:
        return ()
    return (Response(status_code=status_code, fields=reference.fields),)


def _has(params: Headers, reason: str, name: str, reply: Response) -> bool:
    return any((reason, name) == found[:2] for found in _wrong(params, reply.fields))


def _wrong(params: Headers, fields: Fields) -> Iterator[tuple[str, str, str]]:
    """(reason, field, words) of everything that is not as agreed; a value too long for a pattern is passed over."""
    wanted = dict.fromkeys((*params.present, *params.equal, *params.match))
    missing = [name for name in wanted if _value(fields, name) is None]
    for name in missing:
        yield "headers.missing", name, f"no {name}"
    for name in params.absent:
        if (found := _value(fields, name)) is not None:
            yield "headers.forbidden", name, f"{name}: {found[:200]}"
    for name, value in params.equal.items():
        found = _value(fields, name)
        if found is not None and found != value.strip():
            yield "headers.differs", name, f"{name}: {found[:200]}; agreed: {value[:200]}"
    for name, pattern in params.match.items():
        found = _value(fields, name)
        if found is not None and matches(pattern, found) is False:
            yield "headers.differs", name, f"{name}: {found[:200]}; agreed pattern: {pattern[:200]}"


def _value(fields: Fields, name: str) -> str | None:
    """RFC 9110 section 5.3: several lines of one field say the same as one line with their values joined."""
    values = field_values(fields, name)
    return ", ".join(values).strip() if values else None


def _beside_origin(
    params: Headers,
    evidence: Evidence,
    index: int,
    observation: Observation,
    response: Response,
    replies: tuple[Response, ...],
) -> Iterator[Symptom]:
    """What differs from every reply of the origin, where both are of the same version."""
    relation = None if observation.comparison is None else observation.comparison.relation
    if not replies or evidence.reference.changed_during_slot or relation not in (None, Relation.EQUAL):
        return
    stored = _may_be_stored(observation, response, received_at_s(evidence, observation))
    for name in params.same_as_origin:
        found = _value(response.fields, name)
        given = [_value(reply.fields, name) for reply in replies]
        if found not in given and "fields_cut" not in response.flags:
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.NOTE if stored else SymptomKind.POLICY,
                reason="headers.differs",
                observation=index,
                detail=f"{name}: {_shown(found)}; the origin: {_shown(given[-1])}",
                at_origin=AtOrigin.NOT_THERE,
                warning=stored,
            )


def _may_be_stored(observation: Observation, response: Response, received_s: float) -> bool:
    """Within its lifetime a cache may go on with fields that the origin has changed since, without other content."""
    fresh = declared(response.fields, received_s)
    if not fresh.explicit or not fresh.lifetime_s or fetched_for_us(observation, _NO_WORDS):
        return False
    return response.age_s is None or response.age_s <= fresh.lifetime_s


def _shown(value: str | None) -> str:
    return "none" if value is None else value[:200]


def origin_fields(params: Headers) -> tuple[str, ...]:
    """Those that must be the same."""
    return params.same_as_origin


def needs_origin(params: Headers) -> str | None:
    """Only what is compared with the origin's fields."""
    return "same_as_origin of headers" if params.same_as_origin else None


KIND = CheckKind(
    name="headers",
    params=Headers,
    needs_origin=needs_origin,
    origin_fields=origin_fields,
    examine=examine,
    summary="header fields are there, absent or equal as agreed",
)
