"""Starts pulls as forks of one process that has everything imported, so that two hundred of them are cheap.

Each line on standard input starts one; its process id is printed, and how it ended when it has.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path

from probe.pull import PullOptions, Source, pull_all


def pull_once(url: str, into: Path, key: Path) -> int:
    """0: all complete."""
    options = PullOptions(
        lines=25, page_bytes=25_000, file_rows=60, ack=True, back_off=lambda failures, after: 0.01
    )
    source = Source(url=url, token=lambda: os.environ["CDN_PROBE_TOKEN"], key_pem=key.read_bytes())
    board = asyncio.run(pull_all([source], into, options=options))
    for item in board.streams:
        if item.note is not None:
            print(item.note, file=sys.stderr)
    return 0 if board.complete else 1


def main(url: str, into: Path, key: Path) -> None:
    """Until standard input ends."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 3
            try:
                code = pull_once(url, into, key)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
