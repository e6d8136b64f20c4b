"""A part's dictionary is kept twice; where one copy is damaged nothing is lost, where both are the loss is named."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from probe.core.proof.chain import line_digest
from probe.host.clock import SystemClock
from probe.store.base import dictionary as dictionaries
from probe.store.base.dictionary import LONG_BYTES, Packer, UnpackError, base, beside, digest_of, trained
from probe.store.base.ends import SKIPPED
from probe.store.base.part_query import PartQuery, dictionary_of
from probe.store.base.parts import parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.upkeep.check import check_part, keep_other_copy
from probe.store.upkeep.retention import closed_parts, thin
from probe.store.write.files import Limits
from tests.store.base.test_parts import chained, change_a_body, lines_of
from tests.support.parts import as_text
from tests.support.rows import at, event, slot

ROWS = 60


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r"


async def rows(directory: Path) -> list[str]:
    """One part with ROWS rows of each of two customers; gives acme's lines."""
    store = Store.open(directory, "a1", SystemClock())
    await store.append([slot(i, customer=name) for i in range(ROWS) for name in ("acme", "other")])
    await store.close()
    return lines_of(directory)


async def batches(directory: Path, count: int) -> list[str]:
    """A store of some parts with so many rows of each of two customers; gives acme's lines."""
    store = Store.open(directory, "a1", SystemClock(), limits=Limits(size_bytes=16_000))
    for first in range(0, count, 50):
        await store.append([slot(first + i, customer=name) for i in range(50) for name in ("acme", "other")])
    await store.close()
    return lines_of(directory)


def spoil_inside(part: Path) -> None:
    """The part's own copy, where SQLite does not see it."""
    with closing(sqlite3.connect(part)) as conn:
        (body,) = conn.execute("SELECT body FROM dictionary").fetchone()
        conn.execute("UPDATE dictionary SET body = ?", (spoilt(body),))
        conn.commit()


def spoilt(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + random.Random(1).randbytes(len(body) - middle)


def spoil_beside(part: Path) -> None:
    beside(part).write_bytes(spoilt(beside(part).read_bytes()))


# --- packing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"", b"x", b'{"kind":"slot"}' * 100, os.urandom(3_000), b"\x00" * 200_000])
def test_a_line_comes_back_byte_for_byte(line: bytes) -> None:
    packer = Packer(base())
    assert packer.unpack(packer.pack(line)) == line


@pytest.mark.parametrize("length", [LONG_BYTES - 1, LONG_BYTES, LONG_BYTES * 3])
def test_a_long_line_is_packed_more_thoroughly_and_read_as_any(length: int) -> None:
    chance = random.Random(length)
    line = b"".join(b'{"number":%d,"of":"a line"},' % chance.randrange(10**6) for _ in range(length))[:length]
    packed = Packer(base()).pack(line)
    plain = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(base()))
    assert Packer(base()).unpack(packed) == plain.decompress(packed) == line


def test_what_no_line_was_packed_to_is_refused_and_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    packer = Packer(base())
    whole = packer.pack(b'{"kind":"slot","seq":1}' * 50)
    for bad in (b"", b"x", whole[:-3], whole[:4] + b"\xff" * 20, os.urandom(50)):
        with pytest.raises(UnpackError):
            packer.unpack(bad)
    bomb = packer.pack(b"0" * 100_000)
    monkeypatch.setattr(dictionaries, "LINE_MOST_BYTES", 99_999)
    with pytest.raises(UnpackError, match="longer than any line"):
        packer.unpack(bomb)


def test_too_little_to_learn_from_gives_no_dictionary() -> None:
    assert trained([b"x"] * 3, 100_000) is None
    assert trained([], 100_000) is None


# --- which dictionary ---------------------------------------------------------------------------------


