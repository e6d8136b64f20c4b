"""Rule: a dispute file is verified with nothing but itself and a public key, and what is wrong is named by its member.

Theory of operation. 1. The container is read within bounds, to its end. 2. `dispute.json` names every member with its
digest. 3. Members that follow from others (page, HAR, certificates, `dispute.json` itself) are made again and compared,
so that whoever alters them has nothing to make fit. 4. The lines go through the check that every stream goes through,
with the heads and stamps of the file; what later spans say is gone counts only once they are proved too. 5. Each bundle
is held against its row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from probe.core.model.value import replace
from probe.core.proof.evidence import Declared, EvidenceCheck, evidence_named
from probe.core.proof.findings import Kind, Problem, StreamReport
from probe.core.proof.gaps import DECLARING
from probe.core.proof.line import decode_line, detail_of
from probe.core.syntax.values import OWN_NAME
from probe.dispute.container import BEGINS_WITH, Container, DisputeFileError
from probe.dispute.contents import DECLARED, LINES, PAGE, SUMMARY, Contents, Span
from probe.dispute.derived import LAYOUT, digests_of
from probe.dispute.members import MemberEvidence, Members
from probe.seal.key_ring import KeyRing
from probe.seal.keys import KeyFileError, PublicKey
from probe.seal.proofs import Proofs
from probe.seal.stamps.tokens import Authority
from probe.seal.verify_sources import check_of, with_evidence

SOURCE = "dispute"
AGAIN = "ask whoever made it for the file again"


def is_dispute_file(path: Path) -> bool:
    """Whether it begins as one."""
    with open(path, "rb") as file:
        return file.read(len(BEGINS_WITH)) == BEGINS_WITH


class _Summary(msgspec.Struct):
    kind: str
    layout: int
    agent: str
    customer: str
    first_seq: int
    last_seq: int
    members: list[dict[str, Any]]


_SUMMARY = msgspec.json.Decoder(_Summary)


@dataclass(slots=True)
class Checked:
    """What was found: the report of its stream, if it could be looked at, and what is wrong with members."""

    report: StreamReport | None = None
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, member: str, words: str, kind: Kind = Kind.FILE) -> None:
        """One more problem, named by its member."""
        self.problems.append(Problem(kind=kind, file=member, words=f"{member} {words}"))


def check_dispute_file(
    path: Path,
    ring: KeyRing,
    authority: Authority | None = None,
    witness: Callable[[Proofs], None] = lambda proofs: None,
) -> Checked:
    """Verify a dispute file. `ring`: keys that were given, else the file's own counts, and is taken into it.

    `witness`: adds heads that somebody else kept. Raises OSError.
    """
    checked = Checked()
    try:
        with Container(path) as container:
            members = Members(container)
            contents = _contents(members, checked)
            if contents is not None:
                _hold_together(contents, members, checked)
                _prove(contents, members, ring, authority, witness, checked)
    except DisputeFileError as error:
        checked = Checked()
        checked.wrong(path.name, f"{error}: it was altered or cut, or is no dispute file; {AGAIN}")
    return checked


# --- members --------------------------------------------------------------------------------------------


def _contents(members: Members, checked: Checked) -> Contents | None:
    """What the file holds, by its own account; None where that cannot be read."""
    try:
        told = _SUMMARY.decode(members[SUMMARY])
    except KeyError:
        checked.wrong(SUMMARY, f"is missing: nothing says what is in the file; {AGAIN}")
        return None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        checked.wrong(SUMMARY, f"cannot be read: {error}; {AGAIN}")
        return None
    if told.layout != LAYOUT:
        checked.wrong(
            SUMMARY,
            f"is of layout {told.layout}, and this version reads {LAYOUT}: use the version that made it",
        )
        return None
    if not all(OWN_NAME.fullmatch(name) for name in (told.agent, told.customer)):
        checked.wrong(SUMMARY, f"names an agent or customer that is none; {AGAIN}")
        return None
    for entry in told.members:
        name = str(entry.get("name"))
        if name not in members:
            checked.wrong(name, f"is missing, and {SUMMARY} names it")
        elif members.sha256[name] != entry.get("sha256"):
            checked.wrong(name, f"was altered: it is not the one whose digest {SUMMARY} names")
    return _sorted_out(told, members, checked)


def _sorted_out(told: _Summary, members: Members, checked: Checked) -> Contents | None:
    place = f"{told.agent}/{told.customer}"
    spans, declared = _spans(members, f"{place}/"), _spans(members, f"{DECLARED}/{place}/")
    if len(spans) != 1:
        checked.wrong(f"{place}/", "holds no one file of records, as a dispute file does")
        return None
    named = {
        each.identifier: each.seq
        for each in map(evidence_named, spans[0].lines)
        if each is not None and told.first_seq <= each.seq <= told.last_seq
    }
    return Contents(
        agent=told.agent,
        customer=told.customer,
        first_seq=told.first_seq,
        last_seq=told.last_seq,
        records=spans[0],
        declared=tuple(declared),
        heads=_lines(members.get(f"{place}/heads.ndjson", b"")),
        declared_heads=_lines(members.get(f"{DECLARED}/{place}/heads.ndjson", b"")),
        stamps=_lines(members.get(f"{place}/stamps.ndjson", b"")),
        evidence=MemberEvidence(members, place, named),
        key=members.get(f"{told.agent}/agent.pub"),
    )


def _spans(members: Members, place: str) -> list[Span]:
    found = [
        Span(int(match[1]), members.lines(name))
        for name in members
        if (match := LINES.fullmatch(name.removeprefix(place)))
    ]
    return sorted(found, key=lambda span: span.first_seq)


def _lines(data: bytes) -> tuple[bytes, ...]:
    return tuple(data.split(b"\n")[:-1]) if data.endswith(b"\n") else tuple(data.split(b"\n")) if data else ()


def _hold_together(contents: Contents, members: Members, checked: Checked) -> None:
    """Everything that follows from the rest is as it follows, and nothing else is there."""
    known = {problem.file for problem in checked.problems}
    try:
        made = digests_of(contents)
    except DisputeFileError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        checked.wrong(PAGE, f"cannot be made again, for what it shows cannot be read: {str(error)[:200]}")
        made = {name: members.sha256.get(name, "") for name, _ in contents.given()}
        known |= members.keys() - made.keys()
    for name in [*made, *(name for name in members if name not in made)]:
        if name in known:
            continue
        if name not in made:
            checked.wrong(name, "does not belong into this file: nothing in it gives or names it")
        elif name not in members:
            checked.wrong(name, "is missing, and the records and evidence give it")
        elif members.sha256[name] != made[name]:
            checked.wrong(name, "was altered: it is not what the records and the evidence in this file give")


# --- proof ----------------------------------------------------------------------------------------------


def _prove(
    contents: Contents,
    members: Members,
    ring: KeyRing,
    authority: Authority | None,
    witness: Callable[[Proofs], None],
    checked: Checked,
) -> None:
    """Lines, heads, stamps and evidence. The files that name streams are read as those of a copy are."""
    name = f"{contents.agent}/agent.pub"
    try:
        own = None if contents.key is None else PublicKey.parse(contents.key)
    except KeyFileError as error:
        own = None
        checked.wrong(name, f"cannot be used: {error}")
    if contents.key is None and contents.heads:
        checked.wrong(name, "is missing: a file whose records are signed holds the key")
    if own is not None and own.pem() != contents.key:
        checked.wrong(name, "was altered: it holds the key in another form than an agent writes it")
    if own is not None and ring.given and own.id not in ring.given:
        checked.wrong(name, f"is another key ({own.id}) than the one that was given", Kind.OTHER_KEY)
    if own is not None and not ring.given:
        ring.beside[""] = own  # also for heads of others, which do not belong here
    if not ring.given and not ring.beside:
        checked.wrong(name, "is missing or no key, and none was given with --key: nothing can be verified")
        return
    with tempfile.TemporaryDirectory(prefix="cdn-probe-") as temporary:
        declared = _declared(contents, Path(temporary) / "declared", members, ring, checked)
        proofs = _proofs(contents, Path(temporary) / "records", members, "", ring, authority)
        witness(proofs)
        checked.report = _records(contents, proofs, declared)
        checked.problems += [problem for found in proofs.problems.values() for problem in found]
        for agent, customer in proofs.heads.keys() - {(contents.agent, contents.customer)}:
            checked.wrong(
                f"{contents.place}/heads.ndjson", f"holds a head of {customer} of {agent}", Kind.FOREIGN
            )


def _proofs(
    contents: Contents,
    root: Path,
    members: Mapping[str, bytes],
    below: str,
    ring: KeyRing,
    authority: Authority | None,
) -> Proofs:
    """What the file's heads and stamps say; their signatures are verified."""
    place = root / contents.agent / contents.customer
    place.mkdir(parents=True)
    for name in ("heads.ndjson", "stamps.ndjson"):
        if (data := members.get(f"{below}{contents.place}/{name}")) is not None:
            (place / name).write_bytes(data)
    proofs = Proofs(root, ring, authority)
    proofs.collect()
    return proofs


