"""Rule: whatever holds the lines, they go through the same check, one at a time.

A store beside its agent, a tree of sealed segments, a copy made by pulling -> a report for each stream. Memory does not
grow with the number of lines.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from probe.core.model.value import replace
from probe.core.proof.evidence import EvidenceCheck
from probe.core.proof.findings import Kind, Problem, StreamReport
from probe.core.proof.gaps import Gaps
from probe.core.proof.signers import KnownHeads
from probe.core.proof.verify import Check
from probe.core.proof.vouching import Vouching
from probe.evidence.copied import CopiedEvidence
from probe.seal.position import STATE, Position, noted_streams
from probe.seal.proofs import Proofs, Sealed, Stream
from probe.seal.segment_files import ZST, LinesError, Read, digest_of
from probe.store.base.schema import StoreDamaged, StoreError
from probe.store.read.evidence import Bundles
from probe.store.read.reader import Reader
from probe.store.read.sources import Sources, place_of

PAGE = 1_000
TICK = 2_000
Tick = Callable[[int], None]  # so many lines more


def check_of(
    proofs: Proofs,
    stream: Stream,
    source: str,
    *,
    partial: bool = False,
    given_up_to: int | None = None,
    stamped_up_to: int | None = None,
) -> Check:
    """A check that knows every signed head and every manifest of the stream.

    `given_up_to`: heads of lines after this one, which somebody else kept, are held against another source.
    `stamped_up_to`: so are those of stamps alone; heads are stamped between two sealings too.
    """
    known_heads, gaps = KnownHeads(partial=partial), Gaps()
    check = Check(*stream, source, known_heads, gaps=gaps)
    for heads, strict in ((proofs.heads, False), (proofs.given, True)):
        for head in heads.get(stream, ()):
            up_to = given_up_to if strict else stamped_up_to if head in proofs.by_stamp else None
            if up_to is not None and head.seq > up_to:
                continue
            if (problem := known_heads.add(head, strict=strict)) is not None:
                check.problems.add(problem)
    for sealed in proofs.segments(stream):
        if sealed.signed:
            for gap in sealed.manifest.gaps:
                gaps.vouch(gap.first_seq, gap.last_seq, gap.digest)
    check.vouching = Vouching(
        stamps=list(proofs.stamps.get(stream, {}).values()),
        asked=proofs.authority is not None,
        partial=partial,
        unverified=proofs.unverified.get(stream, 0),
    )
    for problem in proofs.problems.pop(stream, ()):  # with the first source that is looked at
        check.problems.add(problem)
    return check


# --- a store ------------------------------------------------------------------------------------------


def verify_store(directory: Path, proofs: Proofs, tick: Tick) -> list[StreamReport]:
    """Every stream of a results directory, up to where it ended when it was looked at. Raises StoreError."""
    with Reader.open(directory) as reader:
        streams = [(agent, customer) for agent, customer, _ in reader.streams()]
        sealed = noted_streams(directory)
        with closing(Sources(directory)) as sources:
            kept = Bundles(sources)
            found = [
                _stored(directory, reader, stream, proofs, tick, sealed.get(stream), kept)
                for stream in streams
            ]
    for stream in sorted((proofs.heads.keys() | proofs.given.keys() | sealed.keys()) - set(streams)):
        check = check_of(proofs, stream, "store")
        _hold_against(check, sealed.get(stream))
        found.append(check.finish())
    return found


def _hold_against(check: Check, sealed: Position | None) -> None:
    """What was sealed of the stream by the sealer's own note, which outlives segments that were moved away."""
    if sealed is not None and sealed.seq:
        check.known_heads.note(sealed.seq, sealed.digest, f"the sealer noted in {STATE} as sealed")


def _stored(
    directory: Path,
    reader: Reader,
    stream: Stream,
    proofs: Proofs,
    tick: Tick,
    sealed: Position | None,
    kept: Bundles,
) -> StreamReport:
    check, evidence = check_of(proofs, stream, "store"), EvidenceCheck(kept.digest_of)
    _hold_against(check, sealed)
    reader.agent, customer = stream
    try:
        # What was dropped while it was read is named by an event before it went: behind the end as it was at first.
        for _ in range(2):
            end = reader.head(customer)
            if end.seq:
                check.known_heads.note(end.seq, end.digest, "the store itself names as its last")
            _page_through(reader, check, evidence, end.seq, tick)
    except StoreError as error:
        check.problems.add(Problem(kind=Kind.UNREADABLE, seq=check.last_seq + 1, words=str(error)))
        check.unread = not isinstance(error, StoreDamaged)
    report = with_evidence(check, evidence)
    return replace(report, problems=tuple(_in_file(directory, stream, p) for p in report.problems))


