"""Rule: YAML is read once, strictly, within fixed bounds, and every value remembers where it stood.

Built on PyYAML's parser events instead of its loaders: duplicate keys, tags, words with two meanings and bombs are
found while reading, before anything is built from them. The stack is our own, so deep nesting cannot exhaust
Python's. Aliases and merge keys work; their expansion counts against the same bound as everything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from probe.core.syntax.problem import Problem
from probe.core.syntax.yaml_mistakes import colon_lookalike, explain, mistyped
from probe.core.syntax.yaml_scalars import Scalar, read_plain

MAX_DEPTH = 50
MAX_SIZE = 400_000  # nodes after expansion of aliases; long text counts as one more for every 32 characters
MAX_ALIASES = 20_000
OWN_USE = "x-"
"""Keys at a file's top that begin so are read and left out: a place for anchors that the file itself refers to."""
_CHARS_A_NODE = 32
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SECRET_KEY = re.compile(r"(?i)authorization|cookie|token|secret|passw|hash|api-?_?key|credential")
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Loc = Sequence[int | str]
Mark = tuple[int, int]


@dataclass(slots=True, eq=False)
class Node:
    """A value and where it stands (line and column from 1). `size`, `height`: of the tree below, expanded."""

    mark: Mark
    value: Scalar | list[Node] | dict[str, tuple[Mark, Node]]
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class _Frame:
    """A collection being read."""

    node: Node
    anchor: str | None
    size_before: int
    key: tuple[str, Mark] | None = None  # read, its value still to come
    merging: bool = False
    merged: list[Node] = field(default_factory=list)


class _RefusedError(Exception):
    """Text that is not accepted as YAML; `mark` is the place, `message` what is wrong and what to do."""

    def __init__(self, mark: Mark, message: str) -> None:
        self.mark, self.message = mark, message


@dataclass(frozen=True, slots=True)
class Document:
    """One file's content. `plain()` as Python values, `mark()` the place of any of them."""

    root: Node

    def plain(self) -> Any:
        """Dicts, lists and scalars. What an anchor names is built once and shared."""
        return _plain(self.root, {})

    def json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.plain())

    def mark(self, loc: Loc, *, at_key: bool = False) -> Mark:
        """Where `loc` stands, or as much of it as exists; `at_key`: its key instead of its value."""
        node, mark = self.root, self.root.mark
        for step in loc:
            value = node.value
            if isinstance(value, dict) and step in value:
                key_mark, node = value[str(step)]
                mark = key_mark if at_key else node.mark
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                node = value[step]
                mark = node.mark
            else:
                return node.mark
        return mark


def read_document(text: str, file: str) -> tuple[Document | None, list[Problem]]:
    """Read one YAML document that is a mapping. The Document is None where reading could not go on."""
    builder = _Builder(file)
    try:
        _refuse_unprintable(text)
        builder.read(_PARSER(text))
    except _RefusedError as refused:
        builder.complain(refused.mark, refused.message)
        return None, builder.problems
    except yaml.MarkedYAMLError as error:
        builder.complain(*explain(error, text))
        return None, builder.problems
    except yaml.YAMLError as error:
        builder.complain((1, 1), f"not valid YAML: {error}")
        return None, builder.problems
    return (None if builder.root is None else Document(builder.root)), builder.problems


