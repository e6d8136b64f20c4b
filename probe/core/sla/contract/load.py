"""Text in, a profile or an agreement out, or everything that is wrong with it, each with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from probe.core.sla.contract.agreement import Agreement
from probe.core.sla.contract.profile import Profile
from probe.core.syntax.messages import problems_of, unknown_key
from probe.core.syntax.problem import ConfigError, Problem
from probe.core.syntax.yaml import Document, Loc, read_document

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A profile with what an agreement puts in its place. `overridden`: key, with dots -> what stood there, and stands.

    `blank`: keys that are still to be agreed; with any, nothing can be computed.
    """

    profile: Profile
    agreement: Agreement
    overridden: tuple[tuple[str, Any, Any], ...]
    blank: tuple[str, ...]


def parse_profile(text: str, file: str) -> Profile:
    """A profile's file. Raises ConfigError with every problem."""
    model, document = _read(Profile, text, file)
    plain = document.plain()
    named = [*model.ours, *(key for clause in model.clauses for key in clause.of)]
    strangers = [key for key in named if _at(plain, key) is None]
    if strangers:
        told = ", ".join(strangers)
        raise ConfigError([Problem(file, 1, 1, f"ours and clauses name keys that are not here: {told}")])
    return model


def read_agreement(text: str, file: str) -> tuple[Agreement, Document]:
    """An agreement's file, and where each of its keys stands. Raises ConfigError with every problem."""
    return _read(Agreement, text, file)


def agreed(
    profile_text: str,
    profile_file: str,
    agreement: Agreement,
    agreement_file: str,
    document: Document | None = None,
) -> Agreed:
    """The profile as it was agreed. `document`: the agreement's own, so that problems name their places.

    Raises ConfigError if what an override makes of it is no profile.
    """
    profile = parse_profile(profile_text, profile_file)
    if profile.profile != agreement.profile:
        words = (
            f"the agreement names the profile {agreement.profile}, and {profile_file} is {profile.profile}"
        )
        raise ConfigError([problem_at(("profile",), words, agreement_file, document)])
    before = _read(Profile, profile_text, profile_file)[1].plain()
    after = _merged(before, agreement.overrides)
    try:
        made = Profile.model_validate_json(json.dumps(after), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        told = [
            problem_at(
                ("overrides", *loc), f"overrides {'.'.join(map(str, loc))}: {words}", agreement_file, document
            )
            for loc, words in _wrong(error).items()
        ]
        raise ConfigError(told) from None
    changed = tuple((key, _at(before, key), new) for key, new in _leaves(agreement.overrides))
    return Agreed(
        profile=made,
        agreement=agreement,
        overridden=changed,
        blank=tuple(key for key, value in _leaves(after) if value == "required"),
    )


def _wrong(error: ValidationError) -> dict[Loc, str]:
    """By place, what is wrong there. Of several ways to write a value, what is said of the one that was tried."""
    told: dict[Loc, str] = {}
    other: dict[Loc, str] = {}
    for e in error.errors(include_url=False):
        loc = tuple(part for part in e["loc"] if isinstance(part, int) or part.isidentifier())
        if e["type"] == "extra_forbidden":
            told[loc] = unknown_key(Profile, loc)
            continue
        (other if e["type"] == "literal_error" else told)[loc] = e["msg"].removeprefix("Value error, ")
    tried = tuple(told)
    return told | {
        loc: words for loc, words in other.items() if not any(one[: len(loc)] == loc for one in tried)
    }


def problem_at(loc: Loc, words: str, file: str, document: Document | None) -> Problem:
    """A problem of an agreement, at the place of a key, or of as much of its way as is there."""
    line, column = (1, 1) if document is None else document.mark(loc, at_key=True)
    return Problem(file, line, column, words)


def _read(model: type[_Model], text: str, file: str) -> tuple[_Model, Document]:
    document, problems = read_document(text, file)
    if document is not None:
        try:
            made = model.model_validate_json(document.json(), strict=True, by_alias=True, by_name=False)
            if not problems:
                return made, document
        except ValidationError as error:
            problems.extend(problems_of(error.errors(include_url=False), model, document, file))
    raise ConfigError(problems)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings key by key, lists of named parts name by name; anything else is replaced."""
    made = dict(below)
    for key, value in above.items():
        old = made.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            made[key] = _merged(old, value)
        elif (parts := _named(old)) is not None and (changed := _named(value)) is not None:
            made[key] = list(_merged(parts, changed).values())
        else:
            made[key] = value
    return made


def _named(value: Any) -> dict[str, Any] | None:
    """Parts of a list by name; None for a list whose parts have none."""
    if not isinstance(value, list) or not value:
        return None
    named = {part["name"]: part for part in value if isinstance(part, Mapping) and "name" in part}
    return named if len(named) == len(value) else None


def _at(plain: Mapping[str, Any], key: str) -> Any:
    value: Any = plain
    for part in key.split("."):
        named = _named(value)
        if named is not None:
            value = named.get(part)
        elif isinstance(value, list):
            value = value[int(part)] if part.isdecimal() and int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(key with dots, value) of everything that is no mapping; of lists, what their mappings hold."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _leaves(below, f"{key}.{name}" if key else str(name))
    elif (named := _named(value)) is not None:
        for name, part in named.items():
            yield from _leaves({k: v for k, v in part.items() if k != "name"}, f"{key}.{name}")
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{key}.{number}")
    else:
        yield key, value
