"""Rule: a record and its evidence are read alike, from a results directory and from a copy that a pull made of it.

`opened` takes a directory and gives what is kept there: records by customer and number, bundles as their rows vouch
for them, what is on record of bundles that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from probe.core.proof.evidence import Declared
from probe.core.records.codec import CodecError, decode
from probe.core.records.rows import Record, SlotRecord
from probe.core.results.bundle import BundleError
from probe.pull import Copy, CopyError
from probe.pull.layout import streams_in
from probe.store.base.schema import catalogue_file
from probe.store.read.evidence import EvidenceAlteredError
from probe.store.read.reader import Reader

EVENTS_A_PAGE = 1_000


class KeptError(ValueError):
    """What was asked for is not here, or is not as it was; the message says which and what to do."""


class Kept(Protocol):
    """What a directory keeps. Raises KeptError, StoreError, CopyError, OSError."""

    def record(self, customer: str, seq: int) -> Record | None:
        """One record."""
        ...

    def row_of(self, identifier: str) -> SlotRecord | None:
        """The row that names this bundle."""
        ...

    def evidence(self, row: SlotRecord) -> bytes | None:
        """The text of its bundle; None: it is not here. Raises KeptError where it was altered."""
        ...

    def declared(self, row: SlotRecord) -> Declared:
        """What is on record, behind the row, of bundles that are gone."""
        ...


@contextmanager
def opened(directory: Path, agent: str | None = None) -> Iterator[Kept]:
    """What is kept there: a results directory, or a copy. `agent`: whose, where a copy has several."""
    if not catalogue_file(directory).is_file() and directory.is_dir() and streams_in(directory):
        yield KeptCopy(directory, agent)
        return
    with Reader.open(directory, agent) as reader:
        yield KeptStore(reader)


@dataclass(frozen=True, slots=True)
class KeptStore:
    """A results directory."""

    reader: Reader

    def record(self, customer: str, seq: int) -> Record | None:
        """One record."""
        return self.reader.get(customer, seq)

    def row_of(self, identifier: str) -> SlotRecord | None:
        """The row that names this bundle."""
        return self.reader.evidence_row(identifier)

    def evidence(self, row: SlotRecord) -> bytes | None:
        """The text of its bundle."""
        try:
            return self.reader.evidence(row.evidence_id, row.evidence_sha256)
        except EvidenceAlteredError as error:
            raise KeptError(f"{row.customer}/{row.seq}: {error}") from error

    def declared(self, row: SlotRecord) -> Declared:
        """From the events of its stream."""
        declared, after = Declared(), row.seq or 0
        while page := self.reader.events(row.customer, after, EVENTS_A_PAGE):
            for line in page:
                declared.look(line.text.encode())
            after = page[-1].seq
        return declared


class KeptCopy:
    """A copy."""

    def __init__(self, directory: Path, agent: str | None = None) -> None:
        self._copy = Copy(directory)
        self._streams = [s for s in streams_in(directory) if agent in (None, s.agent)]

    def record(self, customer: str, seq: int) -> Record | None:
        """One record. Raises KeptError where several agents have this customer."""
        agents = [stream.agent for stream in self._streams if stream.customer == customer]
        if len(agents) > 1:
            raise KeptError(
                f"{customer} is measured by {', '.join(agents)}: name one, as in {agents[0]}/{customer}/{seq}"
            )
        for agent in agents:
            for line in self._copy.lines(agent, customer, max(0, seq - 1)):
                return (
                    _decoded(line.text) if line.seq == seq and '"kind":"dropped"' not in line.text else None
                )
        return None

    def row_of(self, identifier: str) -> SlotRecord | None:
        """The row that names this bundle: every line is looked at."""
        for stream in self._streams:
            for line in self._copy.lines(stream.agent, stream.customer):
                if identifier in line.text:
                    row = _decoded(line.text)
                    if isinstance(row, SlotRecord) and row.evidence_id == identifier:
                        return row
        return None

    def evidence(self, row: SlotRecord) -> bytes | None:
        """The text of its bundle."""
        try:
            return self._copy.evidence(row.host.agent, row)
        except BundleError as error:
            raise KeptError(f"{row.customer}/{row.seq}: {error}") from error

    def declared(self, row: SlotRecord) -> Declared:
        """From the lines behind it."""
        declared = Declared()
        for line in self._copy.lines(row.host.agent, row.customer, row.seq or 0):
            declared.look(line.text.encode())
        return declared


def _decoded(text: str) -> Record:
    try:
        return decode(text)
    except CodecError as error:
        raise CopyError(f"a record of the copy cannot be read: {error}") from error
