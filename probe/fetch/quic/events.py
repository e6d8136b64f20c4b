"""The events of a connection in order; where many datagrams are read at once, pieces of one stream are joined."""

from __future__ import annotations

from qh3.quic.events import QuicEvent, StreamDataReceived

from probe.fetch.quic.library import Quic


class Events:
    """`together`: what comes next came at once, and nobody asks which datagram brought what."""

    def __init__(self, quic: Quic) -> None:
        self.together = False
        self._quic = quic
        self._ahead: QuicEvent | None = None

    def next(self) -> QuicEvent | None:
        """None: there is none."""
        event, self._ahead = self._ahead or self._quic.next_event(), None
        if not self.together or not isinstance(event, StreamDataReceived):
            return event
        pieces = [event.data]
        while not event.end_stream:
            following = self._quic.next_event()
            if not isinstance(following, StreamDataReceived) or following.stream_id != event.stream_id:
                self._ahead = following
                break
            pieces.append(following.data)
            event = following
        if len(pieces) == 1:
            return event
        return StreamDataReceived(b"".join(pieces), event.end_stream, event.stream_id)
