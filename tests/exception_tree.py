"""Write docs/errors.md anew: `python -m tests.exception_tree`, then read the difference."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import probe

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

HEAD = """# Exceptions

Every exception class of the project below the built-in class that it extends,
with its module and the first sentence of its docstring. What went wrong on the
network is no exception for long: it becomes a `Failure` of a closed list of
types ([records.md](records.md#failure-types)). This page is written by
`python -m tests.exception_tree`; a test compares it with the classes.

"""


def exceptions() -> list[type[BaseException]]:
    """Every exception class that a module of `probe` defines; all modules are imported for it."""
    found: dict[type[BaseException], None] = {}
    for module in pkgutil.walk_packages(probe.__path__, "probe."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            own = isinstance(value, type) and value.__module__ == module.name
            if own and issubclass(value, BaseException):
                found[value] = None
    return sorted(found, key=lambda one: (one.__name__, one.__module__))


def page() -> str:
    """The text of docs/errors.md as the classes are now."""
    classes = exceptions()
    built_in = {base for one in classes for base in _parents(one) if base not in classes}
    lines: list[str] = []
    for base in sorted(built_in, key=lambda one: one.__name__):
        lines += [f"- `{base.__name__}`", *_below(base, classes, 1)]
    return HEAD + "\n".join(lines) + "\n"


def _below(base: type[BaseException], classes: list[type[BaseException]], depth: int) -> Iterator[str]:
    for one in classes:
        if base in _parents(one):
            place = one.__module__.removeprefix("probe.").replace(".", "/")
            yield f"{'  ' * depth}- `{one.__name__}` (`{place}.py`): {_sentence(one)}"
            yield from _below(one, classes, depth + 1)


def _parents(one: type[BaseException]) -> list[type[BaseException]]:
    return [base for base in one.__bases__ if issubclass(base, BaseException)]


def _sentence(one: type[BaseException]) -> str:
    """The docstring's first sentence; empty where the class has none of its own."""
    text = " ".join(inspect.cleandoc(one.__dict__.get("__doc__") or "").split("\n\n")[0].split())
    first, stop, _ = text.partition(". ")
    return first + stop.rstrip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
