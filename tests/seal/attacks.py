"""What somebody may do to results that are not theirs to change; each attack says which record is the first bad one."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import zstandard

from probe.core.proof.chain import line_digest
from probe.store.base.parts import parts_of
from tests.seal.made import AGENT, CUSTOMERS, Made
from tests.support.parts import by_sql

Lines = list[str]
# Changes lines (of one customer) at a place; gives the seq of the first bad record, and the words of nothing else.
Attack = Callable[[Lines, int, random.Random], int]


def edited(line: str, rng: random.Random) -> str:
    """Another byte somewhere in the text, so that it still is JSON of a record."""
    told = json.loads(line)
    which = rng.choice(["time", "customer", "text", "state", "previous", "seq"])
    if which == "time":
        key = "scheduled_at" if "scheduled_at" in told else "at"
        told[key] = told[key].replace("2023", "2022")
    elif which == "customer":
        told["customer"] = "other" if told["customer"] == "acme" else "acme"
    elif which == "text" or (which == "state" and told["kind"] == "event"):
        told["schema_version"] += 1
    elif which == "state":
        told["outcome"] = "ok" if told["outcome"] == "failed" else "failed"
    elif which == "previous":
        told["previous"] = f"{rng.getrandbits(256):064x}"
    else:
        told["exclusions"] = ["maintenance"]
    return json.dumps(told, separators=(",", ":"))


def edit(lines: Lines, at: int, rng: random.Random) -> int:
    lines[at] = edited(lines[at], rng)
    return at + 1


def delete(lines: Lines, at: int, rng: random.Random) -> int:
    del lines[at : at + rng.randint(1, 5)]
    return at + 1


def insert(lines: Lines, at: int, rng: random.Random) -> int:
    again = rng.randrange(3)
    lines.insert(at, [edited(lines[at], rng), lines[at], lines[at - 1]][again])
    return at if again == 2 else at + 1


def reorder(lines: Lines, at: int, rng: random.Random) -> int:
    other = min(len(lines) - 1, at + rng.randint(1, 4))
    if other == at:
        at -= 1
    lines[at], lines[other] = lines[other], lines[at]
    return at + 1


def chained_anew(lines: Lines, at: int, rng: random.Random) -> int:
    """Edit one, and make all after it fit: only a signed head can tell."""
    lines[at] = edited(lines[at], rng) if rng.random() < 0.5 else lines[at].replace("1", "2", 1)
    told = json.loads(lines[at])
    for i in range(at, len(lines)):
        told = json.loads(lines[i])
        if i == at:
            told["schema_version"] = 9
            told["seq"], told["customer"] = at + 1, json.loads(lines[0])["customer"]
        if i:
            told["previous"] = line_digest(lines[i - 1].encode())
        lines[i] = json.dumps(told, separators=(",", ":"))
    return at + 1


def truncate(lines: Lines, at: int, rng: random.Random) -> int:
    del lines[at:]
    return at + 1


def replaced_by_a_gap(lines: Lines, at: int, rng: random.Random) -> int:
    """Take some away and say that they were dropped, with the right digests."""
    count = min(rng.randint(1, 4), len(lines) - at)
    gone = lines[at : at + count]
    told = {
        "kind": "dropped",
        "first_seq": at + 1,
        "last_seq": at + count,
        "previous": json.loads(gone[0])["previous"],
        "digest": line_digest(gone[-1].encode()),
        "reason": "retention",
    }
    lines[at : at + count] = [json.dumps(told)]
    return at + 1


ATTACKS: dict[str, Attack] = {
    "edit": edit,
    "delete": delete,
    "insert": insert,
    "reorder": reorder,
    "chained_anew": chained_anew,
    "truncate": truncate,
    "replaced_by_a_gap": replaced_by_a_gap,
}


class Held:
    """Where lines are kept: read them all, write them back as somebody with an editor would."""

    path: Path

    def __init__(self, made: Made, customer: str) -> None:
        self.made = made
        self.customer = customer
        self.prepare()
        self.whole = self.read()

    def prepare(self) -> None:
        """Leave only the one kind of source."""

    def read(self) -> Lines:
        """All lines of the customer's stream."""
        raise NotImplementedError

    def write(self, lines: Lines) -> None:
        """In place of those."""
        raise NotImplementedError

    def restore(self) -> None:
        """As it was."""
        self.write(self.whole)


