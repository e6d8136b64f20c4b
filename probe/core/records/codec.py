"""Rule: what is written can be read again, by a later version too; what cannot be read says where.

One record is one JSON object without line breaks, keys in declared order, so that it can be stored, printed
and pulled as one line. Unknown keys are passed over on reading (a newer agent may have added them).
"""

from __future__ import annotations

from typing import Any

import msgspec

from probe.core.records.rows import EventRecord, Record, SlotRecord

_ENCODER = msgspec.json.Encoder()


class _Kind(msgspec.Struct):
    """What must be known of a record before it can be read."""

    kind: str


class DroppedSpan(msgspec.Struct):
    """Rows that retention took or that were lost, as a line in their place says it."""

    first_seq: int
    last_seq: int
    reason: str = ""


DROPPED = "dropped"
_KIND = msgspec.json.Decoder(_Kind)
_DROPPED = msgspec.json.Decoder(DroppedSpan)
_DECODERS: dict[str, msgspec.json.Decoder[SlotRecord] | msgspec.json.Decoder[EventRecord]] = {
    "slot": msgspec.json.Decoder(SlotRecord),
    "event": msgspec.json.Decoder(EventRecord),
}


class CodecError(ValueError):
    """A value that is no record, or a record that cannot be written."""


def encode(record: Record) -> bytes:
    """One record as one JSON object, UTF-8, without a newline. Raises CodecError."""
    return encode_any(record)


def encode_any(obj: Any) -> bytes:
    """Any frozen record or plain value as JSON (RFC 8259). Raises CodecError.

    Text that is no Unicode (lone surrogates, as file names and system messages may hold) is written with
    escapes in words, `\\udc80`, rather than refused: a row must not be lost for its error message.
    """
    try:
        return _ENCODER.encode(obj)
    except UnicodeEncodeError:
        return _ENCODER.encode(_printable(msgspec.to_builtins(obj)))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CodecError(f"a {type(obj).__name__} cannot be written as JSON: {error}") from error


def decode(data: bytes | str) -> Record:
    """The record that `encode` wrote, by its `kind`. Raises CodecError with the place of what is wrong."""
    try:
        kind = _KIND.decode(data).kind
        decoder = _DECODERS.get(kind)
        if decoder is None:
            known = ", ".join(_DECODERS)
            raise CodecError(f"no record of kind {kind!r} is known to this version (known: {known})")
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CodecError(f"not a record: {error}") from error


def dropped_span(line: bytes) -> DroppedSpan | None:
    """What a line says that stands in the place of dropped rows; None: it is another line, or cannot be read."""
    if b"dropped" not in line:
        return None  # nearly all; a long line is not read twice
    try:
        return _DROPPED.decode(line) if _KIND.decode(line).kind == DROPPED else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None  # `decode` says what is wrong with it


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    return value
