"""Rule: text in, a configuration out or everything that is wrong with it; a bad file is refused whole.

Pure: reading files is `probe.settings.config_files`. Secrets stay references; what is kept of the text is redacted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from probe.core.config.agent import AgentConfig
from probe.core.config.calls import OverCopiesConfig
from probe.core.config.customer import CustomerFile
from probe.core.config.effective import CustomerConfig, effective
from probe.core.config.validation import ParamsReader, agent_problems, customer_problems
from probe.core.content.check_kind import Kinds
from probe.core.model.value import replace
from probe.core.syntax.messages import problems_of, redact
from probe.core.syntax.problem import ConfigError, Problem
from probe.core.syntax.values import parse_resolver
from probe.core.syntax.yaml import Document, Mark, read_document

MAX_PROBLEMS = 200
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration in force.

    `digest`: SHA-256 (hex) over the names and texts of all files, as they are shown. `texts`: file name,
    relative to agent.yaml's directory, -> redacted text. `sources`: file name -> the customer that it defines.
    """

    agent: AgentConfig
    customers: tuple[CustomerConfig, ...]
    digest: str
    texts: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)


def parse_agent(text: str, file: str, *, base: PurePath | None = None) -> AgentConfig:
    """agent.yaml. Paths in it are relative to `base` (default: the directory of `file`). Raises ConfigError."""
    document, problems = read_document(text, file)
    model = None
    if document is not None and _is_customer(document):
        message = (
            "this is a customer's file, not an agent's: it belongs where `customers` of agent.yaml leads"
        )
        raise ConfigError([Problem(file, *document.root.mark, message)])
    if document is not None:
        model = _validated(AgentConfig, document, file, _base(file, base), problems)
        problems.extend(agent_problems(document, file))
    _raise_if_any(problems)
    assert model is not None
    return model


def parse_calls(text: str, file: str) -> OverCopiesConfig:
    """The file of `cdn-probe incidents --calls`. Paths in it are relative to it. Raises ConfigError."""
    document, problems = read_document(text, file)
    model = None
    if document is not None:
        model = _validated(OverCopiesConfig, document, file, _base(file, None), problems)
    _raise_if_any(problems)
    assert model is not None
    return model


@dataclass(frozen=True, slots=True)
class Outline:
    """What customers' files must be read with: where they lie, and the names of the vantage points."""

    customers: tuple[str, ...]
    vantage_points: tuple[str, ...]


def outline_of(agent: AgentConfig) -> Outline:
    """The outline of a good agent.yaml."""
    return Outline(agent.customers, tuple(point.name for point in agent.vantage_points))


def outline(text: str, base: PurePath) -> Outline:
    """What can be known of a bad agent.yaml, so that customers' files can be checked all the same."""
    document, _ = read_document(text, "")
    data = document.plain() if document is not None else {}
    places, points = data.get("customers"), data.get("vantage_points")
    return Outline(
        tuple(
            str(base / p) for p in (places if isinstance(places, list) else [places]) if isinstance(p, str)
        ),
        tuple(
            str(p["name"])
            for p in (points if isinstance(points, list) else [])
            if isinstance(p, dict) and "name" in p
        ),
    )


def parse_customer(
    text: str, file: str, *, kinds: Kinds, vantage_points: Collection[str], base: PurePath | None = None
) -> CustomerConfig:
    """A customer's file, with inheritance applied. `vantage_points`: the names that exist. Raises ConfigError."""
    document, problems = read_document(text, file)
    reader = ParamsReader(kinds)
    model = None
    if document is not None and _is_agent(document):
        message = (
            "this is an agent's file, not a customer's: `customers` of agent.yaml leads to it by mistake"
        )
        raise ConfigError([Problem(file, *document.root.mark, message)])
    if document is not None:
        model = _validated(CustomerFile, document, file, _base(file, base), problems)
        problems.extend(customer_problems(document, file, reader, vantage_points))
    _raise_if_any(problems)
    assert model is not None
    return effective(model, reader)


def _is_customer(document: Document) -> bool:
    keys = document.plain().keys()
    return "domains" in keys and not keys & {"agent", "vantage_points"}


def _is_agent(document: Document) -> bool:
    keys = document.plain().keys()
    return {"agent", "vantage_points"} <= keys and "domains" not in keys


def place_of_customers(text: str, index: int) -> Mark:
    """Where agent.yaml names the `index`-th place of customers' files; (0, 0): its text cannot be read."""
    document, _ = read_document(text, "")
    return (0, 0) if document is None else document.mark(("customers", index))


def make_config(
    agent: AgentConfig,
    customers: Iterable[CustomerConfig],
    texts: Mapping[str, str],
    sources: Mapping[str, str],
) -> Config:
    """Put the parts together; customers in the order of their names, texts redacted."""
    shown = {name: redact(text) for name, text in sorted(texts.items())}
    digest = hashlib.sha256()
    for name, text in shown.items():
        for part in (name.encode("utf-8", "backslashreplace"), text.encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return Config(
        agent=agent,
        customers=tuple(sorted(customers, key=lambda c: c.customer)),
        digest=digest.hexdigest(),
        texts=shown,
        sources=dict(sources),
    )


def _base(file: str, base: PurePath | None) -> PurePath:
    return PurePath(file).parent if base is None else base


def _validated(
    model: type[_Model], document: Document, file: str, base: PurePath, problems: list[Problem]
) -> _Model | None:
    context: dict[str, Any] = {"base": base}
    try:
        return model.model_validate_json(
            document.json(), strict=True, context=context, by_alias=True, by_name=False
        )
    except ValidationError as error:
        problems.extend(problems_of(error.errors(include_url=False), model, document, file))
        return None


def _raise_if_any(problems: list[Problem]) -> None:
    """One problem a place: the first reported is the cause, what follows from it is not repeated."""
    if problems:
        distinct = sorted({(p.line, p.column): p for p in reversed(problems)}.values())
        if len(distinct) > MAX_PROBLEMS:
            message = f"and {len(distinct) - MAX_PROBLEMS} problems more in this file"
            distinct = [*distinct[:MAX_PROBLEMS], replace(distinct[MAX_PROBLEMS], message=message)]
        raise ConfigError(distinct)


__all__ = [
    "AgentConfig",
    "Config",
    "ConfigError",
    "CustomerConfig",
    "Outline",
    "Problem",
    "make_config",
    "outline",
    "outline_of",
    "parse_agent",
    "parse_customer",
    "parse_resolver",
    "place_of_customers",
]
