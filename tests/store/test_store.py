"""What is acknowledged is kept, whole and in order; what is in the way is said."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from probe.core.model.value import replace
from probe.core.records.origin import OriginVersion
from probe.core.records.rows import EventRecord, Record, SlotRecord, State
from probe.host.clock import SystemClock
from probe.store.base.schema import PART
from probe.store.read.reader import Reader
from probe.store.store import Store, StoreError, StoreLocked
from probe.store.write import batching as store_gather
from probe.store.write import marks
from probe.store.write import writer as store_writer
from probe.store.write.commit import VERSIONS_KEPT, Item
from probe.store.write.files import Files
from tests.codes.provoking import provokes, saw
from tests.support.rows import at, event, locked, missed, newest_part, slot
from tests.support.sizes import scaled

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store.open(tmp_path / "r", "a1", SystemClock())
    yield made
    await made.close(within_s=5)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r"


def seqs(directory: Path, customer: str = "acme") -> list[int]:
    with Reader.open(directory) as reader:
        return [row.seq or 0 for row in reader.follow({}) if row.customer == customer]


def version(digest: str, last_seen: int, first_seen: int = 0) -> OriginVersion:
    return OriginVersion(
        content_digest=digest,
        decoded_body_bytes=1,
        status_code=200,
        etag=None,
        last_modified=None,
        first_seen=at(first_seen),
        last_seen=at(last_seen),
    )


async def until(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


# --- writing ----------------------------------------------------------------------------------------


async def test_what_is_appended_is_read_back_with_its_seq(store: Store, directory: Path) -> None:
    rows: list[Record] = [slot(0), slot(1, customer="other"), event("agent.started"), slot(2)]
    written = await store.append(rows)
    assert [row.seq for row in written] == [1, 1, 2, 3]
    assert [replace(row, seq=None, previous=None) for row in written] == rows
    with Reader.open(directory) as reader:
        assert list(reader.follow({})) == written
        assert reader.get("acme", 2) == written[2]
        assert reader.heads() == {"acme": 3, "other": 1}
    assert await store.append([]) == []


async def test_seq_goes_on_after_a_restart(directory: Path) -> None:
    for first in (1, 3, 5):
        store = Store.open(directory, "a1", SystemClock())
        assert [row.seq for row in await store.append([slot(0), slot(1)])] == [first, first + 1]
        await store.close()
    assert seqs(directory) == [1, 2, 3, 4, 5, 6]


async def test_another_agent_name_begins_streams_of_its_own(directory: Path) -> None:
    for agent in ("a1", "b2"):
        store = Store.open(directory, agent, SystemClock())
        (row,) = await store.append([slot(0)])
        assert row.seq == 1
        await store.close()
    with Reader.open(directory) as newest, Reader.open(directory, "a1") as older:
        assert (newest.agent, newest.heads(), len(newest.list())) == ("b2", {"acme": 1}, 1)
        assert len(older.list()) == 1
        assert newest.streams() == (("a1", "acme", 1), ("b2", "acme", 1))


async def test_ten_thousand_calls_at_once_get_their_numbers_in_order(store: Store, directory: Path) -> None:
    written = await asyncio.gather(*[store.append([slot(i)]) for i in range(10_000)])
    assert [row.seq for (row,) in written] == list(range(1, 10_001))
    assert store.health.written == 10_000
    assert seqs(directory) == list(range(1, 10_001))


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each transaction took."""
    sizes: list[int] = []
    commit = store_writer.commit

    def counting(files: Files, agent: str, batch: Sequence[Item]) -> None:
        sizes.append(sum(item.weight for item in batch))
        commit(files, agent, batch)

    monkeypatch.setattr(store_writer, "commit", counting)
    return sizes


