"""A program: a slot over a line that loses a third of all packets, as JSON. Only in a network namespace of its own.

    unshare --net -- python -m tests.codes.lossy

What is lost is lost by chance: it is measured anew until the line was taken for the cause, forty times at most.
"""

from __future__ import annotations

import sys

from probe.core.records.codec import encode
from probe.net.event_loop import run
from tests.replay.record import in_namespace, row_of
from tests.support.suspects import SUSPECTS

NAME = "line_loses_a_third"


async def main() -> None:
    """Prints the row. Ends with words where a row accused somebody."""
    if not in_namespace():
        raise SystemExit("packets would be lost on this host's own loopback: begin it in a namespace")
    _, row = await row_of(NAME, SUSPECTS[NAME])
    sys.stdout.write(encode(row).decode())


if __name__ == "__main__":
    run(main())