class InCopy(Held):
    """The pulled copy."""

    def prepare(self) -> None:
        self.path = self.made.copy
        self._files = sorted((self.path / AGENT / self.customer).glob("0*.ndjson"))
        self._sizes = [len(file.read_text().splitlines()) for file in self._files]

    def read(self) -> Lines:
        return [line for file in self._files for line in file.read_text().splitlines()]

    def write(self, lines: Lines) -> None:
        """In the files that they were in, by their place."""
        for file, mine in zip(self._files, shared(lines, self._sizes), strict=True):
            file.write_text("".join(line + "\n" for line in mine))


class InSegments(Held):
    """Sealed segments alone, without the store."""

    def prepare(self) -> None:
        self.path = self.made.results
        for name in ("results.db", "_parts"):
            if (self.path / name).exists():
                (self.path / name).rename(self.path.parent / f"away-{name}")
        self._files = sorted((self.path / self.customer).glob("*/*.ndjson.zst"))
        self._as_was = [file.read_bytes() for file in self._files]
        self._lines = [unpacked(data) for data in self._as_was]
        self._sizes = [len(lines) for lines in self._lines]
        for file in self._files:
            file.chmod(0o640)

    def read(self) -> Lines:
        return [line for lines in self._lines for line in lines]

    def write(self, lines: Lines) -> None:
        """Only the files that are to change."""
        parts = zip(self._files, shared(lines, self._sizes), self._lines, strict=True)
        for file, mine, before in parts:
            if mine == before:
                continue
            data = "".join(line + "\n" for line in mine).encode()
            file.write_bytes(zstandard.ZstdCompressor().compress(data))

    def restore(self) -> None:
        for file, data in zip(self._files, self._as_was, strict=True):
            file.write_bytes(data)


class InStore(Held):
    """The database itself, by SQL, with the triggers out of the way."""

    def prepare(self) -> None:
        self.path = self.made.results
        for customer in CUSTOMERS:
            for file in (self.path / customer).glob("*/*"):
                file.unlink()  # HEAD.json stays, and is all that is signed
        self._parts = [part.path for part in parts_of(self.path)]
        self._as_was = [path.read_bytes() for path in self._parts]
        self._sizes = [len(self._bodies(path)) for path in self._parts]

    def read(self) -> Lines:
        return [body for path in self._parts for body in self._bodies(path)]

    def restore(self) -> None:
        for path, data in zip(self._parts, self._as_was, strict=True):
            path.write_bytes(data)

    def _bodies(self, path: Path) -> Lines:
        with by_sql(path) as conn:
            sql = "SELECT line(body) FROM record JOIN stream s ON s.id = stream WHERE customer = ? ORDER BY record.seq"
            return [line for (line,) in conn.execute(sql, (self.customer,))]

    def write(self, lines: Lines) -> None:
        """Each line into the part that has its place, under the number that it has where that is free."""
        for path, mine in zip(self._parts, shared(lines, self._sizes), strict=True):
            with by_sql(path) as conn:
                conn.execute("PRAGMA synchronous = OFF")
                self._write(conn, path, lines, mine)

    def _write(self, conn: sqlite3.Connection, path: Path, lines: Lines, mine: Lines) -> None:
        sql = "SELECT id, base, head FROM stream WHERE customer = ?"
        stream, base, head = conn.execute(sql, (self.customer,)).fetchone()
        conn.execute("DELETE FROM record WHERE stream = ?", (stream,))
        seq = base
        for line in mine:
            told = json.loads(line)
            if told["kind"] == "dropped":
                names = ("first_seq", "last_seq", "previous", "digest", "reason")
                values = (stream, *(told[name] for name in names))
                conn.execute("INSERT INTO dropped VALUES (?, ?, ?, ?, ?, ?)", values)
                seq = told["last_seq"]
                continue
            seq = told["seq"] if seq < told["seq"] < seq + 50 else seq + 1
            sql = "INSERT INTO record (stream, seq, task, due_us, verdict, body) VALUES (?, ?, 1, 0, 1, packed(?))"
            conn.execute(sql, (stream, seq, line))
        if path == self._parts[-1] and seq != head:
            digest = line_digest(lines[-1].encode())
            conn.execute("UPDATE stream SET head = ?, digest = ? WHERE id = ?", (seq, digest, stream))


def shared(lines: Lines, sizes: list[int]) -> list[Lines]:
    """As many to each file as it had; what is over to the last."""
    found = []
    at = 0
    for size in sizes[:-1]:
        found.append(lines[at : at + size])
        at += size
    return [*found, lines[at:]]


def unpacked(data: bytes) -> Lines:
    """The lines of a sealed file."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(data).decode().splitlines()
