"""Rule: who may embed the object gets it, who may not is refused; each is asked as itself, in the open.

Contract B: hotlink protection, by Referer and by signed URLs. A refusal otherwise than agreed is a note: nothing was
served. The origin is asked only where somebody who is allowed was turned away; that it serves everybody is no excuse
for an edge that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from probe.core.config.types import UrlPath
from probe.core.content.check_kind import AtOrigin, CheckKind, FollowUpRequest, Params, Symptom, SymptomKind
from probe.core.http.fields import field_values
from probe.core.model.task import Task
from probe.core.records.observation import Observation
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence
from probe.core.text.patterns import Pattern, matches
from probe.core.text.redaction import without_secret_query
from probe.core.verdict.origin_controls import (
    at_origin,
    control_replies,
    own_reply,
    seen_again,
    told,
    unanswered,
)
from probe.core.verdict.symptoms import asked_observations, final_of

DENIED_BYTES = 64 * 1024  # of what should not have come at all
_REDIRECTS = range(300, 400)


def _referer(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a Referer is a URL in ASCII without spaces; an empty one stands for none")
    return text


Referer = Annotated[
    str,
    BeforeValidator(lambda value: "" if value is None else value),
    StringConstraints(max_length=2000),
    AfterValidator(_referer),
]
# As the object's own path: what is stored and shown goes without the values of secret query keys.
SignedPath = Annotated[UrlPath, PlainSerializer(without_secret_query, return_type=str)]


class Refused(Params):
    """How a refusal looks: one of the statuses, or a redirect to a place that matches."""

    status: tuple[Annotated[int, Field(ge=300, le=599)], ...] = Field(
        default=(403,), description="Status codes of a refusal"
    )
    redirect_to: Pattern | None = Field(
        default=None,
        description="Regular expression that the whole Location of a refusing redirect must match",
    )


class Signed(Params):
    """Signed forms of the object's URL; values of telling query keys are neither stored nor shown."""

    allowed_path: SignedPath | None = Field(default=None, description="Signed and valid: must pass")
    expired_path: SignedPath | None = Field(
        default=None, description="Signed, its time is over: must be refused"
    )
    unsigned_path: SignedPath | None = Field(default=None, description="Not signed: must be refused")

    @model_validator(mode="after")
    def _something(self) -> Signed:
        if (self.allowed_path, self.expired_path, self.unsigned_path) == (None, None, None):
            raise ValueError("give at least one of allowed_path, expired_path, unsigned_path")
        return self


class Hotlink(Params):
    """Who gets the object and who does not."""

    allowed: tuple[Referer, ...] = Field(
        default=(), max_length=20, description='Referers that must pass; "" for none'
    )
    denied: tuple[Referer, ...] = Field(
        default=(), max_length=20, description='Referers that must be refused; "" for none'
    )
    refused: Refused = Field(default=Refused(), description="How a refusal looks")
    signed: Signed | None = Field(default=None, description="Signed forms of the URL")

    @model_validator(mode="after")
    def _can_be(self) -> Hotlink:
        if not (self.allowed or self.denied or self.signed):
            raise ValueError("name at least one of allowed, denied, signed")
        both = sorted(set(self.allowed) & set(self.denied))
        if both:
            raise ValueError(f"{both[0] or 'no Referer'} is both allowed and denied")
        return self


def follow_ups(params: Hotlink, task: Task, slot_number: int) -> Iterator[FollowUpRequest]:
    """One request for each Referer and each signed form, of one edge in turn."""
    for number, referer in enumerate(params.allowed, 1):
        yield FollowUpRequest(
            name=f"allowed_{number}", fields=(("Referer", referer or None),), origin_if_off=True
        )
    for number, referer in enumerate(params.denied, 1):
        yield FollowUpRequest(
            name=f"denied_{number}", fields=(("Referer", referer or None),), limit_bytes=DENIED_BYTES
        )
    signed = params.signed or Signed.model_construct()
    if signed.allowed_path is not None:
        yield FollowUpRequest(name="signed", path=signed.allowed_path, origin_if_off=True)
    if signed.expired_path is not None:
        yield FollowUpRequest(name="expired", path=signed.expired_path, limit_bytes=DENIED_BYTES)
    if signed.unsigned_path is not None:
        yield FollowUpRequest(name="unsigned", path=signed.unsigned_path, limit_bytes=DENIED_BYTES)


