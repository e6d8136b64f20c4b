"""Readers see whole transactions, in order, whatever the writer does; and never write themselves."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.core.records.verdict import Outcome
from probe.core.results.coverage import due_between, to_us
from probe.host.clock import SystemClock
from probe.store.base import ledger as store_ledger
from probe.store.base.schema import catalogue_file
from probe.store.read import listing as store_list
from probe.store.read.reader import Reader
from probe.store.store import Store, StoreError
from tests.support.parts import by_sql
from tests.support.rows import START_S, at, event, missed, newest_part, slot


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r ?#%20"  # a name that a URI must quote


@pytest.fixture
async def store(directory: Path) -> AsyncIterator[Store]:
    made = Store.open(directory, "a1", SystemClock())
    yield made
    await made.close()


async def fill(store: Store) -> None:
    await store.append(
        [
            event("agent.started"),
            slot(0, id="t1"),
            slot(10, id="t1", outcome=Outcome.FAILED),
            missed(20, id="t1"),
            slot(30, id="t1"),
            slot(5, id="t2", customer="other", domain="b.example"),
            missed(15, "agent.crashed", id="t2", customer="other", domain="b.example"),
        ]
    )


async def test_listing_and_its_filters(store: Store, directory: Path) -> None:
    await fill(store)
    with Reader.open(directory) as reader:

        def seqs(**wanted: object) -> list[tuple[str, int | None]]:
            return [(row.customer, row.seq) for row in reader.list(**wanted)]  # type: ignore[arg-type]

        newest = [("other", 2), ("other", 1), ("acme", 5), ("acme", 4), ("acme", 3), ("acme", 2), ("acme", 1)]
        assert seqs() == newest
        assert seqs(newest_first=False) == newest[::-1]
        assert seqs(limit=2) == newest[:2]
        assert seqs(limit=0) == []
        assert seqs(customer="acme") == newest[2:]
        assert seqs(customer="acme", newest_first=False, limit=1) == [("acme", 1)]
        assert seqs(customer="nobody") == []
        assert seqs(domain="b.example") == newest[:2]
        assert seqs(domain="b.example", customer="acme") == []
        assert seqs(outcome="failed") == [("acme", 3)]
        assert seqs(outcome="ok", customer="acme") == [("acme", 5), ("acme", 2)]
        assert seqs(since=at(15)) == [("other", 2), ("acme", 5), ("acme", 4)]
        assert seqs(since=at(10_000)) == []
        assert seqs(since=at(15), customer="acme") == [("acme", 5), ("acme", 4)]
        assert reader.get("acme", 99) is None
        assert reader.get("acme", 10**30) is None
        assert reader.get("nobody", 1) is None


async def test_since_is_understood_with_any_offset(store: Store, directory: Path) -> None:
    await fill(store)
    with Reader.open(directory) as reader:
        # 1700000000 is 22:13:20 UTC
        assert len(reader.list(since="2023-11-15T06:13:35+08:00")) == 3
        assert len(reader.list(since="2023-11-14T22:13:35Z")) == 3
        assert len(reader.list(since="2023-11-14")) == 7
        assert len(reader.list(since="2023-11-15")) == 0
        for bad in ("2023-11-14T22:13:35", "yesterday", ""):
            with pytest.raises(ValueError):
                reader.list(since=bad)


async def test_pages_make_the_whole(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.append([slot(i, customer=f"c{i % 3}") for i in range(100)])
    monkeypatch.setattr(store_list, "PAGE", 7)
    with Reader.open(directory) as reader:
        scheduled = [row.scheduled_at for row in reader.follow({})]  # type: ignore[union-attr]
        assert scheduled == [at(i) for i in range(100)]
        assert [r.scheduled_at for r in reader.iterate()] == scheduled[::-1]  # type: ignore[union-attr]
        assert len(reader.list(customer="c1", limit=1000)) == 33
        assert [row.seq for row in reader.follow({"c0": 34, "c1": 30, "c2": 33})] == [31, 32, 33]


async def test_a_reader_beside_the_writer_sees_no_gap(store: Store, directory: Path) -> None:
    writing = [asyncio.ensure_future(store.append([slot(i, customer=f"c{i % 4}")] * 5)) for i in range(1_000)]
    after: dict[str, int] = {}
    passes = 0

    def look() -> None:
        nonlocal passes
        with Reader.open(directory) as reader:
            while sum(after.values()) < 5_000:
                passes += 1
                for row in reader.follow(after):
                    assert row.seq == after.get(row.customer, 0) + 1
                    after[row.customer] = row.seq

    await asyncio.wait_for(asyncio.to_thread(look), 60)
    await asyncio.gather(*writing)
    assert after == {f"c{n}": 1_250 for n in range(4)}
    assert passes > 1


async def test_a_reader_holds_no_statement_open(store: Store, directory: Path) -> None:
    """Else the log could not be cleared for as long as somebody looks at a page."""
    await store.append([slot(i) for i in range(1_200)])
    with Reader.open(directory) as reader:
        rows = iter(reader.follow({}))
        next(rows)
        found: list[tuple[int, ...]] = []
        store._writer.put_statement(lambda db: None)
        await store.append([slot(0)])
        conn = sqlite3.connect(newest_part(directory))
        found.append(conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        conn.close()
        assert found == [(0, 0, 0)], "not busy"
        assert len(list(rows)) == 1_199


async def test_a_reader_cannot_write(store: Store, directory: Path) -> None:
    await store.append([slot(0)])
    with Reader.open(directory) as reader, pytest.raises(StoreError, match="readonly"):
        reader._catalogue.rows("DELETE FROM meta")


async def test_reading_without_the_agent_and_after_a_crash(directory: Path, tmp_path: Path) -> None:
    store = Store.open(directory, "a1", SystemClock())
    await store.append([slot(0)])
    crashed = tmp_path / "crashed"
    shutil.copytree(directory, crashed)  # the log not yet taken over into the database
    assert newest_part(crashed).with_name("000001.db-wal").stat().st_size > 0
    await store.close()
    assert not newest_part(directory).with_name("000001.db-wal").exists()
    for place in (directory, crashed):
        size = [path.stat().st_size for path in place.rglob("*.db-wal")]
        for _ in range(2):
            with Reader.open(place) as reader:
                assert reader.heads() == {"acme": 1}
                assert len(reader.list()) == 1
        if size:
            assert [path.stat().st_size for path in place.rglob("*.db-wal")] == size, "no checkpoint"


def test_no_results_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results here"):
        Reader.open(tmp_path)
    catalogue_file(tmp_path).write_bytes(b"nonsense" * 1000)
    with pytest.raises(StoreError, match="cannot be read"):
        Reader.open(tmp_path)


async def test_a_record_that_cannot_be_read_is_said_in_words(store: Store, directory: Path) -> None:
    await store.append([slot(0)])
    with by_sql(newest_part(directory)) as conn:
        conn.execute('UPDATE record SET body = packed(\'{"kind":"slot"}\')')
    with Reader.open(directory) as reader, pytest.raises(StoreError, match="a stored record cannot be read"):
        reader.list()


# --- sums -------------------------------------------------------------------------------------------


async def test_counts(store: Store, directory: Path) -> None:
    await fill(store)
    with Reader.open(directory) as reader:
        assert reader.counts() == {
            "state": {"measured": 4, "missed": 2},
            "outcome": {"ok": 3, "failed": 1},
            "reason": {"agent.stalled": 1, "agent.crashed": 1},
        }
        assert reader.counts(customer="other")["state"] == {"measured": 1, "missed": 1}
        assert reader.counts(since=at(10), until=at(20))["state"] == {"measured": 1, "missed": 1}


async def test_coverage(store: Store, directory: Path) -> None:
    await fill(store)
    with Reader.open(directory) as reader:
        both = reader.coverage()
        assert {name: (c.due, c.measured, c.missed) for name, c in both.items()} == {
            "t1": (4, 3, 1), "t2": (2, 1, 1),
        }  # fmt: skip
        assert reader.coverage(customer="other").keys() == {"t2"}
        assert reader.coverage(task="t1", since=at(10), until=at(30))["t1"].due == 2
        start = START_S * 1_000_000
        grid = due_between(10_000_000, 0, start - 1, start + 49_999_999)
        found = reader.coverage(task="t1", since=at(0), until=at(50), due={"t1": grid})["t1"]
        assert (found.due, found.measured, found.missed, found.unaccounted) == (5, 3, 1, 1)
        assert found.gaps[-1].first_us == to_us(at(40))


async def test_last_scheduled_passes_over_the_future(store: Store) -> None:
    await fill(store)
    far = slot(10**9, id="t1")  # the clock was set forward for a while
    await store.append([far, slot(7, id="t1")])
    assert store.last_scheduled() == {"t1": at(30), "t2": at(15)}
    recent = store.recent_scheduled(3)
    assert recent == {"t1": [to_us(at(s)) for s in (30, 20, 10)], "t2": [to_us(at(s)) for s in (15, 5)]}


async def test_questions_of_a_large_store_use_its_indexes(store: Store, directory: Path) -> None:
    await fill(store)
    with Reader.open(directory) as reader:
        seen: list[str] = []
        part = reader._sources.newest()
        assert part is not None
        part._conn.set_trace_callback(seen.append)
        reader.list(customer="acme")
        reader.list(domain="b.example")
        reader.list(outcome="failed")
        reader.list()
        list(reader.follow({}))
        store_ledger.last_scheduled([part], at(99))
        reader.coverage(task="t1")
        part._conn.set_trace_callback(None)
        plans = [
            (sql, step[3])
            for sql in seen
            if " record " in sql and not sql.startswith("--")
            for step in part.rows(f"EXPLAIN QUERY PLAN {sql}")
        ]
        assert len(plans) > 7
        for sql, plan in plans:
            assert "TEMP B-TREE" not in plan, (sql, plan)
            assert not plan.startswith("SCAN record") or "INDEX" in plan, (sql, plan)
        assert os.path.getsize(newest_part(directory)) > 0
