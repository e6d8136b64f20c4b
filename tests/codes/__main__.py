"""`python -m tests.codes`: each code of the closed list, with the tests in which a real peer provokes it.

Exit code 0: every code has a test; 1: some have none, or a test names a code that is not in the list.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from tests.codes.closed_list import whole
from tests.codes.collecting import ROOT, provoked


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.codes", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every test of a code, not only the first")
    parser.add_argument("--run", action="store_true", help="run the first test of each code, too")
    options = parser.parse_args()
    codes, found = whole(), provoked()
    for code in sorted(codes | found.keys()):
        tests = found.get(code, [])
        print(f"{code:<36} {len(tests):>3}  {tests[0] if tests else '-'}")
        for further in tests[1:] if options.all else []:
            print(f"{'':<41} {further}")
    without, strange = sorted(codes - found.keys()), sorted(found.keys() - codes)
    print(f"\n{len(codes)} codes, {len(codes) - len(without)} provoked")
    if without:
        print(f"without a test: {', '.join(without)}")
    if strange:
        print(f"not in the list: {', '.join(strange)}")
    if without or strange:
        return 1
    if options.run:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *sorted({t[0] for t in found.values()})],
            cwd=ROOT,
            check=False,
        ).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
