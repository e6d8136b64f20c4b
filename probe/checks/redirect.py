"""Rule: an agreed redirect is right only with its agreed status and its agreed target, resolved as a browser would.

Contract B: redirects are among the initial settings that are to be right. The check reads the edge's own reply,
before any redirect is followed; `chain` reads what following led to.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from probe.core.content.check_kind import AtOrigin, CheckKind, Params, Symptom, SymptomKind
from probe.core.http.fields import field_values
from probe.core.model.task import Task
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence
from probe.core.redirects.target import check_target, equivalent, fits, resolved
from probe.core.text.patterns import MATCHED_CHARACTERS, Pattern
from probe.core.text.uri import shown
from probe.core.verdict.origin_controls import at_origin, origin_replies, seen_again
from probe.core.verdict.symptoms import edge_observations

_COUNTS_STATUS = "availability"  # where it is agreed too, it names a 5xx itself
RedirectStatus = Literal[301, 302, 303, 307, 308]
Target = Annotated[
    str, StringConstraints(min_length=1, max_length=MATCHED_CHARACTERS - 1), AfterValidator(check_target)
]
Status = Annotated[int, Field(ge=100, le=599)]


class Hop(Params):
    """`status`, and `location` or `location_pattern`: what one reply must be."""

    status: RedirectStatus = Field(default=301, description="Expected status code")
    location: Target | None = Field(
        default=None, description="Expected target; relative ones count as resolved against the URL asked for"
    )
    location_pattern: Pattern | None = Field(
        default=None, description="Regular expression that the whole resolved target must match"
    )

    @model_validator(mode="after")
    def _one_target(self) -> Hop:
        if self.location is None and self.location_pattern is None:
            raise ValueError("location is missing: give it or location_pattern")
        if self.location is not None and self.location_pattern is not None:
            raise ValueError("give either location or location_pattern, not both")
        return self

    @property
    def described(self) -> str:
        """The agreement in words."""
        return f"{self.status} to {self.location or f'a place like {self.location_pattern}'}"


class Chain(Params):
    """What following must lead to; needs `redirects: {follow: N}` at the object."""

    hops: tuple[Hop, ...] = Field(
        default=(), max_length=20, description="The redirects after the first one, in order; none: not judged"
    )
    url: Target | None = Field(default=None, description="The URL at the end")
    url_pattern: Pattern | None = Field(
        default=None, description="Regular expression that the whole URL at the end must match"
    )
    status: tuple[Status, ...] = Field(
        default=(200,), min_length=1, description="Status codes that the reply at the end may have"
    )

    @model_validator(mode="after")
    def _one_url(self) -> Chain:
        if self.url is not None and self.url_pattern is not None:
            raise ValueError("give either url or url_pattern, not both")
        return self


class Redirect(Hop):
    """What the edge must answer, and what following it must lead to."""

    chain: Chain | None = Field(default=None, description="What following the redirects must lead to")


def examine(params: Redirect, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """A POLICY symptom for each edge that redirects otherwise, not at all, or in the end to another place."""
    for index, observation in edge_observations(evidence):
        response = observation.answer
        if response is None:
            continue
        base = task.request.url
        defect = partial(_off, params, base)
        if "fields_cut" in response.flags and response.status_code == params.status:
            continue  # the Location may be in what we did not keep
        if defect(response):
            if response.status_code >= 500 and all(spec.kind != _COUNTS_STATUS for spec in task.checks):
                yield Symptom(
                    check=KIND.name,
                    kind=SymptomKind.STATUS,
                    reason="http.error",
                    observation=index,
                    detail=f"status {response.status_code}, expected {params.status}",
                )
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.POLICY,
                reason="http.redirect_unexpected",
                observation=index,
                detail=f"{_described(response)}, expected {params.described}",
                at_origin=at_origin(evidence, origin_replies(evidence), partial(_same, response, base)),
                again=seen_again(evidence, index, defect),
            )
        elif params.chain is not None:
            yield from _chain(params.chain, task, evidence, index, observation)


def _off(hop: Hop, base: str, response: Response) -> bool:
    """A text too long for a pattern is no mismatch."""
    locations = field_values(response.fields, "location")
    if response.status_code != hop.status or len(locations) != 1:
        return True
    return _misses(hop.location, hop.location_pattern, base, locations[0])


def _misses(target: str | None, pattern: str | None, base: str, place: str) -> bool:
    if target is not None:
        return not equivalent(base, place, target)
    return pattern is not None and fits(base, place, pattern) is False


def _same(edge: Response, base: str, origin: Response) -> bool:
    """The origin gives the same status and sends to the same place."""
    places = [
        sorted({resolved(base, value) for value in field_values(reply.fields, "location")})
        for reply in (edge, origin)
    ]
    return edge.status_code == origin.status_code and places[0] == places[1]


def _described(response: Response) -> str:
    places = ", ".join(map(shown, field_values(response.fields, "location")))
    return f"{response.status_code} to {places or 'nowhere'}"


def _chain(chain: Chain, task: Task, evidence: Evidence, index: int, first: Observation) -> Iterator[Symptom]:
    """What following led to. A hop that got no reply is seen without this check."""
    hops = [o for o in evidence.observations if o.role is Role.REDIRECT and o.of == index]
    if not hops:
        why = "the redirect was not followed: redirects.follow is 0"
        yield _symptom(SymptomKind.NOTE, "redirect.not_followed", index, why)
        return
    if any(hop.answer is None for hop in hops):
        return
    words = _chain_words(chain, [first, *hops])
    if words is not None:
        yield _symptom(SymptomKind.POLICY, "http.redirect_chain_unexpected", index, words)


def _symptom(kind: SymptomKind, reason: str, index: int, words: str) -> Symptom:
    where = AtOrigin.NOT_THERE if kind is SymptomKind.POLICY else None
    return Symptom(
        check=KIND.name, kind=kind, reason=reason, observation=index, detail=words, at_origin=where
    )


def _chain_words(chain: Chain, replies: list[Observation]) -> str | None:
    """What is off with the whole chain, the first reply included; None where nothing is."""
    between, end = replies[1:-1], replies[-1]
    if chain.hops and len(between) != len(chain.hops):
        return f"{len(between)} redirects after the first one, expected {len(chain.hops)}"
    for hop, reply in zip(chain.hops, between, strict=False):
        if reply.response is not None and _off(hop, reply.url, reply.response):
            return f"at {reply.url}: {_described(reply.response)}, expected {hop.described}"
    status = None if end.response is None else end.response.status_code
    if status not in chain.status:
        return f"status {status} at {end.url}, expected {', '.join(map(str, chain.status))}"
    if _misses(chain.url, chain.url_pattern, replies[0].url, end.url):
        return f"ends at {end.url}, expected {chain.url or f'a place like {chain.url_pattern}'}"
    return None


KIND = CheckKind(
    name="redirect",
    params=Redirect,
    examine=examine,
    summary="the edge redirects with the agreed status to the agreed place",
)
