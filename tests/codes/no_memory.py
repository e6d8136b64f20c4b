"""A program: fetches a large body while its own memory is bounded, and prints the observation as JSON.

python -m tests.codes.no_memory PORT
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from probe.core.content.reading import Reading
from probe.core.records.codec import encode_any
from probe.net.event_loop import run
from tests.support.http_server import make_fetcher, make_target

ROOM_BYTES = 64 * 1024 * 1024  # beyond what the process has before; a check wants more of the body than that
WANTED_BYTES = 512 * 1024 * 1024


async def main() -> None:
    """Once without the bound, so that everything is loaded; then with it."""
    port = int(sys.argv[1])
    reading = Reading(markers=("never there",), limit_bytes=WANTED_BYTES)
    target = make_target(port, reading=reading, body_bytes=WANTED_BYTES, total_us=60_000_000)
    await make_fetcher().fetch(make_target(port, body_bytes=100_000))
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + ROOM_BYTES, resource.RLIM_INFINITY))
    seen = await make_fetcher().fetch(target)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    sys.stdout.write(encode_any(seen).decode())


if __name__ == "__main__":
    run(main())
