"""Rule: a check says what is off; the judge says whose fault it is.

The contract between the table of check kinds (`probe.checks.CHECKS`) and the rest. A check kind is one file with
a parameter model and one pure function; the configuration validates the parameters, the judge calls the function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from probe.core.content.reading import Reading
from probe.core.model.task import Task
from probe.core.records.observation import Observation
from probe.core.records.verdict import Evidence


class Params(BaseModel):
    """Base of every check's parameters: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @property
    def first_bytes(self) -> int:
        """How many bytes at the beginning of each body the check wants a digest of its own for."""
        return 0


class SymptomKind(StrEnum):
    """What sort of thing is off; the judge has one attribution rule for each."""

    RESOLUTION = "resolution"  # the name led to no address
    RESOLVER = "resolver"  # one resolver failed where another answered
    ALIAS = "alias"  # the chain passes no expected CDN suffix
    TRANSPORT = "transport"  # an edge gave no complete reply
    ADVERTISED = "advertised"  # it did not serve, where it was tried, what is advertised of it
    STATUS = "status"  # it gave one with a status outside the set
    TIMING = "timing"  # it took longer than the limit
    CONTENT = "content"  # content that the origin never served
    STALE = "stale"  # content that the origin no longer serves, over its lifetime
    POLICY = (
        "policy"  # answered otherwise than agreed: a check's further request, a header field, a certificate
    )
    LIMIT = "limit"  # a limit of ours kept from us what a check had to see
    NOTE = "note"  # worth recording, changes no outcome


class AtOrigin(StrEnum):
    """What a check saw of the same matter at the origin, asked directly in the same slot."""

    SAME = "same"  # it is off there too
    NOT_THERE = "not_there"  # it is not, or no origin has a part in it
    UNSEEN = "unseen"  # an origin is configured, and no reply of it shows this


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """One thing off. `observation` indexes `evidence.observations`; None: the slot as a whole.

    `at_origin` None: the check did not look. `again`: whether a second look showed the same thing; None: the check
    did not look. `again_at`: which observations did. `asked_again`: a few more looks would tell what it is.
    `warning`: a note that somebody should act on.
    """

    check: str
    kind: SymptomKind
    reason: str
    observation: int | None = None
    detail: str | None = None
    at_origin: AtOrigin | None = None
    again: bool | None = None
    again_at: tuple[int, ...] = ()
    asked_again: bool = False
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpRequest:
    """A further request that a check wants made in each slot, beside the object's own.

    `name` names its observations (`Observation.ask`), as `check.name`. `method`, `path`, `protocol` and `port`
    None: the object's.
    `fields` are set over the object's own header fields, by name; a value of None takes a field away. `edges`: `one`
    of the edges visited in this slot, in turn, or `all`. `origin`: also of the origin, as role `control`;
    `origin_if_off`: of it only once something is off with what an edge answered.
    `settle` makes the ask that is meant from the edge's own reply in this slot; None: then nothing is asked.
    `limit_bytes`: no more of a body is read. `compared`: the content is read and held against the origin's as the
    object's own.
    """

    name: str
    method: str | None = None
    path: str | None = None
    protocol: str | None = None
    port: int | None = None
    fields: tuple[tuple[str, str | None], ...] = ()
    edges: str = "one"
    origin: bool = False
    origin_if_off: bool = False
    settle: Callable[[Observation], FollowUpRequest | None] | None = None
    limit_bytes: int | None = None
    compared: bool = False


# Parameters, task, number of the slot (counts up by one from slot to slot: a seed that can be repeated).
FollowUpRequests = Callable[[Any, Task, int], Iterable[FollowUpRequest]]


def no_follow_ups(params: Any, task: Task, slot_number: int) -> Iterable[FollowUpRequest]:
    """For checks that are content with the object's own request."""
    return ()


Examine = Callable[[Any, Task, Evidence], Iterable[Symptom]]


# What a check wants to know of the content itself; None: nothing beyond its digest.
WantedReading = Callable[[Any], Reading | None]


def no_reading(params: Any) -> Reading | None:
    """For checks that are content with the content's digest."""
    return None


# The method that the object itself must be asked with; None: the object's own.
WantedMethod = Callable[[Any], str | None]


# Parameters, evidence, index of an edge's observation whose reply a limit of ours cut: what the check could not
# judge for want of the rest, in words; None: it judged what it had to.
LeftOut = Callable[[Any, Evidence, int], str | None]


def nothing_left_out(params: Any, evidence: Evidence, index: int) -> str | None:
    """For checks that need no more than status, header fields and the first byte."""
    return None


def own_method(params: Any) -> str | None:
    """For checks to which any method is right."""
    return None


def reading_of(task: Task, kinds: Kinds) -> Reading | None:
    """What the task's checks want read of the content: the first that wants anything."""
    wanted = (kinds[spec.kind].reading(spec.params) for spec in task.checks)
    return next((reading for reading in wanted if reading is not None), None)


# What of the parameters can be judged beside an origin alone, in words for people; None: nothing of them.
NeedsOrigin = Callable[[Any], str | None]


def no_origin_needed(params: Any) -> str | None:
    """For checks that an edge's own reply decides."""
    return None


# Names (lower case) of the origin's fields that the check compares with.
WantedFields = Callable[[Any], tuple[str, ...]]


def no_fields(params: Any) -> tuple[str, ...]:
    """For checks that compare no fields with the origin's."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckKind:
    """A row of CHECKS: the name that users type, the model of its parameters, and the function."""

    name: str
    params: type[Params]
    examine: Examine
    summary: str
    follow_ups: FollowUpRequests = no_follow_ups
    reading: WantedReading = no_reading
    method: WantedMethod = own_method
    needs_origin: NeedsOrigin = no_origin_needed
    origin_fields: WantedFields = no_fields
    left_out: LeftOut = nothing_left_out


Kinds = Mapping[str, CheckKind]


def origin_fields_of(task: Task, kinds: Kinds) -> frozenset[str]:
    """The names of all origin's fields that the task's checks compare with."""
    wanted = [(kinds[spec.kind].origin_fields, spec.params) for spec in task.checks]
    return frozenset([name for of, params in wanted if of is not no_fields for name in of(params)])
