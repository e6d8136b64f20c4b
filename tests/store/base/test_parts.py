"""A store of many files reads like one; what is damaged is found, and only what is proved is kept."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from probe.core.proof.chain import GENESIS, line_digest
from probe.host.clock import SystemClock
from probe.store.base.ends import SKIPPED
from probe.store.base.parts import EVIDENCE_PARTS, Part, begin, parts_of, remove
from probe.store.base.schema import catalogue_file
from probe.store.read.reader import Reader
from probe.store.store import Store, StoreError
from probe.store.upkeep.check import check_part
from probe.store.upkeep.retention import thin
from probe.store.write.files import Limits
from tests.support.parts import as_text, by_sql
from tests.support.rows import at, event, slot

SMALL = Limits(size_bytes=16_000)


class SetClock(SystemClock):
    """A wall clock that a test sets."""

    wall_ns = 1_700_000_000 * 10**9

    def time_ns(self) -> int:
        return self.wall_ns


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r"


async def filled(
    directory: Path, count: int = 300, limits: Limits = SMALL, customers: tuple[str, ...] = ("acme", "other")
) -> list[str]:
    """A store of some parts; gives acme's lines."""
    store = Store.open(directory, "a1", SystemClock(), limits=limits)
    for i in range(count):
        await store.append([slot(i, customer=name) for name in customers])
    await store.close()
    return lines_of(directory)


def lines_of(directory: Path, customer: str = "acme", page: int = 7) -> list[str]:
    found: list[str] = []
    after = 0
    with Reader.open(directory) as reader:
        while lines := reader.lines(customer, after, page):
            found += [line.text for line in lines]
            after = lines[-1].seq
    return found


def chained(lines: list[str]) -> bool:
    """Whether each line, or span without rows, carries the digest of the one before."""
    last = GENESIS
    for text in lines:
        record = json.loads(text)
        if record["previous"] != last:
            return False
        last = record["digest"] if record["kind"] == "dropped" else line_digest(text.encode())
    return True


# --- many files, one store --------------------------------------------------------------------------


async def test_a_full_part_is_followed_by_the_next_and_nobody_notices(directory: Path) -> None:
    lines = await filled(directory)
    assert len(parts_of(directory)) > 3
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 301))
    assert chained(lines)
    with Reader.open(directory) as reader:
        assert reader.heads() == {"acme": 300, "other": 300}
        head = reader.head("acme")
        assert (head.seq, head.digest) == (300, line_digest(lines[-1].encode()))
        assert [row.seq for row in reader.follow({"other": 300})] == list(range(1, 301))
        assert len(reader.list(limit=1000)) == 600
        assert [row.seq for row in reader.list(customer="acme", limit=3)] == [300, 299, 298]
        assert [row.seq for row in reader.list("acme", limit=2, newest_first=False)] == [1, 2]
        assert [row.seq for row in reader.list("acme", since=at(298))] == [300, 299]
        assert reader.get("acme", 1) is not None
        assert reader.get("acme", 301) is None
        assert reader.get("acme", 0) is None
        assert reader.counts()["state"] == {"measured": 600}
        assert reader.coverage(customer="acme")["t1"].due == 300
        assert reader.last_scheduled(at(1000)) == {"t1": at(299)}
        assert len(reader.recent_scheduled(at(1000), 16)["t1"]) == 16
    *closed, _ = parts_of(directory)
    logs = [part.path.with_name(f"{part.path.name}-wal") for part in closed]
    assert not any(log.exists() and log.stat().st_size for log in logs), "closed parts are single files"


async def test_a_part_ends_with_its_span_of_time(directory: Path) -> None:
    clock = SetClock()
    store = Store.open(directory, "a1", clock, limits=Limits(span_us=3_600_000_000))
    for hour in (0, 0.5, 1.1, 1.2, 5):
        clock.wall_ns = SetClock.wall_ns + round(hour * 3.6e12)
        await store.append([slot(0)])
    await store.close()
    assert len(parts_of(directory)) == 3
    assert chained(lines_of(directory))


