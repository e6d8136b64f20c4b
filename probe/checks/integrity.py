"""Rule: content is the customer's if the origin was seen to serve the same; nothing else convicts.

Reads the comparison that `core.content.compare` made, by bytes or by the declared rules of reading; ranges of large
objects (`core.http.ranges`); markers. Contract B: replaced content counts as unavailable; an old version past its
lifetime is over-long caching and a case of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from probe.core.content.by_protocol import differing, requests
from probe.core.content.check_kind import CheckKind, FollowUpRequest, Params, Symptom, SymptomKind
from probe.core.content.comparison_notes import detail_of, meaning_of, plainest
from probe.core.content.html_elements import check_selector
from probe.core.content.json_paths import check_json_path
from probe.core.content.reading import Reading, check_pattern
from probe.core.http.ranges import byte_range, samples, size_of
from probe.core.model.task import Task
from probe.core.model.units import SizeBytes
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.verdict import Evidence
from probe.core.verdict.corroboration import Corroboration
from probe.core.verdict.symptoms import edge_observations, final_observations

_RANGE = "range"
_RANGE_BYTES = 128 * 1024
_RANGES_INSTEAD = 2  # of each edge, where a body is over our limit
_KEYS = {
    "normalised": {"remove"},
    "markers": {"contain", "not_contain"},
    "headers": {"fields"},
    "sampled": {"ranges", "range"},
}
_DISAGREES = frozenset({Relation.OLDER, Relation.UNKNOWN_VERSION, Relation.UNSEEN_VERSION})
_SAYS = {
    "mismatch": (SymptomKind.CONTENT, "content.mismatch"),
    "range_wrong": (SymptomKind.CONTENT, "content.range_wrong"),
    "other_version": (SymptomKind.NOTE, "integrity.other_version"),
    "unverified": (SymptomKind.NOTE, "integrity.unverified"),
}

Pattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(check_pattern)]
JsonPath = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(check_json_path)]
Selector = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(check_selector)]
Marker = Annotated[str, Field(min_length=1, max_length=1000)]
FieldName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]


class Remove(Params):
    """What is taken out of edge's and origin's content before they are compared."""

    patterns: tuple[Pattern, ...] = Field(default=(), description="Regular expressions over the content")
    json_paths: tuple[JsonPath, ...] = Field(
        default=(), alias="json", description="JSONPath (RFC 9535), for JSON"
    )
    selectors: tuple[Selector, ...] = Field(default=(), alias="html", description="CSS selectors, for HTML")

    @model_validator(mode="after")
    def _something(self) -> Remove:
        if not (self.patterns or self.json_paths or self.selectors):
            raise ValueError("name at least one of patterns, json, html; else mode exact says the same")
        return self


class Integrity(Params):
    """How the content is held against the origin's; each mode has keys of its own."""

    mode: Literal["exact", "normalised", "markers", "headers", "sampled", "none"] = Field(
        default="exact",
        description="exact: decoded content equals the origin's; normalised: what is left after `remove`; "
        "markers: texts in it; headers: header fields instead; sampled: ranges of a large object; none: not compared",
    )
    remove: Remove | None = Field(default=None, description="normalised: what changes with each request")
    contain: tuple[Marker, ...] = Field(default=(), description="markers: texts that must be in the content")
    not_contain: tuple[Marker, ...] = Field(default=(), description="markers: texts that must not be in it")
    fields: tuple[FieldName, ...] = Field(
        default=(), description="headers: fields to compare; default content-type, etag, last-modified"
    )
    ranges: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="sampled: ranges asked for in each slot; default 4"
    )
    range: Annotated[SizeBytes, Field(ge=1, le=1 << 26)] | None = Field(
        default=None, description="sampled: size of each range; default 128KiB"
    )

    protocols: tuple[Literal["h1", "h2", "h3"], ...] | None = Field(
        default=None,
        description="exact, normalised: HTTP versions by which one edge in turn is asked for the object once more",
    )

    @model_validator(mode="after")
    def _keys_of_the_mode(self) -> Integrity:
        given = {name for name in set().union(*_KEYS.values()) if getattr(self, name)}
        strange = sorted(given - _KEYS.get(self.mode, set()))
        if strange:
            owners = ", ".join(mode for mode, keys in _KEYS.items() if strange[0] in keys)
            raise ValueError(f"{strange[0]} belongs to mode {owners}, this is mode {self.mode}")
        if self.protocols and self.mode not in ("exact", "normalised"):
            raise ValueError(f"protocols belongs to mode exact, normalised, this is mode {self.mode}")
        if self.mode == "normalised" and self.remove is None:
            raise ValueError("mode normalised needs remove: what changes with each request")
        if self.mode == "markers" and not (self.contain or self.not_contain):
            raise ValueError("mode markers needs contain or not_contain")
        return self


