"""`python -m probe ...` within this process: a start of its own takes more than a second."""

from __future__ import annotations

import io
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def cdn_probe(*arguments: str | Path, terminal: bool = False, columns: int = 80) -> Ended:
    """Run a command where COLUMNS is so many, its output into a pipe or at a terminal."""
    out, err = _Terminal() if terminal else io.StringIO(), io.StringIO()
    code: object = 0
    with (
        patch.object(sys, "argv", ["cdn-probe", *map(str, arguments)]),
        patch.dict("os.environ", {"COLUMNS": str(columns)}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            runpy.run_module("probe", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int), code
    said = out.getvalue().replace("python -m probe", "cdn-probe")
    return Ended(code, said, err.getvalue())
