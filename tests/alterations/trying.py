"""One try of one kind of alteration: what was done, what `results verify` must say of it, and whether it does."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from probe.services.verification import Verification, verify
from tests.alterations.world import World


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was altered of whose stream.

    `first`: the first bad record; None: it is about files as a whole. `exact`: the record named first is that one; else
    the span that is named begins at or before it. `path`: what to verify; `heads`: what a witness kept. `declared`: it
    cannot be proved from these files, and the answer holds these words instead.
    """

    customer: str
    path: Path
    first: int | None = None
    exact: bool = True
    heads: tuple[Path, ...] = ()
    declared: str | None = None
    others: bool = False  # the other stream was altered too


Act = Callable[[World, random.Random], Done]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`promise`: what the attack is on, as docs/proof.md has it; `attack`: what is done; `where`: to what."""

    promise: str
    attack: str
    where: str
    act: Act


@dataclass
class Tried:
    """What came of a kind. `wrong`: what was not as it must be, in words."""

    kind: Kind
    tries: int = 0
    found: int = 0
    declared: int = 0
    wrong: list[str] = field(default_factory=list)


def attempt(world: World, kind: Kind, tries: int) -> Tried:
    """So many tries, each on results of its own."""
    told = Tried(kind)
    for seed in range(tries):
        rng = random.Random(f"{kind.where} {kind.attack} {seed}")
        base = Path(tempfile.mkdtemp(prefix="altered-"))
        try:
            mine = world.cloned(base / "w")
            done = kind.act(mine, rng)
            found = verify(done.path, [world.made.key], done.heads, stamp_ca=world.pki.ca)
            told.tries += 1
            wrong = _wrong(found, done)
            if wrong is not None:
                told.wrong.append(f"{kind.where}, {kind.attack}, {seed}: {wrong}")
            elif done.declared is not None:
                told.declared += 1
            else:
                told.found += 1
        finally:
            shutil.rmtree(base)
    return told


def _wrong(found: Verification, done: Done) -> str | None:
    """Why the answer is not what it must be; None: it is."""
    if done.declared is not None:
        notes = [note for report in found.streams for note in report.notes]
        signed = [f"signed up to {report.signed_up_to}" for report in found.streams]
        held = any(done.declared in words for words in (*notes, *signed))
        if not found.good:
            return f"nothing is wrong by itself, and somebody is accused: {found}"
        return None if held else f"{done.declared!r} is not in what it says: {notes} {signed}"
    if found.good:
        return f"nothing was found; wanted {done}"
    if not done.others:
        for report in found.streams:
            if report.customer != done.customer and report.problems:
                return f"{report.customer} is accused: {report.problems[0].words}"
    if done.first is None:
        return None
    named = [p for r in found.streams if r.customer == done.customer for p in r.problems if p.seq is not None]
    if not named:
        return f"no record is named, and {done.first} is the first bad one: {found.problems}"
    shown = min(named, key=lambda problem: problem.seq or 0)
    begins = shown.since_seq or shown.seq or 0
    either = shown.kind == "changed" and " or " in shown.words
    if begins > done.first or (done.exact and shown.seq != done.first and not either):
        return f"{begins} to {shown.seq} is named first, and {done.first} was: {shown.words}"
    return None
