"""Rule: a bundle in a copy is believed only by the digest in its row, and never named by what a host says of itself.

The evidence of one stream as files beside its lines:

evidence/000000000042-<id>.json.zst   the bundle of record 42
evidence/asked                        up to which record the host was asked
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from probe.core.results.bundle import BundleError, bundle_digest
from probe.evidence.packed import pack_text, unpack_text

DIRECTORY, ASKED = "evidence", "asked"
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"([0-9]{12,19})-([0-9a-f]{32})\.json\.zst")


class CopiedEvidence:
    """Of one stream, whose directory is `path`. Methods raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path / DIRECTORY
        self._files: dict[str, list[tuple[int, Path, int]]] = {}  # id -> (seq, file, bytes)
        self.bytes = 0
        for seq, identifier, file in self._listed():
            self._add(seq, identifier, file, file.stat().st_size)

    @property
    def kept(self) -> bool:
        """Whether evidence was ever asked for."""
        return self._path.is_dir()

    @property
    def asked(self) -> int:
        """Up to which record the host was asked for evidence; 0: never."""
        try:
            return int((self._path / ASKED).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def has(self, identifier: str) -> bool:
        """Whether a bundle lies under this id."""
        return identifier in self._files

    def text(self, identifier: str, sha256: str | None) -> bytes | None:
        """The text of the bundle that a row names so; None: it is not here. Raises BundleError where it is another."""
        wrong: BundleError | None = None
        for _, file, _ in self._files.get(identifier, ()):
            try:
                text = unpack_text(file.read_bytes())
            except BundleError as error:
                wrong = error
                continue
            if sha256 is None or bundle_digest(text) == sha256:
                return text
            wrong = BundleError("it is not the one whose digest the row names")
        if wrong is not None:
            raise BundleError(f"the evidence {identifier} was altered: {wrong}")
        return None

    def digest_of(self, identifier: str, sha256: str) -> str | None:
        """For `core.proof.evidence.EvidenceCheck`."""
        try:
            return None if self.text(identifier, sha256) is None else sha256
        except BundleError:
            return ""

    def put(self, seq: int, identifier: str, text: bytes) -> None:
        """Keep a bundle whose digest was checked; on the disk when this returns."""
        assert IDENTIFIER.fullmatch(identifier), "checked before it was asked for"
        body = pack_text(text)
        file = self._path / f"{seq:012d}-{identifier}.json.zst"
        self._write(file, body)
        self._add(seq, identifier, file, len(body))

    def note_asked(self, seq: int) -> None:
        """The host was asked for the evidence of every record up to here."""
        self._write(self._path / ASKED, f"{seq}\n".encode())

    def trim(self, most_bytes: int) -> int:
        """Take the bundles of the oldest records away until no more bytes are left; how many went."""
        gone = 0
        oldest = sorted((seq, name) for name, files in self._files.items() for seq, _, _ in files)
        for _, name in oldest:
            if self.bytes <= most_bytes:
                break
            for _, file, size in self._files.pop(name, []):
                file.unlink(missing_ok=True)
                self.bytes -= size
                gone += 1
        return gone

    def _listed(self) -> list[tuple[int, str, Path]]:
        if not self._path.is_dir():
            return []
        found = [(match, file) for file in self._path.iterdir() if (match := _NAME.fullmatch(file.name))]
        return sorted((int(match[1]), match[2], file) for match, file in found)

    def _add(self, seq: int, identifier: str, file: Path, size: int) -> None:
        self._files.setdefault(identifier, []).append((seq, file, size))
        self.bytes += size

    def _write(self, file: Path, data: bytes) -> None:
        self._path.mkdir(exist_ok=True)
        aside = file.with_name(f".{file.name}.new")
        with open(aside, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, file)
