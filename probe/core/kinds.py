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

from probe.core.records import Evidence
from probe.core.task import Task


class Params(BaseModel):
    """Base of every check's parameters: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SymptomKind(StrEnum):
    """What sort of thing is off; the judge has one attribution rule for each."""

    RESOLUTION = "resolution"  # the name led to no address
    RESOLVER = "resolver"  # one resolver failed where another answered
    ALIAS = "alias"  # the chain passes no expected CDN suffix
    TRANSPORT = "transport"  # an edge gave no complete reply
    STATUS = "status"  # it gave one with a status outside the set
    TIMING = "timing"  # it took longer than the limit
    CONTENT = "content"  # content that the origin never served
    STALE = "stale"  # content that the origin no longer serves, over its lifetime
    NOTE = "note"  # worth recording, changes no outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """One thing off. `observation` indexes `evidence.observations`; None: the slot as a whole."""

    check: str
    kind: SymptomKind
    reason: str
    observation: int | None = None
    detail: str | None = None


Examine = Callable[[Any, Task, Evidence], Iterable[Symptom]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckKind:
    """A row of CHECKS: the name that users type, the model of its parameters, and the function."""

    name: str
    params: type[Params]
    examine: Examine
    summary: str


Kinds = Mapping[str, CheckKind]
