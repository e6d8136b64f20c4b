"""Rule: a bundle is what its row says, or it is altered; one that is gone is on record as gone, or somebody took it.

A row of a slot that is not well names its evidence bundle (`evidence_id`) and the SHA-256 of the bundle's text
(`evidence_sha256`), so that the chain of rows vouches for the bundle. What retention took of the evidence is named
bundle by bundle in `evidence.dropped` events; damage by the span of due times in a `store.damaged` event. Rows of
versions that put no digest on evidence are counted, and nothing is said of their bundles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from probe.core.proof.findings import Kind, Problem

DROPPED, DAMAGED = "evidence.dropped", "store.damaged"
IDS_AN_EVENT = 1_000
UNREADABLE = ""  # the digest of a bundle that is there and cannot be read
NOT_READ = "not read"  # of one that the disk does not give at present: it may be as it was

_NAMES, _NAMES_DIGEST = b'"evidence_id":"', b'"evidence_sha256":"'
_DECLARES = f'"event":"{DROPPED}"'.encode(), f'"event":"{DAMAGED}"'.encode()


class _Row(msgspec.Struct, gc=False):
    seq: int
    evidence_id: str
    scheduled_at: str = ""
    evidence_sha256: str | None = None


class _Event(msgspec.Struct, gc=False):
    event: str
    detail: dict[str, str]


_ROW = msgspec.json.Decoder(_Row)
_EVENT = msgspec.json.Decoder(_Event)


@dataclass(frozen=True, slots=True)
class NamedEvidence:
    """What a row says of its bundle, and where the row stands."""

    seq: int
    identifier: str
    sha256: str | None
    scheduled_at: str
    file: str | None = None
    line: int | None = None


def evidence_named(line: bytes) -> NamedEvidence | None:
    """What a line says of a bundle; None where it names none."""
    if _NAMES not in line:
        return None
    try:
        row = _ROW.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return NamedEvidence(row.seq, row.evidence_id, row.evidence_sha256, row.scheduled_at)


@dataclass(slots=True)
class Declared:
    """What the agent put on record of evidence that is gone. Of one stream."""

    ids: set[str] = field(default_factory=set)
    spans: list[tuple[str, str]] = field(default_factory=list)  # due times, RFC 3339 in UTC as stored

    def look(self, line: bytes) -> bool:
        """Take one line; whether it declares anything."""
        if not any(mark in line for mark in _DECLARES):
            return False
        try:
            event = _EVENT.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        if event.event == DROPPED:
            self.ids.update(event.detail.get("ids", "").split())
            return True
        if event.event == DAMAGED and event.detail.get("what") == "evidence":
            self.spans.append((event.detail.get("since", ""), event.detail.get("until", "")))
            return True
        return False

    def has(self, named: NamedEvidence) -> bool:
        """Whether the loss of this bundle is on record."""
        return named.identifier in self.ids or any(a <= named.scheduled_at <= b for a, b in self.spans)


@dataclass(slots=True)
class EvidenceCheck:
    """Of one stream: feed it every line, then `finish`.

    `digest_of`: the digest of the bundle that is kept under an id; None: none is; UNREADABLE, NOT_READ.
    `whole`: the evidence is to be here, so that what is gone must be on record; else it is only counted.
    """

    digest_of: Callable[[str, str], str | None]
    whole: bool = True
    fitting: int = 0
    undigested: int = 0
    declared: Declared = field(default_factory=Declared)
    _missing: list[NamedEvidence] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)

    def feed(self, data: bytes, file: str, line: int) -> None:
        """One line of the stream and its place."""
        if _NAMES in data:
            self._row(data, file, line)
        else:
            self.declared.look(data)

    def _row(self, data: bytes, file: str, line: int) -> None:
        named = evidence_named(data)
        if named is None:
            return
        if named.sha256 is None:
            self.undigested += 1
            return
        found = self.digest_of(named.identifier, named.sha256)
        if found is None:
            self._missing.append(
                NamedEvidence(named.seq, named.identifier, named.sha256, named.scheduled_at, file, line)
            )
        elif found == named.sha256:
            self.fitting += 1
        elif found == NOT_READ:
            words = (
                "could not be read, which says nothing of what is in it: look at the disk, and verify again"
            )
            self._problems.append(self._problem(named, words, file, line, Kind.UNREADABLE))
        else:
            why = (
                "cannot be read" if found == UNREADABLE else "is not the one that the row names by its digest"
            )
            self._problems.append(self._problem(named, f"was altered: it {why}", file, line))

    def finish(self) -> tuple[list[Problem], list[str]]:
        """What is wrong, and what else is to be said."""
        gone = [named for named in self._missing if self.declared.has(named)]
        lost = [named for named in self._missing if not self.declared.has(named)]
        problems = list(self._problems)
        notes = []
        if self.whole:
            words = "is missing, and nothing that the agent put on record says so"
            problems += [self._problem(n, words, n.file or "", n.line or 0) for n in lost]
        elif lost:
            notes.append(f"{_bundles(len(lost))} not here (records {_some(lost)})")
        if self.fitting:
            notes.append(
                f"{_bundles(self.fitting)} as {'their rows say' if self.fitting > 1 else 'its row says'}"
            )
        if gone:
            notes.append(
                f"{_bundles(len(gone))} gone, as the agent has put on record (records {_some(gone)})"
            )
        if self.undigested:
            notes.append(
                f"{_bundles(self.undigested)} under no digest: written by a version that put none on evidence,"
                " so that nothing vouches for it"
            )
        return problems, notes

    @staticmethod
    def _problem(
        named: NamedEvidence, words: str, file: str, line: int, kind: Kind = Kind.EVIDENCE
    ) -> Problem:
        return Problem(
            kind=kind,
            seq=named.seq,
            file=file or None,
            line=line or None,
            words=f"the evidence {named.identifier} of record {named.seq} {words}",
        )


def _bundles(count: int) -> str:
    return "1 evidence bundle is" if count == 1 else f"{count} evidence bundles are"


def _some(named: list[NamedEvidence]) -> str:
    """The first few of their rows."""
    shown = ", ".join(str(each.seq) for each in named[:5])
    return shown if len(named) <= 5 else f"{shown} and {len(named) - 5} more"
