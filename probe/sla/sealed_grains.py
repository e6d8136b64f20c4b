"""Rule: of sums that were sealed only those count whose manifest was verified, each span of a stream once.

Trees of tables without the lines that they were made of, verified -> the files of `grains`, and what is known of each
stream. What is proved of them is told by `results verify` and by the report alike: they are what the agent sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from probe.core.proof.findings import StreamReport
from probe.core.proof.manifest import ENDING, Manifest, parse_manifest
from probe.core.scheduling.grid import to_us
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.rules import counting_rule, declared
from probe.core.sla.facts.grain_rows import RULE
from probe.core.sla.facts.stream import Lost
from probe.core.sla.report.values import Input, Words
from probe.seal.segment_files import LinesError, Read
from probe.seal.tables.verify import SOURCE
from probe.services.verification import Verification
from probe.sla.engines.duckdb_engine import loaded
from probe.sla.engines.grain_engine import GrainEngine
from probe.sla.engines.sums_files import SumsFile, kind_of, names
from probe.sla.inputs import Reading, StreamRead, UnverifiedError
from probe.sla.ledger import TablesError, digest_of

FOOTER_BYTES = 1 << 16
NOT_IN_SUMS = Words(
    en="rows, incidents, deadlines and times: sums that hosts sealed do not have them; give the lines",
    zh="记录、事件、时限与时间分布:主机封存的汇总中没有, 须提供原始记录",
)


UNSIGNED = (
    "sums that nobody signed: the file says what it says, whoever wrote it; which records they are of is its word, and"
    " that none is missing is nobody's"
)


WANTED = (
    "or sums (GET /v1/grains, results export --table grains), one row a line or as Parquet, in a file whose name ends"
    f" in {names()}"
)


def unsigned(paths: Iterable[Path]) -> list[Path]:
    """Files of the table `grains`, as `GET /v1/grains` answers or `results export` writes them.

    Raises OSError; LinesError with the place: not what its name says.
    """
    found = []
    for path in paths:
        try:
            found += [path] if path.is_file() and _is_sums(path) else []
        except LinesError as error:
            raise LinesError(f"{path}: {error}") from None
    return found


def _is_sums(path: Path) -> bool:
    kind = kind_of(path)
    if kind is None:
        return False
    if kind == "parquet":
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - FOOTER_BYTES))
            return b"errors_cdn" in file.read()
    first = next(iter(Read(path, digested=False).lines()), b"")
    if kind == "csv":
        return not first.startswith(b"{") and b"errors_cdn" in first and b"grain" in first
    try:
        line = msgspec.json.decode(first)
    except msgspec.DecodeError:
        return False
    # A page of no rows is its last line alone, which tells what was summed.
    return isinstance(line, dict) and ({"errors_cdn", "grain"} <= line.keys() or "summed" in line)


@contextmanager
def in_words(inputs: Iterable[Path | str]) -> Iterator[None]:
    """What the engine says of files that it cannot read as a TablesError: taken with words, they may be anything."""
    try:
        yield
    except loaded().Error as error:
        why, told = str(error).partition("\n")[0], ", ".join(map(str, inputs))
        raise TablesError(f"{told}: not to be read as sums to its end, cut off perhaps: {why}") from None


def engine_of_files(
    agreed: Agreed, files: Sequence[Path], inputs: Sequence[Path], *, excused: bool
) -> tuple[GrainEngine, Reading, tuple[Input, ...]]:
    """What adds up files that nobody signed, which are complete up to nowhere: *kept* is never said of them.

    Raises UnverifiedError unless that is `excused`; TablesError, DuckDbMissing, NotComputableError.
    """
    told = ", ".join(map(str, files))
    if not excused:
        raise UnverifiedError(f"{file}: {UNSIGNED}" for file in files)
    why = why_not(agreed)
    if len(files) != len(inputs):
        why = "other inputs are given too, and they are not added up together: report on them apart"
    if why is not None:
        raise TablesError(f"{told}: sums alone: {why}")
    with ExitStack() as opened:
        engine = opened.enter_context(closing(GrainEngine()))
        with in_words(files):
            engine.take_sums([SumsFile(file) for file in files])
            streams = engine.streams()
        if not streams:
            raise TablesError(
                f"{told}: no sums in it: the answer, or the export, had no rows; ask for a time of which there are some"
            )
        with in_words(files):
            twice = engine.given_twice()
        if twice is not None:
            raise TablesError(
                f"{told}: sums of agent {twice[0]} for grain {twice[1]} are in it twice: give each page once"
            )
        opened.pop_all()  # from here on it is the caller's to close
    reading, held = Reading(), []
    digests = tuple(f"{UNSIGNED}; SHA-256 {digest_of(file)}" for file in files)
    for agent, customer, first, last in streams:
        reading.customers.add(customer)
        if customer == agreed.agreement.customer:
            reading.streams.append(
                StreamRead(
                    agent=agent, customer=customer, rows=last - first + 1, complete_up_to=None, last_us=None,
                    lost=(), pulls=(),
                )
            )  # fmt: skip
            held.append(
                Input(
                    agent=agent, customer=customer, source="sums", records=last - first + 1, first_seq=first,
                    last_seq=last, last_digest=None, signed_up_to=None, signed_at=None, key=None, heads=0,
                    witnessed=False, notes=digests,
                )
            )  # fmt: skip
    return engine, reading, tuple(held)


def alone(proofs: Iterable[Verification], customer: str) -> list[Verification]:
    """The inputs of which only tables are here."""
    return [
        one
        for one in proofs
        if (own := [stream for stream in one.streams if stream.customer == customer])
        and all(stream.source == SOURCE for stream in own)
    ]


def why_not(agreed: Agreed) -> str | None:
    """What a contract asks for that sums of five minutes do not say; None: they say all of its figures.

    Raises NotComputableError.
    """
    profile = agreed.profile
    if profile.grain is None:
        return f"{profile.profile} does not count by grains"
    rule = counting_rule(agreed)
    if rule.length_us % RULE.length_us:
        return "its grain is no multiple of five minutes"
    for name in ("faults", "errors", "clocks", "clock_max_error_us"):
        if getattr(rule, name) != getattr(RULE, name):
            return f"it counts otherwise than the sums do ({name})"
    if profile.surge is not None or profile.cumulated_fault_time or profile.deadlines.opening is not None:
        return "it promises what is computed from rows"
    for one in declared(agreed):
        if one.span.from_us % RULE.length_us or one.span.to_us % RULE.length_us:
            return f"an exclusion ({one.reason}) begins or ends within five minutes"
    return None


def engine_of(
    agreed: Agreed, sums: Sequence[Verification], inputs: Sequence[Path]
) -> tuple[GrainEngine, Reading]:
    """What adds them up, and what is known of each stream. `inputs`: all that were given.

    Raises TablesError: they do not say what is asked; DuckDbMissing, NotComputableError.
    """
    told = ", ".join(one.path for one in sums)
    why = why_not(agreed)
    if len(sums) != len(inputs):
        why = "other inputs have lines, and both are not added up together: report on them apart"
    if why is not None:
        raise TablesError(f"{told}: only tables of segments are here, without the lines: {why}")
    reading, files = read_sums(sums, agreed.agreement.customer)
    with ExitStack() as opened:
        engine = opened.enter_context(closing(GrainEngine()))
        with in_words(one.path for one in sums):
            engine.take_sums(files)
        opened.pop_all()  # from here on it is the caller's to close
    return engine, reading


def read_sums(proofs: Iterable[Verification], customer: str) -> tuple[Reading, list[SumsFile]]:
    """What is known of each stream, and its files. Raises TablesError: spans overlap, or have no sums; OSError."""
    reading, seen = Reading(), set()
    files: list[SumsFile] = []
    for one in proofs:
        found = _manifests(Path(one.path))
        reading.customers |= {stream.customer for stream in one.streams}
        for stream in one.streams:
            if stream.customer != customer:
                continue
            name = stream.agent, stream.customer
            if name in seen:
                raise TablesError(
                    f"{one.path}: {customer} of agent {stream.agent} is in another input too: give one of them"
                )
            seen.add(name)
            segments = sorted(found.get(name, []), key=lambda pair: pair[0].first_seq)
            files += _files(segments)
            reading.streams.append(_read(stream, [manifest for manifest, _ in segments]))
    return reading, files


def _manifests(root: Path) -> dict[tuple[str, str], list[tuple[Manifest, Path]]]:
    made: dict[tuple[str, str], list[tuple[Manifest, Path]]] = {}
    for path in sorted(root.rglob(f"*{ENDING}")):
        manifest = parse_manifest(path.read_bytes())
        made.setdefault((manifest.agent, manifest.customer), []).append((manifest, path))
    return made


def _files(segments: Iterable[tuple[Manifest, Path]]) -> Iterable[SumsFile]:
    last = 0
    for manifest, path in segments:
        if manifest.first_seq <= last:
            raise TablesError(
                f"{path}: begins with record {manifest.first_seq}, and the segment before ends with {last}: sums of"
                " records that lie in both cannot be told apart; give the lines"
            )
        last = manifest.last_seq
        begins = f"{manifest.stem}.grains."
        entry = next((entry for entry in manifest.files if entry.name.startswith(begins)), None)
        if entry is None:
            raise TablesError(
                f"{path}: it has no sums (grains): it was sealed by an earlier version; give the lines"
            )
        first = manifest.scheduled_first
        yield SumsFile(path.with_name(entry.name), entry.rows, None if first is None else to_us(first))


def _read(stream: StreamReport, segments: list[Manifest]) -> StreamRead:
    """Rows that are gone were due before the end of the segment that says so, or of the first one that is here."""
    first, lost = segments[0], []
    if first.first_seq > 1:
        lost.append(_lost(stream, 1, first.first_seq - 1, "not in these inputs", first))
    for of in segments:
        lost += [_lost(stream, gap.first_seq, gap.last_seq, gap.reason, of) for gap in of.gaps]
    times = [to_us(of.scheduled_last) for of in segments if of.scheduled_last is not None]
    return StreamRead(
        agent=stream.agent,
        customer=stream.customer,
        rows=stream.records,
        complete_up_to=stream.complete_up_to,
        last_us=max(times, default=None),
        lost=tuple(lost),
        pulls=(),
    )


def _lost(stream: StreamReport, first: int, last: int, reason: str, of: Manifest) -> Lost:
    before = None if of.scheduled_last is None else to_us(of.scheduled_last) + 1
    what = f"rows {first} to {last} ({reason})"
    return Lost(agent=stream.agent, customer=stream.customer, what=what, before_us=before)
