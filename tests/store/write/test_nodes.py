"""The inventory in the store: kept across restarts and kills, written rarely, read beside the writer, bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from probe.core.model.value import replace
from probe.core.nodes.values import UNSEEN_S, Changes, Learning, Sighting
from probe.host.clock import SystemClock, rfc3339
from probe.store.base.schema import CATALOGUE, catalogue_file, open_writer, put_meta
from probe.store.read.reader import Reader
from probe.store.store import Store, StoreError
from probe.store.write import files as store_files
from probe.store.write import nodes as store_nodes
from probe.store.write import writer as store_writer
from probe.store.write.nodes import PendingNodes, write
from tests.support.rows import START_S, at, slot

ROOT = Path(__file__).parents[3]


class SetClock(SystemClock):
    """Wall time as the rows of these tests have it."""

    def time_ns(self) -> int:
        return (START_S + 100) * 1_000_000_000


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept beside the records is written each time."""
    monkeypatch.setattr(store_writer, "SIDE_S", 0.0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r"


@pytest.fixture
async def store(directory: Path) -> AsyncIterator[Store]:
    made = Store.open(directory, "a1", SetClock())
    yield made
    await made.close()


def sighting(address: str = "192.0.2.1", second: int = 0, **changes: object) -> Sighting:
    made = Sighting(
        customer="acme",
        domain="www.acme.example",
        ip_version=4,
        address=address,
        vantage_point="bj-ct",
        suffix="cdn.example.net",
        first_seen=at(second),
        last_seen=at(second),
    )
    return replace(made, **changes)


LEARNING = Learning(
    customer="acme",
    domain="www.acme.example",
    ip_version=4,
    vantage_point="bj-ct",
    since=at(0),
    last=at(50),
    resolutions=40,
)


def nodes(directory: Path, domain: str | None = None, since: str | None = None) -> list[Sighting]:
    with Reader.open(directory) as reader:
        return reader.nodes(domain, since)


def transactions(store: Store) -> list[int]:
    """Counts the writer's transactions from now on, in its first item."""
    count, attempt = [0], store._writer._attempt

    def counted(batch: object) -> None:
        count[0] += 1
        attempt(batch)  # type: ignore[arg-type]

    store._writer._attempt = counted  # type: ignore[method-assign]
    return count


async def test_nodes_come_with_the_next_row_and_cost_no_transaction(store: Store, directory: Path) -> None:
    await store.append([slot(0)])
    count = transactions(store)
    for second in range(100):
        store.put_nodes(Changes(nodes=(sighting(second=second),)))
    store.put_nodes(Changes(learning=(LEARNING,)))
    store.put_nodes(Changes())
    assert nodes(directory) == []
    await store.append([slot(1)])
    assert count == [1]
    assert nodes(directory) == [sighting(second=99)]
    with Reader.open(directory) as reader:
        assert reader.node_learning() == [LEARNING]


async def test_closing_writes_what_waits(directory: Path) -> None:
    store = Store.open(directory, "a1", SetClock())
    store.put_nodes(Changes(nodes=(sighting(),), learning=(LEARNING,)))
    await store.close()
    assert nodes(directory) == [sighting()]
    with pytest.raises(StoreError, match="closed"):
        store.put_nodes(Changes(nodes=(sighting(),)))
    again = Store.open(directory, "a1", SetClock())
    assert again.nodes() == ([sighting()], [LEARNING])
    assert again.stopped_cleanly()
    await again.close()


async def test_first_seen_is_never_forgotten_while_the_row_lives(store: Store, directory: Path) -> None:
    for second, trial in ((50, True), (70, False), (20, False)):
        store.put_nodes(Changes(nodes=(sighting(second=second, on_trial=trial),)))
        await store.append([slot(second)])
    assert nodes(directory) == [sighting(first_seen=at(20), last_seen=at(20))]


async def test_reading_by_domain_and_time_the_longest_unseen_first(store: Store, directory: Path) -> None:
    there = [
        sighting("192.0.2.2", 30),
        sighting("192.0.2.1", 10),
        sighting("192.0.2.1", 20, vantage_point="sh-cu"),
        sighting("2001:db8::1", 5, ip_version=6, domain="b.example", on_trial=True),
    ]
    store.put_nodes(Changes(nodes=tuple(there)))
    await store.append([slot(0)])
    a, b, c, d = there
    assert nodes(directory) == [d, b, c, a]
    assert nodes(directory, "b.example") == [d]
    assert nodes(directory, since=at(20)) == [c, a]
    assert nodes(directory, "nobody.example") == []
    with Reader.open(directory) as reader:
        assert reader.node_domains() == ["b.example", "www.acme.example"]


async def test_a_start_is_given_only_nodes_that_may_be_in_use_and_people_all(
    store: Store, directory: Path
) -> None:
    old = sighting("192.0.2.9", 99 - UNSEEN_S)
    new = sighting("192.0.2.1", 101 - UNSEEN_S)
    store.put_nodes(Changes(nodes=(old, new)))
    await store.append([slot(0)])
    assert store.nodes()[0] == [new]
    assert nodes(directory) == [old, new]


def test_the_store_keeps_the_newest_and_of_them_first_what_is_not_on_trial(directory: Path) -> None:
    directory.mkdir()
    db: Database = open_writer(catalogue_file(directory), CATALOGUE)
    put_meta(db, "agent", "a1")
    known = [sighting(f"192.0.2.{i}", i) for i in range(3)]
    trial = [sighting(f"198.51.100.{i}", 50 + i, on_trial=True) for i in range(4)]
    other = sighting("192.0.2.1", 1, domain="b.example")
    twice = sighting("192.0.2.0", 2, vantage_point="sh-cu")
    with db.atomic():
        write(db, Changes(nodes=(*known, twice, *trial, other)), kept=5)
    db.close()
    assert {s.address for s in nodes(directory, "www.acme.example")} == {
        "192.0.2.0", "192.0.2.1", "192.0.2.2", "198.51.100.2", "198.51.100.3",
    }  # fmt: skip
    assert len(nodes(directory, "www.acme.example")) == 6
    assert nodes(directory, "b.example") == [other]


def test_what_waits_is_bounded_and_the_latest_counts() -> None:
    pending = PendingNodes(at_most=2)
    assert not pending
    pending.add(Changes(nodes=(sighting("192.0.2.1"), sighting("192.0.2.2"), sighting("192.0.2.3"))))
    pending.add(Changes(nodes=(sighting("192.0.2.1", 9),)))
    assert [(s.address, s.last_seen) for s in pending._nodes.values()] == [
        ("192.0.2.1", at(9)),
        ("192.0.2.2", at(0)),
    ]
    pending.take()
    assert not pending


async def test_an_earlier_schema_is_readable_and_brought_up(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [step.__name__ for step in CATALOGUE].index("_nodes")
    with monkeypatch.context() as patched:
        patched.setattr(store_files, "CATALOGUE", CATALOGUE[:before])
        patched.setattr(store_files, "note_ends", lambda db, ends: None)  # it knew of no such table
        patched.setattr(store_files, "noted_ends", lambda db, exact: [])
        store = Store.open(directory, "a1", SetClock())
        await store.append([slot(0)])
        await store.close()
    assert nodes(directory) == []
    with Reader.open(directory) as reader:
        assert (reader.node_domains(), reader.node_learning()) == ([], [])
    store = Store.open(directory, "a1", SetClock())
    store.put_nodes(Changes(nodes=(sighting(),)))
    assert [row.seq for row in await store.append([slot(1)])] == [2]
    await store.close()
    assert nodes(directory) == [sighting()]


async def test_a_node_that_cannot_be_stored_holds_no_record_up(store: Store, directory: Path) -> None:
    store.put_nodes(Changes(nodes=(sighting(suffix=None),)))
    (row,) = await store.append([slot(0)])
    assert row.seq == 1
    assert nodes(directory) == []


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from probe.core.nodes.values import Changes
from probe.store.store import Store
from tests.support.rows import slot
from tests.store.write.test_nodes import SetClock, sighting

async def main():
    store = Store.open(Path(sys.argv[1]), "a1", SetClock())
    store.put_nodes(Changes(nodes=(sighting("192.0.2.1"),)))
    await store.append([slot(0)])
    store.put_nodes(Changes(nodes=(sighting("192.0.2.2"),)))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_sigkill_loses_only_what_no_row_followed(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(directory)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=30,
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = Store.open(directory, "a1", SetClock())
    assert again.nodes()[0] == [sighting("192.0.2.1")]
    await again.close()


def test_times_are_stored_so_that_they_sort() -> None:
    assert store_nodes.NODES_KEPT == 4096
    assert rfc3339(START_S * 1_000_000_000) == at(0)
