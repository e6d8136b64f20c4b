"""A server that says nothing for long is asked whether it is there (PING): it may be slow, or it may be cut off."""

from __future__ import annotations

import asyncio

from probe.fetch.quic.transport import QuicTransport

_AFTER_S = 1.0  # of silence, or half of what is left of the deadline
_LEAST_S = 0.05


class Silence:
    """Listens from `listen` to `end`."""

    def __init__(self, transport: QuicTransport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def listen(self, until_s: float) -> None:
        """Until the loop's time given nothing need come; another deadline counts from now on."""
        self.end()
        after_s = min(_AFTER_S, max(_LEAST_S, (until_s - self._loop.time()) / 2))
        self._timer = self._loop.call_later(after_s, self._ask, after_s, until_s)

    def _ask(self, after_s: float, until_s: float) -> None:
        if self._transport.silent_for_s() >= after_s:
            self._transport.ask_alive()
        self.listen(until_s)

    def end(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
