"""Rule: qh3 says what the datagrams mean; here they are moved, dated, and given time, and nothing is done twice.

`QuicTransport`: one QUIC connection over one connected UDP socket. In: the socket, the server's name, the means to
verify its certificates. Out: the handshake with its times and facts, then the events of streams to a receiver, each
with the time at which its datagram came, and the end.

Theory of operation.

    handshake  our first flight is sent, and sent again by qh3's timers. A server that says nothing until the first
               deadline is silent; one that was heard has until the second to finish. When its last word has come, the
               certificates are verified before ours is sent.
    open       a datagram is given to qh3, its events to the receiver, qh3's answers to the socket. The timer
               of qh3 is kept with one handle of the loop.
    end        CONNECTION_CLOSE, a stateless reset, an idle timeout, what broke a protocol: the first that is seen
               counts, and is raised from `handshake` or told to the receiver.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from qh3.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    PingAcknowledged,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from probe.core.records.failure import FailureType
from probe.fetch.quic.closing import (
    ALERT_BAD_CERTIFICATE,
    ALERT_NO_APPLICATION_PROTOCOL,
    peer_closed,
    we_closed,
)
from probe.fetch.quic.datagrams import Datagrams
from probe.fetch.quic.events import Events
from probe.fetch.quic.library import Quic, make
from probe.net.arrival_bounds import BoundedTime
from probe.net.deadline import Alarm
from probe.net.failures import StreamError

_F = FailureType
_REFUSALS = 3  # ICMP messages, each in answer to a flight of its own, after which nobody is waited for
_LONG, _VERSION_BYTES = 0x80, slice(1, 5)  # of a long header (RFC 8999 section 5.1)
# What a parser of qh3 raises for bytes that are not what the protocol says: of the server's making.
_MALFORMED = (ValueError, IndexError)
_STREAMS = (StreamDataReceived, StreamReset, StopSendingReceived)


class Receiver(Protocol):
    """What takes the events of streams: the exchange."""

    def received(self, event: QuicEvent, came: BoundedTime) -> None:
        """Of a stream; `came`: its datagram."""
        ...

    def ended(self, error: Exception) -> None:
        """No more will come."""
        ...


class QuicTransport:
    """One connection as a client. End it with `close`."""

    def __init__(
        self,
        sock: socket.socket,
        address: tuple[str, int],
        server_name: str,
        verify: Callable[[Quic], None],
    ) -> None:
        """`verify` is called with the certificates there; it raises what their verification says."""
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._verify = verify
        self.quic = make(server_name)
        self.datagrams = Datagrams(self._loop, sock)
        self.dates = self.datagrams.dates
        self.heard = False  # a datagram for our connection came: from the server, or from somebody on the way
        self.shaken: BoundedTime = (0, 0)  # the server's last word of the handshake came
        self.began_ns = self.began_by_ns = 0  # our first datagram left between these
        self.version_seen: int | None = None
        self.ping_answered: bool | None = None
        self.exact = True  # each datagram has a time of its own
        self._events = Events(self.quic)
        self.error: Exception | None = None
        self._now_s = 0.0
        self._alarm = Alarm(self._loop)
        self._deadlines = Alarm(self._loop)
        self._waiter: asyncio.Future[None] | None = None
        self._receiver: Receiver | None = None
        self._early: list[tuple[QuicEvent, BoundedTime]] = []
        self._in_timer = self._done = self._closed = self._by_http = self._negotiates = False

    # --- the handshake ---------------------------------------------------------------------------

    async def handshake(self, first_by_s: float, done_by_s: float) -> None:
        """Until the server was verified, and the loop's times given: for its first word, and for its last.

        Raises StreamError, OSError (ssl.SSLError among them).
        """
        self._loop.add_reader(self.datagrams.fileno(), self._readable)
        self._waiter = self._loop.create_future()
        self._deadlines.set(first_by_s, lambda: self._silent(done_by_s))
        self.dates.speak()
        self._guarded(lambda: self.quic.connect(self._address, self._time()))
        self._flush()
        self.began_ns, self.began_by_ns = self.dates.sent_ns, self.dates.sent_by_ns
        try:
            await self._waiter
        finally:
            self._deadlines.end()
            self._waiter = None

    def _silent(self, done_by_s: float) -> None:
        if self.heard and self._loop.time() < done_by_s:
            self._deadlines.set(done_by_s, lambda: self._silent(done_by_s))
            return
        if self.heard:
            self._end(StreamError(_F.QUIC_TIMED_OUT, "the handshake was begun and not finished in time"))
        elif self.datagrams.unreachable:
            self._end(self._refused())
        else:
            self._end(StreamError(_F.QUIC_TIMED_OUT, "no answer to our first flight"))

    def _refused(self) -> StreamError:
        return StreamError(
            _F.QUIC_REFUSED, f"{self.datagrams.unreachable} times ICMP said that nobody listens"
        )

    def _completed(self, event: HandshakeCompleted, came: BoundedTime) -> None:
        self._done = True
        self.shaken = came
        if event.alpn_protocol != "h3":
            self.quic.close(ALERT_NO_APPLICATION_PROTOCOL)
            chosen = event.alpn_protocol or "nothing"
            self._end(
                StreamError(_F.TLS_NO_APPLICATION_PROTOCOL, f"the server chose {chosen} by ALPN, not h3")
            )
            return
        try:
            self._verify(self.quic)
        except ssl.SSLError as error:
            self.quic.close(ALERT_BAD_CERTIFICATE)
            self._end(error)
            return
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the owner -------------------------------------------------------------------------------

    def attach(self, receiver: Receiver) -> None:
        """Events go there from now on, those first that came before."""
        self._receiver = receiver
        early, self._early = self._early, []
        for event, came in early:
            receiver.received(event, came)
        if self.error is not None:
            receiver.ended(self.error)

    def flush(self) -> None:
        """Send what qh3 was told to."""
        if not self._closed:
            self._flush()

    def silent_for_s(self) -> float:
        """How long nothing has come."""
        return self._loop.time() - self.dates.came_ns / 1e9

    def ask_alive(self) -> None:
        """Ask whether the server is there (PING, RFC 9000 section 19.2); `ping_answered` is its answer."""
        if self._closed or self.ping_answered is False:
            return
        self.ping_answered = False
        self._guarded(lambda: self.quic.send_ping(1))
        self.flush()

    def broke(self, code: int, reason: str) -> None:
        """The server broke HTTP/3: say so and end it."""
        self._by_http = True
        self.quic.close(code, None, reason)
        self._look_for_the_end()

    def close(self, code: int) -> None:
        """Say that we are done, with an error code of HTTP/3, and let the socket go. May be called again."""
        if self._closed:
            return
        if self.error is None and self._done:
            self._guarded(lambda: self.quic.close(code))
        if self.dates.sent_ns:
            self._flush()
        self._shut()

    def forget(self) -> None:
        """Let go of what refers back to us."""
        self._receiver = None
        self._early.clear()

    # --- moving ----------------------------------------------------------------------------------

    def _time(self) -> float:
        """For qh3, which wants time to go on."""
        self._now_s = max(self._now_s, self._loop.time())
        return self._now_s

    def _readable(self) -> None:
        try:
            read = self.datagrams.read()
        except OSError as error:
            self._end(error)
            return
        for piece in [read] if self._done else [[one] for one in read]:
            for datagrams, came in self.datagrams.deliveries(piece, exact=self.exact):
                self._take(datagrams, came)
        if not self._closed and not self.heard and self.datagrams.unreachable >= _REFUSALS:
            self._end(self._refused())
        if not self._closed:
            self._flush()

    def _take(self, datagrams: list[bytes], came: BoundedTime) -> None:
        """Within the handshake one, which may change what the next one means."""
        if self._closed:
            return
        self._now_s = max(self._now_s, came[0] / 1e9)
        if self._done:
            self._guarded(lambda: self.quic.receive_many(datagrams, self._now_s))
        else:
            self._look_at_header(datagrams[0])
            self._guarded(lambda: self.quic.receive_datagram(datagrams[0], self._address, self._now_s))
        self._events.together = len(datagrams) > 1
        self._pump(came)

    def _look_at_header(self, data: bytes) -> None:
        """A long header to our connection ID: the server was heard, and names its version (RFC 8999 section 5.1)."""
        self._negotiates = False
        if self._done or len(data) < 7 or not data[0] & _LONG:
            return
        cid = self.quic.host_cid
        if data[5] != len(cid) or data[6 : 6 + len(cid)] != cid:
            return
        self.heard = True
        version = int.from_bytes(data[_VERSION_BYTES], "big")
        self._negotiates = version == 0
        self.version_seen = version or self.version_seen

    def _pump(self, came: BoundedTime) -> None:
        """What qh3 has made of it."""
        while (event := self._events.next()) is not None:
            if isinstance(event, HandshakeCompleted):
                self._completed(event, came)
            elif isinstance(event, ConnectionTerminated):
                break
            elif isinstance(event, PingAcknowledged):
                self.ping_answered = True
            elif isinstance(event, _STREAMS) and self.error is None:
                if self._receiver is None:
                    self._early.append((event, came))
                else:
                    self._receiver.received(event, came)
            if self._closed:
                return
        self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        end = self.quic.end
        if end is None or self.error is not None:
            return
        self._end(self._why(*end))

    def _why(self, code: int, frame_type: int | None, reason: str) -> Exception:
        state = self.quic.core_state
        if self._negotiates:
            return StreamError(_F.QUIC_VERSION_UNSUPPORTED, "the server speaks other versions of QUIC than 1")
        if state == "draining":
            return peer_closed(code, frame_type, reason)
        if state == "terminated" and not self._by_http:
            if self._in_timer:
                return StreamError(_F.QUIC_IDLE_TIMED_OUT, "nothing came within the idle timeout")
            return StreamError(_F.QUIC_STATELESS_RESET, "the server no longer knows the connection")
        return we_closed(code, reason, by_http=self._by_http)

    def _flush(self) -> None:
        try:
            for data in self.quic.to_send(self._time()):
                self.datagrams.send(data)
        except OSError as error:
            self._end(error)
            return
        self._set_timer()

    def _set_timer(self) -> None:
        at_s = self.quic.get_timer()
        if at_s is None or self._closed:
            self._alarm.end()
        else:
            self._alarm.set(at_s, self._ring)

    def _ring(self) -> None:
        self._in_timer = True
        self._guarded(lambda: self.quic.handle_timer(self._time()))
        self._pump(self.dates.pausing())
        self._in_timer = False
        if not self._closed:
            self._flush()

    def _guarded(self, act: Callable[[], object]) -> None:
        """What a stranger's bytes make qh3 raise ends the connection, not the program."""
        try:
            act()
        except _MALFORMED as error:
            kind = _F.QUIC_PROTOCOL_ERROR if self._done else _F.TLS_PROTOCOL_ERROR
            self._end(StreamError(kind, f"malformed: {error.__class__.__name__}"))
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        if self.error is not None:
            return
        self.error = error
        if self._done or self.quic.end is not None:
            self._flush_quietly()
        self._shut()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        elif self._receiver is not None:
            self._receiver.ended(error)

    def _flush_quietly(self) -> None:
        """Our own CONNECTION_CLOSE, if there is one to be sent."""
        try:
            for data in self.quic.to_send(self._time()):
                self.datagrams.send(data)
        except Exception:
            return

    def _shut(self) -> None:
        self._closed = True
        self._alarm.end()
        self._deadlines.end()
        self._loop.remove_reader(self.datagrams.fileno())
        self.datagrams.close()
