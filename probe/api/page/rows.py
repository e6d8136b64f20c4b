"""One row, served: read by its number when somebody asks for it, with its evidence where that may be shown.

`/row/AGENT/CUSTOMER/SEQ` is the page; behind it `/har`, `/evidence.json`, `/dispute.zip` are files.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from probe.api.http.problem import Refused, not_found, unavailable
from probe.api.page.viewer import Viewer
from probe.api.request.calls import Services
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import BundleError, read_bundle
from probe.core.results.har import har, har_of
from probe.core.syntax.values import OWN_NAME
from probe.page.row import RowView
from probe.store.read.evidence import EvidenceAlteredError
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

_SEQ = re.compile(r"[1-9][0-9]{0,17}")
FILES = ("har", "evidence.json", "dispute.zip")


@dataclass(frozen=True, slots=True)
class Asked:
    """One row, or a file of it (`file`)."""

    agent: str
    customer: str
    seq: int
    file: str | None


def asked_of(path: str, viewer: Viewer) -> Asked:
    """By the token alone, before anything is read. Raises Refused (403, 404)."""
    parts = path.removeprefix("/row/").split("/")
    if len(parts) not in (3, 4) or not all(OWN_NAME.fullmatch(part) for part in parts[:2]):
        raise not_found()
    if not _SEQ.fullmatch(parts[2]) or not viewer.sees_rows(parts[1]):
        raise not_found()
    file = parts[3] if len(parts) == 4 else None
    if file is not None:
        if file not in FILES:
            raise not_found()
        if not viewer.may("evidence"):
            raise Refused(403, "this token may not ask for evidence: see `may` in agent.yaml")
    return Asked(parts[0], parts[1], int(parts[2]), file)


async def view_of(services: Services, asked: Asked, viewer: Viewer) -> RowView:
    """What the page shows. Raises Refused (404, 500, 503)."""

    def read(reader: Reader) -> RowView | None:
        record, text = _read(reader, asked, with_evidence=viewer.may("evidence"))
        if record is None:
            return None
        files = []
        if viewer.may("evidence"):
            files = ["har", *(["evidence.json"] if text is not None else [])]
            files += ["dispute.zip"] if services.dispute is not None else []
        bundle = None if text is None else read_bundle(text)
        return RowView(agent=asked.agent, record=record, bundle=bundle, files=tuple(files))

    found = await services.sums.run(read, agent=asked.agent)
    if found is None:
        raise not_found()
    return found


async def file_of(services: Services, asked: Asked) -> tuple[str, bytes]:
    """(media type, data). Raises Refused (404, 500, 503)."""
    if asked.file == "dispute.zip":
        return "application/zip", await _dispute(services, asked)

    def read(reader: Reader) -> bytes | None:
        record, text = _read(reader, asked, with_evidence=True)
        if record is None:
            return None
        if asked.file == "evidence.json":
            return text
        return msgspec.json.encode(har(record) if text is None else har_of(read_bundle(text)))

    data = await services.sums.run(read, agent=asked.agent)
    if data is None:
        raise not_found()
    return "application/json", data


def _read(reader: Reader, asked: Asked, *, with_evidence: bool) -> tuple[SlotRecord | None, bytes | None]:
    record = reader.get(asked.customer, asked.seq)
    if not isinstance(record, SlotRecord):
        return None, None
    if not with_evidence or record.evidence_id is None:
        return record, None
    try:
        return record, reader.evidence(record.evidence_id, record.evidence_sha256)
    except (EvidenceAlteredError, BundleError) as error:
        log.error("evidence.altered", extra=fields(customer=asked.customer, seq=asked.seq, error=str(error)))
        raise Refused(500, f"{asked.customer}/{asked.seq}: {error}") from error


async def _dispute(services: Services, asked: Asked) -> bytes:
    make = services.dispute
    if make is None:
        raise not_found()
    with tempfile.TemporaryDirectory(prefix="cdn-probe-") as directory:
        file = Path(directory) / "dispute.zip"
        try:
            await asyncio.to_thread(make, asked.agent, asked.customer, asked.seq, file)
        except (OSError, ValueError) as error:
            raise unavailable(f"no dispute file can be made: {error}") from error
        return await asyncio.to_thread(file.read_bytes)
