"""Rule: what our thread waited for a processor is the kernel's to say; where it does not, nothing is taken for granted.

Who was woken does not run at once on a busy host: what came meanwhile was seen later than it seems.
"""

from __future__ import annotations

import os


class RunQueue:
    """How long the thread that made this was ready and did not run (proc(5), schedstat)."""

    def __init__(self) -> None:
        self._total_ns: int | None = None
        try:
            self._fd = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # a kernel without it, or another /proc
            self._fd = -1
        self.since_ns()

    def since_ns(self) -> int | None:
        """Since the last call, or the making; None: nobody says. Costs two microseconds."""
        if self._fd < 0:
            return None
        try:
            total_ns = int(os.pread(self._fd, 96, 0).split()[1])
        except (OSError, ValueError, IndexError):
            return None
        before_ns, self._total_ns = self._total_ns, total_ns
        return None if before_ns is None else total_ns - before_ns

    def close(self) -> None:
        """Nothing is asked any more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
