"""Rule: a test that says that it provokes a code fails where no row, or part of one, shows the code.

The marker `provokes` names the codes. While such a test runs, every verdict of this process is looked at; what other
processes wrote, and what was fetched without a verdict, is shown by `saw`. A test without a connection of its own, and
without a program that it started, has no real peer: it fails too, unless it says that none has a part in it
(`peer=False`), as where the agent itself, or its host, is why a slot was not measured.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import pytest

from probe.core.verdict import judge as judging

T = TypeVar("T")
MARK = "provokes"
_SHOWN_IN = frozenset({"reason", "type", "missed_reason", "event"})
_CONTACTS = ("connect", "connect_ex", "bind", "sendto")  # methods of sockets


@dataclass
class Seen:
    """What came about since the watching began."""

    codes: set[str] = field(default_factory=set)
    contacts: int = 0


_watched: Seen | None = None


def provokes(*codes: str | None, peer: bool = True) -> pytest.MarkDecorator:
    """The mark of a test, or of one of its parameters; None is no code."""
    named = (code for code in codes if code is not None)
    mark: pytest.MarkDecorator = getattr(pytest.mark, MARK)(*named, peer=peer)
    return mark


def promised(marks: Iterable[pytest.Mark], *, of_peers: bool = False) -> set[str]:
    """All codes that these marks name; `of_peers`: only those that take a real peer."""
    own = (mark for mark in marks if mark.name == MARK)
    return {code for mark in own for code in mark.args if mark.kwargs["peer"] or not of_peers}


def saw(what: T) -> T:
    """The same: a row, an observation, a resolution, as a struct or as JSON, or many; its codes were seen."""
    if _watched is not None:
        _watched.codes |= codes_in(what)
    return what


def codes_in(what: Any) -> set[str]:
    """Every code in a row or a part of one."""
    return set(_codes(msgspec.to_builtins(what, enc_hook=lambda other: None)))


def _codes(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, held in value.items():
            if key in _SHOWN_IN and isinstance(held, str):
                yield held
            else:
                yield from _codes(held)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _codes(one)


@contextmanager
def watched() -> Iterator[Seen]:
    """What is seen until the block is left."""
    global _watched
    before, seen = _watched, Seen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "_judged", _shown(judging._judged))
        for name in _CONTACTS:
            patch.setattr(socket.socket, name, _counted(getattr(socket.socket, name), seen))
        patch.setattr(subprocess.Popen, "__init__", _counted(subprocess.Popen.__init__, seen))
        _watched = seen
        try:
            yield seen
        finally:
            _watched = before


def _shown(judged: Callable[..., Any]) -> Callable[..., Any]:
    def shown(task: Any, evidence: Any, *rest: Any, **named: Any) -> Any:
        return saw((evidence, judged(task, evidence, *rest, **named)))[1]

    return shown


def _counted(method: Callable[..., Any], seen: Seen) -> Callable[..., Any]:
    def counted(*given: Any, **named: Any) -> Any:
        seen.contacts += 1
        return method(*given, **named)

    return counted


@pytest.fixture(autouse=True)
def provokes_what_it_says(request: pytest.FixtureRequest) -> Iterator[None]:
    """Holds a test to its marker."""
    codes = promised(request.node.iter_markers(MARK))
    if not codes:
        yield
        return
    with watched() as seen:
        yield
    assert codes <= seen.codes, f"not provoked: {sorted(codes - seen.codes)}; seen: {sorted(seen.codes)}"
    of_peers = promised(request.node.iter_markers(MARK), of_peers=True)
    assert seen.contacts or not of_peers, f"{sorted(of_peers)}: no peer took part"
