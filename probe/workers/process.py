"""Rule: a worker ends with the agent, however that ends, and with nothing else that is meant for the agent.

The main of a worker process (`python -m probe.workers.process`). When its parent ends its socket does, and
the kernel kills
it (PR_SET_PDEATHSIG, prctl(2)), also while it is stopped. Signals are for the one who holds everything.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(descriptor: str, parent: str) -> None:
    """Work for the process `parent` at the other end of this socket."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent(int(parent))
    from probe.workers.worker import work

    work(int(descriptor))


def die_with_parent(parent: int) -> None:
    """Be killed when the process that started us ends; end now if it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
