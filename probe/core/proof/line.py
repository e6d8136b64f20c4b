"""What verification must know of a line; the rest of a record is passed over."""

from __future__ import annotations

import msgspec


class Host(msgspec.Struct, gc=False):
    """Where it was written."""

    agent: str | None = None


class ReadLine(msgspec.Struct, gc=False):
    """A row, an event or a dropped span. `detail`: of an event, as it stands."""

    kind: str
    seq: int | None = None
    previous: str | None = None
    customer: str | None = None
    agent: str | None = None
    host: Host | None = None
    complete_up_to: str | None = None
    event: str | None = None
    detail: msgspec.Raw = msgspec.Raw()
    first_seq: int | None = None
    last_seq: int | None = None
    digest: str | None = None
    reason: str | None = None


decode_line = msgspec.json.Decoder(ReadLine).decode
_DETAIL = msgspec.json.Decoder(dict[str, str])


def detail_of(line: ReadLine) -> dict[str, str]:
    """The detail of an event. Raises msgspec.DecodeError where it is none."""
    return _DETAIL.decode(line.detail)
