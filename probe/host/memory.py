"""Rule: memory that was needed for a moment goes back to the system.

The C library keeps what was freed for the next time. Bodies of many sizes, freed in another order than they came in and
by several threads, leave pages that are free and not given back: beside endpoints that fail in every way an agent that
used 37 MB of the heap held another 119. So large pieces are taken from the system and given back one by one, threads
share two pools, and once a minute what is free in them is given back, if it is much (mallopt(3), mallinfo2(3),
malloc_trim(3)). Elsewhere than with glibc 2.33 or later nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

LARGE_BYTES = 256 * 1024  # pieces of this size and more are mapped by themselves
POOLS = 2
MUCH_BYTES = 16 * 1024 * 1024
ROUND_S = 60.0
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # <malloc.h>

_NAMES = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "keepcost",
)


class _Info(ctypes.Structure):
    """`struct mallinfo2`; `fordblks`: bytes that are free in the pools."""

    _fields_ = [(name, ctypes.c_size_t) for name in _NAMES]


@cache
def _library() -> Any:
    """The C library of this process, if it is glibc."""
    found = ctypes.CDLL(None)
    if not all(hasattr(found, name) for name in ("mallopt", "mallinfo2", "malloc_trim")):
        return None
    found.mallinfo2.restype = _Info
    return found


def keep_little() -> None:
    """To be called once in a process, before it begins threads."""
    library = _library()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, POOLS)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def free_bytes() -> int:
    """What the pools hold and nobody uses; 0 where that is not known."""
    library = _library()
    return 0 if library is None else int(library.mallinfo2().fordblks)


def give_back() -> bool:
    """If much is free, give back its whole pages. Takes milliseconds, in which threads that want memory may wait."""
    if free_bytes() < MUCH_BYTES:
        return False
    _library().malloc_trim(0)
    return True


@asynccontextmanager
async def given_back(every_s: float = ROUND_S) -> AsyncIterator[None]:
    """Again and again meanwhile, beside the event loop."""
    giving = asyncio.create_task(_giving_back(every_s), name="memory")
    try:
        yield
    finally:
        giving.cancel()
        await asyncio.wait([giving])


async def _giving_back(every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(give_back)