def _records(contents: Contents, proofs: Proofs, declared: list[bytes]) -> StreamReport:
    stream, file = (
        (contents.agent, contents.customer),
        f"{contents.place}/{contents.records.first_seq:012d}.ndjson",
    )
    first = contents.records.first_seq
    last = _last_seq(contents.records)
    proofs.given[stream] = [head for head in proofs.given.get(stream, ()) if first <= head.seq <= last]
    check = check_of(proofs, stream, SOURCE)
    evidence = EvidenceCheck(
        lambda identifier, sha256: _digest(contents, identifier), declared=_evidence_declared(declared)
    )
    for line in declared:
        seen = decode_line(line)
        if seen.event in DECLARING:
            try:
                check.gaps.declare(seen.event or "", detail_of(seen))
            except (msgspec.DecodeError, ValueError, KeyError):
                continue
    check.after = first - 1
    if first > 1:
        check.jump(first, None)
    for number, line in enumerate(contents.records.lines, 1):
        check.feed(line, file, number)
        if contents.first_seq <= check.last_seq <= contents.last_seq:
            evidence.feed(line, file, number)
        else:
            evidence.declared.look(line)
    report = with_evidence(check, evidence)
    about = f"records {contents.first_seq} to {contents.last_seq} are in dispute"
    if last > contents.last_seq or first < contents.first_seq:
        about += "; those around them lead to what is signed and stamped"
    signed = report.signed_up_to or 0
    if proofs.ring.independent and 0 < signed < contents.last_seq:
        words = f"records {signed + 1} to {contents.last_seq} are signed by no head of this file"
        unsigned = Problem(
            kind=Kind.UNSIGNED, seq=signed + 1, last_seq=contents.last_seq, file=file, words=words
        )
        report = replace(report, problems=(*report.problems, unsigned))
    return replace(report, notes=(about, *report.notes))


