"""Rule: text becomes a Config or a list of problems, each with file:line:column, what was found and what is valid.

Pure: files are read by `io.files`. A customer's file with one problem is refused whole, and all its problems are
told at once.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from probe.core.config_agent import AgentConfig, ApiConfig, LimitsConfig, TokenConfig, VantageConfig
from probe.core.config_customer import (
    CdnConfig,
    CustomerConfig,
    DomainConfig,
    ExclusionConfig,
    Inherited,
    ObjectConfig,
    OriginConfig,
    RedirectsConfig,
    TlsConfig,
)
from probe.core.config_values import parse_resolver
from probe.core.kinds import Kinds, Params
from probe.core.strict_yaml import Document, Path, YamlError, load

__all__ = [
    "AgentConfig", "Config", "ConfigError", "CustomerConfig", "Problem", "make_config", "parse_agent",
    "parse_customer", "parse_resolver", "redact",
]  # fmt: skip

M = TypeVar("M", bound=BaseModel)
MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    ("agent",): AgentConfig,
    ("agent", "vantage_points"): VantageConfig,
    ("agent", "limits"): LimitsConfig,
    ("agent", "api"): ApiConfig,
    ("agent", "api", "tokens"): TokenConfig,
    ("customer",): CustomerConfig,
    ("customer", "defaults"): Inherited,
    ("customer", "domains"): DomainConfig,
    ("customer", "domains", "objects"): ObjectConfig,
    ("customer", "exclusions"): ExclusionConfig,
}
_ANYWHERE: dict[str, type[BaseModel]] = {
    "tls": TlsConfig,
    "cdn": CdnConfig,
    "origin": OriginConfig,
    "redirects": RedirectsConfig,
}
_REDACTED = (
    re.compile(r"(?i)([?&](?:[^=&\s]*(?:token|key|secret|sign|password|auth)[^=&\s]*)=)[^&\s\"']+"),
    re.compile(r"(//)[^/@\s]+@"),
    re.compile(
        r"(?im)^(\s*-?\s*[\w-]*(?:authorization|cookie|password|secret|hash)[\w-]*\s*:\s*)(?!\s*(?:\"|')?(?:env|file|credential):)\S.*$"
    ),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. Line and column count from 1; 0 where the file itself is the problem."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{place}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says why, all of it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that is in force. `digest`: SHA-256 (hex) over all files; `texts`: file -> redacted text."""

    agent: AgentConfig
    customers: tuple[CustomerConfig, ...]
    digest: str
    texts: Mapping[str, str]


def make_config(agent: AgentConfig, customers: Iterable[CustomerConfig], texts: Mapping[str, str]) -> Config:
    """Put parsed files together; `texts` are the files as they were read."""
    hasher = hashlib.sha256()
    for name in sorted(texts):
        hasher.update(f"{name}\0{len(texts[name])}\0{texts[name]}".encode("utf-8", "surrogatepass"))
    shown = {name: redact(text) for name, text in texts.items()}
    return Config(agent=agent, customers=tuple(customers), digest=hasher.hexdigest(), texts=shown)


def redact(text: str) -> str:
    """Configuration text fit to be stored and shown: values that look like secrets are replaced."""
    for pattern in _REDACTED:
        text = pattern.sub(lambda m: m[1] + "[redacted]" + ("@" if m[1] == "//" else ""), text)
    return text


def parse_agent(text: str, file: str) -> AgentConfig:
    """agent.yaml. Raises ConfigError."""
    document = _read(text, file)
    _refuse_later(document, file)
    return _validate(AgentConfig, "agent", document, file)


def parse_customer(text: str, file: str, *, kinds: Kinds, vantage_points: Collection[str]) -> CustomerConfig:
    """A customer's file; checks by `kinds`, references against `vantage_points`. Raises ConfigError."""
    document = _read(text, file)
    made: CustomerConfig | None = None
    problems: list[Problem] = []
    try:
        made = _validate(CustomerConfig, "customer", document, file)
    except ConfigError as error:
        problems += error.problems
    problems += _check_problems(document, file, kinds)
    problems += _reference_problems(document, file, vantage_points)
    if made is not None:
        problems += _doubles(made, document, file)
    if problems or made is None:
        raise ConfigError(sorted(set(problems), key=lambda p: (p.line, p.column, p.message)))
    return made


def _read(text: str, file: str) -> Document:
    try:
        document = load(text)
    except YamlError as error:
        raise ConfigError(Problem(file, p.line, p.column, p.message) for p in error.problems) from None
    if not isinstance(document.value, dict):
        raise ConfigError(
            [Problem(file, *document.place(()), "expected keys and values, such as `agent: name`")]
        )
    return document


_LATER = {"netns": "network namespaces come with a later release: use source or interface"}


def _refuse_later(document: Document, file: str) -> None:
    points = document.value.get("vantage_points")
    found = [
        Problem(file, *document.key_place(("vantage_points", i, key)), f"{key}: {words}")
        for i, point in enumerate(points if isinstance(points, list) else [])
        for key, words in _LATER.items()
        if isinstance(point, dict) and key in point
    ]
    if found:
        raise ConfigError(found)


def _validate(model: type[M], root: str, document: Document, file: str) -> M:
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise ConfigError(
            _problem(e, root, document, file) for e in error.errors(include_url=False)
        ) from None


