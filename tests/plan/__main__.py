"""`python -m tests.plan [--seconds 600]`: a plan beside ten minutes; exits with 1 if a figure is too far off."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.plan.compare import compare

REQUESTS, BYTES = 0.05, 0.10


def main() -> int:
    """See above."""
    options = argparse.ArgumentParser(prog="python -m tests.plan", description=__doc__)
    options.add_argument("--seconds", type=float, default=600.0)
    options.add_argument("--interval", default="5s")
    options.add_argument(
        "--learn",
        type=int,
        default=1_300,
        help="rows before, so that they are packed by a dictionary of their own",
    )
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="plan-") as place:
        found = asyncio.run(
            compare(Path(place), interval=asked.interval, learn_rows=asked.learn, seconds=asked.seconds)
        )
    far = 0
    for one in found:
        bound = BYTES if one.what.startswith("bytes") else REQUESTS
        mark = "" if abs(one.share) <= bound else f"  more than {bound:.0%} off"
        far += bool(mark)
        print(f"{one.what:40} planned {one.planned:12.4f}  seen {one.seen:12.4f}  {one.share:+.1%}{mark}")
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
