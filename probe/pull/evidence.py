"""Rule: a bundle is kept only if it is the one that its row names; one that is not is named, and holds nothing else up.

What is still to be asked of a host for one stream. Rows of versions that put no digest on evidence are passed over:
nothing would vouch for what came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from probe.core.proof.evidence import NamedEvidence, evidence_named
from probe.core.results.bundle import bundle_digest
from probe.evidence.copied import IDENTIFIER, CopiedEvidence
from probe.pull import layout
from probe.pull.chain import Followed, StreamName
from probe.pull.copy import Copy


class EvidencePull:
    """Of one stream; methods wait for the disk and raise OSError, CopyError.

    `altered`: what is wrong with the first bundle that did not fit, in words; it is asked for again by the next pull.
    """

    def __init__(self, directory: Path, stream: StreamName) -> None:
        self._directory = directory
        self._stream = stream
        self._kept: CopiedEvidence | None = None
        self._asked = 0
        self._bad: int | None = None
        self.altered: str | None = None

    def wanted(self, page: Sequence[Followed], before: int) -> list[NamedEvidence]:
        """Bundles of the lines on the disk that are not here and were not asked for. `page`: lines after `before`."""
        kept = self._opened()
        lines: Iterable[bytes] = (line.text for line in page)
        if self._asked < before:  # lines of earlier pulls
            whole = Copy(self._directory).lines(self._stream.agent, self._stream.customer, self._asked)
            lines = (line.text.encode() for line in whole)
        return [
            named
            for text in lines
            if (named := evidence_named(text)) is not None
            and named.sha256 is not None
            and IDENTIFIER.fullmatch(named.identifier)
            and not kept.has(named.identifier)
        ]

    def keep(self, named: NamedEvidence, text: bytes | None, wrong: str | None, most_bytes: int) -> int:
        """What came for a row; None: the host has it no more. How many bundles more there are."""
        if text is not None and bundle_digest(text) != named.sha256:
            wrong = "what came is not the one whose digest the row names"
        if wrong is not None:
            self.altered = self.altered or f"evidence {named.identifier} of record {named.seq}: {wrong}"
            self._bad = self._bad or named.seq
            return 0
        if text is None:
            return 0
        kept = self._opened()
        kept.put(named.seq, named.identifier, text)
        return 1 - kept.trim(most_bytes)

    def asked_up_to(self, seq: int) -> None:
        """All of it up to here was asked for; what did not fit is asked for again by the next pull."""
        if seq > self._asked or not self._opened().kept:
            self._opened().note_asked(seq if self._bad is None else min(seq, self._bad - 1))
        self._asked = max(seq, self._asked)

    def _opened(self) -> CopiedEvidence:
        if self._kept is None:
            self._kept = CopiedEvidence(layout.stream_dir(self._directory, self._stream))
            self._asked = self._kept.asked
        return self._kept
