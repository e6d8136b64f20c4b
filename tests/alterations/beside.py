"""What is kept beside the lines: heads, segments' manifests, evidence, time stamps."""

from __future__ import annotations

import base64
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard

from probe.core.proof.signed_head import parse_head
from probe.core.proof.stamp import Stamp, parse_stamp, stamped_text
from probe.seal.keys import Keys
from probe.seal.stamps.tokens import request_for
from tests.alterations.trying import Act, Done
from tests.alterations.world import World
from tests.seal.attacks import InSegments, InStore
from tests.seal.kept_evidence import alter
from tests.seal.made import CUSTOMERS
from tests.support.authority import with_another_certificate

Fields = dict[str, Any]


def flipped(data: bytes, rng: random.Random, begin: int = 0) -> bytes:
    """One bit of it."""
    place = rng.randrange(begin, len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def another_value(head: Fields, rng: random.Random) -> Fields:
    """One field of a signed object, but not the number by which it is named."""
    name = rng.choice(["at", "digest", "complete_up_to", "clock_max_error_us", "clock_synchronised"])
    value = {
        "at": "2023-11-14T00:00:00.000000Z",
        "digest": f"{rng.getrandbits(256):064x}",
        "complete_up_to": "2023-11-15T00:00:00.000000Z",
        "clock_max_error_us": (head["clock_max_error_us"] or 0) + 1,
        "clock_synchronised": not head["clock_synchronised"],
    }[name]
    assert value != head[name]
    return {**head, name: value}


# --- heads --------------------------------------------------------------------------------------------


def on_heads(change: Callable[[list[Fields], int, World, random.Random], None], *, exact: bool = True) -> Act:
    """One of the heads of a copy."""

    def act(world: World, rng: random.Random) -> Done:
        customer = rng.choice(CUSTOMERS)
        file = world.copied(customer) / "heads.ndjson"
        told = [json.loads(text) for text in file.read_text().splitlines()]
        which = rng.randrange(len(told))
        first = told[which]["seq"]
        change(told, which, world, rng)
        file.write_text("".join(json.dumps(each) + "\n" for each in told))
        return Done(customer=customer, path=world.made.copy, first=first, exact=exact)

    return act


def head_edited(told: list[Fields], which: int, world: World, rng: random.Random) -> None:
    told[which]["head"] = another_value(told[which]["head"], rng)


def head_of_another_key(told: list[Fields], which: int, world: World, rng: random.Random) -> None:
    place = world.made.copy.parent / "another"
    place.mkdir()
    keys = Keys.open(place)
    head = {**told[which]["head"], "key": keys.id}
    unsigned = parse_head(head)
    told[which]["head"] = unsigned.signed(keys._private.sign(unsigned.text())).to_json()


def signatures_swapped(told: list[Fields], which: int, world: World, rng: random.Random) -> None:
    other = told[which - 1 if which else 1]["head"]
    told[which]["head"] = {**told[which]["head"], "signature": other["signature"]}


def note_edited(told: list[Fields], which: int, world: World, rng: random.Random) -> None:
    """What the pull noted with it."""
    told[which]["digest"] = f"{rng.getrandbits(256):064x}"


def heads_taken(world: World, rng: random.Random) -> Done:
    """The stamps hold signed heads too: what comes after the newest of them is said to be signed by nobody."""
    customer = rng.choice(CUSTOMERS)
    (world.copied(customer) / "heads.ndjson").unlink()
    words = f"signed up to {max(stamp.head.seq for stamp in stamps_of(world, customer))}"
    return Done(customer=customer, path=world.made.copy, declared=words)


def heads_and_stamps_taken(world: World, rng: random.Random) -> Done:
    customer = rng.choice(CUSTOMERS)
    for name in ("heads.ndjson", "stamps.ndjson"):
        (world.copied(customer) / name).unlink()
    return Done(customer=customer, path=world.made.copy)


# --- segments -----------------------------------------------------------------------------------------


def on_segment(change: Callable[[Path, Fields, World, random.Random], None], *, exact: bool = True) -> Act:
    """One segment: by its manifest."""

    def act(world: World, rng: random.Random) -> Done:
        customer = rng.choice(CUSTOMERS)
        InSegments(world.made, customer)
        found = sorted((world.made.results / customer).glob("*/*.manifest.json"))
        path = rng.choice(found[1:])  # the oldest may be moved away
        told = json.loads(path.read_bytes())
        for file in path.parent.iterdir():
            file.chmod(0o640)
        change(path, told, world, rng)
        return Done(customer=customer, path=world.made.results, first=told["first_seq"], exact=exact)

    return act


def manifest_edited(path: Path, told: Fields, world: World, rng: random.Random) -> None:
    name = rng.choice(
        ["count", "scheduled_first", "config_digest", "sealed_at", "previous_manifest", "files"]
    )
    value: Any = f"{rng.getrandbits(256):064x}"
    if name == "count":
        value = told["count"] + 1
    elif name == "files":
        value = [{**told["files"][0], "rows": 1}]
    path.write_text(json.dumps({**told, name: value}))


def manifest_taken(path: Path, told: Fields, world: World, rng: random.Random) -> None:
    path.unlink()


def lines_of(path: Path, told: Fields) -> Path:
    """The file of lines of a segment."""
    return path.parent / told["files"][0]["name"]


def segment_flipped(path: Path, told: Fields, world: World, rng: random.Random) -> None:
    file = lines_of(path, told)
    file.write_bytes(flipped(file.read_bytes(), rng))


def segment_taken(path: Path, told: Fields, world: World, rng: random.Random) -> None:
    lines_of(path, told).unlink()


def segment_packed(path: Path, told: Fields, world: World, rng: random.Random) -> None:
    """The same lines in other bytes: not the file that was sealed."""
    file = lines_of(path, told)
    text = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
    file.write_bytes(zstandard.ZstdCompressor(level=1, write_content_size=False).compress(text))


def oldest_moved_away(world: World, rng: random.Random) -> Done:
    """Whoever keeps segments may: it is said from where on they are here."""
    customer = rng.choice(CUSTOMERS)
    InSegments(world.made, customer)
    found = sorted((world.made.results / customer).glob("*/*.manifest.json"))
    for path in found[: rng.randrange(1, len(found))]:
        lines_of(path, json.loads(path.read_bytes())).unlink()
        path.unlink()
    return Done(customer=customer, path=world.made.results, declared="older segments are not here")


def newest_taken(world: World, rng: random.Random) -> Done:
    """With what names the end. Heads are stamped between two sealings too, so that a stamp behind it accuses nobody."""
    customer = rng.choice(CUSTOMERS)
    InSegments(world.made, customer)
    found = sorted((world.made.results / customer).glob("*/*.manifest.json"))
    for path in found[rng.randrange(1, len(found) - 1) :]:
        lines_of(path, json.loads(path.read_bytes())).unlink()
        path.unlink()
    (world.made.results / customer / "HEAD.json").unlink()
    return Done(customer=customer, path=world.made.results, declared="or newer segments are not here")


def kept_head_edited(world: World, rng: random.Random) -> Done:
    customer = rng.choice(CUSTOMERS)
    InStore(world.made, customer)
    file = world.made.results / customer / "HEAD.json"
    told = json.loads(file.read_bytes())
    file.write_text(json.dumps(another_value(told, rng)))
    return Done(customer=customer, path=world.made.results, first=told["seq"])


def kept_head_of_another(world: World, rng: random.Random) -> Done:
    customer = rng.choice(CUSTOMERS)
    InStore(world.made, customer)
    (other,) = set(CUSTOMERS) - {customer}
    theirs = world.made.results / other / "HEAD.json"
    shutil.copy(theirs, world.made.results / customer / "HEAD.json")
    first = json.loads(theirs.read_bytes())["seq"]
    return Done(customer=other, path=world.made.results, first=first, others=True)


# --- evidence -----------------------------------------------------------------------------------------


def failed_rows(world: World, customer: str) -> list[Fields]:
    """The rows that name evidence."""
    texts = [
        t for file in sorted(world.copied(customer).glob("0*.ndjson")) for t in file.read_text().splitlines()
    ]
    return [told for told in map(json.loads, texts) if told.get("evidence_id")]


def on_evidence(change: Callable[[bytes, random.Random], bytes | None]) -> Act:
    """A bundle in the store."""

    def act(world: World, rng: random.Random) -> Done:
        customer = rng.choice(CUSTOMERS)
        row = rng.choice(failed_rows(world, customer))
        alter(world.made.results, row["evidence_id"], lambda text: change(text, rng))
        return Done(customer=customer, path=world.made.results, first=row["seq"])

    return act


def status_edited(text: bytes, rng: random.Random) -> bytes:
    changed = text.replace(b'"status_code":503', b'"status_code":200')
    return changed if changed != text else flipped(text, rng)


def bundle_of_another_row(world: World, rng: random.Random) -> Done:
    """In the copy: the bundle of one row under the name of another."""
    customer = rng.choice(CUSTOMERS)
    files = sorted((world.copied(customer) / "evidence").glob("*.zst"))
    file, other = rng.sample(files, 2)
    shutil.copy(other, file)
    return Done(customer=customer, path=world.made.copy, first=int(file.name[:12]))


def copied_bundle_flipped(world: World, rng: random.Random) -> Done:
    customer = rng.choice(CUSTOMERS)
    file = rng.choice(sorted((world.copied(customer) / "evidence").glob("*.zst")))
    text = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
    file.write_bytes(zstandard.compress(flipped(text, rng)))
    return Done(customer=customer, path=world.made.copy, first=int(file.name[:12]))


def copied_bundle_taken(world: World, rng: random.Random) -> Done:
    """A copy need not hold evidence: that it does not is said."""
    customer = rng.choice(CUSTOMERS)
    rng.choice(sorted((world.copied(customer) / "evidence").glob("*.zst"))).unlink()
    return Done(customer=customer, path=world.made.copy, declared="not here")


# --- stamps -------------------------------------------------------------------------------------------

Change = Callable[[list[Stamp], int, World, random.Random], list[Stamp]]


def stamps_of(world: World, customer: str) -> list[Stamp]:
    """Those of a copy."""
    return [parse_stamp(text) for text in world.stamps(customer).read_bytes().splitlines()]


def namer_of(world: World, customer: str, stamp: Stamp) -> int:
    """The record that names a stamp."""
    texts = [
        t for file in sorted(world.copied(customer).glob("0*.ndjson")) for t in file.read_text().splitlines()
    ]
    return next(json.loads(text)["seq"] for text in texts if stamp.sha256 in text)


def on_stamps(change: Change, *, named: bool = False, exact: bool = True) -> Act:
    """Time stamps of a copy. `named`: the first bad record is the one that names it, not the one that it stamps."""

    def act(world: World, rng: random.Random) -> Done:
        customer = rng.choice(CUSTOMERS)
        file = world.stamps(customer)
        stamps = stamps_of(world, customer)
        which = rng.randrange(len(stamps) - 1)  # the newest of a copy may still come
        first = namer_of(world, customer, stamps[which]) if named else stamps[which].head.seq
        made = change(stamps, which, world, rng)
        file.write_bytes(b"".join(stamp.line() + b"\n" for stamp in made))
        return Done(customer=customer, path=world.made.copy, first=first, exact=exact)

    return act


def replaced(stamps: list[Stamp], which: int, **changes: Any) -> list[Stamp]:
    """One of them with other values."""
    old = stamps[which]
    values = {"head": old.head, "nonce": old.nonce, "response": old.response, **changes}
    return [*stamps[:which], Stamp(**values), *stamps[which + 1 :]]


def reply_flipped(stamps: list[Stamp], which: int, world: World, rng: random.Random) -> list[Stamp]:
    return replaced(stamps, which, response=flipped(stamps[which].response, rng))


def nonce_changed(stamps: list[Stamp], which: int, world: World, rng: random.Random) -> list[Stamp]:
    return replaced(stamps, which, nonce=f"{rng.getrandbits(64):x}")


def reply_of_another_head(stamps: list[Stamp], which: int, world: World, rng: random.Random) -> list[Stamp]:
    other = stamps[which + 1]
    return replaced(stamps, which, nonce=other.nonce, response=other.response)


def head_of_stamp_edited(stamps: list[Stamp], which: int, world: World, rng: random.Random) -> list[Stamp]:
    return replaced(stamps, which, head=parse_head(another_value(stamps[which].head.to_json(), rng)))


def by_a_foreign_authority(stamps: list[Stamp], which: int, world: World, rng: random.Random) -> list[Stamp]:
    request, nonce = request_for(stamped_text(stamps[which].head))
    return replaced(stamps, which, nonce=f"{nonce:x}", response=world.foreign.reply(request))


def under_another_certificate(
    stamps: list[Stamp], which: int, world: World, rng: random.Random
) -> list[Stamp]:
    """By the authority itself: another certificate of the same key, and nothing that is signed is touched."""
    return replaced(stamps, which, response=with_another_certificate(world.pki, stamps[which].response))


def stamped_again(stamps: list[Stamp], which: int, world: World, rng: random.Random) -> list[Stamp]:
    """By the same authority, now: the one that the stream names is gone."""
    request, nonce = request_for(stamped_text(stamps[which].head))
    return replaced(stamps, which, nonce=f"{nonce:x}", response=world.pki.reply(request))


def stamp_taken(stamps: list[Stamp], which: int, world: World, rng: random.Random) -> list[Stamp]:
    return [*stamps[:which], *stamps[which + 1 :]]


def all_stamps_taken(world: World, rng: random.Random) -> Done:
    customer = rng.choice(CUSTOMERS)
    first = min(namer_of(world, customer, stamp) for stamp in stamps_of(world, customer))
    world.stamps(customer).unlink()
    return Done(customer=customer, path=world.made.copy, first=first)


def newest_stamp_taken(world: World, rng: random.Random) -> Done:
    customer = rng.choice(CUSTOMERS)
    lines = world.stamps(customer).read_bytes().splitlines(keepends=True)
    world.stamps(customer).write_bytes(b"".join(lines[: -rng.randrange(1, 4)]))
    return Done(customer=customer, path=world.made.copy, declared="is not here yet")


def stamps_swapped(world: World, rng: random.Random) -> Done:
    """Each in the other customer's directory."""
    ours, theirs = (world.stamps(name) for name in CUSTOMERS)
    kept = ours.read_bytes()
    ours.write_bytes(theirs.read_bytes())
    theirs.write_bytes(kept)
    return Done(customer=rng.choice(CUSTOMERS), path=world.made.copy, others=True)


def stamp_line_edited(world: World, rng: random.Random) -> Done:
    """The line, byte for byte: also where only its spelling changes."""
    customer = rng.choice(CUSTOMERS)
    lines = world.stamps(customer).read_bytes().splitlines()
    which = rng.randrange(len(lines) - 1)
    value = json.loads(lines[which])
    first = namer_of(world, customer, parse_stamp(lines[which]))
    changed = [
        json.dumps(value).encode(),
        json.dumps({**value, "more": 1}).encode(),
        json.dumps({**value, "version": 2}).encode(),
        base64.b64encode(lines[which]),
        lines[which] + b" ",
    ]
    lines[which] = rng.choice(changed)
    world.stamps(customer).write_bytes(b"\n".join(lines) + b"\n")
    return Done(customer=customer, path=world.made.copy, first=first)


def kinds() -> list[tuple[str, str, str, Act]]:
    """(promise, attack, where, act)."""
    flips = on_stamps(reply_flipped, named=True, exact=False)
    swapped = on_stamps(under_another_certificate)
    heads, segments, evidence, stamps = "heads", "segments", "evidence", "stamps"
    return [
        ("a head binds its signer", "a field of a head edited", heads, on_heads(head_edited)),
        ("a head binds its signer", "a head signed with another key", heads, on_heads(head_of_another_key)),
        ("a head binds its signer", "the signature of another head", heads, on_heads(signatures_swapped)),
        ("a copy knows how far it came", "what the pull noted edited", heads, on_heads(note_edited, exact=False)),
        ("a head binds its signer", "all heads of a copy taken away, not its stamps", heads, heads_taken),
        ("a head binds its signer", "all heads and stamps of a copy taken away", heads, heads_and_stamps_taken),
        ("a head binds its signer", "`HEAD.json` edited", heads, kept_head_edited),
        ("each stream is its own", "`HEAD.json` of another customer", heads, kept_head_of_another),
        ("a segment is what was sealed", "a manifest edited", segments, on_segment(manifest_edited)),
        ("none is missing", "a manifest taken away", segments, on_segment(manifest_taken)),
        ("a segment is what was sealed", "a bit of a file flipped", segments, on_segment(segment_flipped, exact=False)),
        ("none is missing", "a file taken away", segments, on_segment(segment_taken)),
        ("a segment is what was sealed", "a file packed again", segments, on_segment(segment_packed, exact=False)),
        ("a copy says what it lacks", "the oldest segments moved away", segments, oldest_moved_away),
        ("a copy says what it lacks", "the newest segments and `HEAD.json` taken away", segments, newest_taken),
        ("evidence is what was seen", "a bit of a bundle flipped", evidence, on_evidence(flipped)),
        ("evidence is what was seen", "503 made 200", evidence, on_evidence(status_edited)),
        ("evidence is what was seen", "a bundle taken away", evidence, on_evidence(lambda text, rng: None)),
        ("evidence is what was seen", "a bit of a copied bundle flipped", evidence, copied_bundle_flipped),
        ("evidence is what was seen", "the bundle of another row", evidence, bundle_of_another_row),
        ("a copy says what it lacks", "a copied bundle taken away", evidence, copied_bundle_taken),
        ("a third party gave it", "a bit of the reply flipped", stamps, flips),
        ("for this request", "another nonce", stamps, on_stamps(nonce_changed)),
        ("for this head", "the reply for another head", stamps, on_stamps(reply_of_another_head)),
        ("for this head", "the head edited", stamps, on_stamps(head_of_stamp_edited)),
        ("a third party gave it", "by a foreign authority", stamps, on_stamps(by_a_foreign_authority)),
        ("a third party gave it", "its certificate swapped for one of the same key", stamps, swapped),
        ("at that time", "the head stamped again later", stamps, on_stamps(stamped_again, named=True)),
        ("none is missing", "a stamp taken away", stamps, on_stamps(stamp_taken, named=True)),
        ("none is missing", "all stamps taken away", stamps, all_stamps_taken),
        ("a copy says what it lacks", "the newest stamps taken away", stamps, newest_stamp_taken),
        ("each stream is its own", "the stamps of two customers swapped", stamps, stamps_swapped),
        ("a stamp is one text", "its line spelled otherwise", stamps, stamp_line_edited),
    ]  # fmt: skip
