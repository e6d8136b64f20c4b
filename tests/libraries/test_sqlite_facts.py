"""What SQLite and sqlite-utils really do, on which the store rests. Looked at again on every upgrade."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlite_utils import Database


@pytest.fixture
def db(tmp_path: Path) -> Database:
    made = Database(sqlite3.connect(tmp_path / "t.db"))
    made.execute("PRAGMA journal_mode = WAL")
    made.execute("CREATE TABLE t (a INTEGER UNIQUE)")
    yield made
    made.close()


def committed(tmp_path: Path) -> int:
    conn = sqlite3.connect(tmp_path / "t.db")
    (number,) = conn.execute("SELECT count(*) FROM t").fetchone()
    conn.close()
    return int(number)


def test_without_atomic_every_call_commits_by_itself(db: Database, tmp_path: Path) -> None:
    db.table("t").insert({"a": 1})
    assert committed(tmp_path) == 1


def test_atomic_is_all_or_nothing(db: Database, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.IntegrityError), db.atomic():  # noqa: PT012
        db.table("t").insert_all([{"a": i} for i in range(250)], batch_size=100)
        assert committed(tmp_path) == 0, "the batches of insert_all do not commit within it"
        db.table("t").insert({"a": 7})
    assert committed(tmp_path) == 0
    assert not db.conn.in_transaction
    with db.atomic():
        db.table("t").insert_all([{"a": i} for i in range(250)], batch_size=100)
    assert committed(tmp_path) == 250


def test_a_connection_belongs_to_its_thread(db: Database) -> None:
    errors: list[BaseException] = []

    def use() -> None:
        try:
            db.execute("SELECT 1")
        except sqlite3.ProgrammingError as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_a_reader_does_not_hold_up_the_writer(db: Database, tmp_path: Path) -> None:
    conn = sqlite3.connect(f"file:{tmp_path}/t.db?mode=ro", uri=True, isolation_level=None)
    conn.execute("BEGIN")
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with db.atomic():
        db.table("t").insert({"a": 1})
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,), "its snapshot"
    conn.execute("COMMIT")
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (1,)
    conn.close()


def test_a_read_only_connection_never_checkpoints(tmp_path: Path) -> None:
    """The last one to close takes the log over into the database, unless it may not write."""
    writer = sqlite3.connect(tmp_path / "t.db")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (a)")
    reader = sqlite3.connect(f"file:{tmp_path}/t.db?mode=ro", uri=True)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    writer.close()  # with the reader there, it leaves the log
    size = (tmp_path / "t.db-wal").stat().st_size
    assert size > 0
    reader.close()
    assert (tmp_path / "t.db-wal").stat().st_size == size


def test_a_full_disk_rolls_the_transaction_back(db: Database, tmp_path: Path) -> None:
    db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError, match="full"), db.atomic():
        db.table("t").insert_all([{"a": i} for i in range(5_000)])
    assert not db.conn.in_transaction
    assert committed(tmp_path) == 0
    db.execute("PRAGMA max_page_count = 100000")
    with db.atomic():
        db.table("t").insert_all([{"a": i} for i in range(5_000)])
    assert committed(tmp_path) == 5_000
