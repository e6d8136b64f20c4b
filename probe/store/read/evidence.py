"""Rule: evidence is handed out only as the row that names it vouches for it.

Bundles across the files of evidence. A row of an earlier version names no digest: its bundle is given as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from probe.core.proof.evidence import NOT_READ, UNREADABLE
from probe.core.records.codec import CodecError, decode
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import bundle_digest
from probe.store.base.packing import unpack_text
from probe.store.base.schema import StoreDamaged, StoreError
from probe.store.read.sources import Sources

_BODY = "SELECT body FROM bundle WHERE id = ?"
_DUE = "SELECT scheduled_at FROM bundle WHERE id = ?"


class EvidenceAlteredError(StoreError):
    """The bundle that is kept for a row is not the one that the row names by its digest."""


def text_of(
    sources: Sources, identifier: str | None, sha256: str | None, within: Collection[Path] | None = None
) -> bytes | None:
    """The text of the bundle that a row names so; None: it is not here. `within`: only in these files.

    Raises EvidenceAlteredError; StoreError where a file cannot be read at present.
    """
    if identifier is None:
        return None
    wrong: str | None = None
    unread: StoreError | None = None
    for body in _bodies(sources, identifier, within):
        if isinstance(body, StoreError):
            if isinstance(body, StoreDamaged):
                wrong = str(body)
            else:
                unread = body
            continue
        try:
            text = unpack_text(body)
        except StoreError as error:
            wrong = str(error)
            continue
        if sha256 is None or bundle_digest(text) == sha256:
            return text
        wrong = "it is not the one whose digest the row names"
    if unread is not None:  # it may be in there: nobody altered what the disk does not give at present
        raise unread
    if wrong is not None:
        raise EvidenceAlteredError(f"the evidence {identifier} was altered: {wrong}")
    return None


def row_of(sources: Sources, identifier: str) -> SlotRecord | None:
    """The row that names this bundle; None where there is none, or no such bundle.

    Raises StoreError, also where a file cannot be read at present: who is told that there is none never asks again.
    """
    times: set[str] = set()
    for query in sources.evidence():
        with suppress(StoreDamaged):
            times.update(str(due) for (due,) in query.rows(_DUE, identifier))
    for query in sources.parts(newest_first=True):
        words = query.words
        sql = f"SELECT seq, body FROM record WHERE {words.due} = ? AND {words.slot}"  # noqa: S608
        for due in times:
            for _, line in query.rows_with_line(sql, query.time(due)):
                if identifier in line and (row := _slot(line)).evidence_id == identifier:
                    return row
    return None


class Bundles:
    """Where the bundles of a store are, for whoever goes through many rows.

    Needs about 150 bytes for each bundle; one that came later is found too.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._places: dict[bytes, tuple[Path, ...]] = {}
        for query in sources.evidence():
            with suppress(StoreError):  # what a damaged file holds is said of each row that names it
                for (name,) in query.each("SELECT id FROM bundle"):
                    with suppress(ValueError):
                        key = bytes.fromhex(name)
                        self._places[key] = (*self._places.get(key, ()), query.path)

    def digest_of(self, identifier: str, sha256: str) -> str | None:
        """Digest of the bundle under this id, the wanted one if it is among several; None: there is none.

        UNREADABLE where it is another or is damaged, NOT_READ where the disk does not give it at present.
        """
        try:
            places = self._places.get(bytes.fromhex(identifier), ())
        except ValueError:
            return None
        try:
            return None if text_of(self._sources, identifier, sha256, places or None) is None else sha256
        except EvidenceAlteredError:
            return UNREADABLE
        except StoreError:
            return NOT_READ


def _bodies(
    sources: Sources, identifier: str, within: Collection[Path] | None
) -> Iterator[bytes | StoreError]:
    """What is kept under an id; for a file that cannot be read its error, for another may have it."""
    for query in sources.evidence(within):
        try:
            rows = query.rows(_BODY, identifier)
        except StoreError as error:
            yield error
            continue
        for (body,) in rows:
            yield body


def _slot(body: str) -> SlotRecord:
    try:
        row = decode(body)
    except CodecError as error:
        raise StoreError(f"a stored record cannot be read: {error}") from error
    assert isinstance(row, SlotRecord)
    return row
