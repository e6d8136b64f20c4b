"""Rule: where only the tables of segments are, what is proved is that they are the files that the agent sealed.

A tree of manifests and tables without the lines, as whoever evaluates may have it -> a report for each stream, which
says what it does not prove: that the tables say what the lines said is the agent's word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from probe.core.model.value import replace
from probe.core.proof.findings import DeclaredGap, Kind, Problem, StreamReport
from probe.core.tables.columns import EXPORTED
from probe.seal.proofs import Proofs, Sealed, Stream
from probe.seal.segment_files import ZST, digest_of
from probe.seal.verify_sources import Tick, check_of, follows, is_beside

SOURCE = "tables"


def only_tables(stream: Stream, proofs: Proofs) -> bool:
    """Whether no segment of the stream has its lines here, and one has another file that its manifest names."""
    others = False
    for sealed in proofs.segments(stream):
        for entry in sealed.manifest.files:
            if not is_beside(entry.name) or not (sealed.path.parent / entry.name).is_file():
                continue
            if entry.name.endswith(ZST):
                return False
            others = True
    return others


def verify_tables(stream: Stream, proofs: Proofs, tick: Tick) -> StreamReport:
    """The tables of a stream by its signed manifests."""
    segments = proofs.segments(stream)
    sealed_up_to = segments[-1].manifest.last_seq
    check = check_of(proofs, stream, SOURCE, stamped_up_to=sealed_up_to)
    first = segments[0].manifest
    check.after = first.first_seq - 1
    check.jump(first.first_seq, first.first_previous)
    rows: Counter[str] = Counter()
    used: list[Sealed] = []
    here = _here(segments)
    for sealed in segments:
        before = used[-1] if used else None
        if not follows(check, proofs, sealed, before):
            continue
        _links(check.problems.add, proofs, sealed, before)
        for wrong in _files(proofs, sealed, rows, here):
            check.problems.add(wrong)
        manifest = sealed.manifest
        check.jump(manifest.last_seq + 1, manifest.head.digest)
        claims = check.known_heads.at(manifest.last_seq) or ()
        check.known_heads.match(tuple(claim for claim in claims if claim.digest == manifest.head.digest))
        used.append(sealed)
        tick(manifest.count)
    report = check.finish()
    last = used[-1].manifest
    return replace(
        report,
        records=sum(sealed.manifest.count for sealed in used),
        first_seq=first.first_seq,
        last_seq=last.last_seq,
        last_digest=last.head.digest,
        complete_up_to=last.complete_up_to,
        gaps=tuple(
            DeclaredGap(first_seq=gap.first_seq, last_seq=gap.last_seq, reason=gap.reason)
            for sealed in used
            for gap in sealed.manifest.gaps
        ),
        notes=(
            *report.notes,
            *proofs.stamped_beyond(stream, sealed_up_to),
            *_notes(first.first_seq, rows, _left_out(segments, here)),
        ),
    )


def _links(add: Callable[[Problem], None], proofs: Proofs, sealed: Sealed, before: Sealed | None) -> None:
    manifest = sealed.manifest
    if before is None or before.manifest.last_seq + 1 != manifest.first_seq:
        return
    if manifest.first_previous not in (None, before.manifest.head.digest):
        words = f"{manifest.stem} does not begin with the line after the last one of {before.manifest.stem}"
        add(Problem(kind=Kind.FILE, seq=manifest.first_seq, file=proofs.shown(sealed.path), words=words))


def _here(segments: Sequence[Sealed]) -> frozenset[str]:
    """The kinds of files that some segment has here. One that none has was left out; one that some lack is missing."""
    return frozenset(
        _ending(sealed, entry.name)
        for sealed in segments
        for entry in sealed.manifest.files
        if is_beside(entry.name) and (sealed.path.parent / entry.name).is_file()
    )


def _left_out(segments: Sequence[Sealed], here: frozenset[str]) -> list[str]:
    """The tables that no segment has here."""
    named = {_ending(sealed, e.name) for sealed in segments for e in sealed.manifest.files} - here
    return [name for name in EXPORTED if any(ending.partition(".")[0] == name for ending in named)]


def _ending(sealed: Sealed, name: str) -> str:
    return name.removeprefix(sealed.manifest.stem + ".")


def _files(proofs: Proofs, sealed: Sealed, rows: Counter[str], here: frozenset[str]) -> Iterator[Problem]:
    for entry in sealed.manifest.files:
        if entry.name.endswith(ZST) or (is_beside(entry.name) and _ending(sealed, entry.name) not in here):
            continue
        path = sealed.path.parent / entry.name
        wrong = None
        try:
            if not is_beside(entry.name):
                wrong = "has a name that is no file's beside its manifest"
            elif digest_of(path) != (entry.sha256, entry.bytes):
                wrong = "is not the file that was sealed"
        except OSError as error:
            wrong = f"cannot be read: {error.strerror}"
        table = _ending(sealed, entry.name).partition(".")[0]
        rows[table] += entry.rows if table in EXPORTED else 0
        if wrong is not None:
            yield Problem(
                kind=Kind.FILE,
                seq=sealed.manifest.first_seq,
                last_seq=sealed.manifest.last_seq,
                file=proofs.shown(path),
                words=f"{entry.name} {wrong}",
            )


def _notes(first_seq: int, rows: Counter[str], left_out: Sequence[str]) -> Iterator[str]:
    held = ", ".join(f"{rows[name]} {name}" for name in EXPORTED if name in rows)
    yield (
        f"tables alone ({held}), without the lines that they were made of: they are the files that the agent sealed and"
        " signed; that they say what the lines say is its word, which the lines would prove"
    )
    if left_out:
        yield f"the manifests name tables that are not here: {', '.join(left_out)}"
    if first_seq > 1:
        yield f"begins with record {first_seq}: older segments are not here"
