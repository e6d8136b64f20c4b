"""Rule: a time is taken where the thing happens, on the monotonic clock, and never corrected afterwards.

Where we may have looked too late, by how much at most is kept beside it (`TimingUncertainty`).
"""

from __future__ import annotations

from probe.core.records.transport import UNSURE_US, ResourceTiming, TimingUncertainty
from probe.host.clock import Clock
from probe.net.arrival_bounds import BoundedTime


class Stopwatch:
    """The instants of one fetch as W3C Resource Timing names them, in microseconds from the slot's start.

    `response_start_us` is the first byte of the final head: interim (1xx) heads do not shorten it. `_unsure_ns`: by how
    much a span may be too long.
    """

    __slots__ = (
        "_clock",
        "_is_the_kernels",
        "_sending_ns",
        "_zero_ns",
        "connect_end_us",
        "connect_start_us",
        "connect_unsure_ns",
        "request_start_us",
        "response_end_unsure_ns",
        "response_end_us",
        "response_start_unsure_ns",
        "response_start_us",
        "secure_connection_start_us",
        "tls_unsure_ns",
    )

    def __init__(self, clock: Clock, zero_ns: int) -> None:
        self._clock = clock
        self._is_the_kernels = getattr(clock, "is_the_kernels", False)
        self._zero_ns = zero_ns
        self.connect_start_us: int | None = None
        self.secure_connection_start_us: int | None = None
        self.connect_end_us: int | None = None
        self.request_start_us: int | None = None
        self.response_start_us: int | None = None
        self.response_end_us: int | None = None
        self.connect_unsure_ns = self.tls_unsure_ns = self._sending_ns = 0
        self.response_start_unsure_ns = self.response_end_unsure_ns = 0

    def now_us(self) -> int:
        """Microseconds from the slot's start to now."""
        return (self._clock.monotonic_ns() - self._zero_ns) // 1000

    def at_us(self, instant_ns: int) -> int:
        """The same for an instant of CLOCK_MONOTONIC. With a clock that is not the kernel's own, all happens now."""
        return (instant_ns - self._zero_ns) // 1000 if self._is_the_kernels else self.now_us()

    def connect_began(self, instant_ns: int) -> None:
        """The connection was begun then; 0: it was not."""
        if instant_ns and self._is_the_kernels:
            self.connect_start_us = self.at_us(instant_ns)

    def connected(self, dated: BoundedTime) -> None:
        """TCP's end, or the tunnel's."""
        self.connect_end_us, self.connect_unsure_ns = self.at_us(dated[0]), dated[1]

    def tls_follows(self) -> None:
        """TLS follows on TCP: the connection is not made yet."""
        self.secure_connection_start_us, self.connect_end_us = self.connect_end_us, None

    def tls_done(self, hello_ns: int, shaken: BoundedTime) -> None:
        """The TLS handshake, after TCP: what passed between the two was ours."""
        connected_us, self.secure_connection_start_us = self.secure_connection_start_us, self.at_us(hello_ns)
        self.connect_end_us, self.tls_unsure_ns = self.at_us(shaken[0]), shaken[1]
        if connected_us is not None:
            self.connect_unsure_ns += max(0, self.secure_connection_start_us - connected_us) * 1000

    def secured(self, shaken: BoundedTime, sending_ns: int) -> None:
        """The one handshake of transport and TLS is done (QUIC); its first datagram took so long to leave."""
        self.connect_end_us, self.tls_unsure_ns = self.at_us(shaken[0]), shaken[1] + sending_ns

    def request_sent(self, sent_ns: int, sent_by_ns: int) -> None:
        """The request left between these instants."""
        if sent_ns and self._is_the_kernels:
            self.request_start_us, self._sending_ns = self.at_us(sent_ns), sent_by_ns - sent_ns

    def response_start(self, dated: BoundedTime) -> None:
        """The first byte came; nothing of a response comes before the request was begun."""
        first_us = self.at_us(dated[0])
        self.response_start_us = max(first_us, self.request_start_us or first_us)
        self.response_start_unsure_ns = dated[1]

    def response_end(self, dated: BoundedTime) -> None:
        """The last byte came."""
        last_us = self.at_us(dated[0])
        self.response_end_us = max(last_us, self.response_start_us or last_us)
        self.response_end_unsure_ns = dated[1]

    def timing(self, *, complete: bool) -> ResourceTiming:
        """The record; the end of a response that did not come to its end was not measured."""
        return ResourceTiming(
            connect_start_us=self.connect_start_us,
            secure_connection_start_us=self.secure_connection_start_us,
            connect_end_us=self.connect_end_us,
            request_start_us=self.request_start_us,
            response_start_us=self.response_start_us,
            response_end_us=self.response_end_us if complete else None,
            uncertainty=self._uncertainty(complete=complete),
        )

    def _uncertainty(self, *, complete: bool) -> TimingUncertainty | None:
        if not self._is_the_kernels:
            return None
        first_ns = (
            self.response_start_unsure_ns + self._sending_ns if self.response_start_us is not None else 0
        )
        last_ns = self.response_end_unsure_ns + self._sending_ns if complete else 0
        if max(self.connect_unsure_ns, self.tls_unsure_ns, first_ns, last_ns) <= UNSURE_US * 1000:
            return None
        return TimingUncertainty(
            connect_us=_up_us(self.connect_unsure_ns),
            tls_us=_up_us(self.tls_unsure_ns),
            response_start_us=_up_us(first_ns),
            response_end_us=_up_us(last_ns),
        )


def _up_us(span_ns: int) -> int:
    return -(-span_ns // 1000)
