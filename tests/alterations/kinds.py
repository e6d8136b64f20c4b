"""Every kind of alteration that is tried, by what it is done to."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from probe.core.proof.chain import Head, line_digest
from probe.seal.keys import Keys
from tests.alterations import beside, dispute
from tests.alterations.trying import Act, Done, Kind
from tests.alterations.world import World
from tests.seal.attacks import ATTACKS, Held, InCopy, InSegments, InStore, Lines
from tests.seal.made import AGENT, CUSTOMERS, STATE
from tests.support.rows import at

WHERE: dict[str, type[Held]] = {"store": InStore, "segments": InSegments, "copy": InCopy}
WORDS = {
    "edit": "a record edited",
    "delete": "records deleted",
    "insert": "a record put in twice, or an edited one",
    "reorder": "records put in another order",
    "chained_anew": "a record edited, all after it made to fit",
    "truncate": "the end cut off",
    "replaced_by_a_gap": "records said to be dropped",
}
PROMISE = {
    "edit": "no record is changed",
    "delete": "none is missing",
    "insert": "none is added",
    "reorder": "the order holds",
    "chained_anew": "no history is made to fit",
    "truncate": "none is missing",
    "replaced_by_a_gap": "a gap is declared by the agent",
}


def customer_of(rng: random.Random) -> str:
    """Whose stream is altered."""
    return rng.choice(CUSTOMERS)


def on_lines(held: type[Held], change: Callable[[Lines, int, random.Random], int], *, exact: bool) -> Act:
    """Lines of a stream changed where they are kept."""

    def act(world: World, rng: random.Random) -> Done:
        customer = customer_of(rng)
        mine = held(world.made, customer)
        lines = list(mine.whole)
        first = change(lines, rng.randrange(1, len(lines)), rng)
        mine.write(lines)
        return Done(customer=customer, path=mine.path, first=first, exact=exact)

    return act


def chained(lines: Lines, since: int) -> None:
    """Make lines fit from an index on: numbers and digests."""
    for i in range(since, len(lines)):
        told = json.loads(lines[i])
        told["seq"], told["previous"] = i + 1, line_digest(lines[i - 1].encode()) if i else told["previous"]
        lines[i] = json.dumps(told, separators=(",", ":"))


def removed_and_renumbered(lines: Lines, place: int, rng: random.Random) -> int:
    """Take one out; those after it get its number and all digests that they need."""
    del lines[min(place, len(lines) - 2)]
    chained(lines, min(place, len(lines) - 1))
    return min(place, len(lines) - 1) + 1


def falsely_declared(lines: Lines, place: int, rng: random.Random) -> int:
    """A gap, and an event that declares it in place of the record after it, all made to fit."""
    place = min(place, len(lines) - 3)
    gone = json.loads(lines[place])
    digest = line_digest(lines[place].encode())
    span = {"first_seq": place + 1, "last_seq": place + 1, "previous": gone["previous"], "digest": digest}
    event = next(json.loads(line) for line in lines if '"kind":"event"' in line)
    event["event"] = "retention.dropped"
    event["detail"] = {
        "what": "all",
        "first_seq": str(place + 1),
        "last_seq": str(place + 1),
        "digest": digest,
    }
    event["seq"], event["previous"] = place + 2, digest
    lines[place] = json.dumps({"kind": "dropped", **span, "reason": "retention"})
    lines[place + 1] = json.dumps(event, separators=(",", ":"))
    for i in range(place + 2, len(lines)):
        told = json.loads(lines[i])
        told["previous"] = line_digest(lines[i - 1].encode())
        lines[i] = json.dumps(told, separators=(",", ":"))
    return place + 2


def signed_anew(world: World, rng: random.Random, *, keep_stamps: bool) -> Done:
    """The holder of the key: a record edited, all made to fit, and every head signed again with the agent's own key."""
    mine = InCopy(world.made, "acme")
    lines = list(mine.whole)
    last = max(
        stamp.head.seq for stamp in beside.stamps_of(world, "acme")
    )  # what is not stamped yet, the signer may write anew
    ATTACKS["chained_anew"](lines, rng.randrange(1, last), rng)
    mine.write(lines)
    keys = Keys.open(world.made.results)
    file = world.copied("acme") / "heads.ndjson"
    kept = []
    for text in file.read_text().splitlines():
        told = json.loads(text)
        digest = line_digest(lines[told["seq"] - 1].encode())
        head = keys.sign_head(
            Head(agent=AGENT, customer="acme", seq=told["seq"], digest=digest), at(0), STATE
        )
        kept.append(json.dumps({**told, "digest": digest, "head": head.to_json()}) + "\n")
    file.write_text("".join(kept))
    if not keep_stamps:
        world.stamps("acme").unlink()
    heads = () if keep_stamps else (world.witness / "acme.ndjson",)
    return Done(
        customer="acme", path=world.made.copy, heads=heads
    )  # which head is the forged one, nothing shows


