"""Every code of the closed list is provoked by a real peer in a test that exists, and the marker is no mere word."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.codes.closed_list import ORIGINS, failures, stands_for, whole
from tests.codes.collecting import ROOT, provoked
from tests.codes.provoking import codes_in, saw, watched


def test_every_code_has_a_test_and_no_test_names_another_code() -> None:
    found = provoked()
    assert whole() - found.keys() == set(), (
        "nothing provokes these; a code that nothing can raise leaves the list"
    )
    assert found.keys() - whole() == set(), "no codes of the list"


def test_codes_stand_where_rows_show_them() -> None:
    row = {"reason": "a.b", "findings": [{"reason": "c"}], "observations": [{"failure": {"type": "d.e"}}]}
    assert codes_in({**row, "summary": "x.y", "missed_reason": None}) == {"a.b", "c", "d.e"}
    assert stands_for("origin.tcp.reset") == ORIGINS
    assert stands_for("origin.same_status") == "origin.same_status"
    assert "tcp.refused" in failures()


def test_only_what_is_seen_while_watched_counts() -> None:
    saw({"reason": "a.b"})
    with watched() as seen:
        saw({"reason": "c.d"})
        assert seen.contacts == 0
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
    saw({"reason": "e.f"})
    assert (seen.codes, seen.contacts) == ({"c.d"}, 1)
    assert "bind" not in vars(socket.socket), "as it was before"


FALSE_PROMISES = """
import socket
import pytest
from tests.codes.provoking import provokes, saw

@provokes("a.b")
def test_sees_nothing():
    socket.socket().bind(("127.0.0.1", 0))

@provokes("a.b")
def test_has_no_peer():
    saw({"reason": "a.b"})

@provokes("a.b")
def test_holds():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
    saw({"reason": "a.b"})
"""


def test_a_test_that_does_not_keep_its_promise_fails(tmp_path: Path) -> None:
    (tmp_path / "test_promises.py").write_text(FALSE_PROMISES)
    (tmp_path / "conftest.py").write_text("from tests.codes.provoking import provokes_what_it_says\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    made = subprocess.run(
        [*command, "--rootdir", tmp_path, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "3 passed, " in made.stdout, made.stdout
    assert ", 2 errors" in made.stdout
    assert "not provoked: ['a.b']" in made.stdout
    assert "no peer took part" in made.stdout
