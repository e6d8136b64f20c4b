"""Rule: JSON is read by paths in counted steps: what takes more than the agreed number is too costly, everywhere.

JSONPath (RFC 9535) in the library's words, with three things that are ours: a value's containers count how often a path
goes through their members; `match` and `search` are RE2's, which I-Regexp (RFC 9485) is nearly a part of, in place of a
matcher that may go back; and what a path found is taken out in one pass for each container.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError
from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction

from probe.core.content.unreadable import TOO_COSTLY, UnreadableError
from probe.core.text.pattern_syntax import compiled_for_text

DEPTH_AT_MOST = 200  # far from where any interpreter's stack ends
STEPS_AT_MOST = 1_000_000  # members gone through by all paths together; 4 MiB of ordinary JSON have 300,000
MATCHED_BYTES_AT_MOST = 64 * 1024 * 1024  # by `match` and `search` together
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKETS = b"[]{}"
_OTHERS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_DOT = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\.", re.DOTALL)

Place = tuple[int | str, ...]


class _Budget:
    """What is left; counts on until it is stopped."""

    def __init__(self) -> None:
        self.steps = STEPS_AT_MOST
        self.matched_bytes = MATCHED_BYTES_AT_MOST
        self.counts = True

    def spend(self, steps: int) -> None:
        if self.counts:
            self.steps -= steps
            if self.steps < 0:
                raise UnreadableError(TOO_COSTLY)

    def spend_bytes(self, count: int) -> None:
        self.matched_bytes -= count
        if self.matched_bytes < 0:
            raise UnreadableError(TOO_COSTLY)


class _Object(dict[str, Any]):
    budget: _Budget

    def items(self) -> Any:
        self.budget.spend(len(self) + 1)
        return super().items()

    def __eq__(self, other: object) -> bool:
        self.budget.spend(len(self) + 1)
        return super().__eq__(other)

    __hash__ = None  # as of every dict


class _Array(list[Any]):
    budget: _Budget

    def __iter__(self) -> Iterator[Any]:
        self.budget.spend(len(self) + 1)
        return super().__iter__()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            self.budget.spend(len(self) + 1)
        return super().__getitem__(key)

    def __eq__(self, other: object) -> bool:
        self.budget.spend(len(self) + 1)
        return super().__eq__(other)

    __hash__ = None  # as of every list


class _Matching(FilterFunction):
    """`match` (the whole text) or `search` (a part of it); a pattern that cannot be used matches nothing."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 # the library's own form
    return_type = ExpressionType.LOGICAL

    def __init__(self, budget: _Budget, *, whole: bool) -> None:
        self._budget = budget
        self._whole = whole

    def __call__(self, text: object, pattern: object) -> bool:
        if not isinstance(text, str) or not isinstance(pattern, str):
            return False
        self._budget.spend_bytes(len(text) + len(pattern))
        try:
            compiled = compiled_for_text(_DOT.sub(_without_line_ends, pattern))
            data = text.encode()
        except ValueError:
            return False
        found = compiled.fullmatch(data) if self._whole else compiled.search(data)
        return found is not None


def _without_line_ends(found: re.Match[str]) -> str:
    """A dot is neither CR nor LF (RFC 9485 section 5)."""
    return r"[^\n\r]" if found[0] == "." else found[0]


def _environment(budget: _Budget) -> JSONPathEnvironment:
    made = JSONPathEnvironment()
    made.max_recursion_depth = DEPTH_AT_MOST + 2
    made.function_extensions["match"] = _Matching(budget, whole=True)
    made.function_extensions["search"] = _Matching(budget, whole=False)
    return made


def check_json_path(text: str) -> str:
    """The text, if it is a JSONPath (RFC 9535). Raises ValueError."""
    try:
        _environment(_Budget()).compile(text)
    except JSONPathError as error:
        raise ValueError(f"not a JSONPath (RFC 9535): {error}") from None
    return text


def without_paths(paths: Iterable[str], body: bytes) -> bytes:
    """The JSON value without what the paths lead to, written canonically: the order of keys says nothing.

    Raises UnreadableError.
    """
    budget = _Budget()
    environment = _environment(budget)
    try:
        body = body.decode(json.detect_encoding(body), "surrogatepass").encode("utf-8", "surrogatepass")
        if _depth(body) > DEPTH_AT_MOST:
            raise UnreadableError(TOO_COSTLY)
        value = _counted(json.loads(body), budget)
        for path in paths:
            budget.counts = True
            found = {node.location for node in environment.compile(path).finditer(value)}
            budget.counts = False
            _take_out(value, found)
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError, JSONPathError):
        raise UnreadableError("not_json") from None


def _depth(body: bytes) -> int:
    """How deep its brackets are nested, outside strings."""
    brackets = _STRING.sub(b"", body).translate(None, _OTHERS)
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _counted(value: Any, budget: _Budget) -> Any:
    """The same value in containers that count."""
    object_kind: type[_Object] = type("Object", (_Object,), {"budget": budget})
    array_kind: type[_Array] = type("Array", (_Array,), {"budget": budget})
    return _inner(value, object_kind, array_kind)


def _inner(value: Any, object_kind: type[_Object], array_kind: type[_Array]) -> Any:
    if isinstance(value, dict):
        return object_kind((key, _inner(item, object_kind, array_kind)) for key, item in value.items())
    if isinstance(value, list):
        return array_kind([_inner(item, object_kind, array_kind) for item in value])
    return value


def _take_out(value: Any, places: Iterable[Place]) -> None:
    """Deeper places first; the members of one list in one pass, so that none moves another."""
    members: defaultdict[Place, set[int | str]] = defaultdict(set)
    for place in places:
        if place:  # the root itself stays: nothing would be left to compare
            members[place[:-1]].add(place[-1])
    for parent in sorted(members, key=len, reverse=True):
        container = value
        for step in parent:
            container = container[step]
        gone = members[parent]
        if isinstance(container, list):
            container[:] = [item for number, item in enumerate(container) if number not in gone]
        else:
            for key in gone:
                del container[key]