def with_evidence(check: Check, evidence: EvidenceCheck) -> StreamReport:
    """The report, with what was found of the bundles that the lines name."""
    problems, notes = evidence.finish()
    for problem in problems:
        check.problems.add(problem)
    report = check.finish()
    return replace(report, notes=(*report.notes, *notes))


def _page_through(reader: Reader, check: Check, evidence: EvidenceCheck, end: int, tick: Tick) -> None:
    after = check.last_seq
    while after < end:
        page = reader.lines(check.customer, after, min(PAGE, end - after))
        for line in page:
            text = line.text.encode()
            check.feed(text, "", 0)
            evidence.feed(text, "", 0)
        tick(len(page))
        if not page or page[-1].seq <= after:
            return
        after = page[-1].seq


def _in_file(directory: Path, stream: Stream, problem: Problem) -> Problem:
    """With the part of the store that holds the record, where that is known."""
    if problem.file or problem.seq is None:
        return replace(problem, line=problem.line or None)
    file = None
    try:
        with closing(Sources(directory)) as sources:
            for query in sources.parts():
                place = place_of(query, *stream)
                if place is not None and place.base < problem.seq <= place.head:
                    file = str(query.path.relative_to(directory))
    except (StoreError, ValueError):
        pass
    return replace(problem, file=file, line=None)


# --- segments -----------------------------------------------------------------------------------------


def verify_segments(stream: Stream, proofs: Proofs, tick: Tick, *, stored: bool = False) -> StreamReport:
    """A stream in sealed files. `stored`: its store is verified beside them, and has what is not sealed yet."""
    segments = proofs.segments(stream)
    sealed_up_to = segments[-1].manifest.last_seq if segments else None
    given_up_to = sealed_up_to if stored else None
    check = check_of(proofs, stream, "segments", given_up_to=given_up_to, stamped_up_to=sealed_up_to)
    notes = [] if stored else proofs.stamped_beyond(stream, sealed_up_to)
    if segments:
        first = segments[0].manifest
        check.after = first.first_seq - 1
        check.jump(first.first_seq, first.first_previous)
        if first.first_seq > 1:
            notes.append(f"begins with record {first.first_seq}: older segments are not here")
    before: Sealed | None = None
    for sealed in segments:
        if follows(check, proofs, sealed, before):
            _segment(check, proofs, sealed, tick)
            before = sealed
    report = check.finish()
    return replace(report, notes=(*report.notes, *notes))


def follows(check: Check, proofs: Proofs, sealed: Sealed, before: Sealed | None) -> bool:
    """Whether a segment is the next one; says what is missing or too many between it and the one before."""
    manifest, next_seq = sealed.manifest, check.last_seq + 1
    file = proofs.shown(sealed.path)
    if manifest.first_seq < next_seq:
        words = f"a segment from {manifest.first_seq} on, and up to {next_seq - 1} there is one already"
        check.problems.add(Problem(kind=Kind.EXTRA, seq=manifest.first_seq, file=file, words=words))
        return False
    if manifest.first_seq > next_seq:
        words = f"no segment has records {next_seq} to {manifest.first_seq - 1}: one is missing"
        check.problems.add(
            Problem(
                kind=Kind.MISSING_SEGMENT,
                seq=next_seq,
                last_seq=manifest.first_seq - 1,
                file=file,
                words=words,
            )
        )
        check.jump(manifest.first_seq, manifest.first_previous)
    elif before is not None and manifest.previous_manifest not in (None, before.digest):
        words = f"this manifest follows another one than {before.path.name}"
        check.problems.add(Problem(kind=Kind.FILE, seq=manifest.first_seq, file=file, words=words))
    return True


def is_beside(name: str) -> bool:
    """Whether a manifest names a file that can lie beside it."""
    return "/" not in name and "\0" not in name


