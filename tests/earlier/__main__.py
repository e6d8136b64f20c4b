"""`python -m tests.earlier [COMMIT ...]`: earlier versions pull from today's agent and verify what they pulled.

Prints what each of them did; exits with 1 where one could not read what the agent handed out.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.earlier.pulling import tried
from tests.earlier.versions import BEFORE_PACKED, FIRST
from tests.support.history import NotInHistoryError, taken


def main() -> int:
    """See above."""
    options = argparse.ArgumentParser(prog="python -m tests.earlier", description=__doc__)
    options.add_argument("commits", nargs="*", default=[FIRST, BEFORE_PACKED])
    bad = 0
    for commit in options.parse_args().commits:
        with tempfile.TemporaryDirectory(prefix="earlier-") as place:
            try:
                version = taken(commit, Path(place) / f"at-{commit}", "probe")
            except NotInHistoryError:
                print(f"{commit}: not in the history of this checkout")
                bad += 1
                continue
            for step in asyncio.run(tried(version, Path(place))):
                print(f"{commit}  {'well' if step.well else 'NOT '}  {step.what}  {step.words}")
                bad += not step.well
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
