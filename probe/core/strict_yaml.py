"""Rule: YAML is read as what it looks like, or it is an error with its place; nothing is guessed or constructed.

Text -> plain values plus the place of every one. Nodes are composed by PyYAML (no constructor runs) and converted
here: YAML 1.1's surprises, duplicate keys, tags, bombs and deep nesting are problems with line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 8 * 1024 * 1024
MAX_NODES = 200_000
MAX_ALIAS_USES = 1_000
MAX_DEPTH = 40

Place = tuple[int, int]
Path = tuple[str | int, ...]

_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_SURPRISES = (
    (re.compile(r"(?i)(y|n|yes|no|on|off)"), "is a boolean in YAML 1.1: write true or false, or quote it"),
    (re.compile(r"[-+]?0[0-7_]+|0o[0-7]+"), "is octal in some YAML: quote it, or drop the leading zero"),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),
        "is a base-60 number in YAML 1.1: quote it",
    ),
    (
        re.compile(
            r"[-+]?[0-9][0-9_]*_[0-9_]*|0[xb][0-9a-fA-F_]+|[-+]?\.(inf|nan)|[-+]?[0-9.]+[eE][-+]?[0-9]+"
        ),
        "is a number only in some YAML: write it in plain digits, or quote it",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlProblem:
    """What is wrong and where; line and column count from 1."""

    line: int
    column: int
    message: str


class YamlError(Exception):
    """One or more problems in one text."""

    def __init__(self, problems: list[YamlProblem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(slots=True)
class Document:
    """Plain values, and the place of each by its path; keys have places of their own."""

    value: Any
    places: dict[Path, Place]
    key_places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Of the value at `path`, or of the nearest enclosing one."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return (1, 1)

    def key_place(self, path: Path) -> Place:
        """Of the key that `path` ends in."""
        return self.key_places.get(path) or self.place(path)


def load(text: str) -> Document:
    """Read one YAML document. Raises YamlError with every problem found."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlError([YamlProblem(line=1, column=1, message=f"larger than {MAX_BYTES >> 20} MiB")])
    _check_nesting(text)
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        words = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise YamlError([YamlProblem(line=line, column=column, message=f"not YAML: {words}")]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError([YamlProblem(line=1, column=1, message=f"not YAML: {error}")]) from None
    except RecursionError:
        raise YamlError([YamlProblem(line=1, column=1, message="nested too deeply")]) from None
    if node is None:
        raise YamlError([YamlProblem(line=1, column=1, message="the file is empty")])
    reader = _Reader()
    value = reader.convert(node, (), 0)
    if reader.problems:
        raise YamlError(reader.problems)
    return Document(value, reader.places, reader.key_places)


def _check_nesting(text: str) -> None:
    """Refuse flow nesting before the parser recurses into it."""
    depth = 0
    for line_number, line in enumerate(text.splitlines(), 1):
        for column, character in enumerate(line, 1):
            if character in "[{":
                depth += 1
                if depth > MAX_DEPTH * 4:
                    raise YamlError(
                        [YamlProblem(line=line_number, column=column, message="nested too deeply")]
                    )
            elif character in "]}":
                depth = max(0, depth - 1)


class _StopError(Exception):
    """A bomb: no use in looking further."""


@dataclass(slots=True)
class _Reader:
    """Converts nodes, remembers places, collects problems."""

    problems: list[YamlProblem] = field(default_factory=list)
    places: dict[Path, Place] = field(default_factory=dict)
    key_places: dict[Path, Place] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _open: set[int] = field(default_factory=set)
    _nodes: int = 0
    _aliases: int = 0

    def convert(self, node: yaml.Node, path: Path, depth: int) -> Any:
        try:
            return self._value(node, path, depth)
        except _StopError:
            return None

    def _problem(self, node: yaml.Node, message: str) -> None:
        mark = node.start_mark
        self.problems.append(YamlProblem(line=mark.line + 1, column=mark.column + 1, message=message))

    def _stop(self, node: yaml.Node, message: str) -> _StopError:
        self._problem(node, message)
        return _StopError()

    def _value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self._count(node, depth)
        self.places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
            self._problem(node, f"the tag {node.tag} is not allowed: only plain values are read")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise self._stop(node, "an alias contains itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
            assert isinstance(node, yaml.MappingNode)
            return self._mapping(node, path, depth)
        finally:
            self._open.discard(id(node))

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._nodes += 1
        if id(node) in self._seen:
            self._aliases += 1
        self._seen.add(id(node))
        if depth > MAX_DEPTH:
            raise self._stop(node, f"nested more than {MAX_DEPTH} levels deep")
        if self._aliases > MAX_ALIAS_USES or self._nodes > MAX_NODES:
            raise self._stop(
                node,
                f"too large once aliases are expanded: over {MAX_NODES} values, {MAX_ALIAS_USES} of them aliased",
            )

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, Place] = {}
        for key_node, value_node in self._pairs(node, depth):
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, "a key must be a plain name")
                continue
            key = str(key_node.value)
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in first:
                at = f"{first[key][0]}:{first[key][1]}"
                self._problem(key_node, f"the key {key!r} is here twice; the first is at {at}. Remove one")
                continue
            first[key] = place
            self.key_places[(*path, key)] = place
            found[key] = self._value(value_node, (*path, key), depth + 1)
        return found

    def _pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """The mapping's own pairs, then those of its merge keys that it does not set itself."""
        own = [(k, v) for k, v in node.value if k.tag != "tag:yaml.org,2002:merge"]
        names = {k.value for k, _ in own if isinstance(k, yaml.ScalarNode)}
        yield from own
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:merge":
                continue
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(merged, yaml.MappingNode):
                    self._problem(key, "a merge key (<<) takes a mapping or a list of mappings")
                    continue
                if id(merged) in self._open or depth > MAX_DEPTH:
                    raise self._stop(key, "an alias contains itself")
                self._count(merged, depth)
                self._open.add(id(merged))
                try:
                    for inner_key, inner_value in self._pairs(merged, depth + 1):
                        name = getattr(inner_key, "value", None)
                        if not isinstance(name, str) or name not in names:
                            names.add(name) if isinstance(name, str) else None
                            yield inner_key, inner_value
                finally:
                    self._open.discard(id(merged))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        if node.style:  # quoted or block: a string whatever it says
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            return None
        if text in ("true", "false"):
            return text == "true"
        if text in ("True", "TRUE", "False", "FALSE"):
            self._problem(node, f"write {text.lower()}, or quote {text} if it is a text")
            return None
        if _INT.fullmatch(text):
            return int(text) if len(text) < 19 else text
        if _FLOAT.fullmatch(text):
            return float(text)
        for pattern, words in _SURPRISES:
            if pattern.fullmatch(text):
                self._problem(node, f"{text} {words}")
                return None
        return text
