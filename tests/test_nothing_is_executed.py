"""What was fetched is data: nothing in the agent runs it, loads it, opens it, or follows it into a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.core.http.redirect import next_hop
from probe.core.model.task import RedirectPolicy
from probe.core.records.failure import Failure, FailureType
from probe.core.records.response import Response
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
LOADS_BY_NAME = {"seal/parquet.py"}  # one constant name, an optional library


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


@pytest.mark.parametrize("file", FILES, ids=name)
def test_nothing_makes_code_or_objects_of_bytes(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not FORBIDDEN_MODULES & set(imported(tree))
    for base, called in calls(tree):
        assert not (base is None and called in FORBIDDEN_CALLS), f"{called}()"
        assert not (base == "os" and called in FORBIDDEN_ATTRIBUTES), f"os.{called}()"
        if called == "create_subprocess_shell":
            pytest.fail("a shell")
        if called == "create_subprocess_exec":
            assert name(file) in STARTS_PROCESSES
        if called == "import_module":
            assert name(file) in LOADS_BY_NAME
            if base == "yaml":
                assert called not in {"load", "unsafe_load", "full_load", "load_all"}


def test_the_walk_sees_what_it_forbids() -> None:
    tree = ast.parse("import pickle\nfrom os import path\neval('1')\nos.system('x')\nyaml.load('x')\n")
    assert "pickle" in set(imported(tree))
    assert {(None, "eval"), ("os", "system"), ("yaml", "load")} <= set(calls(tree))


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