async def test_a_reader_that_stays_open_sees_new_parts_and_dropped_ones(directory: Path) -> None:
    store = Store.open(directory, "a1", SystemClock(), limits=SMALL)
    await store.append([slot(0)])
    with Reader.open(directory) as reader:
        after = 0
        for i in range(1, 200):
            await store.append([slot(i)])
            (line,) = reader.lines("acme", i, 10)
            assert line.seq == i + 1
            after = line.seq
        assert after == 200
        first = parts_of(directory)[0]
        remove(first)
        (gone, *rest) = reader.lines("acme", 0, 5)
        assert json.loads(gone.text)["kind"] == "dropped"
        assert rest[0].seq == gone.seq + 1
    await store.close()
    assert chained(lines_of(directory))
    assert json.loads(lines_of(directory)[0])["first_seq"] == 1


@pytest.mark.long
async def test_more_parts_than_a_reader_keeps_open(directory: Path) -> None:
    await filled(directory, 900, Limits(size_bytes=6_000), ("acme",))
    assert len(parts_of(directory)) > 20
    with Reader.open(directory) as reader:
        rows = reader.iterate(newest_first=False)
        assert next(rows).seq == 1
        assert len(reader.list(limit=2000)) == 900, "meanwhile every part was looked at"
        assert [row.seq for row in rows] == list(range(2, 901))
        assert len(reader._sources._open) <= 13


async def test_events_and_what_is_gone_are_found_without_looking_at_every_line(directory: Path) -> None:
    store = Store.open(directory, "a1", SystemClock(), limits=SMALL)
    for i in range(200):
        await store.append([event("x") if i % 50 == 0 else slot(i)])
    await store.close()
    with Reader.open(directory) as reader:
        assert [line.seq for line in reader.events("acme", 0, 10)] == [1, 51, 101, 151]
        assert [line.seq for line in reader.events("acme", 51, 1)] == [101]
        assert reader.events("acme", 151, 10) == []
        assert reader.dropped("acme") == []
        first, second = parts_of(directory)[:2]
        heads = [json.loads(line.text)["seq"] for line in reader.lines("acme", 0, 500)]
        assert heads == list(range(1, 201))
        remove(second)
        ((begin_, end),) = reader.dropped("acme")
        assert begin_ > 1
        (gone,) = reader.lines("acme", begin_, 1)
        assert json.loads(gone.text)["previous"] == "", "asked from inside: nobody knows the line before"
        assert gone.seq == end
        (gone,) = reader.lines("acme", begin_ - 1, 1)
        assert json.loads(gone.text)["first_seq"] == begin_
        remove(first)
        assert reader.dropped("acme") == [(1, end)]
    assert chained(lines_of(directory))


async def test_a_begun_part_that_was_not_finished_is_begun_again(directory: Path) -> None:
    await filled(directory, 10)
    (directory / "_parts" / ".000002.new").write_bytes(b"half")
    await filled(directory, 300)
    assert chained(lines_of(directory))
    assert not list((directory / "_parts").glob(".*"))


# --- damage -----------------------------------------------------------------------------------------


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x20]))


def change_a_body(part: Part, seq: int, change: Callable[[str], str], customer: str = "acme") -> None:
    """A bit that flips inside a record, where SQLite cannot see it."""
    key = (customer, seq)
    sql = "WHERE stream = (SELECT id FROM stream WHERE customer = ?) AND seq = ?"
    with by_sql(part.path) as conn:
        (line,) = conn.execute(f"SELECT line(body) FROM record {sql}", key).fetchone()
        assert change(line) != line
        conn.execute(f"UPDATE record SET body = packed(?) {sql}", (change(line), *key))


async def test_a_healthy_store_is_never_called_damaged(directory: Path) -> None:
    await filled(directory)
    for _ in range(3):
        assert [check_part(part.path) for part in parts_of(directory)] == [None] * len(parts_of(directory))
        store = Store.open(directory, "a1", SystemClock(), limits=SMALL)
        await store.append([slot(0), event("x")])
        assert store.take_notices() == []
        await store.close()