def _segment(check: Check, proofs: Proofs, sealed: Sealed, tick: Tick) -> None:
    manifest = sealed.manifest
    for entry in manifest.files:
        path = sealed.path.parent / entry.name
        wrong = None
        try:
            if not is_beside(entry.name):
                wrong = "has a name that is no file's beside its manifest"
            elif entry.name.endswith(ZST):
                read = Read(path)
                wrong = _feed_file(check, proofs, read, tick)
                sha256, size = read.sha256, read.size
            else:
                sha256, size = digest_of(path)
            if wrong is None and (sha256, size) != (entry.sha256, entry.bytes):
                wrong = "is not the file that was sealed"
        except OSError as error:
            wrong = f"cannot be read: {error.strerror}"
        if wrong is not None:
            check.problems.add(
                Problem(
                    kind=Kind.FILE,
                    seq=manifest.last_seq,
                    since_seq=manifest.first_seq,
                    file=proofs.shown(path),
                    words=f"{entry.name} {wrong}",
                )
            )
    if check.last_seq < manifest.last_seq:
        words = f"records {check.last_seq + 1} to {manifest.last_seq} are missing from {manifest.stem}"
        missing = Problem(
            kind=Kind.MISSING,
            seq=check.last_seq + 1,
            last_seq=manifest.last_seq,
            file=proofs.shown(sealed.path),
            words=words,
        )
        check.problems.add(missing)
        check.jump(manifest.last_seq + 1, manifest.head.digest)


def _feed_file(check: Check, proofs: Proofs, read: Read, tick: Tick) -> str | None:
    file, number = proofs.shown(read.path), 0
    try:
        for data in read.lines():
            number += 1
            check.feed(data, file, number)
            if not number % TICK:
                tick(TICK)
    except LinesError as error:
        return str(error)
    finally:
        tick(number % TICK)
    return None


# --- copies -------------------------------------------------------------------------------------------


def verify_lines(stream: Stream, files: list[tuple[int, Path]], proofs: Proofs, tick: Tick) -> StreamReport:
    """A stream in plain files of lines, such as a pull makes. `files`: seq of the first line and file, in order."""
    kept = proofs.kept.get(stream, {})
    check = check_of(proofs, stream, "lines", partial=bool(kept))
    copied = CopiedEvidence(files[0][1].parent if files else proofs.root)
    evidence = EvidenceCheck(copied.digest_of, whole=False)
    notes: list[str] = []
    for seq, digest in kept.items():
        if seq:
            check.known_heads.note(seq, digest, "the pull itself noted when it was here")
    first = files[0][0] if files else 1
    if first > 1:
        check.after = first - 1
        check.jump(first, None)
        had = [seq for seq in kept if 0 < seq < first]
        if had:
            words = (
                f"the copy begins with record {first}, and by its own account it had those up to {max(had)}"
            )
            check.problems.add(Problem(kind=Kind.MISSING, seq=1, last_seq=first - 1, words=words))
        else:
            notes.append(f"begins with record {first}: what was before is not here")
    for _, path in files:
        torn = _feed_copy(check, evidence, proofs, path, tick, last=path == files[-1][1])
        if torn:
            notes.append(torn)
    report = with_evidence(check, evidence) if copied.kept else check.finish()
    return replace(report, notes=(*report.notes, *notes))


def _feed_copy(
    check: Check, evidence: EvidenceCheck, proofs: Proofs, path: Path, tick: Tick, *, last: bool
) -> str | None:
    read, number = Read(path, digested=False), 0
    file = proofs.shown(path)
    try:
        for data in read.lines():
            if read.cut and last:
                return (
                    f"{file} ends within a line, as a pull that was cut off leaves it; that line is left out"
                )
            number += 1
            check.feed(data, file, number)
            evidence.feed(data, file, number)
            if not number % TICK:
                tick(TICK)
    except (LinesError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        check.problems.add(
            Problem(kind=Kind.UNREADABLE, seq=check.last_seq + 1, file=file, words=f"{path.name}: {why}")
        )
    finally:
        tick(number % TICK)
    return None


def first_line(path: Path) -> tuple[Stream, int]:
    """Whose lines a file holds, and the seq of the first one. Raises LinesError, OSError."""
    why = "it is empty"
    for data in Read(path, digested=False).lines():
        try:
            value = msgspec.json.decode(data)
            whose = value["host"]["agent"] if "host" in value else value["agent"]
            return (str(whose), str(value["customer"])), int(value["seq"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            why = "the first line is no record"
            break
    raise LinesError(f"{path}: {why}")
