"""Rule: a body is counted, hashed and decoded as it streams by; what a check wants read is kept up to its limit.

In: the body's bytes as an exchange reads them, without the framing. Out: sizes and digests on the wire and decoded, and
the content that a check wants. Coded bodies are taken in blocks of a fixed size, and a body over its limit is counted
up to its limit and one byte: the figures depend on the bytes, not on how they were cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from probe.core.content.reading import Reading
from probe.core.http.content_coding import (
    ChecksumError,
    DecodedTooLargeError,
    DecodeError,
    Decoder,
    decodable,
)
from probe.core.model.task import Limits
from probe.core.records.response import ContentFacts
from probe.net.failures import BodyTooLargeError

_BLOCK_BYTES = 16 * 1024  # of a coded body, decoded at once
_PAUSE_BYTES = 1024 * 1024  # of decoded content, after which the event loop gets its turn


class Kept:
    """The first `limit_bytes` of the decoded content; `whole` as long as nothing was left out."""

    def __init__(self, limit_bytes: int) -> None:
        self.data = bytearray()
        self.whole = True
        self._limit = limit_bytes

    def take(self, piece: bytes | memoryview) -> None:
        """Keep what there is room for."""
        room = self._limit - len(self.data)
        if room > 0:
            self.data += piece[:room]
        if len(piece) > room:
            self.whole = False


class Body:
    """What one response's body adds up to.

    `wire_bytes`, `digest`: after the transfer coding was undone. `decoded_bytes`, `content_digest`: after the
    content codings were; equal to the former where there are none, None where they are unknown.
    """

    def __init__(
        self,
        codings: Sequence[str],
        limits: Limits,
        sink: Callable[[bytes], None] | None,
        reading: Reading | None = None,
        keep_bytes: int = 0,
        first_bytes: int = 0,
    ) -> None:
        self.wire_bytes = 0
        self.decode_error: DecodeError | None = None
        self.facts: ContentFacts | None = None  # what was wanted of the content, once it has been read
        self._limits = limits
        self._reading = reading
        self._read = Kept(0 if reading is None else reading.limit_bytes)
        self.kept = Kept(keep_bytes)
        self._first = Kept(first_bytes)
        self._wants_first = first_bytes > 0
        self._further = sink
        self._wanted = sink is not None or reading is not None or keep_bytes > 0
        self.is_coded = bool(codings)  # then `take` it, else `add` it
        self._wire_hash = hashlib.sha256()
        self._content_hash = hashlib.sha256() if self.is_coded else self._wire_hash
        self._decoded = 0
        self._decoder = Decoder(codings, limits.decoded_bytes) if codings and decodable(codings) else None
        self._done = False
        self._held = b""  # the beginning of a block
        self._stopped = False  # a limit was passed

    def take(self, chunk: bytes) -> Iterator[None]:
        """Add wire bytes of a coded body; yields where the caller should let others run.

        Raises BodyTooLargeError and DecodedTooLargeError: stop reading. A coding that cannot be undone does not
        stop the reading (`decode_error`): the wire's digest is still worth having.
        """
        held = self._held + chunk if self._held else chunk
        whole = len(held) - len(held) % _BLOCK_BYTES
        self._held = held[whole:]
        for start in range(0, whole, _BLOCK_BYTES):
            yield from self._take_block(held[start : start + _BLOCK_BYTES])

    def take_rest(self) -> Iterator[None]:
        """No more comes: what is left of the last block and of the codings. Yields and raises as `take`."""
        held, self._held = self._held, b""
        if held and not self._stopped:
            yield from self._take_block(held)
        if self._decoder is not None and self.decode_error is None and not self._stopped:
            yield from self._decode(self._decoder.flush())

    def _take_block(self, block: bytes) -> Iterator[None]:
        block = block[: self._room()]
        self.wire_bytes += len(block)
        self._wire_hash.update(block)
        self._first.take(block)
        try:
            if self._decoder is not None and self.decode_error is None:
                yield from self._decode(self._decoder.feed(block))
            self._check_size()
        except (BodyTooLargeError, DecodedTooLargeError):
            self._stopped = True
            raise

    def add(self, chunk: bytes | memoryview) -> None:
        """Add bytes of a body without codings: nobody has to wait for it. `chunk` is not kept.

        Raises BodyTooLargeError: stop reading.
        """
        chunk = chunk[: self._room()]
        self.wire_bytes += len(chunk)
        self._wire_hash.update(chunk)
        if self._wants_first:
            self._first.take(chunk)
        if self._wanted:
            self._pass_on(chunk)
        self._check_size()

    def _room(self) -> int:
        """How many bytes there are until the limit is passed by one."""
        return max(0, self._limits.body_bytes + 1 - self.wire_bytes)

    def _check_size(self) -> None:
        if self.wire_bytes > self._limits.body_bytes:
            raise BodyTooLargeError(f"the body is over our limits.body: {self._limits.body_bytes} bytes")

    def _decode(self, pieces: Iterator[bytes]) -> Iterator[None]:
        since = 0
        try:
            for piece in pieces:
                self._decoded += len(piece)
                self._content_hash.update(piece)
                if self._wanted:
                    self._pass_on(piece)
                since += len(piece)
                if since >= _PAUSE_BYTES:
                    since = 0
                    yield
        except DecodeError as exc:
            self.decode_error = exc

    def _pass_on(self, piece: bytes | memoryview) -> None:
        if self._further is not None:
            self._further(bytes(piece))
        self._read.take(piece)
        self.kept.take(piece)

    @property
    def to_read(self) -> tuple[Reading, bytes | None] | None:
        """What is wanted of the content, and the content (None: over the limit); None: nothing, or it is not whole."""
        if self._reading is None or not self._done or (self.is_coded and self._decoder is None):
            return None  # or under a coding that we cannot undo
        return self._reading, bytes(self._read.data) if self._read.whole else None

    def finish(self) -> None:
        """The wire's body is whole and all of it was taken: demand the codings' ends. Raises DecodeError."""
        if self._decoder is not None and self.decode_error is None:
            try:
                self._decoder.finish()
            except DecodeError as exc:
                self.decode_error = exc
                self._done = isinstance(exc, ChecksumError)  # all content came, right or not
        if self.decode_error is not None:
            raise self.decode_error
        self._done = True

    @property
    def breaches(self) -> tuple[str, ...]:
        """What was passed over of the content codings."""
        return () if self._decoder is None else self._decoder.breaches

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the wire bytes that came."""
        return self._wire_hash.hexdigest()

    @property
    def first_bytes_digest(self) -> str | None:
        """SHA-256 (hex) of as many of them as were wanted, from the beginning; None: none were."""
        return hashlib.sha256(self._first.data).hexdigest() if self._wants_first else None

    @property
    def content_digest(self) -> str | None:
        """SHA-256 (hex) of the whole decoded content."""
        if not self._done:
            return None
        if not self.is_coded:
            return self.digest
        return self._content_hash.hexdigest() if self._decoder is not None else None

    @property
    def decoded_bytes(self) -> int | None:
        """Bytes decoded so far."""
        if not self.is_coded:
            return self.wire_bytes
        return self._decoded if self._decoder is not None else None