@pytest.mark.parametrize("seq", [1, 2, 50, 99, 100])
async def test_a_changed_record_is_found_and_only_it_is_lost(directory: Path, seq: int) -> None:
    before = await filled(directory, 100, Limits())
    change_a_body(parts_of(directory)[0], seq, lambda body: body.replace('"well"', '"WELL"'))
    assert check_part(parts_of(directory)[0].path) == f"record {seq} of acme is not what was written"
    store = Store.open(directory, "a1", SystemClock())
    (notice,) = store.take_notices()
    assert (notice.event, notice.customer) == ("store.damaged", "acme")
    assert (notice.detail["first_seq"], notice.detail["last_seq"]) == (str(seq), str(seq))
    (row,) = await store.append([slot(0)])
    assert row.seq == 101
    await store.close()
    after = lines_of(directory)
    assert chained(after)
    assert [line for line in after[:-1] if '"dropped"' not in line] == [
        line for line in before if json.loads(line)["seq"] != seq
    ]
    assert len(list((directory / "_set-aside").rglob("000001.db"))) == 1
    assert len(lines_of(directory, "other")) == 100


async def test_bits_that_flip_anywhere_are_found_and_never_handed_out(
    directory: Path, tmp_path: Path
) -> None:
    """Row 48: in a hundred places of the file; what is read afterwards was written, and the agent goes on."""
    before = set(await filled(directory, 300, Limits()))
    whole = parts_of(directory)[0].path.read_bytes()
    places = random.Random(48)
    found = 0
    for turn in range(60):
        copy = tmp_path / f"copy{turn}"
        copy.mkdir()
        for path in directory.rglob("*"):
            if path.is_file() and path.name != ".lock":
                target = copy / path.relative_to(directory)
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(path.read_bytes())
        flip(copy / "_parts" / "000001.db", places.randrange(len(whole)))
        store = Store.open(copy, "a1", SystemClock())
        found += bool(store.take_notices())
        (row,) = await store.append([slot(0)])
        await store.close()
        after = [line for line in lines_of(copy)[:-1] if '"dropped"' not in line]
        assert set(after) <= before
        assert len(after) >= 30 or row.seq > 300
        assert row.seq == 301 or row.seq > SKIPPED, "no number is given out twice"
        assert check_part(parts_of(copy)[-1].path) is None
    assert found > 20


async def test_a_file_that_is_no_database_is_set_aside(directory: Path) -> None:
    await filled(directory, 100)
    number = parts_of(directory)[-1].number
    parts_of(directory)[-1].path.write_bytes(b"no database" * 1000)
    catalogue_file(directory).write_bytes(b"nor this" * 1000)
    parts_of(directory, EVIDENCE_PARTS)[-1].path.write_bytes(b"nor that" * 1000)
    store = Store.open(directory, "a1", SystemClock())
    events = {(n.event, n.detail["file"]) for n in store.take_notices()}
    assert events == {
        ("store.damaged", "results.db"),
        ("store.damaged", "000001.db"),
        ("store.damaged", f"{number:06}.db"),
    }
    rows = await store.append([slot(0), slot(0, customer="new")])
    assert rows[0].seq is not None
    assert rows[0].seq > SKIPPED
    await store.close()