def cut_back(world: World, rng: random.Random) -> Done:
    """Lines, heads and stamps cut back together to an earlier state of the copy: only somebody else's head can tell."""
    heads = (world.copied("acme") / "heads.ndjson").read_text().splitlines()
    kept = heads[: rng.randrange(1, len(heads))]
    end = json.loads(kept[-1])["seq"]
    (world.copied("acme") / "heads.ndjson").write_text("".join(f"{text}\n" for text in kept))
    mine = InCopy(world.made, "acme")
    mine.write(mine.whole[:end])
    for file in world.copied("acme").glob("0*.ndjson"):
        if not file.stat().st_size:
            file.unlink()
    stamps = world.stamps("acme").read_bytes().splitlines(keepends=True)
    world.stamps("acme").write_bytes(b"".join(s for s in stamps if json.loads(s)["head"]["seq"] <= end))
    witness = (world.witness / "acme.ndjson",)
    return Done(customer="acme", path=world.made.copy, first=end + 1, heads=witness)


def streams_swapped(world: World, rng: random.Random) -> Done:
    """The lines of two customers, each in the other's directory."""
    ours, theirs = (sorted(world.copied(name).glob("0*.ndjson")) for name in CUSTOMERS)
    for a, b in zip(ours, theirs, strict=True):
        kept = a.read_bytes()
        a.write_bytes(b.read_bytes())
        b.write_bytes(kept)
    return Done(customer=customer_of(rng), path=world.made.copy, first=1, others=True)


def file_taken(world: World, rng: random.Random) -> Done:
    """One file of lines of a copy."""
    customer = customer_of(rng)
    file = rng.choice(sorted(world.copied(customer).glob("0*.ndjson")))
    file.unlink()
    return Done(customer=customer, path=world.made.copy, first=int(file.stem))


def kinds() -> list[Kind]:
    """All of them."""
    found = [
        Kind(
            promise=PROMISE[name],
            attack=WORDS[name],
            where=where,
            act=on_lines(held, attack, exact=name != "chained_anew"),
        )
        for name, attack in ATTACKS.items()
        for where, held in WHERE.items()
    ]
    more: list[tuple[str, str, str, Act]] = [
        *(
            (promise, words, where, on_lines(held, change, exact=False))
            for where, held in (("copy", InCopy), ("segments", InSegments))
            for promise, words, change in (
                (
                    "none is missing",
                    "a record taken out, all after it renumbered and made to fit",
                    removed_and_renumbered,
                ),
                (
                    "a gap is declared by the agent",
                    "a gap with an event that declares it, made to fit",
                    falsely_declared,
                ),
            )
        ),
        ("each stream is its own", "the lines of two customers swapped", "copy", streams_swapped),
        ("none is missing", "a file of lines taken away", "copy", file_taken),
        (
            "the signer cannot write anew",
            "an edited history signed again with the agent's key",
            "copy with stamps",
            lambda world, rng: signed_anew(world, rng, keep_stamps=True),
        ),
        (
            "the signer cannot write anew",
            "the same without its stamps, against a witness",
            "copy",
            lambda world, rng: signed_anew(world, rng, keep_stamps=False),
        ),
        ("none is missing", "lines, heads and stamps cut back together, against a witness", "copy", cut_back),
    ]
    found += [
        Kind(promise=p, attack=a, where=w, act=act)
        for p, a, w, act in (*more, *beside.kinds(), *dispute.kinds())
    ]
    return found