async def test_records_that_come_one_by_one_share_a_transaction(
    store: Store, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_gather, "A_RECORD_S", 0.3)
    monkeypatch.setattr(store_gather, "LONGEST_S", 0.3)
    await store.append([slot(0)])  # nothing was before it: nothing is waited for
    assert sizes == [1]
    waiting = []
    for second in range(1, 6):
        waiting.append(asyncio.ensure_future(store.append([slot(second)])))
        await asyncio.sleep(0.01)
    await asyncio.gather(*waiting)
    assert sizes == [1, 5]
    await store.append([slot(second) for second in range(6, 6 + store_gather.ENOUGH)])  # enough: at once
    assert sizes == [1, 5, store_gather.ENOUGH]
    monkeypatch.setattr(store_gather, "LONGEST_S", 60.0)
    monkeypatch.setattr(store_gather, "A_RECORD_S", 60.0)
    await store.append([slot(100)])
    last = asyncio.ensure_future(store.append([slot(101)]))
    await asyncio.sleep(0)
    await asyncio.wait_for(store.close(), 60)  # closing waits for no more either
    assert [row.seq for row in await last] == [72]
    assert sizes == [1, 5, store_gather.ENOUGH, 1, 1]


async def test_records_that_are_patient_wait_for_others_until_one_is_not(
    store: Store, sizes: list[int]
) -> None:
    handed = [store.hand_over([slot(0)], patience_s=60.0)]  # alone, and nothing was before it
    for second in range(1, 4):
        await asyncio.sleep(0.02)
        handed.append(store.hand_over([slot(second)], patience_s=60.0))
    assert not any(future.done() for future in handed)
    await asyncio.wait_for(store.append([event("agent.started")]), 60)
    assert [row.seq for (row,) in [future.result() for future in handed]] == [1, 2, 3, 4]
    assert sizes == [5]
    handed = [store.hand_over([slot(9)], patience_s=60.0), store.hand_over([slot(10)], patience_s=0.05)]
    await asyncio.wait_for(asyncio.gather(*handed), 60)
    assert sizes == [5, 2]
    many = [
        store.hand_over([slot(second)], patience_s=60.0) for second in range(20, 20 + store_gather.ENOUGH)
    ]
    await asyncio.wait_for(asyncio.gather(*many), 60)
    last = store.hand_over([slot(200)], patience_s=60.0)
    await asyncio.wait_for(store.close(), 60)
    assert [row.seq for row in await last] == [8 + store_gather.ENOUGH]


async def test_durability_is_what_sqlite_calls_full(store: Store) -> None:
    found: list[object] = []
    for name in ("synchronous", "journal_mode", "foreign_keys"):
        for evidence_of in (None, "acme"):
            store._writer.put_statement(
                lambda db, name=name: found.extend(db.execute(f"PRAGMA {name}").fetchone()),
                evidence_of=evidence_of,
            )
    await store.append([slot(0)])
    files = store._writer._files
    store._writer.put_statement(
        lambda db: found.append(files.records.execute("PRAGMA synchronous").fetchone()[0])
    )
    await store.append([slot(0)])
    assert found == [2, "wal", 1, 2, "wal", 1, 2]