async def test_damage_that_appears_while_it_runs_is_mended_while_it_runs(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(directory, "a1", SystemClock())
    await store.append([slot(i) for i in range(50)])
    real = store._writer._attempt
    failed: list[Any] = []

    def once(batch: Any) -> None:
        if not failed:
            failed.append(batch)
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        real(batch)

    monkeypatch.setattr(store._writer, "_attempt", once)
    change_a_body(parts_of(directory)[0], 20, lambda body: body.replace('"well"', '"WELL"'))
    (row,) = await store.append([slot(50)])
    assert row.seq == 51
    assert [n.detail["first_seq"] for n in store.take_notices()] == ["20"]
    await store.close()
    assert chained(lines_of(directory))


# --- what an earlier version wrote ------------------------------------------------------------------


async def test_the_first_layout_is_carried_over(directory: Path) -> None:
    rows = 20
    await filled(directory, rows, Limits())
    as_text(directory)
    conn = sqlite3.connect(catalogue_file(directory))
    conn.execute("ATTACH ? AS part", (str(parts_of(directory)[0].path),))
    for statement in (
        "CREATE TABLE stream AS SELECT id, agent, customer, head FROM part.stream",
        "CREATE TABLE record AS SELECT * FROM part.record",
        "CREATE TABLE bundle (id TEXT, customer TEXT, scheduled_at TEXT, body BLOB)",
        "INSERT INTO bundle VALUES ('b1', 'acme', 'x', x'00')",
        "INSERT INTO definition VALUES ('d', '{}')",
        "UPDATE meta SET value = '3' WHERE key = 'schema_version'",
    ):
        conn.execute(statement)
    conn.commit()
    conn.close()
    for kind in ("_parts", "_evidence"):
        for part in parts_of(directory, kind):
            remove(part)
    store = Store.open(directory, "a1", SystemClock())
    assert store.stopped_cleanly()
    (row,) = await store.append([slot(0)])
    assert row.seq == rows + 1
    await store.close()
    lines = lines_of(directory)
    assert len(lines) == rows + 1
    assert json.loads(lines[-1])["previous"] == line_digest(lines[-2].encode())
    with Reader.open(directory) as reader:
        assert reader.definition("d") == "{}"
    assert len(list((directory / "_set-aside").rglob("results.db"))) == 1


def test_a_directory_without_results_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results here"):
        Reader.open(tmp_path)


async def test_other_limits_hold_from_the_next_record(directory: Path) -> None:
    store = Store.open(directory, "a1", SystemClock())
    await store.append([slot(second) for second in range(400)])
    assert len(parts_of(directory)) == 1
    store.limit(SMALL)
    await store.append([slot(400)])
    assert len(parts_of(directory)) == 2
    store.limit(Limits())
    await store.append([slot(second) for second in range(401, 600)])
    await store.close()
    assert len(parts_of(directory)) == 2
    assert len(lines_of(directory)) == 600
    assert chained(lines_of(directory))


async def test_a_log_that_a_kill_left_is_not_written_over_what_takes_the_parts_place(
    directory: Path, tmp_path: Path
) -> None:
    """Rows that retention had taken came back beside the lines that said so."""
    store = Store.open(directory, "a1", SystemClock(), limits=SMALL)
    await store.append([slot(i) for i in range(20)])
    killed = tmp_path / "killed"
    shutil.copytree(directory, killed)  # as a kill leaves it, with all in the log
    await store.close()
    (part,) = parts_of(killed)
    log = part.path.with_name(f"{part.path.name}-wal")
    assert log.stat().st_size
    begin(killed, "_parts", 2, at(0), [])  # killed while it turned to the next part
    reader = sqlite3.connect(f"file:{part.path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM record").fetchone()
    with pytest.raises(StoreError, match="a reader is in the way"):
        thin(part, at(0))
    reader.close()
    thin(part, at(0))
    assert check_part(part.path) is None
    with closing(sqlite3.connect(part.path)) as conn:
        assert conn.execute("SELECT count(*) FROM record").fetchone() == (0,)
        assert conn.execute("SELECT first_seq, last_seq FROM dropped").fetchall() == [(1, 20)]


async def test_a_log_without_its_part_is_not_taken_for_the_log_of_the_next_of_that_number(
    directory: Path,
) -> None:
    store = Store.open(directory, "a1", SystemClock())
    await store.append([slot(i) for i in range(20)])
    (part,) = parts_of(directory)
    log = part.path.with_name(f"{part.path.name}-wal")
    data = log.read_bytes()
    await store.close()
    part.path.unlink()
    log.write_bytes(data)
    store = Store.open(directory, "a1", SystemClock())
    (row,) = await store.append([slot(30)])
    assert row.seq == 21
    await store.close()
    assert [json.loads(line)["kind"] for line in lines_of(directory)] == ["dropped", "slot"]
    assert [check_part(part.path) for part in parts_of(directory)] == [None] * len(parts_of(directory))
