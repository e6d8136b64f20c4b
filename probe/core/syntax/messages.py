"""Rule: an error names the place, what was found there and what would be right; it never shows what may be secret.

Translates pydantic's errors into problems of a file, and words for people.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from probe.core.model.units import format_like
from probe.core.syntax.lookalikes import lookalike
from probe.core.syntax.problem import Problem
from probe.core.syntax.yaml import Document, Loc
from probe.core.syntax.yaml_mistakes import colon_lookalike
from probe.core.text.redaction import REDACTED, without_secret_query

_USERINFO = re.compile(r"\b((?!tls://)[a-z][a-z0-9+.-]*://)[^/\s?#\"'@]*@", re.IGNORECASE)
_HASH = re.compile(r"(\bhash[\"']?\s*:\s*)(\"[^\"]*\"|'[^']*'|[^\s,}#]+)")
_SILENT = frozenset(("headers", "tokens", "hash"))  # what stands below these keys is not repeated
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}
_COLLECTIONS = frozenset(key for key, what in _EXPECTED.items() if what in ("a list", "keys and values"))


def redact(text: str) -> str:
    """Text as it may be shown: without user names in URLs, values of secret query keys, and hashes of tokens."""
    text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    text = without_secret_query(text)
    return _HASH.sub(rf"\1{REDACTED}", text)


def unknown(what: str, name: str, valid: Collection[str]) -> str:
    """`unknown check 'availabilty': did you mean 'availability'? Valid: ...`."""
    hint = _hint(name, valid)
    choices = ", ".join(sorted(valid)) or "none"
    return f"unknown {what} '{redact(name[:60])}'{hint} Valid here: {choices}"


def _hint(name: str, valid: Collection[str]) -> str:
    if (odd := lookalike(name)) is not None:
        return f": {odd}."
    parts = re.match(r"([\w-]+)([:\s])\s*\S", name)
    if parts is not None and parts[1] in valid:
        what = "a space is missing behind its ':'" if parts[2] == ":" else "a ': ' is missing"
        return f": after the key '{parts[1]}' {what}."
    close = get_close_matches(name, valid, n=1, cutoff=0.6)
    return f": did you mean '{close[0]}'?" if close else "."


def _elsewhere(model: type[BaseModel], key: str) -> str:
    """Where in the file a key that is none here may stand; the place nearest to its top."""
    level: list[tuple[str, type[BaseModel]]] = [("", model)]
    while level:
        for place, part in level:
            if key in keys_of(part):
                return f". '{key}' stands {f'below {place}' if place else 'at the top of the file'}"
        level = [
            (f.alias or name, below)
            for _, part in level
            for name, f in part.model_fields.items()
            if (below := _model_in(f.annotation)) is not None
        ]
    return ""


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a model as they are typed."""
    return [field.alias or name for name, field in model.model_fields.items()]


def field_at(model: type[BaseModel], loc: Loc) -> tuple[type[BaseModel] | None, str | None]:
    """The model that `loc` leads to (None: it leads into free keys), and the description of its last key."""
    here: type[BaseModel] | None = model
    description = None
    for step in loc:
        if isinstance(step, int):
            continue
        field = (
            next((f for n, f in here.model_fields.items() if step == (f.alias or n)), None) if here else None
        )
        here = None if field is None else _model_in(field.annotation)
        description = None if field is None else field.description
    return here, description


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def problems_of(
    errors: Iterable[Mapping[str, Any]],
    model: type[BaseModel],
    document: Document,
    file: str,
    *,
    under: Loc = (),
) -> list[Problem]:
    """Pydantic's errors as problems; `under`: where the model's content stands in the document."""
    found = []
    errors = list(errors)
    unknown_keys = [tuple(e["loc"]) for e in errors if e["type"] == "extra_forbidden"]
    # Of several at one place the first is shown: a misspelt key, not the key that is missing for it.
    for error in sorted(errors, key=lambda e: bool(e["type"] == "missing")):
        if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
            continue  # its items were bad, and are reported
        loc: tuple[int | str, ...] = tuple(error["loc"])
        if error["type"] == "missing" and _misspelt(loc, unknown_keys):
            continue
        at_key = error["type"] == "extra_forbidden" or loc[-1:] == ("[key]",)
        place = (*under, *(loc[:-1] if loc[-1:] == ("[key]",) else loc))
        mark = document.mark(place, at_key=at_key)
        words = redact(_with_hints(_words(error, model, loc), error, loc))
        names_the_key = error["type"] in ("extra_forbidden", "missing") or loc[-1:] == ("[key]",)
        label = "" if names_the_key else next((step for step in reversed(place) if isinstance(step, str)), "")
        found.append(Problem(file, *mark, f"{label[:60]}: {words}" if label else words))
    return found