async def test_a_new_agent_begins_with_the_base_and_is_trained_after_a_thousand_rows(directory: Path) -> None:
    store = Store.open(directory, "a1", SystemClock())
    for first in range(0, 1_200, 200):
        await store.append([slot(first + i, customer=name) for i in range(100) for name in ("acme", "other")])
    await store.append([event("x"), slot(5_000)])
    await store.close()
    first, second = parts_of(directory)
    with closing(PartQuery(first.path)) as query:
        assert dictionary_of(query) == (base(), digest_of(base()))
        begun = query.value("SELECT max(id) FROM record")
    with closing(PartQuery(second.path)) as query:
        found = dictionary_of(query)
        assert found is not None
        assert found[0] not in (base(), b"")
        assert found[1] == digest_of(found[0])
        sizes = query.value("SELECT avg(length(body)) FROM record WHERE task IS NOT NULL")
    assert begun == 1_000
    assert beside(second.path).read_bytes() == found[0]
    packer = Packer(base())
    lines = lines_of(directory)
    assert sizes < sum(len(packer.pack(line.encode())) for line in lines) / len(lines)
    assert chained(lines)


async def test_the_dictionary_goes_on_where_too_little_came_for_another(directory: Path) -> None:
    """And where it is the base, that goes on, until there are enough rows in all parts together."""
    store = Store.open(directory, "a1", SystemClock(), limits=Limits(span_us=1))
    for first in range(0, 1_500, 300):
        await store.append([slot(first + i) for i in range(300)])
    await store.close()
    places = [beside(part.path) for part in parts_of(directory)]
    assert [place.read_bytes() == base() for place in places] == [True] * 5 + [False]
    assert [check_part(part.path) for part in parts_of(directory)] == [None] * 6


# --- damage -------------------------------------------------------------------------------------------


async def test_a_reader_needs_one_of_the_two_copies(directory: Path) -> None:
    lines = await rows(directory)
    part = parts_of(directory)[0].path
    spoil_inside(part)
    assert lines_of(directory) == lines
    assert check_part(part) == "its dictionary is not what was written"


@pytest.mark.parametrize("how", ["spoilt", "missing", "no table"])
async def test_the_other_copy_mends_the_part_and_nothing_is_lost(directory: Path, how: str) -> None:
    lines = await rows(directory)
    part = parts_of(directory)[0].path
    if how == "spoilt":
        spoil_inside(part)
    else:
        with closing(sqlite3.connect(part)) as conn:
            conn.execute("DELETE FROM dictionary" if how == "missing" else "DROP TABLE dictionary")
            conn.commit()
    store = Store.open(directory, "a1", SystemClock())
    (notice,) = store.take_notices()
    assert (notice.event, notice.customer) == ("store.damaged", None)
    assert "first_seq" not in notice.detail
    (row,) = await store.append([slot(9_000)])
    assert row.seq == ROWS + 1
    await store.close()
    assert lines_of(directory)[:ROWS] == lines
    assert chained(lines_of(directory))
    assert check_part(parts_of(directory)[0].path) is None
    (aside,) = (directory / "_set-aside").rglob("000001.db")
    assert beside(aside).exists(), "whoever looks at the damaged file can read it"


