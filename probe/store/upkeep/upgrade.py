"""Rule: what an earlier version stored is carried over whole, or left as it was.

The first layout kept everything in `results.db`. Its records become the first part, their streams as they were; the
small tables go into the new catalogue, the evidence into a file of its own. New files are written aside and get their
names last; the old one is kept below `_set-aside/`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from probe.core.proof.chain import GENESIS, line_digest
from probe.store.base import dictionary as dictionaries
from probe.store.base.dictionary import Packer
from probe.store.base.parts import EVIDENCE_PARTS, PARTS, install, put_dictionary, set_aside
from probe.store.base.schema import CATALOGUE, EVIDENCE, PART, Step, catalogue_file, open_writer, put_meta
from probe.store.upkeep.rewrite import Row, put_rows

_SMALL = ("definition", "config_version", "origin_version", "origin_standing", "node", "node_learning")


def upgrade(directory: Path, now: str) -> bool:
    """Carry over a results directory of the first layout; False if it is none. Raises OSError, sqlite3.Error."""
    old = catalogue_file(directory)
    if not old.exists() or not _is_first_layout(old):
        return False
    for kind in (PARTS, EVIDENCE_PARTS):
        (directory / kind).mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(old)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    part, evidence = directory / PARTS / "000001.db", directory / EVIDENCE_PARTS / "000001.db"
    _write(part, PART, old, _records, now)
    _write(evidence, EVIDENCE, old, _bundles, now)
    aside = _write(old, CATALOGUE, old, _catalogue, now, put=False)
    set_aside(directory, old, now)
    install(aside, old)
    return True


def _is_first_layout(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as conn:
            return conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'record'").fetchone() is not None
    except sqlite3.DatabaseError:
        return False


def _write(path: Path, steps: tuple[Step, ...], old: Path, copy: Step, now: str, *, put: bool = True) -> Path:
    aside = path.with_name(f".{path.stem}.upgraded")
    aside.unlink(missing_ok=True)
    db = open_writer(aside, steps)
    try:
        db.execute("ATTACH ? AS old", (str(old),))
        with db.atomic():
            put_meta(db, "begun_at", now)
            copy(db)
        db.execute("DETACH old")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        db.close()
    if put:
        install(aside, path)
    return aside


def _tables(db: Database) -> set[str]:
    return {
        name for (name,) in db.execute("SELECT name FROM old.sqlite_master WHERE type = 'table'").fetchall()
    }


def _records(db: Database) -> None:
    known = {name for _, name, *_ in db.execute("PRAGMA old.table_info(stream)").fetchall()}
    digest = "digest" if "digest" in known else f"'{GENESIS}'"
    complete = "complete_up_to" if "complete_up_to" in known else "NULL"
    sql = f"SELECT id, agent, customer, head, {digest}, {complete} FROM old.stream"  # noqa: S608 (literals)
    db.execute(f"INSERT INTO stream (id, agent, customer, head, digest, complete_up_to) {sql}")
    lines = db.conn.execute("SELECT body FROM old.record ORDER BY id DESC LIMIT ?", (dictionaries.ROWS,))
    newest = [line.encode() for (line,) in lines]
    trained = (
        dictionaries.trained(newest, dictionaries.MOST_BYTES) if len(newest) == dictionaries.ROWS else None
    )
    dictionary = trained or dictionaries.base()
    put_dictionary(db, dictionary)
    rows = db.conn.execute("SELECT id, stream, seq, body FROM old.record ORDER BY id")
    put_rows(
        db,
        (Row(number, stream, seq, line.encode()) for number, stream, seq, line in rows),
        Packer(dictionary),
    )
    sql = "SELECT r.body, s.id FROM stream s JOIN old.record r ON r.stream = s.id AND r.seq = s.head"
    for body, stream in db.execute(sql).fetchall():  # the chain begins with what is written next
        db.execute("UPDATE stream SET digest = ? WHERE id = ?", (line_digest(body.encode()), stream))


def _bundles(db: Database) -> None:
    if "bundle" in _tables(db):
        db.execute("INSERT INTO bundle SELECT id, customer, scheduled_at, body FROM old.bundle")


def _catalogue(db: Database) -> None:
    for table in _tables(db) & set(_SMALL):
        db.execute(f"INSERT INTO {table} SELECT * FROM old.{table}")  # noqa: S608
    db.execute("INSERT OR IGNORE INTO meta SELECT key, value FROM old.meta WHERE key IN ('agent', 'closed')")
