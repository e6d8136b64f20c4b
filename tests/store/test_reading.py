"""An error of reading that passes is not damage; what is damaged stays so; of what is set aside only rows are lost."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.host.clock import SystemClock
from probe.store.base.parts import ASIDE, parts_of
from probe.store.base.query import TRIES, Query
from probe.store.base.schema import StoreDamaged, catalogue_file, damaged
from probe.store.read.reader import Reader
from probe.store.store import Store, StoreError
from probe.store.upkeep import reading, rewrite, salvage
from probe.store.upkeep.check import check_catalogue, check_part
from probe.store.upkeep.reading import each_time, is_reading_error
from probe.store.write import files
from probe.store.write.files import Files, Limits
from tests.support.rows import slot

ROWS = 120


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAUSES_S", (0.0,) * len(reading.PAUSES_S))


@pytest.fixture
async def directory(tmp_path: Path) -> Path:
    """A store of one part."""
    store = Store.open(tmp_path / "r", "a1", SystemClock(), limits=Limits())
    await store.append([slot(i) for i in range(ROWS)])
    await store.close()
    return tmp_path / "r"


def lines(directory: Path) -> list[str]:
    with Reader.open(directory) as reader:
        return [line.text for line in reader.lines("acme", 0, 10 * ROWS)]


def malformed() -> sqlite3.DatabaseError:
    """What SQLite says of a page that is damaged, and of a read that failed."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("*** in database main ***\nTree 5 page 23: unable to get the page. error code=10", True),
        ("Tree 5 page 23: unable to get the page. error code=8458", True),  # SQLITE_IOERR_CORRUPTFS
        ("Tree 5 page 23: unable to get the page. error code=266", True),  # SQLITE_IOERR_READ
        (
            "Tree 5 page 23: unable to get the page. error code=7",
            True,
        ),  # no memory: nothing is known of the page
        ("Tree 5 page 23: failed to get page 24", True),
        ("Tree 5 page 23: unable to get the page. error code=522", False),  # the file ends before
        ("Tree 5 page 23: unable to get the page. error code=11", False),
        ("Tree 5 page 23: btreeInitPage() returns error code 11", False),
        ("Tree 5 page 23 cell 2: 2nd reference to page 24", False),
        ("row 3 missing from index record_by_time", False),
        ("ok", False),
    ],
)
def test_a_page_that_was_not_read_is_told_from_one_that_is_wrong(found: str, expected: bool) -> None:
    assert is_reading_error(found) is expected


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, 267, sqlite3.SQLITE_NOTADB, 522])
def test_what_may_be_damage_is_looked_at(code: int) -> None:
    error = sqlite3.DatabaseError("x")
    error.sqlite_errorcode = code
    assert damaged(error)


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, 266, 778, sqlite3.SQLITE_CANTOPEN]
)
def test_what_is_no_damage_is_tried_again(code: int) -> None:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    assert not damaged(error)


@pytest.mark.parametrize(("says", "looks"), [(["x", None], 2), (["x", "y", None], 3), ([None], 1)])
def test_what_is_not_found_again_is_no_damage(directory: Path, says: list[str | None], looks: int) -> None:
    asked: list[Path] = []

    def look(path: Path) -> str | None:
        asked.append(path)
        return says[len(asked) - 1]

    assert each_time(look, parts_of(directory)[0].path) is None
    assert len(asked) == looks


def test_what_each_reading_finds_is_damage(directory: Path) -> None:
    asked: list[Path] = []

    def look(path: Path) -> str | None:
        asked.append(path)
        return f"finding {len(asked)}"

    assert each_time(look, parts_of(directory)[0].path) == f"finding {reading.TRIES}"


def failing_reads(monkeypatch: pytest.MonkeyPatch, fails: Callable[[int], bool]) -> list[int]:
    """The operating system does not read; `fails` is asked with the number of the call."""
    real, calls = os.read, [0]

    def read(handle: int, size: int) -> bytes:
        calls[0] += 1
        if fails(calls[0]):
            raise OSError(errno.EIO, "Input/output error")
        return real(handle, size)

    monkeypatch.setattr(os, "read", read)
    return calls


def test_while_nothing_can_be_read_nothing_is_said_of_the_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_reads(monkeypatch, lambda call: True)
    with pytest.raises(OSError, match="nothing of it can be read at present"):
        each_time(lambda path: "malformed", parts_of(directory)[0].path)