@pytest.mark.parametrize("how", ["spoilt", "missing"])
async def test_the_part_mends_the_other_copy(
    directory: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    await rows(directory)
    part = parts_of(directory)[0].path
    spoil_beside(part) if how == "spoilt" else beside(part).unlink()
    store = Store.open(directory, "a1", SystemClock())
    assert store.take_notices() == []
    await store.close()
    assert beside(part).read_bytes() == base()
    assert "store.dictionary_restored" in caplog.text
    caplog.clear()
    keep_other_copy(part)
    assert not caplog.records


@pytest.mark.parametrize("base_too", [False, True])
async def test_lines_whose_dictionary_is_gone_are_lost_and_named(
    directory: Path, base_too: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the base, lines that it packed can be read; with nothing at all, not one."""
    lines = await rows(directory)
    part = parts_of(directory)[0].path
    spoil_inside(part)
    beside(part).unlink()
    if base_too:
        other = trained([os.urandom(40) * 40 for _ in range(200)], 33_000)
        assert other is not None
        monkeypatch.setattr(dictionaries, "base", lambda: other)
    with Reader.open(directory) as reader:
        assert len(reader.lines("acme", 0, 1_000)) == ROWS, "a line stands for each, whatever became of it"
    store = Store.open(directory, "a1", SystemClock())
    notices = store.take_notices()
    (row,) = await store.append([slot(9_000)])
    await store.close()
    assert row.seq == ROWS + 1, "no number is given out twice"
    assert row.seq < SKIPPED
    after = lines_of(directory)
    assert chained(after)
    kept = {line for line in after[:-1] if '"dropped"' not in line}
    assert kept <= set(lines)
    named = {
        seq
        for notice in notices
        if notice.customer == "acme"
        for seq in range(int(notice.detail["first_seq"]), int(notice.detail["last_seq"]) + 1)
    }
    assert named == {json.loads(line)["seq"] for line in lines if line not in kept}
    assert bool(named) == base_too
    assert check_part(parts_of(directory)[-1].path) is None


async def test_a_row_that_cannot_be_unpacked_is_the_one_that_is_named(directory: Path) -> None:
    lines = await rows(directory)
    part = parts_of(directory)[0].path
    with closing(sqlite3.connect(part)) as conn:
        conn.execute("DROP TRIGGER record_is_append_only")
        conn.execute("UPDATE record SET body = x'00' WHERE id = 5")  # acme's third
        conn.commit()
    assert check_part(part) == "record 3 of acme is not what was written"
    with Reader.open(directory) as reader:
        found = [line.text for line in reader.lines("acme", 0, ROWS)]
    assert found[2] == '{"kind":"unreadable","seq":3}'
    assert found[:2] + found[3:] == lines[:2] + lines[3:]


async def test_what_a_kill_left_beside_no_part_is_removed(directory: Path) -> None:
    await rows(directory)
    left = directory / "_parts" / "000007.zdict"
    left.write_bytes(b"x")
    await Store.open(directory, "a1", SystemClock()).close()
    assert not left.exists()
    assert beside(parts_of(directory)[0].path).exists()


# --- parts of version 0.1 -----------------------------------------------------------------------------


async def test_parts_of_before_stay_as_they_are_beside_new_ones(directory: Path) -> None:
    lines = await batches(directory, 300)
    as_text(directory)
    old = {part.path: part.path.read_bytes() for part in parts_of(directory)}
    assert len(old) > 2
    assert lines_of(directory) == lines
    store = Store.open(directory, "a1", SystemClock())
    (row, again) = await store.append([slot(9_000), slot(7)])
    assert row.seq == 301
    assert again.due_again, "due times are looked up in old parts too"  # type: ignore[union-attr]
    await store.close()
    assert {path: path.read_bytes() for path in old} == old
    (new,) = [part for part in parts_of(directory) if part.path not in old]
    after = lines_of(directory)
    assert after[:300] == lines
    assert chained(after)
    assert [check_part(part.path) for part in parts_of(directory)] == [None] * (len(old) + 1)
    with closing(PartQuery(new.path)) as query:
        assert query.dense
    with Reader.open(directory) as reader:
        assert len(reader.list("acme", limit=1_000)) == 302
        assert [row.seq for row in reader.list("acme", since=at(298))] == [301, 300, 299]
        assert len(reader.list(domain="www.acme.example", limit=1_000)) == 602
        assert reader.list(outcome="failed") == []
        assert reader.counts()["state"] == {"measured": 602}
        assert reader.counts(since=at(290), until=at(300))["outcome"] == {"ok": 20}
        assert reader.coverage(customer="acme")["t1"].due == 301
        assert reader.last_scheduled(at(100_000)) == {"t1": at(9_000)}
        assert len(reader.recent_scheduled(at(100_000), 16)["t1"]) == 16


async def test_a_part_of_before_is_written_anew_where_retention_or_damage_ask_for_it(directory: Path) -> None:
    lines = await batches(directory, 300)
    as_text(directory)
    first = closed_parts(directory)[0]
    thin(first, at(0))
    with closing(PartQuery(first.path)) as query:
        assert query.dense
    assert check_part(first.path) is None
    assert chained(lines_of(directory))
    change_a_body(parts_of(directory)[-1], 299, lambda line: line.replace('"well"', '"WELL"'))
    store = Store.open(directory, "a1", SystemClock())
    (notice,) = store.take_notices()
    assert (notice.detail["first_seq"], notice.detail["last_seq"]) == ("299", "299")
    await store.append([slot(9_000)])
    await store.close()
    after = lines_of(directory)
    assert chained(after)
    assert line_digest(lines[-1].encode()) == json.loads(after[-1])["previous"]
