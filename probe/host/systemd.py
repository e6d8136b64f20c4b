"""Rule: the service manager is notified of the present state, and a notification never delays a measurement.

The protocol of sd_notify(3): datagrams of `NAME=value` lines to the Unix socket in $NOTIFY_SOCKET, a path or, with
`@` in front, an abstract name. Without that variable everything here does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

log = logging.getLogger("probe.notify")

LONGEST_STATUS = 200


class Notifier:
    """Notifies the service manager. Never waits or raises: what the socket refuses is sent with the next message."""

    def __init__(self, address: str | None = None, *, watchdog_s: float | None = None) -> None:
        """`address`: as in $NOTIFY_SOCKET, None for none. `watchdog_s`: `alive` is due at least so often."""
        self.watchdog_s = watchdog_s if address else None
        self._to = "\0" + address[1:] if address and address[0] == "@" else address
        self._unsent: dict[str, str] = {}
        self._phase = "starting"
        self._refused = False

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] | None = None) -> Notifier:
        """As the service manager started us. Its variables are removed: no child process may notify in our name."""
        variables = os.environ if environment is None else environment
        address = variables.pop("NOTIFY_SOCKET", None)
        period = variables.pop("WATCHDOG_USEC", "")
        process = variables.pop("WATCHDOG_PID", "")
        if address is not None and address[:1] not in ("/", "@"):
            log.warning("notify.unknown_socket", extra={"fields": {"address": address}})
            address = None
        ours = process in ("", str(os.getpid()))
        watched = ours and period.isascii() and period.isdigit() and int(period) > 0
        return cls(address, watchdog_s=int(period) / 1e6 if watched else None)

    def ready(self) -> None:
        """Measuring has begun. Only the first call counts."""
        if self._phase == "starting":
            self._phase = "ready"
            self._send(READY="1", STATUS="measuring")

    def alive(self, status: str) -> None:
        """The watchdog's time begins anew; `status` is the line that `systemctl status` shows."""
        self._send(WATCHDOG="1", STATUS=_one_line(status))

    def status(self, status: str) -> None:
        """Only the line that `systemctl status` shows."""
        self._send(STATUS=_one_line(status))

    def stopping(self) -> None:
        """Draining has begun; there is no way back from this. Only the first call counts."""
        if self._phase != "stopping":
            self._phase = "stopping"
            self._unsent.pop("READY", None)
            self._send(STOPPING="1", STATUS="draining")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Around a reload, whose end the manager awaits. MONOTONIC_USEC is what Type=notify-reload asks for."""
        if self._phase == "ready":
            now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._send(RELOADING="1", MONOTONIC_USEC=str(now_us), STATUS="reloading")
        try:
            yield
        finally:
            for name in ("RELOADING", "MONOTONIC_USEC"):
                self._unsent.pop(name, None)  # a beginning that could not be sent is not sent after its end
            if self._phase == "ready":
                self._send(READY="1", STATUS="measuring")

    def _send(self, **variables: str) -> None:
        """Send all that is unsent in one datagram, without waiting for room in the socket."""
        if self._to is None:
            return
        self._unsent |= variables
        message = "\n".join(f"{name}={value}" for name, value in self._unsent.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode("utf-8", "replace"), self._to)
        except (OSError, ValueError) as error:
            if not self._refused:
                log.warning("notify.refused", extra={"fields": {"error": str(error)}})
            self._refused = True
        else:
            self._unsent, self._refused = {}, False


def _one_line(text: str) -> str:
    """A line break would begin another variable."""
    return " ".join(text.split())[:LONGEST_STATUS]
