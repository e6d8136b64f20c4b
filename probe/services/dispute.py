"""Rule: a dispute file is made of what is kept, byte for byte, or not at all.

`make` takes a results directory, or a copy with its evidence, a customer and a span; gives what it wrote.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from probe.core.proof.chain import Line
from probe.core.proof.findings import Kind
from probe.core.proof.signed_head import SignedHead
from probe.core.proof.signers import KnownHeads
from probe.core.proof.stamp import Stamp, parse_stamp
from probe.core.proof.verify import Check
from probe.core.results.bundle import BundleError
from probe.dispute.check import check_dispute_file
from probe.dispute.container import write_container
from probe.dispute.contents import Contents
from probe.dispute.derived import members_of
from probe.dispute.selection import SelectionError, Stream, select, seqs_between
from probe.evidence.copied import CopiedEvidence
from probe.host.clock import SystemClock
from probe.pull import Copy
from probe.pull.chain import StreamName
from probe.pull.layout import read_lines, stream_dir, streams_in
from probe.seal.key_ring import KeyRing
from probe.seal.keys import PRIVATE, PUBLIC, KeyFileError, Keys, PublicKey, Signer
from probe.seal.proofs import Proofs
from probe.seal.stamps.files import ENDING as STAMPS
from probe.seal.stamps.files import stamps_file
from probe.store.base.query import stored_time
from probe.store.base.schema import catalogue_file
from probe.store.read.evidence import EvidenceAlteredError
from probe.store.read.reader import Reader

PAGE = 500


class DisputeError(OSError):
    """No dispute file can be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was written. `signed`: whether a head signs the records; `stamps`: by a third party.

    `other_keys`: ids of keys that the agent had before, which signed heads that are stamped: to verify them they are
    needed too.
    """

    file: str
    agent: str
    customer: str
    first_seq: int
    last_seq: int
    bytes: int
    evidence: int
    signed: bool
    stamps: int
    other_keys: tuple[str, ...] = ()


def make(
    directory: Path,
    into: Path,
    customer: str,
    *,
    agent: str | None = None,
    seqs: tuple[int, int] | None = None,
    since: str | None = None,
    until: str | None = None,
    keys: Path | None = None,
) -> Made:
    """Write the file. `seqs`: first and last record; else those due in [since, until) (RFC 3339).

    `keys`: the results directory whose key signs, if not this one.

    Raises DisputeError, StoreError, CopyError, KeyFileError, OSError.
    """
    if into.exists():
        raise DisputeError(f"{into}: exists already, and is not written over: name another file")
    if not into.absolute().parent.is_dir():
        raise DisputeError(f"{into}: there is no directory {into.parent}: make it first")
    try:
        with opened(directory, customer, agent, keys) as stream:
            if seqs is None:
                seqs = seqs_between(stream.lines(0), stored_time(since), stored_time(until))
            return write(select(stream, *seqs), into)
    except ValueError as error:
        raise DisputeError(str(error)) from error


def write(contents: Contents, into: Path) -> Made:
    """Write contents as a file, once it has been verified. Raises DisputeError, ValueError, OSError."""
    aside = into.with_name(f".{into.name}.unverified")
    try:
        write_container(aside, members_of(contents))
        wrong = _wrong_with(aside) if contents.key is not None else None
        if wrong is not None:
            raise DisputeError(f"{wrong}; no file was made: `results verify` says more")
        os.replace(aside, into)
    finally:
        aside.unlink(missing_ok=True)
    return Made(
        file=str(into),
        agent=contents.agent,
        customer=contents.customer,
        first_seq=contents.first_seq,
        last_seq=contents.last_seq,
        bytes=into.stat().st_size,
        evidence=len(contents.evidence),
        signed=bool(contents.heads),
        stamps=len(contents.stamps),
        other_keys=_other_keys(contents),
    )


def _other_keys(contents: Contents) -> tuple[str, ...]:
    """Which keys but the file's own signed heads that are stamped."""
    if contents.key is None:
        return ()
    own = PublicKey.parse(contents.key).id
    return tuple(sorted({parse_stamp(line).head.key for line in contents.stamps} - {own}))


def _wrong_with(file: Path) -> str | None:
    """The first thing that is wrong with a file, by the key that it holds itself.

    Stamps on heads of a key that the agent had before are no fault: whoever verifies has that key too, or is told.
    """
    checked = check_dispute_file(file, KeyRing())
    found = [*checked.problems, *(checked.report.problems if checked.report is not None else ())]
    for problem in found:
        if problem.kind is not Kind.OTHER_KEY or not (problem.file or "").endswith(STAMPS):
            return problem.words
    return None


