"""Rule: what a response is depends on its bytes alone, not on how they were cut or when they came.

The reader of one HTTP/1.1 response (RFC 9112), which knows no socket and no clock. In: the bytes of a connection after
the request, in any pieces (`feed`), and its end (`end`). Out: calls of `on_head` with the final head and of `on_body`
with the content of the body, in order; `complete` once the response is whole; `surplus` where bytes came after it; and
`HeadError` for what is no HTTP/1.1 response.

Theory of operation. A response is read in three states, each entered once:

    head      `HeadScanner` collects lines. Interim heads (1xx) are counted and dropped. The final head says how the
              body is framed (RFC 9112 section 6.3).
    body      none     whole at once (the answer to HEAD, 204, 304)
              length   whole after as many bytes as were declared
              chunked  `ChunkDecoder` says when it is over
              close    whole when the peer closes the connection in good order
    complete  whatever comes now is surplus. It is noticed, never read.

One piece may take the reader through all three states. What came before an error is delivered before the error is
raised, and nothing is delivered after it. The owner decides what an end before `complete` means: only it knows whether
the connection was closed, reset or given up.
"""

from __future__ import annotations

from collections.abc import Callable

from probe.core.http.chunked import ChunkDecoder
from probe.core.http.head import Framing, Head, HeadScanner
from probe.core.model.task import Limits

BodySink = Callable[[bytes | memoryview], None]


class ResponseReader:
    """Reads the response to one request with the method `method`.

    `body_bytes`: of the body so far, without the chunked coding. Views given to `on_body` hold for the call only.
    """

    followed = False  # a surplus is looked at by itself

    def __init__(
        self, limits: Limits, method: str, on_head: Callable[[Head], None], on_body: BodySink
    ) -> None:
        self.head: Head | None = None
        self.complete = False
        self.surplus = False
        self.body_bytes = 0
        self._scanner = HeadScanner(limits, method)
        self._limits = limits
        self._on_head = on_head
        self._on_body = on_body
        self._left = 0  # bytes still due, where the length was declared
        self._chunks: ChunkDecoder | None = None

    @property
    def raw_head(self) -> bytes:
        """Every byte of heads that came, interim ones too; bounded by the limits."""
        return self._scanner.raw

    @property
    def begun_head(self) -> Head | None:
        """What was read of a final head before a limit was passed: see `HeadScanner`."""
        return self._scanner.begun_head

    @property
    def breaches(self) -> tuple[str, ...]:
        """What was tolerated so far, but for surplus: words of `tolerance.BREACHES`."""
        head = self.head.breaches if self.head is not None else ()
        chunks = self._chunks.breaches.words if self._chunks is not None else ()
        return tuple(dict.fromkeys((*head, *chunks)))

    @property
    def begun(self) -> bool:
        """Has the final head, or the interim one now being read, begun to arrive?"""
        return self._scanner.begun

    @property
    def others(self) -> int:
        """How many interim heads were read, which are no part of the final one."""
        return len(self._scanner.interim)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes of the connection. Raises HeadError; must not be fed again then."""
        if self.head is None:
            data = bytes(data)
            used = self._scanner.feed(data)
            if self._scanner.head is None:
                return
            self._begin_body(self._scanner.head)
            data = data[used:]
        if data and not self.complete:
            data = data[self._read_body(data) :]
        if data:
            self.surplus = True

    def end(self) -> bool:
        """The peer closed the connection in good order; returns whether the response is complete now."""
        if self.head is not None and self.head.framing is Framing.CLOSE:
            self.complete = True
        return self.complete

    def detach(self) -> None:
        """Call nobody any more; what was read stays readable."""
        self._on_head = lambda head: None
        self._on_body = lambda content: None

    def _begin_body(self, head: Head) -> None:
        self.head = head
        self._left = head.length_bytes or 0
        self.complete = head.framing is Framing.NONE or (head.framing is Framing.LENGTH and not self._left)
        if head.framing is Framing.CHUNKED:
            self._chunks = ChunkDecoder(self._limits)
        self._on_head(head)

    def _read_body(self, data: bytes | memoryview) -> int:
        """How many of these bytes belong to the body."""
        if self._chunks is not None:
            used = self._chunks.feed(bytes(data), self._deliver)
            self.complete = self._chunks.done
            return used
        if self.head is not None and self.head.framing is Framing.LENGTH:
            data = data if len(data) <= self._left else data[: self._left]
            self._left -= len(data)
            self.complete = not self._left
        self._deliver(data)
        return len(data)

    def _deliver(self, content: bytes | memoryview) -> None:
        self.body_bytes += len(content)
        self._on_body(content)
