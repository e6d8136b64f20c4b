"""Rule: what is said to be signed is believed only once its signature is verified; a failure is reported with its file.

Everything below a directory that speaks of streams without being their lines: manifests, HEAD.json, heads.ndjson,
time stamps.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from probe.core.proof.findings import MOST, Kind, Problem
from probe.core.proof.manifest import ENDING, Manifest, parse_manifest
from probe.core.proof.signed_head import SignedHead, parse_head
from probe.core.proof.stamp import parse_stamp
from probe.core.proof.vouching import VerifiedStamp
from probe.seal.key_ring import KeyRing
from probe.seal.position import HEAD
from probe.seal.segment_files import LinesError, Read
from probe.seal.stamps.files import ENDING as STAMPS
from probe.seal.stamps.tokens import Authority, TokenError

HEADS = "heads.ndjson"
Stream = tuple[str, str]  # agent, customer


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest and where it lies; `digest`: SHA-256 of its file; `signed`: by the agent's key."""

    manifest: Manifest
    path: Path
    digest: str
    signed: bool


@dataclass(slots=True)
class Proofs:
    """What was found.

    `heads`: signed heads that lie beside the lines; `given`: those that somebody else kept, which are never excused.
    `kept`: how far a copy had come, as the pull itself noted it: (seq, digest). `stamps`: those that `authority` gave;
    `unverified`: how many there are where none was named. `by_stamp`: heads of `heads` that nothing but a stamp
    beside the lines tells of: they may be of lines that no segment has yet.
    """

    root: Path
    ring: KeyRing
    authority: Authority | None = None
    heads: dict[Stream, list[SignedHead]] = field(default_factory=lambda: defaultdict(list))
    given: dict[Stream, list[SignedHead]] = field(default_factory=lambda: defaultdict(list))
    manifests: dict[Stream, list[Sealed]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[Stream, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    stamps: dict[Stream, dict[str, VerifiedStamp]] = field(default_factory=lambda: defaultdict(dict))
    unverified: dict[Stream, int] = field(default_factory=lambda: defaultdict(int))
    problems: dict[Stream, list[Problem]] = field(default_factory=lambda: defaultdict(list))
    by_stamp: set[SignedHead] = field(default_factory=set)
    _seen: set[SignedHead] = field(default_factory=set)

    def collect(self) -> None:
        """Look through the directory. Raises OSError, KeyFileError.

        Heads first: where an agent or a pull works on, what they speak of is there by the time it is looked for.
        """
        found = _below(self.root)
        for path in (one for one in found if one.name == HEAD):
            self._head_file(path)
        for path in (one for one in found if one.name == HEADS):
            self._heads_file(path)
        for path in (one for one in found if one.name.endswith(STAMPS)):
            self._stamps_file(path)
        for path in (one for one in _below(self.root) if one.name.endswith(ENDING)):
            self._manifest(path)

    def witness(self, path: Path) -> None:
        """Heads that somebody else kept: one of them, or one a line; or time stamps. Raises OSError, KeyFileError."""
        # Of their own, for their heads stay strict where ours has the same one.
        theirs = Proofs(self.root, self.ring, self.authority)
        if path.name.endswith(STAMPS):
            theirs._stamps_file(path)
        elif path.name.endswith(".ndjson"):
            theirs._heads_file(path)
        else:
            theirs._head_file(path)
        for stream, heads in theirs.heads.items():
            self.given[stream] += heads
            self.stamps[stream].update(theirs.stamps[stream])
            self.unverified[stream] += theirs.unverified[stream]
        for stream, problems in theirs.problems.items():
            for problem in problems:
                self.report(stream, problem)

    def shown(self, path: Path) -> str:
        """A file's name for people: below the directory that is verified."""
        try:
            return str(path.relative_to(self.root))
        except ValueError:
            return str(path)

    def segments(self, stream: Stream) -> list[Sealed]:
        """The segments of a stream, in order."""
        return sorted(
            self.manifests.get(stream, ()), key=lambda each: (each.manifest.first_seq, each.manifest.last_seq)
        )

    def stamped_beyond(self, stream: Stream, sealed_up_to: int | None) -> list[str]:
        """What is said where a stamp is of a line that no segment here has: nothing tells whether one had it."""
        beyond = [head for head in self.heads.get(stream, ()) if head in self.by_stamp]
        newest = max(beyond, key=lambda head: head.seq, default=None)
        if newest is None or sealed_up_to is None or newest.seq <= sealed_up_to:
            return []
        return [
            f"record {newest.seq} was stamped, signed at {newest.at}, and the segments here end at {sealed_up_to}:"
            " those behind it were not sealed yet when these files were taken, or newer segments are not here"
        ]

    def report(self, stream: Stream, problem: Problem) -> None:
        """One more problem of a stream; of a flood only the first."""
        if len(self.problems[stream]) < MOST:
            self.problems[stream].append(problem)

    # --- files ----------------------------------------------------------------------------------------

    def _manifest(self, path: Path) -> None:
        data = path.read_bytes()
        try:
            manifest = parse_manifest(data)
        except ValueError as error:
            self._unreadable(path, str(error))
            return
        stream = manifest.agent, manifest.customer
        wrong = self.ring.check(manifest)
        digest = hashlib.sha256(data).hexdigest()
        self.manifests[stream].append(Sealed(manifest, path, digest, wrong is None))
        if wrong is not None:
            self._bad(stream, wrong, "the manifest", manifest.first_seq, manifest.last_seq, path)
        head = manifest.head
        if (head.agent, head.customer, head.seq) != (*stream, manifest.last_seq):
            words = "the head in this manifest is of another stream or another line"
            self.report(
                stream, Problem(kind=Kind.FILE, seq=manifest.first_seq, file=self.shown(path), words=words)
            )
        else:
            self._head(head, path, None)
        if path.parent.name[:2].isdigit() and path.parent.parent.name != manifest.customer:
            words = f"this is a segment of customer {manifest.customer}, in the directory of another"
            problem = Problem(
                kind=Kind.FOREIGN,
                seq=manifest.first_seq,
                last_seq=manifest.last_seq,
                file=self.shown(path),
                words=words,
            )
            self.report(stream, problem)

    def _head_file(self, path: Path) -> None:
        try:
            head = parse_head(path.read_bytes())
        except ValueError as error:
            self._unreadable(path, str(error))
            return
        if path.name == HEAD and path.parent.name != head.customer:
            words = f"this is a head of customer {head.customer}, in the directory of another"
            stream = head.agent, head.customer
            self.report(stream, Problem(kind=Kind.FOREIGN, seq=head.seq, file=self.shown(path), words=words))
        self._head(head, path, None)

    def _heads_file(self, path: Path) -> None:
        """One head a line, plain or within what a pull noted with it."""
        read = Read(path, digested=False)
        number = 0
        try:
            for data in read.lines():
                number += 1
                if read.cut or not data:
                    continue  # a kill in the middle of writing it
                self._heads_line(data, path, number)
        except LinesError as error:
            self._unreadable(path, str(error))

    def _stamps_file(self, path: Path) -> None:
        """One stamp a line. Each holds a signed head, which counts whether its token is verified or not."""
        read = Read(path, digested=False)
        number = 0
        try:
            for data in read.lines():
                number += 1
                if not read.cut and data:  # else a kill in the middle of writing it
                    self._stamp(data, path, number)
        except LinesError as error:
            self._unreadable(path, str(error))

    def _stamp(self, data: bytes, path: Path, number: int) -> None:
        try:
            stamp = parse_stamp(data)
        except ValueError as error:
            self._unreadable(path, str(error), number)
            return
        head = stamp.head
        stream = head.agent, head.customer
        place: dict[str, Any] = {"seq": head.seq, "file": self.shown(path), "line": number}
        if path.is_relative_to(self.root) and path.parent.name != head.customer:
            words = f"this is a time stamp of customer {head.customer}, in the directory of another"
            self.report(stream, Problem(kind=Kind.FOREIGN, words=words, **place))
        if head not in self._seen:
            self.by_stamp.add(head)
        self._head(head, path, number)
        if self.authority is None:
            self.unverified[stream] += 1
            return
        try:
            given = self.authority.check(stamp)
        except TokenError as error:
            words = f"the time stamp of record {head.seq} {error}"
            self.report(stream, Problem(kind=Kind.BAD_STAMP, words=words, **place))
            return
        self.stamps[stream][stamp.sha256] = VerifiedStamp(
            seq=head.seq,
            digest=head.digest,
            sha256=stamp.sha256,
            given_us=given.given_us,
            accuracy_us=given.accuracy_us,
        )

    def _heads_line(self, data: bytes, path: Path, number: int) -> None:
        try:
            value: Any = msgspec.json.decode(data)
            told = value["head"] if isinstance(value, dict) and "head" in value else value
            if not isinstance(told, Mapping):
                raise ValueError("not a signed head")
            unsigned = told.get("signature") is None
            head = None if unsigned else parse_head(told)
            stream = str(told["agent"]), str(told["customer"])
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, KeyError) as error:
            self._unreadable(path, str(error), number)
            return
        if path.parent.parent.name == stream[0] and path.parent.name != stream[1]:
            words = f"this is a head of customer {stream[1]}, in the directory of another"
            self.report(stream, Problem(kind=Kind.FOREIGN, file=self.shown(path), line=number, words=words))
        if head is not None:
            self._head(head, path, number)
        if value is not told and isinstance(value.get("seq"), int) and isinstance(value.get("digest"), str):
            self.kept[stream][value["seq"]] = value["digest"]

    def _head(self, head: SignedHead, path: Path, number: int | None) -> None:
        if head in self._seen:
            return
        stream = head.agent, head.customer
        wrong = self.ring.check(head)
        if wrong is not None:
            self._bad(stream, wrong, f"the head of record {head.seq}", head.seq, None, path, number)
            return
        self._seen.add(head)
        self.heads[stream].append(head)

    def _bad(
        self,
        stream: Stream,
        wrong: tuple[Kind, str],
        what: str,
        seq: int,
        last: int | None,
        path: Path,
        number: int | None = None,
    ) -> None:
        kind, words = wrong
        problem = Problem(
            kind=kind, seq=seq, last_seq=last, file=self.shown(path), line=number, words=f"{what} {words}"
        )
        self.report(stream, problem)

    def _unreadable(self, path: Path, words: str, number: int | None = None) -> None:
        """Of the stream that its place speaks of, as far as it does."""
        problem = Problem(kind=Kind.UNREADABLE, file=self.shown(path), line=number, words=words)
        self.report(("", path.parent.name if path.name == HEAD else path.parent.parent.name), problem)


def _below(root: Path) -> list[Path]:
    """Files that speak of streams, anywhere below a directory, in order."""
    endings = (HEAD, HEADS, STAMPS, ENDING)
    return sorted(
        Path(place, name) for place, _, names in os.walk(root) for name in names if name.endswith(endings)
    )