async def test_only_the_owner_may_read(store: Store, directory: Path) -> None:
    await store.append([slot(0)])
    assert directory.stat().st_mode & 0o777 == 0o700
    modes = {path: path.stat().st_mode & 0o777 for path in directory.rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {path.name for path in modes} >= {".lock", "results.db", "_parts", "000001.db", "_evidence"}


async def test_records_are_never_changed(store: Store, directory: Path) -> None:
    await store.append([slot(0)])
    with (
        sqlite3.connect(newest_part(directory)) as conn,
        pytest.raises(sqlite3.IntegrityError, match="never"),
    ):
        conn.execute("UPDATE record SET verdict = 2")
    conn.close()


async def test_a_cancelled_caller_does_not_unwrite(store: Store, directory: Path) -> None:
    waiting = asyncio.ensure_future(store.append([slot(0)]))
    await asyncio.sleep(0)
    waiting.cancel()
    await store.append([slot(1)])
    assert seqs(directory) == [1, 2]


async def test_definitions_configurations_and_versions_are_kept(store: Store, directory: Path) -> None:
    store.put_definition("d1", '{"a":1}')
    store.put_definition("d1", '{"a":1}')
    store.put_config("c1", "agent: a1", at(0))
    store.put_origin_version("acme", "u", version("old", 1))
    store.put_origin_version("acme", "u", version("new", 2))
    store.put_origin_version("acme", "u", version("old", 3))
    store.put_origin_version("acme", "v", version("x", 3))
    await store.append([slot(0)])
    with Reader.open(directory) as reader:
        assert (reader.definition("d1"), reader.definition("d2")) == ('{"a":1}', None)
        assert (reader.config("c1"), reader.config("c2")) == ("agent: a1", None)
    await until(lambda: len(store.all_origin_versions()) == 3)
    assert [v.content_digest for v in store.origin_versions("acme", "u")] == ["new", "old"]
    assert [v.content_digest for v in store.origin_versions("acme", "u", limit=1)] == ["old"]
    assert store.origin_versions("acme", "none") == ()
    assert {(c, u, v.content_digest) for c, u, v in store.all_origin_versions()} == {
        ("acme", "u", "new"), ("acme", "u", "old"), ("acme", "v", "x"),
    }  # fmt: skip


async def test_a_page_that_is_new_each_time_does_not_fill_the_disk(store: Store) -> None:
    for i in range(200):
        store.put_origin_version("acme", "u", version(f"{i:03}", i))
    await until(lambda: [v.content_digest for v in store.origin_versions("acme", "u", 1)] == ["199"])
    assert len(store.origin_versions("acme", "u", 1000)) == VERSIONS_KEPT


# --- opening and closing ----------------------------------------------------------------------------


async def test_a_second_instance_refuses_and_names_the_first(store: Store, directory: Path) -> None:
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        Store.open(directory, "a2", SystemClock())
    await store.append([slot(0)])


async def test_the_lock_goes_with_the_store(directory: Path) -> None:
    for _ in range(3):
        store = Store.open(directory, "a1", SystemClock())
        await store.close()
        await store.close()


async def test_whether_it_was_closed_is_remembered(directory: Path) -> None:
    store = Store.open(directory, "a1", SystemClock())
    assert store.stopped_cleanly(), "a new one"
    await store.append([slot(0)])
    await store.close()
    store = Store.open(directory, "a1", SystemClock())
    assert store.stopped_cleanly()
    await store.close()


async def test_a_closed_store_takes_nothing(directory: Path) -> None:
    store = Store.open(directory, "a1", SystemClock())
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.append([slot(0)])
    with pytest.raises(StoreError, match="closed"):
        store.put_definition("d", "{}")


async def test_a_newer_schema_is_refused(directory: Path) -> None:
    await Store.open(directory, "a1", SystemClock()).close()
    with sqlite3.connect(newest_part(directory)) as conn:
        conn.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    conn.close()
    with pytest.raises(StoreError, match=f"schema 99, this version knows up to {len(PART)}"):
        Store.open(directory, "a1", SystemClock())
    with sqlite3.connect(newest_part(directory)) as conn:
        conn.execute(f"UPDATE meta SET value = '{len(PART)}' WHERE key = 'schema_version'")
    conn.close()
    await Store.open(directory, "a1", SystemClock()).close()


async def test_a_directory_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used for results"):
        Store.open(tmp_path / "file" / "r", "a1", SystemClock())


# --- when the disk or a lock is in the way ----------------------------------------------------------


async def test_a_foreign_write_lock_delays_and_loses_nothing(store: Store, directory: Path) -> None:
    await store.append([slot(0)])
    with locked(directory):
        waiting = [asyncio.ensure_future(store.append([slot(i)])) for i in range(1, 200)]
        await until(lambda: store.health.trouble is not None)
        assert not any(future.done() for future in waiting), "nothing is acknowledged that is not written"
        assert "locked" in (store.health.trouble or "")
    written = await asyncio.gather(*waiting)
    assert [row.seq for (row,) in written] == list(range(2, 201))
    assert store.health.trouble is None
    assert seqs(directory) == list(range(1, 201))


@contextmanager
def pages_at_most(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A full disk, as SQLite sees it: the list holds the greatest number of pages."""
    most = [1_000_000]
    commit = store_writer.commit

    def limited(files, agent, batch):  # type: ignore[no-untyped-def]
        files.records.execute(f"PRAGMA max_page_count = {most[0]}")
        commit(files, agent, batch)

    monkeypatch.setattr(store_writer, "commit", limited)
    yield most


async def test_a_full_disk_delays_and_loses_nothing(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pages_at_most(monkeypatch) as most:
        await store.append([slot(0)])
        most[0] = 1  # SQLite takes it as the present size
        waiting = [asyncio.ensure_future(store.append([slot(i)])) for i in range(1, 500)]
        await until(lambda: store.health.trouble is not None)
        assert "full" in (store.health.trouble or "")
        with Reader.open(directory) as reader:
            head = reader.heads()["acme"]
        assert sum(future.done() for future in waiting) <= head - 1
        most[0] = 1_000_000
        await asyncio.gather(*waiting)
    assert seqs(directory) == list(range(1, 501))
    assert "store.write_failed" in caplog.text
    assert "store.recovered" in caplog.text


async def test_a_file_that_may_not_grow_delays_and_loses_nothing(store: Store, directory: Path) -> None:
    """A real error of input or output: write(2) fails within the log."""
    await store.append([slot(0)])
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal = newest_part(directory).with_name("000001.db-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 5000, old[1]))
    try:
        waiting = [asyncio.ensure_future(store.append([slot(i)] * 10)) for i in range(1, 50)]
        await until(lambda: store.health.trouble is not None)
        assert not any(future.done() for future in waiting)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    await asyncio.gather(*waiting)
    assert seqs(directory) == list(range(1, 492))


@provokes("agent.shed", peer=False)
async def test_a_long_trouble_strips_then_refuses_and_tells_of_both(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(directory, "a1", SystemClock(), room=10, held=20)
    await store.append([slot(0)])
    with locked(directory):
        waiting = [asyncio.ensure_future(store.append([slot(i)])) for i in range(1, 21)]
        await until(lambda: store.health.trouble is not None)
        for second in (21, 22):
            with pytest.raises(StoreError, match="20 records wait"):
                await store.append([slot(second)])
        assert (store.health.shed, store.health.lost, store.health.queued) == (10, 2, 20)
    written = [row for (row,) in await asyncio.gather(*waiting)]
    await until(lambda: store.health.queued == 0)
    await store.close()
    assert [row.seq for row in written] == list(range(2, 22))
    slots = saw([row for row in written if isinstance(row, SlotRecord)])
    assert [row.state for row in slots] == [State.MEASURED] * 10 + [State.MISSED] * 10
    assert {row.missed_reason for row in slots[10:]} == {"agent.shed"}
    with Reader.open(directory) as reader:
        (gap,) = [row for row in reader.list(customer="acme") if isinstance(row, EventRecord)]
    assert (gap.event, gap.seq) == ("ledger.gap", 22)
    assert gap.detail == {
        "reason": "agent.store_full", "records": "2", "first": at(21), "last": at(22),
        "task": "t1", "slots": f"{at(21)} {at(22)}",
    }  # fmt: skip


async def test_a_reader_that_pins_the_log_delays_nobody_and_is_said(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 47: the log grows while a reader holds an old state; writing goes on, and somebody is told."""
    monkeypatch.setattr(marks, "LOG_ALARM_BYTES", 8_000_000)
    await store.append([slot(0)])
    reader = sqlite3.connect(newest_part(directory), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM record").fetchone()
    large = slot(1, summary=random.Random(47).randbytes(20_000).hex())
    for _ in range(6):
        await store.append([large] * 100)
    assert "store.log_grows" in caplog.text
    assert store.health.trouble is None
    reader.execute("COMMIT")
    reader.close()
    for _ in range(4):
        await store.append([large] * 100)
    sizes = [path.stat().st_size for path in directory.rglob("000001.db-wal")]
    for _ in range(20):
        await store.append([large] * 100)
    log = newest_part(directory).with_name(f"{newest_part(directory).name}-wal")
    assert log.stat().st_size <= 2 * sizes[0], "used again"
    assert seqs(directory) == list(range(1, 3002))


async def test_one_call_may_be_larger_than_the_room(directory: Path) -> None:
    """After an absence: many rows at once, which hold no evidence that could be stripped."""
    store = Store.open(directory, "a1", SystemClock(), room=10, held=20)
    rows: list[Record] = [missed(i, "agent.crashed") for i in range(500)]
    written = await store.append(rows)
    assert [replace(row, seq=None, previous=None) for row in written] == rows
    assert (store.health.shed, store.health.lost) == (0, 0)
    await store.close()


async def test_a_record_that_cannot_be_stored_harms_no_other(store: Store, directory: Path) -> None:
    bad = replace(slot(1), summary=object())
    results = await asyncio.gather(
        store.append([slot(0)]), store.append([bad]), store.append([slot(2)]), return_exceptions=True
    )
    assert isinstance(results[1], StoreError)
    assert [type(result) for result in results] == [list, StoreError, list]
    await until(lambda: seqs(directory) == [1, 2, 3])
    with Reader.open(directory) as reader:
        gap = reader.get("acme", 3)
    assert isinstance(gap, EventRecord)
    assert (gap.event, gap.detail["records"]) == ("ledger.gap", "1")


async def test_closing_while_the_disk_refuses_ends_and_says_so(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(directory, "a1", SystemClock())
    with locked(directory):
        waiting = asyncio.ensure_future(store.append([slot(0)]))
        await asyncio.sleep(0)
        with caplog.at_level(logging.ERROR):
            await store.close(within_s=0.1)
        with pytest.raises(StoreError, match="before this was written"):
            await waiting
        assert "store.not_written" in caplog.text
    store = Store.open(directory, "a1", SystemClock())
    assert not store.stopped_cleanly()
    await store.close()


# --- killed -----------------------------------------------------------------------------------------

WRITER = r"""
import asyncio, os, sys
from pathlib import Path
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.support.rows import newest_part, slot

async def main():
    store = Store.open(Path(sys.argv[1]), "a1", SystemClock())
    print("clean" if store.stopped_cleanly() else "not clean", flush=True)
    async def write(customer):
        for i in range(10**9):
            rows = await store.append([slot(i, customer=customer)] * 3)
            os.write(1, f"{customer} {rows[0].seq} {rows[-1].seq}\n".encode())
    await asyncio.gather(*[write(f"c{n}") for n in range(4) for _ in range(5)])

asyncio.run(main())
"""


@pytest.mark.scaled
def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    directory = tmp_path / "r"
    acknowledged: dict[str, int] = {}
    for kill in range(scaled(20, 4)):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline().strip() == ("clean" if kill == 0 else "not clean"), f"start {kill}"
        # A line is one write of the child, less than PIPE_BUF: it is there whole or not at all.
        lines = [child.stdout.readline() for _ in range(3 + kill * 7)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        for line in lines:
            customer, _first, last = line.split()
            acknowledged[customer] = max(acknowledged.get(customer, 0), int(last))
        child.wait()
        child.stdout.close()
        with Reader.open(directory) as reader:
            found: dict[str, list[int]] = {}
            for row in reader.follow({}):
                found.setdefault(row.customer, []).append(row.seq or 0)
            heads = reader.heads()
        for customer, numbers in found.items():
            assert numbers == list(range(1, heads[customer] + 1)), "no gap"
            assert len(numbers) % 3 == 0, "whole transactions"
        for customer, seq in acknowledged.items():
            assert heads[customer] >= seq, "acknowledged and lost"
    assert min(acknowledged.values()) > 0, "nothing was acknowledged, nothing shown"


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "r"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(StoreLocked, match=f"process {child.pid}"):
            Store.open(directory, "a1", SystemClock())
    finally:
        child.kill()
        child.communicate()


async def test_what_is_complete_is_written_with_each_record(store: Store, directory: Path) -> None:
    await store.append([slot(0), slot(1)], at(1))
    await store.append([slot(2)])
    await store.append([slot(3, customer="other")], at(3))
    with Reader.open(directory) as reader:
        told = [row.complete_up_to for row in reader.follow({}) if row.customer == "acme"]
        assert told == [at(1), at(1), None]
        assert reader.head("acme").complete_up_to == at(1), "what was complete once stays so"
        assert reader.head("other").complete_up_to == at(3)
        assert reader.head("nobody").seq == 0
