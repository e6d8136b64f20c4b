"""The shape that the project keeps: who may import whom, and how large a module may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "probe"
API = sorted(ROOT.glob("api/**/*.py"))
ALL = sorted(ROOT.glob("**/*.py"))
LARGEST = 350


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_walk_sees_imports_inside_functions(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text("def f():\n    import asyncio\n    from dns import message\n")
    assert set(imports(file)) == {"asyncio", "dns", "dns.message"}


PURE = sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("checks/**/*.py")])


@pytest.mark.parametrize("file", PURE, ids=lambda f: str(f.relative_to(ROOT)))
def test_core_and_checks_open_and_print_nothing(file: Path) -> None:
    calls = {
        n.func.id
        for n in ast.walk(ast.parse(file.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "exec", "eval"}


@pytest.mark.parametrize("file", API, ids=lambda f: f.name)
def test_the_api_reads_the_store_by_its_reader_alone(file: Path) -> None:
    # It reads the store by `Reader` alone: no SQL on results, and no way to write them.
    assert not set(imports(file)) & {"sqlite3", "sqlite_utils", "probe.store.store"}


@pytest.mark.parametrize("file", ALL, ids=lambda f: str(f.relative_to(ROOT)))
def test_modules_say_what_they_are_and_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{file} has no docstring"
    assert text.count("\n") <= LARGEST, f"{file} has grown past {LARGEST} lines: split it along an idea"


@pytest.mark.parametrize("file", ALL, ids=lambda f: str(f.relative_to(ROOT)))
def test_uvloop_is_nowhere(file: Path) -> None:
    """It loses the tail of TLS bodies: see docs/decisions."""
    assert not [name for name in imports(file) if name.split(".")[0] == "uvloop"]