def test_it_is_waited_for_a_disk_that_comes_back(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = failing_reads(monkeypatch, lambda call: call <= 4)
    assert each_time(lambda path: None if calls[0] >= 4 else "malformed", parts_of(directory)[0].path) is None


def test_a_place_that_cannot_be_read_for_good_is_damage(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK_BYTES", 4096)
    real = os.read

    def read(handle: int, size: int) -> bytes:
        if os.lseek(handle, 0, os.SEEK_CUR) == 8192:
            raise OSError(errno.EIO, "Input/output error")
        return real(handle, size)

    monkeypatch.setattr(os, "read", read)
    assert each_time(lambda path: "malformed", parts_of(directory)[0].path) == "malformed"


@pytest.mark.parametrize("left", [0.3, 0.6, 0.9])
async def test_a_cut_file_is_damage(directory: Path, left: float) -> None:
    path = parts_of(directory)[0].path
    os.truncate(path, int(path.stat().st_size * left))
    assert each_time(check_part, path) is not None
    store = Store.open(directory, "a1", SystemClock())
    assert {notice.event for notice in store.take_notices()} == {"store.damaged"}
    await store.close()
    assert list((directory / ASIDE).rglob("000001.db"))


async def test_a_start_that_met_an_error_once_sets_nothing_aside(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, met = lines(directory), set[str]()

    def once(look: Callable[[Path], str | None]) -> Callable[[Path], str | None]:
        def looked(path: Path) -> str | None:
            if path.name + look.__name__ not in met:
                met.add(path.name + look.__name__)
                return "database disk image is malformed"
            return look(path)

        return looked

    monkeypatch.setattr(files, "check_part", once(check_part))
    monkeypatch.setattr(files, "check_catalogue", once(check_catalogue))
    store = Store.open(directory, "a1", SystemClock())
    assert store.take_notices() == []
    await store.close()
    assert len(met) == 3, "catalogue, evidence, part"
    assert not (directory / ASIDE).exists()
    assert lines(directory) == before


async def test_a_part_that_was_taken_for_damaged_loses_no_row(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third row is read only when it is asked for again; so are the streams."""
    before, asked = lines(directory), set[int]()
    real, real_connect, statements = salvage._row, salvage._opened, [0]

    def row(conn: sqlite3.Connection, number: int, packers: Any) -> Any:
        if number % 3 == 0 and number not in asked:
            asked.add(number)
            raise malformed()
        return real(conn, number, packers)

    def opened(path: Path) -> sqlite3.Connection:
        statements[0] += 1
        if statements[0] % 2:
            raise malformed()
        return real_connect(path)

    monkeypatch.setattr(salvage, "_row", row)
    monkeypatch.setattr(
        salvage,
        "_all",
        lambda path, sql: reading.tried_again(lambda: opened(path).execute(sql).fetchall(), path),
    )
    monkeypatch.setattr(files, "check_part", lambda path: "database disk image is malformed")
    store = Store.open(directory, "a1", SystemClock())
    (notice,) = store.take_notices()
    assert (notice.event, "first_seq" in notice.detail) == ("store.damaged", False), (
        "said, and nothing is gone"
    )
    (added,) = await store.append([slot(0)])
    assert added.seq == ROWS + 1
    await store.close()
    assert len(asked) == ROWS // 3
    assert lines(directory)[:ROWS] == before
    assert list((directory / ASIDE).rglob("000001.db"))


async def test_a_part_stays_in_its_place_until_what_follows_it_is_whole(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes nothing when a part seems damaged: it was moved away first, and its rows were called gone."""
    before = lines(directory)
    monkeypatch.setattr(files, "check_part", lambda path: "database disk image is malformed")

    def full(*args: Any, **names: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(salvage, "write_part", full)
        with pytest.raises(StoreError, match="No space left"):
            Store.open(directory, "a1", SystemClock())
    assert lines(directory) == before
    monkeypatch.undo()
    store = Store.open(directory, "a1", SystemClock())
    assert store.take_notices() == []
    await store.close()
    assert catalogue_file(directory).exists()


async def test_a_kill_between_the_damaged_part_and_what_takes_its_place_loses_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lines(directory)

    def killed(*args: Any) -> None:
        raise OSError(errno.EIO, "as if it had been killed")

    with monkeypatch.context() as broken:
        broken.setattr(files, "check_part", lambda path: "database disk image is malformed")
        broken.setattr(rewrite, "install", killed)
        with pytest.raises(StoreError, match="as if it had been killed"):
            Store.open(directory, "a1", SystemClock())
    assert parts_of(directory) == []
    store = Store.open(directory, "a1", SystemClock())
    assert store.take_notices() == []
    (added,) = await store.append([slot(0)])
    assert added.seq == ROWS + 1
    await store.close()
    assert lines(directory)[:ROWS] == before


class Flaky:
    """A connection whose next statements fail."""

    def __init__(self, conn: sqlite3.Connection, fails: int) -> None:
        self._conn = conn
        self.left = fails

    def execute(self, *args: Any) -> sqlite3.Cursor:
        if self.left:
            self.left -= 1
            raise malformed()
        return self._conn.execute(*args)

    def close(self) -> None:
        self._conn.close()


@pytest.mark.parametrize("fails", range(TRIES + 1))
def test_a_reader_asks_again(directory: Path, fails: int) -> None:
    query = Query(parts_of(directory)[0].path)
    query._conn = Flaky(query._conn, fails)  # type: ignore[assignment]
    try:
        if fails < TRIES:
            assert query.value("SELECT count(*) FROM record") == ROWS
        else:
            with pytest.raises(StoreDamaged):
                query.value("SELECT count(*) FROM record")
    finally:
        query.close()


async def test_a_start_asks_again_where_its_files_were_found_whole(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at a moment ago is opened again without another look, and is not called malformed."""
    real, opened, looks = Files._open, [0], [0]

    def once(self: Files) -> None:
        opened[0] += 1
        if opened[0] == 1:
            raise malformed()
        real(self)

    def looked(path: Path) -> str | None:
        looks[0] += 1
        return check_part(path)

    monkeypatch.setattr(Files, "_open", once)
    monkeypatch.setattr(files, "check_part", looked)
    store = Store.open(directory, "a1", SystemClock())
    assert (opened[0], looks[0]) == (2, 1)
    assert store.take_notices() == []
    await store.close()
