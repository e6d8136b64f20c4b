"""What a test starts ends with the test's process, also where that is killed and no `finally` runs."""

from __future__ import annotations

WITH_PARENT = ("setpriv", "--pdeathsig", "TERM", "--")
"""Put before a command (setpriv(1), PR_SET_PDEATHSIG of prctl(2)): the kernel ends it when who started it is gone.
SIGTERM and not SIGKILL: a master process that is killed, of nginx for instance, leaves its workers behind.

It becomes the command, so the process is the same one, whatever signal it is sent. What the command itself starts is
not meant: a wrapper that goes on beside its command, as faketime(1) does, has this after it as well.
"""
