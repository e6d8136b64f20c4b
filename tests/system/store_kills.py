"""Kills a writing process at random moments, many times, and compares what is stored with what was acknowledged.

Run as `python -m tests.system.store_kills DIRECTORY KILLS SEED`; prints one line of JSON with what it found. Each
writer is a fork of this process, so that a turn takes milliseconds; it dies by SIGKILL while it opens, writes, turns
to a new part or waits for the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

from probe.core.proof.chain import GENESIS, line_digest
from probe.host.clock import SystemClock
from probe.store.base.parts import parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.support.rows import slot

CUSTOMERS = ("acme", "bolt", "cast")
LIMITS = Limits(size_bytes=1_500_000)
ACK = 24  # bytes that a writer says of each acknowledged record


def write(directory: Path, turn: int, told: int) -> None:
    """Append as fast as it goes, and tell of every acknowledged record; until killed."""
    asyncio.run(_write(directory, turn, told))


async def _write(directory: Path, turn: int, told: int) -> None:
    store = Store.open(directory, "a1", SystemClock(), limits=LIMITS)
    rows = [slot(0, customer=name, summary=f"{turn}:") for name in CUSTOMERS]

    async def load(lane: int) -> None:
        for number in range(100_000):
            for row in await store.append([rows[(lane + number) % 3]] * (1 + number % 4)):
                os.write(told, f"{row.customer:<6}{row.seq:>18}".encode())

    await asyncio.gather(*[load(lane) for lane in range(32)])  # enough at once that none is waited for


class Ledger:
    """What was acknowledged, and what of it has been found stored."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.acknowledged = dict.fromkeys(CUSTOMERS, 0)
        self.stored = dict.fromkeys(CUSTOMERS, 0)
        self.digests = dict.fromkeys(CUSTOMERS, GENESIS)
        self.beyond = 0

    def hear(self, data: bytes) -> None:
        for place in range(0, len(data) - len(data) % ACK, ACK):
            customer, seq = data[place : place + 6].decode().strip(), int(data[place + 6 : place + ACK])
            self.acknowledged[customer] = max(self.acknowledged[customer], seq)

    def compare(self) -> None:
        """Everything stored since the last look: one by one, in the chain, at least what was acknowledged."""
        if not parts_of(self.directory) or not (self.directory / "results.db").exists():
            assert not any(self.acknowledged.values()), "acknowledged, and nothing is there"
            return
        with Reader.open(self.directory, "a1") as reader:
            for customer in CUSTOMERS:
                while lines := reader.lines(customer, self.stored[customer], 2_000):
                    for line in lines:
                        record = json.loads(line.text)
                        assert record["seq"] == line.seq == self.stored[customer] + 1, (customer, line.seq)
                        assert record["previous"] == self.digests[customer], (customer, line.seq)
                        self.stored[customer] = line.seq
                        self.digests[customer] = line_digest(line.text.encode())
                assert self.stored[customer] >= self.acknowledged[customer], (
                    f"{customer}: {self.acknowledged[customer]} was acknowledged, {self.stored[customer]} is stored"
                )
                self.beyond += self.stored[customer] - self.acknowledged[customer]
                self.acknowledged[customer] = self.stored[customer]


def turn_once(directory: Path, turn: int, after_s: float, *, opening: bool) -> bytes:
    """One writer, killed so long after its first acknowledgement, or while it opens after its fork; what it told."""
    reading, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            write(directory, turn, telling)
        finally:
            os._exit(99)  # it ends by being killed, or it failed
    os.close(telling)
    heard = bytearray()
    if not opening:
        heard += os.read(reading, 1 << 16)
    until = time.monotonic() + after_s
    while (left := until - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            piece = os.read(reading, 1 << 16)
            if not piece:
                break
            heard += piece
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    while piece := os.read(reading, 1 << 16):
        heard += piece
    os.close(reading)
    assert os.WIFSIGNALED(status), f"the writer failed by itself: {status}"
    return bytes(heard)


def main() -> None:
    """See above."""
    directory, kills, moments = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    ledger = Ledger(directory)
    silent = 0
    for turn in range(kills):
        # Mostly while it writes; every fifth while it opens.
        opening = turn % 5 == 0
        heard = turn_once(directory, turn, moments.uniform(0.0, 0.025), opening=opening)
        silent += not heard
        ledger.hear(heard)
        ledger.compare()
    again = Ledger(directory)
    again.compare()
    assert again.stored == ledger.stored
    found = {
        "kills": kills,
        "before_the_first_acknowledgement": silent,
        "stored": sum(ledger.stored.values()),
        "stored_beyond_what_was_acknowledged": ledger.beyond,
        "parts": len(parts_of(directory)),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