def _problem(error: Any, root: str, document: Document, file: str) -> Problem:
    """A pydantic error as words and place."""
    path = _known_path(tuple(error["loc"]), document)
    kind, name = error["type"], str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        place = document.key_place(path)
        return Problem(file, *place, _unknown_key(name, _keys_at(root, path[:-1])))
    if kind == "missing":
        return Problem(
            file,
            *document.place(path[:-1] if path and path[-1] == name else path),
            f"the key {name!r} is missing",
        )
    message = str(error["msg"]).removeprefix("Value error, ")
    label = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
    found = error.get("input")
    shown = f", found {found!r}" if isinstance(found, str | int | float | bool) or found is None else ""
    return Problem(
        file, *document.place(path), f"{label}: {message[0].lower() + message[1:]}{_safe(label, shown)}"
    )


def _safe(label: str, shown: str) -> str:
    return "" if re.search(r"(?i)header|authorization|cookie|token|hash|secret", label) else shown


def _known_path(loc: Path, document: Document) -> Path:
    """Without what pydantic adds to a location that is no key of the document."""
    path: Path = ()
    for part in loc:
        path = (*path, part)
        if path not in document.places and path not in document.key_places and part != loc[-1]:
            path = path[:-1]
    return path


def _keys_at(root: str, path: Path) -> list[str]:
    names = (root, *(part for part in path if isinstance(part, str)))
    model = _ANYWHERE.get(names[-1]) if len(names) > 1 else None
    model = model or MODELS.get(names)
    if model is None:
        return []
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _unknown_key(name: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(name, valid, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown key {name!r}.{hint}" + (f" The choices are: {', '.join(valid)}" if valid else "")


# --- checks, references, doubles ------------------------------------------------------------------


def _levels(document: Document) -> Iterable[tuple[Path, dict[str, Any]]]:
    """Every mapping that may hold inherited keys: defaults, domains, objects."""
    top = document.value
    if isinstance(top.get("defaults"), dict):
        yield ("defaults",), top["defaults"]
    for i, domain in _mappings(top, "domains"):
        yield ("domains", i), domain
        for j, thing in _mappings(domain, "objects"):
            yield ("domains", i, "objects", j), thing


def _mappings(parent: dict[str, Any], key: str) -> Iterable[tuple[int, dict[str, Any]]]:
    items = parent.get(key)
    for i, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            yield i, item


def _check_problems(document: Document, file: str, kinds: Kinds) -> Iterable[Problem]:
    for path, level in _levels(document):
        if level.get("checks") is None:
            continue
        at = (*path, "checks")
        if not isinstance(level["checks"], dict):
            yield Problem(
                file, *document.place(at), "checks: write a mapping of check kinds to their parameters"
            )
            continue
        for name, params in level["checks"].items():
            if name not in kinds:
                words = _unknown_key(name, sorted(kinds)).replace("key", "check kind", 1)
                yield Problem(file, *document.key_place((*at, name)), words)
                continue
            try:
                kinds[name].params.model_validate({} if params is None else params)
            except ValidationError as error:
                for found in error.errors(include_url=False):
                    yield _param_problem(found, (*at, name), kinds[name].params, document, file)


def _param_problem(error: Any, at: Path, model: type[Params], document: Document, file: str) -> Problem:
    path = (*at, *error["loc"])
    if error["type"] == "extra_forbidden":
        valid = sorted(field.alias or name for name, field in model.model_fields.items())
        return Problem(file, *document.key_place(path), _unknown_key(str(error["loc"][-1]), valid))
    if error["type"] == "missing":
        return Problem(file, *document.key_place(at), f"{at[-1]}: the key {error['loc'][-1]!r} is missing")
    message = str(error["msg"]).removeprefix("Value error, ")
    label = ".".join(str(part) for part in (at[-1], *error["loc"]))
    found = error.get("input")
    shown = f", found {found!r}" if isinstance(found, str | int | float | bool) or found is None else ""
    return Problem(file, *document.place(path), f"{label}: {message[0].lower() + message[1:]}{shown}")


def _reference_problems(document: Document, file: str, vantage_points: Collection[str]) -> Iterable[Problem]:
    for path, level in _levels(document):
        named = level.get("vantage_points")
        for i, name in enumerate(named if isinstance(named, list) else []):
            if name not in vantage_points:
                near = difflib.get_close_matches(str(name), list(vantage_points), 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                valid = ", ".join(sorted(vantage_points))
                message = f"agent.yaml has no vantage point {name!r}.{hint} The choices are: {valid}"
                yield Problem(file, *document.place((*path, "vantage_points", i)), message)


def _doubles(customer: CustomerConfig, document: Document, file: str) -> Iterable[Problem]:
    seen: set[tuple[object, ...]] = set()
    for i, domain in enumerate(customer.domains):
        key = (domain.domain, domain.scheme, domain.port)
        if key in seen:
            yield Problem(
                file, *document.place(("domains", i)), f"{domain.scheme}://{domain.domain} is here twice"
            )
        seen.add(key)
        objects: set[tuple[str, str]] = set()
        for j, thing in enumerate(domain.objects):
            if (thing.method, thing.path) in objects:
                place = document.place(("domains", i, "objects", j, "path"))
                yield Problem(file, *place, f"{thing.method} {thing.path} is here twice")
            objects.add((thing.method, thing.path))
