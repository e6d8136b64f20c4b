"""Rule: a bundle is written with its row or not at all, and never keeps a row waiting.

Evidence bundles in the store: JSON (bytes as base64), compressed with Zstandard, one row a bundle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import zstandard

from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import Bundle
from probe.store.base.schema import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from probe.store.write.commit import Statement

_DECODER = msgspec.json.Decoder(Bundle)
_MOST_BYTES = 64 * 1024 * 1024  # of one bundle, unpacked
PUT = "INSERT OR REPLACE INTO bundle (id, customer, scheduled_at, body) VALUES (?, ?, ?, ?)"
GET = "SELECT body FROM bundle WHERE id = ?"


def pack(bundle: Bundle) -> bytes:
    """As it is stored."""
    return zstandard.compress(msgspec.json.encode(bundle))


def unpack(body: bytes) -> Bundle:
    """What `pack` gave. Raises StoreError."""
    try:
        return _DECODER.decode(zstandard.decompress(body, max_output_size=_MOST_BYTES))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise StoreError(f"an evidence bundle cannot be read: {error}") from error


def put_statement(bundle: Bundle) -> Statement:
    """The statement that keeps the bundle; packing is done now."""
    return put_packed(bundle.id, bundle.record, pack(bundle))


def put_packed(name: str, record: SlotRecord, packed: bytes) -> Statement:
    """The same for one that `pack` gave; `record`: the row that it belongs to."""
    row = name, record.customer, record.scheduled_at, packed

    def statement(db: Database) -> None:
        db.execute(PUT, row).close()

    return statement
