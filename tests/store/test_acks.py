"""What readers confirmed survives whatever happens to the process, and damage to the file."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from probe.store.acks import ApiDb
from probe.store.confirmations import FILE, Ack, ApiDbError, Confirmations, Pulled

NOW = "2026-11-22T10:00:00.000000Z"
LATER = "2026-11-22T11:00:00.000000Z"


def ack(seq: int, reader: str = "evaluator", customer: str = "acme", agent: str = "a1") -> Ack:
    return Ack(reader=reader, agent=agent, customer=customer, seq=seq, digest=f"{seq:064x}", at=NOW)


def pull(first: int, last: int, at: str = NOW) -> Pulled:
    return Pulled(reader="evaluator", agent="a1", customer="acme", first=first, last=last, at=at)


async def test_a_confirmation_is_on_the_disk_when_it_is_told(tmp_path: Path) -> None:
    db = await ApiDb.open(tmp_path, NOW)
    known = Confirmations(tmp_path, "a1")
    assert await db.acknowledge(ack(5)) == ack(5)
    assert known.confirmed("acme", ["evaluator"]) == 5  # read by another connection, before any closing
    assert await db.acknowledge(ack(3)) == ack(5)
    assert await db.acknowledge(ack(3, agent="old")) == ack(3, agent="old")
    assert known.acks() == [ack(5)]
    assert await db.acks() == [ack(5), ack(3, agent="old")]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    await db.close()
    await db.close()
    again = await ApiDb.open(tmp_path, NOW)
    assert (await again.acknowledge(ack(4))).seq == 5
    assert again.set_aside is None
    await again.close()


async def test_synchronous_full_in_the_write_ahead_log(tmp_path: Path) -> None:
    db = await ApiDb.open(tmp_path, NOW)

    def read() -> tuple[object, object]:
        conn = db._writable().conn
        return tuple(conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous"))

    assert await db._run(read) == ("wal", 2)
    await db.close()


async def test_many_at_once(tmp_path: Path) -> None:
    db = await ApiDb.open(tmp_path, NOW)
    await asyncio.gather(*(db.acknowledge(ack(seq)) for seq in (3, 9, 1, 7, 5)))
    assert Confirmations(tmp_path, "a1").confirmed("acme", ["evaluator"]) == 9
    await db.close()


async def test_the_first_time_counts(tmp_path: Path) -> None:
    db = await ApiDb.open(tmp_path, NOW)
    known = Confirmations(tmp_path, "a1")
    await db.pulled(pull(5, 10))
    await db.pulled(pull(1, 20, LATER))
    await db.pulled(pull(1, 20, "2026-11-22T12:00:00.000000Z"))
    seen = [known.first_seen("acme", seq) for seq in (1, 4, 5, 10, 11, 20, 21)]
    assert seen == [LATER, LATER, NOW, NOW, LATER, LATER, None]
    assert known.first_seen("zeta", 1) is None
    await db.close()


def test_before_there_is_any_nobody_confirmed_anything(tmp_path: Path) -> None:
    known = Confirmations(tmp_path, "a1")
    assert (known.confirmed("acme", ["evaluator"]), known.first_seen("acme", 1), known.acks()) == (
        0,
        None,
        [],
    )


@pytest.mark.parametrize("damage", ["garbage", "page"])
async def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    db = await ApiDb.open(tmp_path, NOW)
    for number in range(300):
        await db.pulled(pull(2 * number + 1, 2 * number + 1))
    await db.close()
    path = tmp_path / FILE
    data = path.read_bytes()
    path.write_bytes(b"x" * 5000 if damage == "garbage" else data[:4096] + b"\xff" * 4096 + data[8192:])
    db = await ApiDb.open(tmp_path, NOW)
    assert db.set_aside is not None
    assert db.set_aside.exists()
    assert (await db.acknowledge(ack(1))).seq == 1
    await db.close()


async def test_what_cannot_be_written_is_not_confirmed(tmp_path: Path) -> None:
    db = await ApiDb.open(tmp_path, NOW)
    await db.acknowledge(ack(1))
    other = sqlite3.connect(tmp_path / FILE)
    other.execute("DROP TABLE ack")
    other.close()
    with pytest.raises(ApiDbError, match="no such table"):
        await db.acknowledge(ack(2))
    await db.close()
    with pytest.raises(ApiDbError, match=r"closed|shutdown"):
        await db.acknowledge(ack(2))


async def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"_api\.db"):
        await ApiDb.open(tmp_path / "nowhere", NOW)
