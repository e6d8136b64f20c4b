"""Rule: a verification says what was proved, by whose key, and what was not; no doubt is left out.

Takes a path, gives one verification of everything in it: the store of a results directory, sealed segments, copies
made by pulling, a single file of lines; or the tables of segments alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from probe.core.model.value import replace
from probe.core.proof.findings import Kind, Problem, StreamReport
from probe.dispute.check import check_dispute_file, is_dispute_file
from probe.seal.key_ring import KeyRing
from probe.seal.proofs import Proofs, Stream
from probe.seal.segment_files import LinesError
from probe.seal.stamps.tokens import Authority
from probe.seal.tables.verify import only_tables, verify_tables
from probe.seal.verify_sources import first_line, verify_lines, verify_segments, verify_store
from probe.store.base.schema import catalogue_file

_LINES = re.compile(r"(\d{6,19})\.ndjson(\.zst|\.gz)?")


class NothingToVerify(OSError):  # noqa: N818 - it is what there is
    """The path holds no results; the message says what was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found below `path`. `keys`: ids; `independent`: whether they came from elsewhere (`--key`)."""

    path: str
    keys: tuple[str, ...]
    independent: bool
    streams: tuple[StreamReport, ...]
    problems: tuple[Problem, ...] = ()  # of no stream

    @property
    def good(self) -> bool:
        """Nothing is wrong, as far as these files show."""
        return not self.problems and not any(stream.problems for stream in self.streams)


def verify(
    path: Path,
    keys: Iterable[Path] = (),
    heads: Iterable[Path] = (),
    *,
    stamp_ca: Path | None = None,
    stamp_policy: str | None = None,
    tick: Callable[[int], None] = lambda lines: None,
) -> Verification:
    """Verify what lies at `path`.

    `keys`: public keys; none: those beside the files. `heads`: signed heads, or time stamps, kept elsewhere.
    `stamp_ca`: the certificates of the time-stamping authority (PEM), without which time stamps prove nothing;
    `stamp_policy`: the only policy of it that is accepted (OID).

    Raises NothingToVerify, KeyFileError, AuthorityFileError, StampsMissing, StoreError, OSError: it could not be done.
    """
    authority = None if stamp_ca is None else Authority.read(stamp_ca, stamp_policy)
    ring = KeyRing.of(keys)
    root = path if path.is_dir() else path.parent
    if path.is_file() and is_dispute_file(path):
        return _of_dispute_file(path, ring, authority, heads)
    if not ring.given:
        ring.read_keys_beside(root)
    proofs = Proofs(root, ring, authority)
    if path.is_dir():
        proofs.collect()
    elif not path.is_file():
        raise NothingToVerify(f"{path}: there is no such file or directory")
    for file in heads:
        proofs.witness(file)
    reports = _reports(path, proofs, tick)
    if ring.independent:
        reports = [_signed_at_all(report) for report in reports]
    return Verification(
        path=str(path),
        keys=tuple(ring.ids()),
        independent=ring.independent,
        streams=tuple(reports),
        problems=tuple(problem for found in proofs.problems.values() for problem in found),
    )


def _of_dispute_file(
    path: Path, ring: KeyRing, authority: Authority | None, heads: Iterable[Path]
) -> Verification:
    """A dispute file holds its own key: it counts where none was given, and then the answer is not independent."""

    def witness(proofs: Proofs) -> None:
        for file in heads:
            proofs.witness(file)

    checked = check_dispute_file(path, ring, authority, witness)
    report = checked.report
    if report is not None and ring.independent:
        report = _signed_at_all(report)
    return Verification(
        path=str(path),
        keys=tuple(ring.ids()),
        independent=ring.independent,
        streams=() if report is None else (report,),
        problems=tuple(checked.problems),
    )


def _reports(path: Path, proofs: Proofs, tick: Callable[[int], None]) -> list[StreamReport]:
    if not path.is_dir():
        try:
            stream, first = first_line(path)
        except LinesError as error:
            raise NothingToVerify(
                f"{error}; wanted are .ndjson files of records, plain, .zst or .gz"
            ) from None
        return [verify_lines(stream, [(first, path)], proofs, tick)]
    reports: list[StreamReport] = []
    if catalogue_file(path).is_file():
        reports += verify_store(path, proofs, tick)
    stored = {(report.agent, report.customer) for report in reports}
    for stream in sorted(proofs.manifests):
        if only_tables(stream, proofs):
            reports.append(verify_tables(stream, proofs, tick))
        else:
            reports.append(verify_segments(stream, proofs, tick, stored=stream in stored))
    copies = _copies(path)
    reports += [verify_lines(stream, copies[stream], proofs, tick) for stream in sorted(copies)]
    reported = {(report.agent, report.customer) for report in reports}
    for stream in sorted({*proofs.heads, *proofs.given, *proofs.kept} - reported):
        reports.append(verify_lines(stream, [], proofs, tick))
    if not reports and not proofs.problems:
        raise NothingToVerify(
            f"{path}: no results here: neither a results directory, nor sealed segments (*.manifest.json), nor a copy"
            " made by pulling (<agent>/<customer>/*.ndjson)"
        )
    return reports


def _copies(root: Path) -> dict[Stream, list[tuple[int, Path]]]:
    """Files of lines by stream: their directories are named `<agent>/<customer>`."""
    found, before = _files(root), None
    while before is None or before.keys() != found.keys():
        # A directory that is read while a pull packs a file in it may show neither of the two.
        found, before = _files(root), found
    streams: dict[Stream, list[tuple[int, Path]]] = {}
    for (stream, first), path in sorted(found.items()):
        streams.setdefault(stream, []).append((first, path))
    return streams


def _files(root: Path) -> dict[tuple[Stream, int], Path]:
    """By stream and number. Of one that is there plain and packed, the packed one: so does whoever reads a copy."""
    found: dict[tuple[Stream, int], Path] = {}
    for pattern in ("*", "*/*", "*/*/*"):
        for path in root.glob(pattern):
            match = _LINES.fullmatch(path.name)
            if match is not None and path.is_file() and "rejected" not in path.parts[-2:-1]:
                stream = path.absolute().parent.parent.name, path.absolute().parent.name
                key = stream, int(match[1])
                found[key] = max(path, found.get(key, path))
    return found


def _signed_at_all(report: StreamReport) -> StreamReport:
    """With a key from elsewhere, files that nothing signs are not proved: their heads may have been taken away."""
    if report.signed_head is not None or report.source == "store" or report.problems:
        return report
    words = "no signed head fits these lines: the key that was given proves nothing of them"
    return replace(report, problems=(Problem(kind=Kind.UNSIGNED, words=words),))
