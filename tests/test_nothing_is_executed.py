"""What was fetched is data: nothing in the agent runs it, loads it, opens it, or follows it into a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.core.model.task import RedirectPolicy
from probe.core.records.failure import Failure, FailureType
from probe.core.records.response import Response
from probe.core.redirects.next_hop import next_hop
from tests.support import build

ROOT = Path(__file__).parent.parent / "probe"
FILES = sorted(ROOT.glob("**/*.py"))
# Modules that make objects or code of bytes, and what runs a shell.
FORBIDDEN_MODULES = {
    "pickle", "cPickle", "marshal", "shelve", "dill", "code", "codeop", "webbrowser", "runpy", "xmlrpc", "ctypes.util",
    "xml.etree.ElementTree", "xml.sax", "xml.dom.minidom", "jinja2", "subprocess", "pty", "tarfile", "zipfile",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    "system",
    "popen",
    "startfile",
    "spawnl",
    "spawnv",
    "execv",
    "execve",
    "execvp",
    "execl",
}
# Who starts processes: our own Python with our own modules, and nothing else.
STARTS_PROCESSES = {
    "api/process.py",
    "services/demo.py",
    "sandbox/content_reader.py",
    "workers/supervisor.py",
}
LOADS_BY_NAME = {
    "seal/parquet.py",
    "seal/stamps/tokens.py",
    "sla/engines/duckdb_engine.py",
    "sla/engines/spark_engine.py",
}  # a constant name, optional libraries


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.AST) -> Iterator[tuple[str | None, str]]:
    """(of what, which) of each call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield None, node.func.id
            elif isinstance(node.func, ast.Attribute):
                base = node.func.value
                yield base.id if isinstance(base, ast.Name) else "?", node.func.attr


def offences(tree: ast.AST, file: str) -> Iterator[str]:
    """What a module imports or calls that none may."""
    yield from FORBIDDEN_MODULES & set(imported(tree))
    for base, called in calls(tree):
        forbidden = (
            (base is None and called in FORBIDDEN_CALLS)
            or (base == "os" and called in FORBIDDEN_ATTRIBUTES)
            or (base == "yaml" and called in {"load", "unsafe_load", "full_load", "load_all"})
            or called == "create_subprocess_shell"
            or (called == "create_subprocess_exec" and file not in STARTS_PROCESSES)
            or (called == "import_module" and file not in LOADS_BY_NAME)
        )
        if forbidden:
            yield f"{base}.{called}()"


def test_nothing_makes_code_or_objects_of_bytes() -> None:
    assert len(FILES) > 300
    found = {
        name(file): list(offences(ast.parse(file.read_text(encoding="utf-8")), name(file))) for file in FILES
    }
    assert {file: what for file, what in found.items() if what} == {}


def test_each_offence_is_seen() -> None:
    lines = [
        *(
            "import pickle",
            "from marshal import loads",
            "def f():\n    import subprocess",
            "eval('1')",
            "os.system('x')",
        ),
        *("yaml.load('x')", "asyncio.create_subprocess_shell('x')", "asyncio.create_subprocess_exec('x')"),
        "importlib.import_module(x)",
    ]
    assert [line for line in lines if not list(offences(ast.parse(line), "core/sample.py"))] == []
    assert list(offences(ast.parse("yaml.safe_load(x)\nos.getpid()"), "core/sample.py")) == []


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd", "FILE:///etc/passwd", "ftp://www.acme.example/a", "gopher://www.acme.example/", "data:,x",
        "javascript:alert(1)", "jar:http://www.acme.example/!/", "unix:/run/docker.sock", "//", "http:///etc/passwd",
        "https://www.acme.example:0/", "https://[::1", "http+unix://%2Frun%2Fdocker.sock/", "\\\\host\\share", "dict://x:1/",
    ],
)  # fmt: skip
def test_a_redirect_leads_to_http_or_nowhere(location: str) -> None:
    task = build.task()
    reply = Response(status_code=302, fields=(("location", location),))
    step = next_hop(task.request, reply, RedirectPolicy(limit=3, hosts=("x", "host")), ())
    if isinstance(step, Failure):
        assert step.type in (FailureType.HTTP_REDIRECT_BLOCKED, FailureType.HTTP_REDIRECT_INVALID)
    else:  # a relative path, however it looks
        assert (step.scheme, step.host) == (task.request.scheme, task.request.host)
