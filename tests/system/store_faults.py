"""Writes through whatever the disk does to it, and says what was acknowledged. strace breaks its system calls.

`python -m tests.system.store_faults DIRECTORY ROUNDS`: one JSON object a line for each acknowledged call, in the end
`{"done": ...}` with the store's own figures.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from probe.host.clock import SystemClock
from probe.store.store import Store
from probe.store.write import writer as store_writer
from probe.store.write.files import Limits
from probe.telemetry.logs import JsonFormatter
from tests.support.rows import slot


async def main(directory: Path, rounds: int) -> None:
    """Eight lanes, each waiting for its acknowledgement before it goes on."""
    store_writer.LONGEST_PAUSE_S = 0.1
    store = Store.open(directory, "a1", SystemClock(), limits=Limits(size_bytes=400_000))

    async def lane(number: int) -> None:
        for turn in range(rounds):
            rows = await store.append([slot(turn, summary=f"{number}/{turn}")] * 3)
            print(json.dumps({row.seq: row.summary for row in rows}), flush=True)

    await asyncio.gather(*[lane(number) for number in range(8)])
    health = store.health
    await store.close()
    print(json.dumps({"done": health.written, "lost": health.lost, "shed": health.shed}), flush=True)


if __name__ == "__main__":
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler])
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