def reading(params: Integrity) -> Reading | None:
    """What is read of the content, where bytes alone do not decide."""
    if params.mode == "normalised" and params.remove is not None:
        away = params.remove
        return Reading(patterns=away.patterns, json_paths=away.json_paths, selectors=away.selectors)
    if params.mode == "markers":
        return Reading(markers=(*params.contain, *params.not_contain))
    if params.mode == "headers":
        names = params.fields or ("content-type", "etag", "last-modified")
        return Reading(fields=tuple(name.lower() for name in names))
    return None


def method(params: Integrity) -> str | None:
    """A large object is asked for by ranges: of itself the head is enough."""
    return "HEAD" if params.mode == "sampled" else None


def follow_ups(params: Integrity, task: Task, slot_number: int) -> Iterator[FollowUpRequest]:
    """The object by other HTTP versions; the ranges of this slot, of one edge in turn and of the origin.

    Where bytes decide and a body is over our limit: of every such edge, in place of the whole.
    """
    if params.protocols:
        yield from requests(params.protocols)
    if params.mode not in ("sampled", "exact") or (params.mode == "exact" and task.origin is None):
        return
    sampled = params.mode == "sampled"
    length = params.range or min(_RANGE_BYTES, task.limits.body_bytes)
    for number in range((params.ranges or 4) if sampled else _RANGES_INSTEAD):
        seed = f"{task.id} {slot_number} {number}"
        yield FollowUpRequest(
            name=_RANGE,
            method="GET",
            edges="one" if sampled else "all",
            origin=True,
            limit_bytes=length + 1,
            settle=partial(_settled if sampled else _settled_if_too_large, seed, length),
        )


def _settled(seed: str, length: int, edge: Observation) -> FollowUpRequest | None:
    return _span(seed, length, None if edge.response is None else size_of(edge.response))


def _settled_if_too_large(seed: str, length: int, edge: Observation) -> FollowUpRequest | None:
    """Ranges are of what is sent, so that those of two codings are not compared."""
    response = edge.answer
    if not _too_large(edge) or response is None or response.status_code != 200 or response.content_codings:
        return None
    return _span(seed, length, size_of(response) or response.encoded_body_bytes)


def _too_large(edge: Observation) -> bool:
    return edge.failure is not None and edge.failure.type is FailureType.BODY_TOO_LARGE


def _span(seed: str, length: int, size: int | None) -> FollowUpRequest | None:
    if size is None or size == 0:
        return None
    first, last = byte_range(seed, size, length)
    span = f"{first}-{last}"
    return FollowUpRequest(
        name=f"{_RANGE}:{span}",
        method="GET",
        fields=(("Range", f"bytes={span}"),),
        origin=True,
        limit_bytes=length + 1,
    )


