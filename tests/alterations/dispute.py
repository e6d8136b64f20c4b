"""What somebody may do to a dispute file: to its bytes, to its members, or by making it anew of other contents."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from probe.core.proof.stamp import parse_stamp
from probe.dispute.contents import SUMMARY, Contents
from probe.dispute.derived import members_of
from probe.dispute.selection import select
from probe.services import dispute
from tests.alterations.beside import flipped, replaced, status_edited
from tests.alterations.trying import Act, Done
from tests.alterations.world import World
from tests.dispute.made import File, held, joined
from tests.seal.attacks import ATTACKS

FIRST, LAST = 5, 40
Members = dict[str, bytes]


def made(world: World) -> File:
    """A dispute file of the copy."""
    path = world.made.copy.parent / "dispute.zip"
    dispute.make(world.made.copy, path, "acme", seqs=(FIRST, LAST))
    return File(path, world.made.key)


def bits(world: World, rng: random.Random) -> Done:
    """One bit of the file itself."""
    file = made(world)
    file.path.write_bytes(flipped(file.path.read_bytes(), rng))
    return Done(customer="acme", path=file.path)


def on_members(change: Callable[[Members, random.Random], None], *, fitted: bool) -> Act:
    """Members changed; `fitted`: the digests in dispute.json are made to fit."""

    def act(world: World, rng: random.Random) -> Done:
        file = made(world)
        members = file.members
        change(members, rng)
        return Done(customer="acme", path=file.rewritten(members, fitted=fitted).path)

    return act


def member_flipped(members: Members, rng: random.Random) -> None:
    name = rng.choice(sorted(members.keys() - {SUMMARY}))
    members[name] = flipped(members[name], rng)


def member_taken(members: Members, rng: random.Random) -> None:
    del members[rng.choice(sorted(members.keys() - {SUMMARY}))]


def members_swapped(members: Members, rng: random.Random) -> None:
    """Two that differ, of any kind."""
    a, b = rng.sample(sorted(members.keys() - {SUMMARY}), 2)
    members[a], members[b] = members[b], members[a]


def made_anew(
    change: Callable[[Contents, random.Random], tuple[Contents, int | None]], *, exact: bool = True
) -> Act:
    """The whole file made anew of other contents, as this program would."""

    def act(world: World, rng: random.Random) -> Done:
        with dispute.opened(world.made.copy, "acme") as stream:
            contents, first = change(held(select(stream, FIRST, LAST)), rng)
        path = Path(world.made.copy.parent / "anew.zip")
        file = File(path, world.made.key).rewritten(joined(members_of(contents)), "anew.zip")
        return Done(customer="acme", path=file.path, first=first, exact=exact)

    return act


def with_lines(contents: Contents, lines: list[str]) -> Contents:
    """The same with other records."""
    texts = tuple(line.encode() for line in lines)
    return replace(contents, records=replace(contents.records, lines=texts))


def record_edited(contents: Contents, rng: random.Random) -> tuple[Contents, int | None]:
    lines = [line.decode() for line in contents.records.lines]
    place = rng.randrange(
        1, LAST - FIRST
    )  # of those behind the span only that no head signs the span is said
    first = ATTACKS["edit"](lines, place, rng) - 1 + contents.records.first_seq
    return with_lines(contents, lines), first


def evidence_edited(contents: Contents, rng: random.Random) -> tuple[Contents, int | None]:
    name = rng.choice(sorted(contents.evidence))
    seq, text = contents.evidence[name]
    return replace(contents, evidence={**contents.evidence, name: (seq, status_edited(text, rng))}), seq


def evidence_left_out(contents: Contents, rng: random.Random) -> tuple[Contents, int | None]:
    name = rng.choice(sorted(contents.evidence))
    seq, _ = contents.evidence[name]
    return replace(contents, evidence={k: v for k, v in contents.evidence.items() if k != name}), seq


def evidence_put_in(contents: Contents, rng: random.Random) -> tuple[Contents, int | None]:
    """Of a record that names none, or another, or of one that is not there."""
    _, text = contents.evidence[rng.choice(sorted(contents.evidence))]
    more = {f"{rng.getrandbits(128):032x}": (rng.randrange(1, LAST + 50), status_edited(text, rng))}
    return replace(contents, evidence={**contents.evidence, **more}), None


def stamp_altered(contents: Contents, rng: random.Random) -> tuple[Contents, int | None]:
    stamps = [parse_stamp(line) for line in contents.stamps]
    which = rng.randrange(len(stamps))
    other = replaced(stamps, which, response=flipped(stamps[which].response, rng))
    return replace(contents, stamps=tuple(stamp.line() for stamp in other)), None


def stamp_left_out(contents: Contents, rng: random.Random) -> tuple[Contents, int | None]:
    """One that a record of the file names."""
    texts = b"\n".join(contents.records.lines)
    named = [line for line in contents.stamps if parse_stamp(line).sha256.encode() in texts]
    gone = rng.choice(named)
    return replace(contents, stamps=tuple(line for line in contents.stamps if line != gone)), None


def kinds() -> list[tuple[str, str, str, Act]]:
    """(promise, attack, where, act)."""
    on, swapped = "dispute file", on_members(members_swapped, fitted=True)
    return [
        ("a file is one text", "a bit of the file flipped", on, bits),
        ("a file is one text", "a bit of a member flipped", on, on_members(member_flipped, fitted=False)),
        ("a file is one text", "the same, its digest made to fit", on, on_members(member_flipped, fitted=True)),
        ("none is missing", "a member taken away, all digests made to fit", on, on_members(member_taken, fitted=True)),
        ("a file is one text", "two members swapped, all digests made to fit", on, swapped),
        ("no record is changed", "a record edited, the file made anew", on, made_anew(record_edited)),
        ("evidence is what was seen", "evidence edited, the file made anew", on, made_anew(evidence_edited)),
        ("evidence is what was seen", "evidence left out, the file made anew", on, made_anew(evidence_left_out)),
        ("evidence is what was seen", "evidence put in, the file made anew", on, made_anew(evidence_put_in)),
        ("a third party gave it", "a stamp altered, the file made anew", on, made_anew(stamp_altered)),
        ("none is missing", "a stamp left out, the file made anew", on, made_anew(stamp_left_out)),
    ]  # fmt: skip