def _last_seq(span: Span) -> int:
    """The number of the last line: heads of others that lie behind it say nothing of this file."""
    last, count = b"", 0
    for count, last in enumerate(span.lines, 1):  # noqa: B007 - as they are at the end
        pass
    try:
        seen = decode_line(last)
        return seen.last_seq or seen.seq or span.first_seq
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return span.first_seq + count


def _digest(contents: Contents, identifier: str) -> str | None:
    assert isinstance(contents.evidence, MemberEvidence), "read from a file"
    return contents.evidence.sha256(identifier)


def _evidence_declared(lines: list[bytes]) -> Declared:
    declared = Declared()
    for line in lines:
        declared.look(line)
    return declared


def _declared(
    contents: Contents, root: Path, members: Mapping[str, bytes], ring: KeyRing, checked: Checked
) -> list[bytes]:
    """Lines of later spans that are as a head signs them."""
    if not contents.declared:
        return []
    proofs = _proofs(contents, root, members, f"{DECLARED}/", ring, None)
    stream = contents.agent, contents.customer
    heads = list(proofs.heads.get(stream, ()))
    found: list[bytes] = []
    for span in contents.declared:
        file = f"{DECLARED}/{contents.place}/{span.first_seq:012d}.ndjson"
        last = _last_seq(span)
        proofs.heads[stream] = [head for head in heads if span.first_seq <= head.seq <= last]
        check = check_of(proofs, stream, SOURCE)
        check.after = span.first_seq - 1
        check.jump(span.first_seq, None)
        for number, line in enumerate(span.lines, 1):
            check.feed(line, file, number)
        report = check.finish()
        checked.problems += report.problems
        if report.signed_up_to != report.last_seq:
            checked.wrong(
                file, "is signed by no head of this file: what it says of rows that are gone counts nothing"
            )
        elif not report.problems:
            found += filter(_declares, span.lines)
    return found


def _declares(line: bytes) -> bool:
    """Whether it says of rows or evidence that they are gone; nothing else of these spans is of use."""
    return decode_line(line).event in DECLARING or Declared().look(line)
