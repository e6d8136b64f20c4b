"""JSON for programs is as it is stored; for a terminal nothing in it is a command."""

from __future__ import annotations

import io
import json
import sys

import pytest

from probe.cli.render.json_lines import print_json

HOSTILE = {"detail": "x\x9b2J\x7f\u2028\u202e", "name": "例"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_program_gets_the_stored_line_and_a_terminal_the_same_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = json.dumps(HOSTILE, ensure_ascii=False)
    for out in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stdout", out)
        print_json(line.encode())
        assert json.loads(out.getvalue()) == HOSTILE
        assert (out.getvalue() == line + "\n") != out.isatty()
        assert out.getvalue()[:-1].isprintable() == out.isatty()