def examine(params: Hotlink, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A POLICY symptom for each request that was turned away, or served, against the agreement."""
    for ask in follow_ups(params, task, 0):
        meant = ask.name.startswith(("allowed", "signed"))
        who = _who(ask)
        for index, observation in asked_observations(evidence, f"{KIND.name}.{ask.name}"):
            own = _own(evidence, observation)
            made = _allowed if meant else _denied
            symptom = made(params, evidence, index, observation, own, who)
            if symptom is not None:
                yield symptom


def _who(ask: FollowUpRequest) -> str:
    referers = [value for name, value in ask.fields if name == "Referer"]
    return (
        f"Referer {referers[0]}" if referers and referers[0] else "no Referer" if referers else "signed form"
    )


def _own(evidence: Evidence, asked: Observation) -> Response | None:
    """What the same edge answered to the object's own request, redirects followed; None where it failed."""
    own = own_reply(evidence, asked)
    if own is None:
        return None
    final = final_of(evidence, evidence.observations.index(own))
    return None if own.answer is None or final.answer is None else own.answer


def _allowed(
    params: Hotlink, evidence: Evidence, index: int, observation: Observation, own: Response | None, who: str
) -> Symptom | None:
    response = observation.response
    if own is not None and response is not None and _as_object(own, response) and own.status_code >= 500:
        return None  # the object itself is not served either: not this check's matter
    failed = unanswered(KIND.name, index, observation)
    if failed is not None or response is None:
        return failed
    if _passes(params, own, response):
        return None
    defect = partial(_turned_away, params, own)
    return Symptom(
        check=KIND.name,
        kind=SymptomKind.POLICY,
        reason="hotlink.allowed_refused",
        observation=index,
        detail=told(observation, f"{who}: status {response.status_code}"),
        at_origin=at_origin(evidence, control_replies(evidence, observation.ask), defect),
        again=seen_again(evidence, index, defect),
    )


def _turned_away(params: Hotlink, own: Response | None, response: Response) -> bool:
    return not _passes(params, own, response)


def _passes(params: Hotlink, own: Response | None, response: Response) -> bool:
    """With the object's own status; where that one is no success, with any success or the same failure."""
    if _is_refusal(params.refused, response):
        return False
    if own is not None and (_is_success(own) or _as_object(own, response)):
        return own.status_code == response.status_code
    return _is_success(response)


def _denied(
    params: Hotlink, evidence: Evidence, index: int, observation: Observation, own: Response | None, who: str
) -> Symptom | None:
    response, failure = observation.response, observation.failure
    if failure is not None and failure.type.partition(".")[0] in ("agent", "vantage"):
        return unanswered(KIND.name, index, observation)
    if response is None:
        why = failure.type if failure is not None else "no reply"
        return _note(index, told(observation, f"{who}: {why}"))
    if _is_refusal(params.refused, response):
        return None
    defect = partial(_is_served, own)
    if defect(response):
        return Symptom(
            check=KIND.name,
            kind=SymptomKind.POLICY,
            reason="hotlink.denied_served",
            observation=index,
            detail=told(observation, f"{who}: status {response.status_code}"),
            at_origin=AtOrigin.NOT_THERE,
            again=seen_again(evidence, index, defect),
        )
    return _note(index, told(observation, f"{who}: status {response.status_code}"))


def _note(index: int, words: str) -> Symptom:
    return Symptom(
        check=KIND.name,
        kind=SymptomKind.NOTE,
        reason="hotlink.refused_otherwise",
        observation=index,
        detail=words,
    )


def _is_served(own: Response | None, response: Response) -> bool:
    """The object, or the very redirect that everybody gets."""
    if _is_success(response) or response.status_code == 304:
        return True
    return response.status_code in _REDIRECTS and own is not None and _as_object(own, response)


def _is_refusal(refused: Refused, response: Response) -> bool:
    if response.status_code in refused.status:
        return True
    if refused.redirect_to is None or response.status_code not in _REDIRECTS:
        return False
    places = field_values(response.fields, "location")
    return len(places) == 1 and matches(refused.redirect_to, places[0]) is not False


def _is_success(response: Response) -> bool:
    return 200 <= response.status_code < 300


def _as_object(own: Response, response: Response) -> bool:
    places = [field_values(reply.fields, "location") for reply in (own, response)]
    return own.status_code == response.status_code and places[0] == places[1]


KIND = CheckKind(
    name="hotlink",
    params=Hotlink,
    examine=examine,
    summary="pages that may embed the object get it, others are refused",
    follow_ups=follow_ups,
)