def _with_hints(words: str, error: Mapping[str, Any], loc: tuple[int | str, ...]) -> str:
    """What nobody sees in refused text: characters that look like others, a comment that is none."""
    value = error.get("input")
    if not isinstance(value, str) or error["type"] == "extra_forbidden" or _SILENT & set(loc):
        return words
    odd = lookalike(value)
    if odd is not None and odd not in words:
        words = f"{words}; {odd}"
    if re.search(r"\S#\s", value):
        words = f"{words}; a comment needs a space before its #"
    return words


def _misspelt(loc: tuple[int | str, ...], unknown_keys: Iterable[tuple[int | str, ...]]) -> bool:
    """Whether the key that is missing stands beside its place under another spelling, which is reported itself."""
    beside = (str(other[-1]) for other in unknown_keys if other[:-1] == loc[:-1])
    return any(get_close_matches(str(loc[-1]), [key], cutoff=0.85) or lookalike(key) for key in beside)


def unknown_key(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """What is said of a key that is none where it stands: what was meant, what is valid there, where else it is one."""
    parent, _ = field_at(model, loc[:-1])
    words = unknown("key", str(loc[-1]), keys_of(parent) if parent else [])
    return words + _elsewhere(model, str(loc[-1]))


def _words(error: Mapping[str, Any], model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return unknown_key(model, loc)
    if kind == "missing":
        _, description = field_at(model, loc)
        return f"'{loc[-1]}' is missing here" + (f": {description}" if description else "")
    if kind in ("value_error", "assertion_error"):
        return str(error["ctx"]["error"])
    found = "" if _SILENT & set(loc) else f", found {_found(error['input'])}"
    if kind in _EXPECTED:
        hint = (
            '; quote it: "..."' if kind == "string_type" and isinstance(error["input"], int | float) else ""
        )
        meant = hint or _meant(kind, error["input"]) or _as_key(error["input"], model, loc)
        return f"expected {_EXPECTED[kind]}{found}{meant}"
    if kind == "string_pattern_mismatch":
        _, description = field_at(model, loc)
        return f"expected {description or 'another form'}{found}"
    if kind in ("too_short", "too_long"):
        bound = "min_length" if kind == "too_short" else "max_length"
        return f"{'at least' if kind == 'too_short' else 'at most'} {error['ctx'][bound]} wanted here{found}"
    if kind in _BOUNDS:
        key, how = _BOUNDS[kind]
        return f"{how} {format_like(error['ctx'][key], error['input'])}{found}"
    if kind == "literal_error":
        return f"expected one of {error['ctx']['expected'].replace(' or ', ', ')}{found}"
    message = str(error["msg"])
    return f"{message[:1].lower()}{message[1:]}{found}"


def _meant(kind: str, value: object) -> str:
    """What text was probably meant to be, where a collection was due."""
    if kind not in _COLLECTIONS:
        return ""
    if isinstance(value, dict) and _EXPECTED[kind] == "a list":
        return "; an item of a list begins with '- '"
    if isinstance(value, list):
        return "; these keys have no '- ' before them"
    if not isinstance(value, str):
        return ""
    if (instead := colon_lookalike(value)) is not None:
        return f"; {instead}"
    if re.match(r"-\S", value):
        return "; an item of a list begins with '- ', a hyphen and a space"
    return ""


def _as_key(value: object, model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Text where keys and values were due, mostly stands for the first key that is needed there."""
    part, _ = field_at(model, loc)
    if not isinstance(value, str) or part is None or _SILENT & set(loc):
        return ""
    needed = next((f.alias or name for name, f in part.model_fields.items() if f.is_required()), None)
    return (
        f"; its keys are {', '.join(sorted(keys_of(part)))}"
        if needed is None
        else f"; write `{needed}: ` before it"
    )


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:60]}..."'
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    return "keys and values" if isinstance(value, dict) else str(value)
