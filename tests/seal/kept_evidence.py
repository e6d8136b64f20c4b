"""Rows of slots that are not well, with their bundles; and what somebody may do to a bundle that is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import zstandard

from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import BUNDLE_VERSION, Bundle, Exchange, bundle_id
from probe.store.base.parts import EVIDENCE_PARTS, parts_of
from probe.store.store import Store
from tests.support.build import seen
from tests.support.rows import slot

HEAD = b"HTTP/1.1 503 Service Unavailable\r\nServer: edge\r\n\r\n"


def failed(second: int, customer: str = "acme") -> SlotRecord:
    """A slot that failed, with one request."""
    row = slot(
        second,
        customer=customer,
        outcome=Outcome.FAILED,
        reason="http.status",
        observations=(seen(status=503),),
    )
    return replace(row, evidence_id=bundle_id(row))


def bundle_of(row: SlotRecord, body: bytes = b"sorry") -> Bundle:
    """What crossed the wire for it."""
    asked = Exchange(
        observation=0,
        request_head="GET /a.html HTTP/1.1\r\nHost: www.acme.example\r\n\r\n",
        response_head=HEAD,
        body_head=body,
    )
    return Bundle(
        bundle_version=BUNDLE_VERSION, id=bundle_id(row), record=row, definition="{}", exchanges=(asked,)
    )


async def keep(store: Store, row: SlotRecord, *, digest: bool = True) -> SlotRecord:
    """Store a row with its bundle. `digest`: as this version does; else as one that knew of none."""
    sha256 = store.put_bundle(bundle_of(row))
    assert sha256 is not None
    (kept,) = await store.append([replace(row, evidence_sha256=sha256 if digest else None)])
    assert isinstance(kept, SlotRecord)
    return kept


def alter(directory: Path, identifier: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change the text of a bundle in the store; None: take it away."""
    for part in parts_of(directory, EVIDENCE_PARTS):
        with closing(sqlite3.connect(part.path)) as conn:
            for (body,) in conn.execute("SELECT body FROM bundle WHERE id = ?", (identifier,)).fetchall():
                text = change(zstandard.decompress(body))
                if text is None:
                    conn.execute("DELETE FROM bundle WHERE id = ?", (identifier,))
                else:
                    packed = zstandard.compress(text)
                    conn.execute("UPDATE bundle SET body = ? WHERE id = ?", (packed, identifier))
            conn.commit()