def place_of(text: str, file: str, key: str, fits: Callable[[object], bool]) -> Mark:
    """Where `key` first has a value that fits, anywhere in this document; (0, 0): nowhere."""
    document, _ = read_document(text, file)
    seen, waiting = set[int](), [] if document is None else [document.root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # what an anchor names stands in one place
            continue
        seen.add(id(node))
        if isinstance(node.value, dict):
            found = node.value.get(key)
            if found is not None and not isinstance(found[1].value, dict | list) and fits(found[1].value):
                return found[1].mark
            waiting.extend(child for _, child in reversed(node.value.values()))
        elif isinstance(node.value, list):
            waiting.extend(reversed(node.value))
    return 0, 0


def _refuse_unprintable(text: str) -> None:
    body = text.removeprefix("\ufeff")
    if (found := _UNPRINTABLE.search(body)) is not None:
        before = body[: found.start()]
        line_start = max(before.rfind("\n"), before.rfind("\r")) + 1
        line = 1 + before.count("\n") + before.replace("\r\n", "").count("\r")
        raise _RefusedError(
            (line, found.start() - line_start + 1),
            f'the character U+{ord(found[0]):04X} is not allowed here; in text write it as an escape in "quotes"',
        )


def _plain(node: Node, known: dict[int, Any]) -> Any:
    value = node.value
    if not isinstance(value, list | dict):
        return value
    if id(node) not in known:
        known[id(node)] = (
            [_plain(item, known) for item in value]
            if isinstance(value, list)
            else {key: _plain(item, known) for key, (_, item) in value.items()}
        )
    return known[id(node)]


class _Builder:
    """Parser events in, a tree of nodes out."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}  # None: still being read
        self._size = 0
        self._aliases = 0
        self._documents = 0
        self.problems: list[Problem] = []
        self.root: Node | None = None

    def complain(self, mark: Mark, message: str) -> None:
        """Note a problem and go on."""
        self.problems.append(Problem(self._file, *mark, message))

    def read(self, parser: Any) -> None:
        """Read all events. Raises _RefusedError where going on has no sense."""
        try:
            while parser.check_event():
                event = parser.get_event()
                mark = (event.start_mark.line + 1, event.start_mark.column + 1)
                self._take(event, mark)
        finally:
            parser.dispose()
        if self.root is None:
            raise _RefusedError((1, 1), "the file is empty; it must hold keys and values")
        if not isinstance(self.root.value, dict):
            hint = colon_lookalike(self.root.value) if isinstance(self.root.value, str) else None
            words = f"a file holds `key: value` lines at its top, not {_what(self.root)}"
            raise _RefusedError(self.root.mark, f"{words}; {hint}" if hint else words)
        for key in [key for key in self.root.value if key.startswith(OWN_USE)]:
            del self.root.value[key]

    def _take(self, event: yaml.Event, mark: Mark) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _RefusedError(mark, "a second document begins here: one file holds one document")
            case yaml.ScalarEvent():
                self._scalar(event, mark)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event, mark)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(str(event.anchor), mark)

    def _grow(self, by: int, mark: Mark) -> None:
        self._size += by
        if self._size > MAX_SIZE:
            raise _RefusedError(
                mark, f"the file holds more than {MAX_SIZE} values once its aliases are expanded: split it"
            )

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> None:
        text: str = event.value
        plain = not event.style and event.implicit[0]
        size = 1 + len(text) // _CHARS_A_NODE
        self._grow(size, mark)
        self._refuse_tag(event.tag, mark)
        frame = self._expecting_key()
        if plain and (instead := mistyped(event, as_key=frame is not None)) is not None:
            self.complain(mark, instead)
        if frame is not None:
            self._key(frame, text, mark, plain)
            return
        value, complaint = read_plain(text) if plain else (text, None)
        if isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise _RefusedError(mark, "half of a character (a lone surrogate) is no text")
        if complaint is not None:
            self.complain(mark, self._discreet(complaint))
        node = Node(mark, value, size)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._put(node)

    def _discreet(self, complaint: str) -> str:
        """A message does not repeat the value of a key whose name says that it is secret."""
        key = self._stack[-1].key if self._stack else None
        if key is not None and _SECRET_KEY.search(key[0]):
            return "this value means something else to some YAML readers: quote it"
        return complaint

    def _refuse_tag(self, tag: str | None, mark: Mark) -> None:
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")[:60]
            self.complain(mark, f"the tag {shown} is not allowed: a configuration holds plain values only")

    def _expecting_key(self) -> _Frame | None:
        frame = self._stack[-1] if self._stack else None
        wanted = (
            frame is not None
            and isinstance(frame.node.value, dict)
            and frame.key is None
            and not frame.merging
        )
        return frame if wanted else None

    def _key(self, frame: _Frame, text: str, mark: Mark, plain: bool) -> None:
        if plain and text == "<<":
            if frame.merged:
                self.complain(mark, "a second << in one mapping: write one, with a list of aliases")
            frame.merging = True
            return
        entries = frame.node.value
        assert isinstance(entries, dict)
        if text in entries:
            line, column = entries[text][0]
            self.complain(mark, f"the key '{_short(text)}' is given twice; the first is at {line}:{column}")
        frame.key = (text, mark)

    def _open(self, event: yaml.CollectionStartEvent, mark: Mark) -> None:
        if self._expecting_key() is not None:
            raise _RefusedError(mark, "a key must be plain text, not a list or a mapping")
        if len(self._stack) >= MAX_DEPTH:
            raise _RefusedError(mark, f"nested deeper than {MAX_DEPTH} levels")
        self._refuse_tag(event.tag, mark)
        value: list[Node] | dict[str, tuple[Mark, Node]] = (
            {} if isinstance(event, yaml.MappingStartEvent) else []
        )
        self._stack.append(_Frame(Node(mark, value), event.anchor, self._size))
        self._grow(1, mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _close(self) -> None:
        frame = self._stack.pop()
        node = frame.node
        if isinstance(node.value, dict):
            for source in frame.merged:
                assert isinstance(source.value, dict)
                for key, entry in source.value.items():
                    node.value.setdefault(key, entry)
        node.size = self._size - frame.size_before
        if frame.anchor is not None:
            self._anchors[frame.anchor] = node
        self._put(node)

    def _alias(self, name: str, mark: Mark) -> None:
        if name not in self._anchors:
            raise _RefusedError(
                mark, f"*{_short(name)} refers to no anchor: &{_short(name)} must stand before it"
            )
        target = self._anchors[name]
        if target is None:
            raise _RefusedError(mark, f"*{_short(name)} refers to the very value that it is part of")
        if self._expecting_key() is not None:
            raise _RefusedError(mark, "a key must be plain text, not an alias")
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _RefusedError(mark, f"more than {MAX_ALIASES} aliases in one file")
        if len(self._stack) + target.height > MAX_DEPTH:
            raise _RefusedError(
                mark, f"nested deeper than {MAX_DEPTH} levels once *{_short(name)} is expanded"
            )
        self._grow(target.size, mark)
        self._put(target, mark)

    def _put(self, node: Node, mark: Mark | None = None) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        parent = frame.node
        parent.height = max(parent.height, node.height + 1)
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif frame.merging:
            frame.merging = False
            self._merge(frame, node, mark or node.mark)
        else:
            assert isinstance(parent.value, dict)
            assert frame.key is not None
            text, key_mark = frame.key
            parent.value.setdefault(text, (key_mark, node))
            frame.key = None

    def _merge(self, frame: _Frame, node: Node, mark: Mark) -> None:
        sources = node.value if isinstance(node.value, list) else [node]
        if not all(isinstance(source.value, dict) for source in sources):
            self.complain(mark, "<< merges mappings: give it an alias of one, or a list of such aliases")
            return
        frame.merged.extend(sources)


def _what(node: Node) -> str:
    return "a list" if isinstance(node.value, list) else "a single value"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
