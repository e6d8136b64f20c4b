"""One thread of a process stands still while the others go on: what a loop that hangs looks like from outside."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000  # __WALL: any thread

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


@contextmanager
def frozen_thread(thread: int) -> Iterator[None]:
    """Hold this thread until the process is gone, which whoever waits for has to bring about. Needs root."""
    _ptrace(PTRACE_SEIZE, thread)
    _ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    # Its end is reported to us first: unless we take the report, its parent never sees it end.
    reaper = threading.Thread(target=_reap, args=(thread,), daemon=True)
    reaper.start()
    yield
    reaper.join(10)


def _reap(thread: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.WIFSTOPPED(os.waitpid(thread, WALL)[1]):
            pass


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")
