"""Rule: of rows in trouble the newest are at hand, with whatever the inputs keep of them; what is altered is not shown.

Rows as they come -> files beside their pages: HAR, evidence bundle, dispute file.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec

from probe.core.records.codec import decode, encode
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import Bundle, BundleError, read_bundle
from probe.core.results.har import har, har_of
from probe.page.links import row_path
from probe.page.model.values import RowName
from probe.page.row import RowView
from probe.services.dispute import make
from probe.services.kept import KeptError, opened

MOST = 1_000


class KeptRows:
    """`path`: the input that rows come from now. `disputes`: with dispute files, each of which reads a whole stream."""

    def __init__(self, into: Path, *, disputes: bool = False) -> None:
        self._disputes = disputes
        self.path: Path | None = None
        self._into = into
        self._kept: OrderedDict[RowName, tuple[Path | None, bytes]] = OrderedDict()
        self._written: set[RowName] = set()

    def keep(self, agent: str, record: SlotRecord) -> None:
        """One in trouble."""
        if record.seq is not None:
            self._kept[agent, record.customer, record.seq] = self.path, encode(record)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def write(
        self, wanted: frozenset[RowName], page: Callable[[RowName, SlotRecord], None]
    ) -> frozenset[RowName]:
        """Have the pages of those written that are wanted and not there yet; which are there."""
        for name in sorted(wanted - self._written):
            found = self._kept.get(name)
            if found is not None:
                record = decode(found[1])
                assert isinstance(record, SlotRecord)
                page(name, record)
                self._written.add(name)
        return frozenset(self._written)

    def view(self, name: RowName, record: SlotRecord) -> RowView:
        """What its page shows; and the files beside it are written."""
        path, _ = self._kept[name]
        bundle, text = _bundle(path, name, record)
        place = self._into / row_path(name)
        files = ["har"]
        made = har(record) if bundle is None else har_of(bundle)
        put(_beside(place, "har"), msgspec.json.encode(made))
        if text is not None:
            files.append("evidence.json")
            put(_beside(place, "evidence.json"), text)
        if self._dispute(path, name, place):
            files.append("dispute.zip")
        return RowView(agent=name[0], record=record, bundle=bundle, files=tuple(files))

    def _dispute(self, path: Path | None, name: RowName, place: Path) -> bool:
        """Where the input has what a dispute file needs."""
        agent, customer, seq = name
        file = _beside(place, "dispute.zip")
        if path is None or not self._disputes:
            return False
        try:
            file.unlink(missing_ok=True)
            make(path, file, customer, agent=agent, seqs=(seq, seq))
        except (OSError, ValueError):
            return False
        return True


def put(file: Path, data: bytes) -> None:
    """Replace a file whole. It can be made again at any time, so nobody waits for the disk."""
    aside = file.with_name(f".{file.name}.new")
    try:
        aside.write_bytes(data)
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
    os.replace(aside, file)


def _beside(place: Path, ending: str) -> Path:
    return place.with_name(f"{place.name}.{ending}")


def _bundle(path: Path | None, name: RowName, record: SlotRecord) -> tuple[Bundle | None, bytes | None]:
    if path is None or record.evidence_id is None:
        return None, None
    try:
        with opened(path, name[0]) as kept:
            text = kept.evidence(record)
        return (None, None) if text is None else (read_bundle(text), text)
    except (
        KeptError,
        BundleError,
        OSError,
    ):  # altered, or of an input that keeps none: `results verify` says which
        return None, None
