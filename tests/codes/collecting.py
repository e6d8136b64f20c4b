"""Rule: what provokes a code is what pytest collects with the marker, not what somebody wrote down.

Only the files that use the marker are collected, in a process of their own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.codes.closed_list import missed, stands_for
from tests.codes.provoking import MARK, promised

ROOT = Path(__file__).parents[2]
_BEGIN = "provoked by: "
_USES = re.compile(rf"\b({MARK}|marked)\(")


def files() -> list[Path]:
    """Test files that use the marker, by themselves or by a list of cases."""
    return sorted(f for f in (ROOT / "tests").rglob("test_*.py") if _USES.search(f.read_text("utf-8")))


def provoked() -> dict[str, list[str]]:
    """Code -> ids of the tests that say that they provoke it, in the order of collecting.

    What befalls the agent without a peer is left out where the code is not one of those that need none.
    """
    made = subprocess.run(
        [sys.executable, "-m", "tests.codes.collecting", *map(str, files())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in made.stdout.splitlines():
        if line.startswith(_BEGIN):
            found: dict[str, list[str]] = json.loads(line.removeprefix(_BEGIN))
            return found
    raise RuntimeError(f"the tests cannot be collected:\n{made.stdout}{made.stderr}")


class _Collector:
    """A plugin that keeps the ids by code."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = defaultdict(list)
        self._missed = missed()

    @pytest.hookimpl(tryfirst=True)  # before any is deselected
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            of_peers = promised(item.iter_markers(MARK), of_peers=True)
            for code in sorted(promised(item.iter_markers(MARK))):
                if code in of_peers or code in self._missed:
                    self.found[stands_for(code)].append(item.nodeid)


def main() -> int:
    """Collect the files named on the command line, run nothing, print code -> ids."""
    collector = _Collector()
    ended = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *sys.argv[1:]], [collector])
    print(_BEGIN + json.dumps(collector.found))
    return int(ended)


if __name__ == "__main__":
    sys.exit(main())
