"""Rule: what is said to be coded is only believed when the end of every coding was reached.

The content codings of one response: their names from the fields, and their undoing, the last applied first, within a
cap on what each gives (RFC 9110 section 8.4). Each coding itself is a layer (`core.http.coding_layers`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probe.core.http.coding_layers import LAYERS, ChecksumError, DecodeError

__all__ = ["ChecksumError", "DecodeError", "DecodedTooLargeError", "Decoder"]
MAX_LAYERS = 3
_SLICE_BYTES = 16 * 1024  # input taken at once: zlib copies what it leaves over
_ALIASES = {"x-gzip": "gzip"}


class DecodedTooLargeError(Exception):
    """The decoded content, or what lies between two layers, is over its cap."""


class Decoder:
    """Undoes the codings of one response, the last applied first; `limit_bytes` caps every layer's output.

    Raises ValueError for codings that `decodable` refuses. An empty body is empty content under any coding.
    """

    def __init__(self, codings: Sequence[str], limit_bytes: int) -> None:
        if not decodable(codings):
            raise ValueError(f"cannot decode {', '.join(codings)}")
        self._layers = [LAYERS[coding]() for coding in reversed(codings)]
        self._produced = [0] * len(self._layers)
        self._limit_bytes = limit_bytes

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Wire bytes in, decoded pieces out. Raises DecodeError, DecodedTooLargeError."""
        for start in range(0, len(data), _SLICE_BYTES):
            yield from self._through(0, data[start : start + _SLICE_BYTES])

    def _through(self, depth: int, data: bytes) -> Iterator[bytes]:
        if depth == len(self._layers):
            yield data
            return
        yield from self._from(depth, self._layers[depth].feed(data))

    def _from(self, depth: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._produced[depth] += len(piece)
            if self._produced[depth] > self._limit_bytes:
                raise DecodedTooLargeError(
                    f"the decoded body is over our limits.decoded: {self._limit_bytes} bytes"
                )
            if piece:
                yield from self._through(depth + 1, piece)

    def flush(self) -> Iterator[bytes]:
        """No more comes: the pieces that were held back. Raises as `feed`. To be called before `finish`."""
        for depth, layer in enumerate(self._layers):
            yield from self._from(depth, layer.flush())

    @property
    def breaches(self) -> tuple[str, ...]:
        """What clients pass over, in words of `tolerance.BREACHES`."""
        return tuple(dict.fromkeys(word for layer in self._layers for word in layer.breaches.words))

    def finish(self) -> None:
        """Demand every layer's own end. Raises DecodeError; ChecksumError only where nothing worse is wrong."""
        wrong: ChecksumError | None = None
        for layer in self._layers:
            try:
                layer.finish()
            except ChecksumError as exc:
                wrong = exc
        if wrong is not None:
            raise wrong


def parse_codings(values: Sequence[str]) -> tuple[str, ...]:
    """Content-Encoding field values -> codings in the order applied, lower case.

    `identity` alone is none. Beside others it stays, as a coding that nobody knows: browsers then undo none of them.
    """
    tokens = [token.strip(" \t").lower() for value in values for token in value.split(",")]
    named = tuple(_ALIASES.get(token, token) for token in tokens if token)
    return () if set(named) <= {"identity"} else named


def names_identity(values: Sequence[str]) -> bool:
    """Is `identity` named, which is no coding of a response?"""
    return any(token.strip(" \t").lower() == "identity" for value in values for token in value.split(","))


def decodable(codings: Sequence[str]) -> bool:
    """Can every coding be undone, and are there not too many of them?"""
    return len(codings) <= MAX_LAYERS and all(coding in LAYERS for coding in codings)


def unrequested(codings: Sequence[str], accept_encoding: str) -> bool:
    """Is one of `codings` outside what Accept-Encoding asked for (RFC 9110 section 12.5.3)?"""
    if not codings:
        return False
    wanted: dict[str, bool] = {}
    for item in accept_encoding.split(","):
        name, _, parameter = item.partition(";")
        token = name.strip(" \t").lower()
        quality = parameter.replace(" ", "").lower().removeprefix("q=") or "1"
        wanted[_ALIASES.get(token, token)] = bool(quality.strip("0."))
    return not all(wanted.get(coding, wanted.get("*", False)) for coding in codings)
