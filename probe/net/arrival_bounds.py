"""Rule: when bytes came is said with how much earlier they may have come, and that is never too little.

`ArrivalBounds` dates what one socket receives. In: the kernel's stamp of each read, TCP_INFO, and the polls of the
loop (`probe.net.event_loop`). Out: `BoundedTime`, an instant and by how many nanoseconds it may be too late. All
instants are nanoseconds of CLOCK_MONOTONIC.

Theory of operation. The kernel joins what comes close together and keeps the stamp of the last piece, and it joins the
end of the stream (FIN) with what came before. So a stamp may be later than the byte that is asked for. There are two
ways to be sure, and a bound for all else:

    alone    TCP_INFO counts segments with data: if one came since the last look, the stamp is that of all its bytes
    last     the stamp is that of the last byte, unless FIN or bytes of TLS that are no content were joined to it
    else     the byte came after the last moment at which the socket was known to be empty (a poll that slept, or one
             that did not report it) and after the request was sent: from there to the stamp it may have come
"""

from __future__ import annotations

import asyncio
from time import monotonic_ns

from probe.net.event_loop import polls_of
from probe.net.tcp_info import data_segments, has_fin

BoundedTime = tuple[int, int]  # an instant, and by how much it may be too late
_ASTRAY_NS = 5_000_000
"""A stamp so long before the socket was found to be empty is not believed: the wall clock may have been set meanwhile.

Or the whole machine stood still while we were being woken, which no kernel counts: then the poll is what is wrong.
Nobody can tell the two apart, so that neither is believed, and the bound reaches back to what is known without them.
"""


class ArrivalBounds:
    """Dates what one socket receives.

    `sent_ns`, `sent_by_ns`: before and after our last word that was an answer or a question (`speak`). `came_ns`: of
    the last byte read. `awaits`: the first bytes of a reply have not come. `joined`: what was read last ended with
    something that is no part of what was delivered of it. `first_by_poll`: the first byte of a reply came no later than
    the poll that reported it.
    """

    __slots__ = (
        "_empty_ns",
        "_poll",
        "_polls",
        "_segments",
        "_stamped",
        "awaits",
        "came_ns",
        "first_by_poll",
        "joined",
        "sent_by_ns",
        "sent_ns",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, *, first_by_poll: bool) -> None:
        self._polls = polls_of(loop)
        self._poll = -1  # the last one that had something for us
        self._segments: int | None = 0  # with data, until the last look
        self._stamped = True
        self.came_ns = self._empty_ns = monotonic_ns()
        self.sent_ns = self.sent_by_ns = 0
        self.awaits = self.joined = False
        self.first_by_poll = first_by_poll

    def speak(self) -> None:
        """What is written next is what the times of sending shall be of."""
        self.sent_ns = 0

    def spoken(self, begun_ns: int) -> None:
        """Something was written, begun at `begun_ns`."""
        if not self.sent_ns:
            self.sent_ns, self.sent_by_ns = begun_ns, monotonic_ns()

    def unwatched(self) -> None:
        """No poll until now was asked for this socket."""
        if self._polls is not None:
            self._poll = self._polls.count

    def received(self, stamp_ns: int | None) -> None:
        """Bytes were read; `stamp_ns`: the kernel's."""
        empty_ns, polls = self.came_ns, self._polls
        if polls is not None:
            if polls.slept or polls.count - self._poll > 1:
                empty_ns = max(empty_ns, polls.empty_ns)
            self._poll = polls.count
        self._stamped = stamp_ns is not None and stamp_ns > empty_ns - _ASTRAY_NS
        if stamp_ns is not None and stamp_ns < empty_ns:  # the poll is contradicted, and so proves nothing
            empty_ns = self.came_ns
        came_ns = stamp_ns if stamp_ns is not None and self._stamped else monotonic_ns()
        self.came_ns = came_ns = max(came_ns, self.came_ns)
        self._empty_ns = min(empty_ns, came_ns)

    def look(self, info: bytes) -> None:
        """Segments until now are no part of what comes next. `info`: TCP_INFO."""
        self._segments = data_segments(info)

    def first(self, info: bytes) -> BoundedTime:
        """When the first byte of what was read last came, and by how much that may be too late. `info`: since."""
        before, self._segments = self._segments, data_segments(info)
        alone = before is not None and self._segments is not None and self._segments - before == 1
        if alone and self._stamped and not has_fin(info):  # also what was joined came in that one segment
            return self.came_ns, 0
        noticed_ns = self.came_ns
        if self.first_by_poll and self._polls is not None and self._polls.returned_ns > self.sent_ns > 0:
            noticed_ns = min(noticed_ns, self._polls.returned_ns)
        return noticed_ns, self._late_ns(noticed_ns)

    def last(self, info: bytes) -> BoundedTime:
        """The same for the last byte of what was read last."""
        return (self.came_ns, 0) if self._ends_it(info) else self.amid()

    def amid(self) -> BoundedTime:
        """The same for some byte of it."""
        return self.came_ns, self._late_ns(self.came_ns)

    def pausing(self) -> BoundedTime:
        """The same for its last byte, where the peer now waits for our word."""
        return (self.came_ns, 0) if self._stamped and not self.joined else self.amid()

    def _ends_it(self, info: bytes) -> bool:
        """Whether the stamp is that of the last byte delivered."""
        return self._stamped and not self.joined and not has_fin(info)

    def _late_ns(self, noticed_ns: int) -> int:
        return max(0, noticed_ns - max(self._empty_ns, self.sent_ns))
