"""What was freed goes back to the system, also where what is still used lies between."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys

import pytest

from probe.host.memory import given_back

IN_PIECES = """
import ctypes, os
from pathlib import Path
from probe.host.memory import free_bytes, give_back, keep_little

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

keep_little()
assert not give_back(), "nothing is free yet that would be worth it"
pieces = [ctypes.create_string_buffer(20_000) for _ in range(5_000)]
full = resident()
pieces = pieces[::50]
held, free = resident(), free_bytes()
assert give_back()
print(full >> 20, held >> 20, free >> 20, resident() >> 20)
"""


def test_pieces_between_those_in_use_are_given_back() -> None:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("not glibc")
    done = subprocess.run(
        [sys.executable, "-c", IN_PIECES], capture_output=True, text=True, timeout=60, check=True
    )
    full, held, free, after = map(int, done.stdout.split())
    assert held > full - 10, "freed, and kept by the C library"
    assert free > 80
    assert after < held - 70, "given back"


async def test_it_is_done_beside_the_loop_and_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("probe.host.memory.give_back", lambda: loop.call_soon_threadsafe(asked.set))
    async with given_back(every_s=0.001):
        await asyncio.wait_for(asked.wait(), 60)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "memory"]