def examine(params: Integrity, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """CONTENT for a version that the origin never served, STALE for one past its lifetime, else a note."""
    if params.mode == "sampled":
        yield from _sampled(evidence)
    elif params.mode == "markers":
        yield from _markers(params, evidence)
    elif params.mode != "none":
        yield from _compared(task, evidence)
    if params.mode == "exact":
        yield from _other_bytes(evidence)
    for kind, reason, index, detail in differing(evidence) if params.protocols else ():
        odd = kind is SymptomKind.NOTE and reason.startswith("content.")
        yield replace(_symptom(kind, reason, index, detail), warning=odd)


def _compared(task: Task, evidence: Evidence) -> Iterator[Symptom]:
    unasked = evidence.reference.left_out or Corroboration(task, evidence).origin_failing
    for index, observation in final_observations(evidence):
        comparison = plainest(evidence, index, observation.comparison)
        if comparison is None:
            if not evidence.reference.configured and _has_content(observation):
                words = "no origin that answers: there is nothing to compare with"
                yield _symptom(SymptomKind.NOTE, "integrity.unverified", index, words)
            continue
        if comparison.relation is Relation.EQUAL:
            if unasked:
                why = f"as the origin had it at {evidence.reference.verified_at}; it could not be asked now"
                yield _symptom(SymptomKind.NOTE, "integrity.unverified", index, why)
            continue
        kind, reason = meaning_of(comparison)
        yield Symptom(
            check=KIND.name,
            kind=kind,
            reason=reason,
            observation=index,
            detail=detail_of(comparison),
            asked_again=kind is SymptomKind.NOTE and comparison.relation in _DISAGREES,
        )


def _other_bytes(evidence: Evidence) -> Iterator[Symptom]:
    """Of bodies over our limit: ranges with other bytes of the same version. Nobody agreed on anything else of them."""
    for sample in samples(evidence, f"integrity.{_RANGE}:"):
        if sample.says == "mismatch":
            yield _symptom(SymptomKind.CONTENT, "content.mismatch", sample.index, sample.detail)


def left_out(params: Integrity, evidence: Evidence, index: int) -> str | None:
    """Content that was not read whole, unless what was read, ranges, or the length were held against the origin's."""
    if params.mode in ("none", "sampled", "headers") or not evidence.reference.configured:
        return None
    edge = evidence.observations[index]
    if params.mode != "exact" or evidence.reference.self_comparison:
        return "its content was not compared"
    if edge.comparison is not None and edge.comparison.relation is not Relation.UNVERIFIED:
        return None
    if _equal_so_far(evidence, edge):
        return None
    asked = [
        sample
        for sample in samples(evidence, f"integrity.{_RANGE}:")
        if evidence.observations[sample.index].address == edge.address
    ]
    if asked and all(sample.says in (None, "mismatch") for sample in asked):
        return None
    why = next((sample.detail for sample in asked if sample.says is not None), "no range of it was asked for")
    return f"its content was not compared: {why}"


def _equal_so_far(evidence: Evidence, edge: Observation) -> bool:
    """The same limit cut the origin's body in this slot, after the very same bytes."""
    read = edge.answer
    looks = (o.answer for o in evidence.observations if o.role is Role.ORIGIN and _too_large(o))
    if read is None or not _too_large(edge) or read.status_code != 200 or read.content_codings:
        return False
    return any(
        origin is not None
        and not origin.content_codings
        and (origin.digest, origin.encoded_body_bytes) == (read.digest, read.encoded_body_bytes)
        for origin in looks
    )


def _has_content(observation: Observation) -> bool:
    response = observation.response
    if observation.failure is not None or response is None or observation.method == "HEAD":
        return False
    return 200 <= response.status_code < 300


def _sampled(evidence: Evidence) -> Iterator[Symptom]:
    asked = False
    for sample in samples(evidence, f"integrity.{_RANGE}:"):
        asked = True
        if sample.says is not None:
            kind, reason = _SAYS[sample.says]
            yield Symptom(
                check=KIND.name, kind=kind, reason=reason, observation=sample.index, detail=sample.detail
            )
    if not asked and any(o.failure is None for _, o in edge_observations(evidence)):
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.NOTE,
            reason="integrity.unverified",
            detail="no range was asked for: the size is not declared",
        )


def _markers(params: Integrity, evidence: Evidence) -> Iterator[Symptom]:
    for index, observation in edge_observations(evidence):
        response = observation.response
        if observation.failure is not None or response is None or not 200 <= response.status_code < 300:
            continue
        facts = response.content
        if facts is None or facts.flags:
            why = "too large to be read" if facts is not None and "too_large" in facts.flags else "not read"
            yield _symptom(SymptomKind.NOTE, "integrity.unverified", index, why)
            continue
        for marker in params.contain:
            if marker not in facts.found:
                yield _symptom(SymptomKind.CONTENT, "content.marker_missing", index, f"without {marker!r}")
        for marker in params.not_contain:
            if marker in facts.found:
                yield _symptom(SymptomKind.CONTENT, "content.marker_forbidden", index, f"with {marker!r}")


def _symptom(kind: SymptomKind, reason: str, index: int, detail: str) -> Symptom:
    return Symptom(check=KIND.name, kind=kind, reason=reason, observation=index, detail=detail)


def needs_origin(params: Integrity) -> str | None:
    """Markers are looked for in the edge's own content."""
    return None if params.mode in ("markers", "none") else f"integrity in mode {params.mode}"


KIND = CheckKind(
    name="integrity",
    params=Integrity,
    examine=examine,
    follow_ups=follow_ups,
    reading=reading,
    method=method,
    needs_origin=needs_origin,
    left_out=left_out,
    summary="the content is the origin's, by its bytes or by declared rules",
)
