"""A few check kinds for tests of the configuration, independent of those that exist."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from probe.core.content.check_kind import CheckKind, Kinds, Params
from probe.core.model.units import DurationUs


class Availability(Params):
    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = (200,)


class ResponseTime(Params):
    total_us: DurationUs | None = Field(default=None, alias="total")


class Content(Params):
    pattern: str = "."
    unchecked: str = ""

    @field_validator("pattern")
    @classmethod
    def _possible(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @field_validator("unchecked")
    @classmethod
    def _careless(cls, value: str) -> str:
        re.compile(value)  # re.error is no ValueError: a check's author forgets that easily
        return value


class Nothing(Params):
    pass


class Integrity(Params):
    mode: str = "exact"


class Redirect(Params):
    location: str


def _kind(name: str, params: type[Params]) -> CheckKind:
    return CheckKind(name=name, params=params, examine=lambda p, t, e: (), summary=f"the {name} check")


KINDS: Kinds = {
    name: _kind(name, params)
    for name, params in {
        "availability": Availability,
        "response_time": ResponseTime,
        "content": Content,
        "alias": Nothing,
        "integrity": Integrity,
        "redirect": Redirect,
    }.items()
}

AGENT = """\
agent: mon-01
results: ../results
customers: customers/
vantage_points:
  - {name: bj-ct, resolvers: ["192.0.2.53"]}
  - {name: sh-cu}
"""
CUSTOMER = """\
customer: acme
domains:
  - domain: www.acme.example
    objects:
      - path: /a.js
"""
