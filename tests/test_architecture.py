"""The shape that the project keeps: rooms and modules of a bounded size, and contracts of imports that do bite.

The contracts themselves are in `.importlinter` and are held by `make lint`; what import-linter does not count or see is
here. Each test lists every offender.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
ROOT = CHECKOUT / "probe"
LARGEST_LINES = 350
MODULES_A_ROOM = 12
ROOMS_AT_THE_TOP = 30
LOOSE = {"__init__.py", "__main__.py"}
# What tests have and the source has not: helpers, recorded data, what is compared with it, and tests of no one room.
OTHER_THAN_ROOMS = {
    *(
        "codes",
        "alterations",
        "benchmarks",
        "conformance",
        "documents",
        "earlier",
        "fixtures",
        "healthy",
        "leaks",
        "interface",
        "libraries",
        "replay",
        "support",
        "system",
        "takeover",
    ),
    "truth",
}


def modules(root: Path) -> list[Path]:
    return sorted(root.glob("**/*.py"))


def where(file: Path, root: Path = ROOT) -> str:
    return str(file.relative_to(root))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """Every module of the source, parsed once."""
    return {where(file): ast.parse(file.read_text(encoding="utf-8")) for file in modules(ROOT)}


def test_the_walk_sees_imports_inside_functions() -> None:
    tree = ast.parse("def f():\n    import asyncio\n    from dns import message\n    from . import x\n")
    assert {"asyncio", "dns", "dns.message", "."} <= set(imports(tree))


# --- sizes --------------------------------------------------------------------------------------------


def too_large(root: Path) -> dict[str, object]:
    """What breaks the bounds on rooms and modules: place -> what there is too much of."""
    found: dict[str, object] = {}
    if loose := {path.name for path in root.glob("*.py")} - LOOSE:
        found["at the top"] = loose
    if (rooms := sum(1 for path in root.iterdir() if list(path.glob("*.py")))) > ROOMS_AT_THE_TOP:
        found["rooms at the top"] = rooms
    for room in sorted({file.parent for file in modules(root)}):
        held = [path.name for path in room.glob("*.py") if path.name != "__init__.py"]
        if len(held) > MODULES_A_ROOM:
            found[where(room, root)] = f"{len(held)} modules: split it into packages"
    for file in modules(root):
        lines = file.read_text(encoding="utf-8").count("\n")
        if lines > LARGEST_LINES:
            found[where(file, root)] = f"{lines} lines: split it along an idea"
    return found


def test_rooms_and_modules_stay_small() -> None:
    assert too_large(ROOT) == {}


def test_what_grows_too_large_is_seen(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    for number in range(MODULES_A_ROOM):
        (room / f"m{number}.py").touch()
    (room / "__init__.py").touch()
    (tmp_path / "__main__.py").touch()
    assert too_large(tmp_path) == {}
    (room / "one_more.py").write_text("\n" * (LARGEST_LINES + 1))
    (tmp_path / "loose.py").touch()
    for number in range(ROOMS_AT_THE_TOP):
        (tmp_path / f"r{number}").mkdir()
        (tmp_path / f"r{number}" / "__init__.py").touch()
    assert set(too_large(tmp_path)) == {"at the top", "rooms at the top", "room", "room/one_more.py"}


def test_modules_say_what_they_are(trees: dict[str, ast.Module]) -> None:
    assert [file for file, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_tests_lie_in_the_tree_of_the_source() -> None:
    """A room of tests is a room of the source, so that one is found from the other."""
    tests = Path(__file__).parent
    rooms = {file.parent for file in tests.glob("*/**/test_*.py")}
    strangers = [
        where(room, tests)
        for room in sorted(rooms)
        if room.relative_to(tests).parts[0] not in OTHER_THAN_ROOMS
        and not (ROOT / room.relative_to(tests) / "__init__.py").exists()
    ]
    assert strangers == []


# --- contracts ----------------------------------------------------------------------------------------


def test_no_import_is_relative(trees: dict[str, ast.Module]) -> None:
    assert [file for file, tree in trees.items() if any(name.startswith(".") for name in imports(tree))] == []


def test_core_and_checks_open_and_print_nothing(trees: dict[str, ast.Module]) -> None:
    forbidden = {"open", "print", "input", "exec", "eval"}
    calls = {
        file: {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        for file, tree in trees.items()
        if file.startswith(("core/", "checks/"))
    }
    assert len(calls) > 100
    assert [(file, called & forbidden) for file, called in calls.items() if called & forbidden] == []


def test_the_api_reads_the_store_by_its_reader_alone(trees: dict[str, ast.Module]) -> None:
    """No SQL on results, and no way to write them."""
    forbidden = {"sqlite3", "sqlite_utils", "probe.store.store"}
    found = {file: set(imports(tree)) & forbidden for file, tree in trees.items() if file.startswith("api/")}
    assert len(found) > 20
    assert {file: names for file, names in found.items() if names} == {}


def test_uvloop_is_nowhere(trees: dict[str, ast.Module]) -> None:
    """It loses the tail of TLS bodies: see docs/decisions."""
    assert [
        file for file, tree in trees.items() if any(n.split(".")[0] == "uvloop" for n in imports(tree))
    ] == []


BREACHES = {
    "core does I/O": ("core/model/units.py", "import socket", "core and checks do no I/O"),
    "a check tells the time": ("checks/availability.py", "import time", "core and checks do no I/O"),
    "upwards": ("core/text/tokens.py", "import probe.agent.agent", "Packages import downwards only"),
    "inside the store": ("store/base/schema.py", "import probe.store.read.reader", "inside store"),
    "inside the API": ("api/request/auth.py", "import probe.api.app", "inside api"),
}


def lint_imports(directory: Path) -> tuple[int, str]:
    """lint-imports of the checkout's contracts on the `probe` in that directory: exit code, what it printed."""
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"),
            *("--config", CHECKOUT / ".importlinter"),
        ],
        cwd=directory,
        env={"PYTHONPATH": str(directory), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("contracts")
    shutil.copytree(ROOT, directory / "probe", ignore=shutil.ignore_patterns("__pycache__"))
    return directory


def test_every_contract_that_is_broken_on_purpose_is_told(copied: Path) -> None:
    """All breaches at once, as the graph takes a second to build; then none, or the copy proves nothing."""
    kept = {file: (copied / "probe" / file).read_text(encoding="utf-8") for file, _, _ in BREACHES.values()}
    for file, line, _ in BREACHES.values():
        with (copied / "probe" / file).open("a", encoding="utf-8") as out:
            out.write(f"\n{line}\n")
    code, said = lint_imports(copied)
    assert code == 1, said
    for name, (file, line, contract) in BREACHES.items():
        assert f"{contract} BROKEN" in said, (name, said)
        importer = "probe." + file.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {line.removeprefix('import ')}" in said, (name, said)
    for file, text in kept.items():
        (copied / "probe" / file).write_text(text, encoding="utf-8")
    code, said = lint_imports(copied)
    assert code == 0, said