@contextmanager
def opened(
    directory: Path, customer: str, agent: str | None = None, keys: Path | None = None
) -> Iterator[Stream]:
    """The stream as it is kept there. `keys`: the results directory whose key signs, if not this one."""
    if not catalogue_file(directory).is_file() and directory.is_dir() and streams_in(directory):
        yield _of_copy(directory, customer, agent)
        return
    with Reader.open(directory, agent) as reader:
        yield _of_store(directory, reader, customer, keys or directory)


# --- a results directory --------------------------------------------------------------------------------


def _of_store(directory: Path, reader: Reader, customer: str, keys: Path) -> Stream:
    if not reader.head(customer).seq:
        known = ", ".join(sorted({name for _, name, _ in reader.streams()})) or "none"
        raise DisputeError(
            f"{directory}: agent {reader.agent} has no records of customer {customer}; there are: {known}"
        )

    def lines(after: int) -> Iterator[Line]:
        while page := reader.lines(customer, after, PAGE):
            yield from page
            after = page[-1].seq

    def evidence(identifier: str, sha256: str) -> bytes | None:
        try:
            return reader.evidence(identifier, sha256)
        except EvidenceAlteredError as error:
            raise SelectionError(f"{error}; `results verify` says of which record") from error

    def sign_end() -> SignedHead | None:
        if not (keys / PRIVATE).exists():
            return None
        end = reader.head(customer)
        _refuse_altered(reader.agent, customer, lines, heads)
        return Signer(Keys.open(keys), SystemClock()).head(end)

    heads = _heads(directory, (reader.agent, customer))
    return Stream(
        agent=reader.agent,
        customer=customer,
        lines=lines,
        heads=heads,
        stamps=_stamps(stamps_file(directory, reader.agent, customer)),
        evidence=evidence,
        key=_public(keys / PUBLIC),
        sign_end=sign_end,
        how_to_have="it is missing, and nothing that the agent put on record says so; `results verify` says more",
    )


def _refuse_altered(
    agent: str, customer: str, lines: Callable[[int], Iterator[Line]], heads: Sequence[SignedHead]
) -> None:
    """What is signed follows from what was signed last. Raises SelectionError where it does not."""
    known, newest = KnownHeads(), max(heads, key=lambda head: head.seq, default=None)
    check = Check(agent, customer, "store", known)
    if newest is not None:
        known.add(newest)
        check.after = newest.seq - 1
        check.jump(newest.seq, None)
    for line in lines(check.last_seq):
        check.feed(line.text.encode(), "", 0)
    for problem in check.finish().problems:
        raise SelectionError(f"{problem.words}: nothing is signed, `results verify` says more")


# --- a copy ---------------------------------------------------------------------------------------------


def _of_copy(directory: Path, customer: str, agent: str | None) -> Stream:
    agents = [s.agent for s in streams_in(directory) if s.customer == customer and agent in (None, s.agent)]
    if len(agents) != 1:
        which = (
            f"of several agents ({', '.join(agents)}): name one with --agent"
            if agents
            else "not in this copy"
        )
        raise DisputeError(f"{directory}: customer {customer} is {which}")
    name = StreamName(agents[0], customer)
    copy, place = Copy(directory), stream_dir(directory, name)
    kept = CopiedEvidence(place)

    def evidence(identifier: str, sha256: str) -> bytes | None:
        try:
            return kept.text(identifier, sha256)
        except BundleError as error:
            raise SelectionError(f"{error}; `results verify` says of which record") from error

    key = _public(directory / name.agent / PUBLIC)
    if key is None:
        raise DisputeError(
            f"{directory}: the public key of agent {name.agent} is not here: pull once with --key agent.pub"
        )
    return Stream(
        agent=name.agent,
        customer=customer,
        lines=lambda after: copy.lines(name.agent, customer, after),
        heads=_heads(directory, (name.agent, customer)),
        stamps=_stamps(place / "stamps.ndjson"),
        evidence=evidence,
        key=key,
        sign_end=lambda: None,
        how_to_have="a dispute file needs it; `pull --evidence` brings it over, as long as the agent has it",
    )


# --- both -----------------------------------------------------------------------------------------------


def _heads(directory: Path, stream: tuple[str, str]) -> list[SignedHead]:
    """Signed heads below a directory whose signatures fit the key that lies there."""
    ring = KeyRing()
    ring.read_keys_beside(directory)
    proofs = Proofs(directory, ring)
    with suppress(KeyFileError):  # of another agent of a copy, whose key nobody gave
        proofs.collect()
    return list(proofs.heads.get(stream, ()))


def _stamps(file: Path) -> list[Stamp]:
    found = []
    with suppress(FileNotFoundError):
        for text, _ in read_lines(file):
            with suppress(ValueError):
                found.append(parse_stamp(text))
    return found


def _public(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
