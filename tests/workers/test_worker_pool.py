"""Several workers beside the lab: the same rows as of one process, each due slot one row, whatever ends a worker."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from probe.agent.agent import Agent
from probe.agent.parts import build as build_agent
from probe.checks import CHECKS
from probe.core.config.load import Config
from probe.core.model.times import epoch_s
from probe.core.model.value import replace
from probe.core.nodes.values import Changes, Sighting
from probe.core.records.rows import SlotRecord
from probe.core.results.live_state import WorkerState
from probe.host.clock import SystemClock, rfc3339
from probe.lab.lab import Lab
from probe.lab.servers import upstream
from probe.lab.servers.edge import Misdeed
from probe.lab.servers.world import LIVE
from probe.services.replay import cases_of_store, rejudge
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.workers import supervisor as supervisor
from probe.workers.messages import Seed
from probe.workers.seed import seed_of
from tests.agent.test_agent import assert_every_due_slot_is_one_row, assert_streams_are_gapless
from tests.codes.provoking import provokes
from tests.support import build
from tests.support.agent_process import (
    BUSY,
    WITHIN_S,
    edit,
    ended,
    events,
    missed_reasons,
    slots,
    start,
    until,
    until_measuring,
    workers_of,
)

LOST = "agent.worker_lost"
LAGGED_US = 50_000
ROUNDS = 150  # a busy machine misses most slots, and quickly: what ends a test that waits is its own time-out
Kind = tuple[str, str | None, str | None, str | None]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's edges wait for its origins as long as it takes: theirs is this busy machine too."""
    monkeypatch.setattr(upstream, "TIMEOUT_S", WITHIN_S)


def config_of(lab: Lab, directory: Path, workers: int = 2, interval: str = "2s") -> Path:
    """The whole lab: domains of two customers, each with its own origin.

    Nothing is late or soon out of time: the lab answers from this process, and on a busy machine it answers late.
    """
    directory.mkdir(exist_ok=True)
    file = lab.write_config(directory, interval=interval, timeout="20s")
    for customer in (directory / "customers").iterdir():
        edit(customer, without_limits)
    edit(file, lambda content: content.update(limits={"workers": workers}, watch_files=False))
    return file


def without_limits(customer: dict[str, Any]) -> None:
    for domain in customer["domains"]:
        for checked in domain["objects"]:
            del checked["checks"]["response_time"]


class Running:
    """An agent in this process."""

    def __init__(self, agent: Agent, results: Path) -> None:
        self.agent = agent
        self.results = results
        self.rows: list[SlotRecord] = []
        agent.parts.on_row.append(self.rows.append)

    @property
    def workers(self) -> tuple[WorkerState, ...]:
        assert self.agent.parts.pool is not None
        return self.agent.parts.pool.states()

    async def more(self, count: int) -> list[SlotRecord]:
        """So many further rows."""
        before = len(self.rows)

        async def there() -> bool:
            return len(self.rows) >= before + count

        await until(there)
        return self.rows[before:]

    async def until_held(self, worker: int) -> None:
        """Until it has a slot to measure."""

        async def there() -> bool:
            return self.workers[worker].running > 0

        await until(there)

    async def until_all_measure(self) -> None:
        async def there() -> bool:
            return all(worker.measuring for worker in self.workers)

        await until(there)


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[Running]:
    """Until the block is left; then every due slot is one row, and no stream has a gap."""
    config = load_config(file, CHECKS)
    results, stop = Path(config.agent.results), asyncio.Event()
    store = Store.open(results, config.agent.agent, SystemClock())
    agent = Agent(build_agent(config, CHECKS, store=store), config_file=file)
    run = asyncio.create_task(agent.run(stop))
    try:
        made = Running(agent, results)
        await asyncio.wait((run, asyncio.ensure_future(agent.begun.wait())), return_when="FIRST_COMPLETED")
        yield made
    finally:
        stop.set()
        await run
        await store.close()
    pool = agent.parts.pool
    assert pool is None or all(worker.pid is None for worker in pool.states())
    assert_ledger(config, results)


def assert_ledger(config: Config, results: Path) -> None:
    assert_every_due_slot_is_one_row(config, slots(results))
    assert_streams_are_gapless(results)


def kinds(rows: list[SlotRecord]) -> dict[str, set[Kind]]:
    """Object and vantage point -> what its rows say."""
    found: dict[str, set[Kind]] = {}
    for row in rows:
        key = f"{row.domain}{row.path} {row.vantage_point}"
        found.setdefault(key, set()).add((row.state, row.outcome, row.fault, row.missed_reason or row.reason))
    return found


def of_the_machine(row: SlotRecord, lag_us: int) -> bool:
    """A busy machine made it what it is: it says so, or it found the lab late, whose loop was late by so much."""
    late = lag_us > LAGGED_US and (row.outcome == "slow" or row.reason == "dns.resolver_failed")
    return late or not BUSY.isdisjoint({row.missed_reason, row.reason})


async def two_of_each(
    made: Running, digest: str | None = None, least: int = 0, since_s: float = 0
) -> list[SlotRecord]:
    """Rows until each task has two, and `least` in all, without those that a busy machine made what they are.

    `digest`: only those of this configuration; `since_s`: only of slots that began at this moment or later (Unix time).
    """
    rows: list[SlotRecord] = []
    for _ in range(ROUNDS):
        more = [
            row
            for row in await made.more(12)
            if digest in (None, row.host.config_digest)
            and epoch_s(row.started_at or row.scheduled_at) >= since_s
        ]
        now_ns = time.monotonic_ns()
        lag_us = made.agent.parts.worst_lag_us(now_ns - 60_000_000_000, now_ns)
        rows += [row for row in more if not of_the_machine(row, lag_us)]
        count = Counter(row.task for row in rows)
        if len(rows) >= least and all(count[task.id] >= 2 for task in made.agent.plan.tasks):
            return rows
    raise AssertionError(f"some tasks had no room: {count}")


async def test_the_rows_are_the_same_in_kind_with_one_process_and_with_two_workers(
    lab: Lab, tmp_path: Path
) -> None:
    for fault in ("server_error", "tampered_body", "truncated_body", "alias_changed"):
        await lab.apply(fault)
    seen, nodes = {}, {}
    for workers in (1, 2):
        async with running(config_of(lab, tmp_path / str(workers), workers)) as made:
            await made.more(16)  # each worker's first slots too
            seen[workers] = kinds(await two_of_each(made))
            assert (
                {w.slots > 0 for w in made.workers} == {True}
                if workers == 2
                else made.agent.parts.pool is None
            )
        with Reader.open(made.results) as reader:
            named = [row for row in slots(made.results) if row.evidence_id is not None]
            assert len(named) >= 4
            assert all(reader.bundle(row.evidence_id) is not None for row in named if row.evidence_id)
            nodes[workers] = {(node.domain, node.address) for node in reader.nodes()}
            assert {customer for customer, _, _ in reader.all_origin_versions(1)} == {"media", "shop"}
            assert [c for case in cases_of_store(reader, CHECKS) if (c := rejudge(case, CHECKS))] == []
    assert seen[1] == seen[2]
    assert nodes[1] == nodes[2]
    assert ("measured", "failed", "cdn", "content.mismatch") in seen[2][
        "www.shop.example/static/app.js sh-cu"
    ]


async def test_a_worker_judges_by_what_all_know_of_the_line(lab: Lab, tmp_path: Path) -> None:
    async with running(config_of(lab, tmp_path)) as made:
        await made.until_all_measure()
        await made.more(20)
        await lab.apply("vantage_offline")
        # However many rows come first, they may be of slots that had their replies before.
        rows = kinds(await two_of_each(made, since_s=time.time()))
    offline = ("measured", "inconclusive", "vantage", "vantage.offline")
    assert {key for key, said in rows.items() if said == {offline}} == {
        k for k in rows if k.endswith("bj-ct")
    }
    assert {key for key, said in rows.items() if said == {("measured", "ok", None, None)}} == {
        k for k in rows if k.endswith("sh-cu")
    }
    told = [event.customer for event in events(made.results) if event.event == "vantage.offline"]
    assert sorted(told) == ["media", "shop"], "once in each stream, whoever noticed it"


def slow_down(lab: Lab, seconds: float) -> None:
    """So that slots are under way at any moment."""
    for edge in lab.edges.values():
        edge.misdeeds.extend(
            Misdeed(host=host, delay_s=seconds) for host in ("www.shop.example", "vod.media.example")
        )


@provokes("agent.worker_lost")
async def test_a_worker_that_is_killed_loses_only_what_it_held(
    lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow_down(lab, 1.0)
    async with running(config_of(lab, tmp_path)) as made:
        await made.until_all_measure()
        await made.more(20)
        await made.until_held(0)
        begun = len(made.rows)  # a worker that begins late loses slots of its own
        killed = made.workers[0].pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await made.more(10)
        await made.until_all_measure()
        assert made.workers[0].pid not in (None, killed)
        assert [worker.starts for worker in made.workers] == [2, 1]
        after = await made.more(20)
        rows = made.rows[begun:]  # before the agent is stopped, which may abort a slot
    lost = [row for row in rows if row.state != "measured"]
    assert lost
    assert {row.state for row in lost} == {"missed"}
    assert LOST in {row.missed_reason for row in lost} <= {LOST, "agent.stopped"} | BUSY
    mine = {task for task, worker in assigned(made).items() if worker == 0}
    assert {row.task for row in lost if row.missed_reason == LOST} <= mine
    (told,) = {event.event: event for event in events(made.results) if event.event == "worker.lost"}.values()
    assert told.detail["why"] == "ended by SIGKILL"
    assert [record.message for record in caplog.records].count("worker.lost") == 1, "logged once"
    measured = [row for row in after if row.state == "measured"]
    assert all(
        len(row.reference.versions) >= 1 for row in measured if row.reference and row.path != "/api/time"
    )


@pytest.mark.long
async def test_what_a_lost_worker_knew_is_known_to_the_next(lab: Lab, tmp_path: Path) -> None:
    """The origin's earlier version, which an edge may still serve, and the nodes."""
    async with running(config_of(lab, tmp_path)) as made:
        await made.until_all_measure()
        await made.more(30)
        await asyncio.sleep(1.2)  # what is beside the records is written once a second
        for worker in made.workers:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
        await made.more(8)
        await made.until_all_measure()
        begun = len(made.rows)

        async def all_again() -> bool:
            return len({row.task for row in made.rows[begun:] if row.state == "measured"}) == len(
                made.agent.plan.tasks
            )

        await until(all_again, WITHIN_S)
    first = {row.task: row for row in reversed(made.rows[begun:]) if row.state == "measured"}
    known = [row.nodes.known for row in first.values() if row.nodes is not None]
    assert min(known) >= 1
    stable = [row for row in first.values() if row.path != "/api/time"]
    earliest = {row.task: row for row in reversed(slots(made.results)) if row.state == "measured"}
    for row in stable:
        assert row.reference is not None
        mine = earliest[row.task].reference
        assert mine is not None
        assert row.reference.versions[0].first_seen == mine.versions[0].first_seen


@pytest.mark.long
async def test_a_worker_that_is_stopped_is_replaced_and_its_slots_are_rows(lab: Lab, tmp_path: Path) -> None:
    async with running(config_of(lab, tmp_path)) as made:
        await made.until_all_measure()
        await made.more(10)
        stopped = made.workers[1].pid
        assert stopped is not None
        held = {task for task, worker in assigned(made).items() if worker == 1}
        begun = len(made.rows)  # a worker that begins late loses slots of its own
        os.kill(stopped, signal.SIGSTOP)

        async def replaced() -> bool:
            return made.workers[1].pid not in (None, stopped) and made.workers[1].measuring

        await until(replaced)
        assert not Path(f"/proc/{stopped}").exists(), "it is ended and reaped"
        await made.more(10)
        rows = made.rows[begun:]  # before the agent is stopped, which may abort a slot
    lost = [row for row in rows if row.state != "measured"]
    assert lost
    assert LOST in {row.missed_reason for row in lost} <= {LOST, "agent.stopped"} | BUSY
    assert {row.task for row in lost if row.missed_reason == LOST} <= held, "the other worker went on"
    told = [event for event in events(made.results) if event.event == "worker.lost"]
    assert {event.detail["why"] for event in told} == {"silent for 10 s"}


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.long
async def test_workers_end_with_the_agent_however_it_ends(lab: Lab, tmp_path: Path, stopped: bool) -> None:
    agent = await start("run", "-c", config_of(lab, tmp_path))
    try:
        await until_measuring(tmp_path / "results", 6)
        workers = workers_of(agent.pid)
        assert len(workers) == 2
        for pid in workers if stopped else ():
            os.kill(pid, signal.SIGSTOP)
    finally:
        agent.kill()
        await agent.wait()

    async def gone() -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in workers)

    await until(gone)


@pytest.mark.long
async def test_a_signal_to_all_drains_and_ends_the_workers(lab: Lab, tmp_path: Path) -> None:
    """As a terminal does it: Ctrl-C reaches the whole foreground, and no slot is lost for it."""
    slow_down(lab, 0.3)
    agent = await start("run", "-c", config_of(lab, tmp_path))
    workers: list[int] = []
    try:
        await until_measuring(tmp_path / "results", 10)
        workers = workers_of(agent.pid)
        begun_s = max(epoch_s(row.scheduled_at) for row in slots(tmp_path / "results"))
    finally:
        for pid in (*workers, agent.pid):
            os.kill(pid, signal.SIGINT)
        made = await ended(agent, 20)
    assert made.code == 0, made.err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert_ledger(load_config(tmp_path / "agent.yaml", CHECKS), tmp_path / "results")
    later = [row for row in slots(tmp_path / "results") if epoch_s(row.scheduled_at) > begun_s]
    assert {row.missed_reason for row in later} <= {None, "agent.stopped"} | BUSY, "a late beginning apart"
    assert "slot.error" not in made.err


def assigned(made: Running) -> dict[str, int]:
    assert made.agent.parts.pool is not None
    return dict(made.agent.parts.pool._assigned)


@pytest.mark.long
async def test_a_reload_moves_what_now_belongs_together_with_what_is_known_of_it(
    lab: Lab, tmp_path: Path
) -> None:
    """Bytes of a day make a customer's domains one group."""
    file = config_of(lab, tmp_path)
    edit(
        tmp_path / "customers" / "shop.yaml", lambda c: c["domains"][1].update(interval="1s")
    )  # as much as the other
    edit(
        tmp_path / "customers" / "media.yaml",
        lambda c: c.update(domains=[d for d in c["domains"] if d.get("domain") != LIVE.name]),
    )  # which would have to be evened out as well
    async with running(file) as made:
        await made.until_all_measure()
        begun = len(made.rows)  # a worker that begins late loses slots
        before = assigned(made)
        shop = {t.id for t in made.agent.plan.tasks if t.customer == "shop"}
        assert {before[task] for task in shop} == {0, 1}
        await made.more(30)
        await asyncio.sleep(1.2)
        edit(tmp_path / "customers" / "shop.yaml", lambda c: c.update(bandwidth_per_day="10GiB"))
        assert await made.agent.reload() == ()
        after = assigned(made)
        assert len({after[task] for task in shop}) == 1
        moved = {task for task in shop if after[task] != before[task]}
        assert moved
        assert len([task for task in after if after[task] != before[task]]) <= len(moved) + 2
        digest = made.agent.config.digest
        rows = [row for row in await two_of_each(made, digest, least=40) if row.state == "measured"]
        first = {row.task: row for row in reversed(rows) if row.task in moved}
    assert first.keys() == moved
    assert [(row.outcome, row.fault, row.findings) for row in rows if row.outcome != "ok"] == []
    earliest = {row.task: row for row in reversed(slots(made.results)) if row.state == "measured"}
    for row in first.values():
        assert row.reference is not None
        mine = earliest[row.task].reference
        assert mine is not None
        assert row.reference.versions[0].first_seen == mine.versions[0].first_seen
    assert missed_reasons(made.rows[begun:]) <= {None, "agent.stopped"} | BUSY


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Workers that end as soon as they are begun."""
    begun: list[int] = []

    async def started(theirs: object) -> asyncio.subprocess.Process:
        begun.append(1)
        return await asyncio.create_subprocess_exec("false")

    monkeypatch.setattr(supervisor, "_start_process", started)
    monkeypatch.setattr(supervisor, "START_WAIT_S", 0.5)
    return begun


async def test_workers_that_cannot_begin_leave_rows_and_are_tried_again(
    lab: Lab, tmp_path: Path, broken: list[int]
) -> None:
    async with running(config_of(lab, tmp_path)) as made:
        rows = await made.more(30)
        assert {worker.problem for worker in made.workers} == {"ended with code 1"}
    assert {(row.state, row.missed_reason) for row in rows} == {("missed", LOST)}
    assert 4 <= len(broken) <= 12, "again, and later each time"


async def test_a_seed_is_of_what_the_tasks_share_and_of_nobody_else(tmp_path: Path) -> None:
    clock, task = SystemClock(), replace(build.task(), bytes_per_day=1000)
    assert task.origin is not None
    mine, others = f"{task.origin.address} https://x/", "203.0.113.9 https://x/"
    now = rfc3339(clock.time_ns())
    node = Sighting(
        customer="acme", domain=task.domain, ip_version=4, address="192.0.2.1", vantage_point="bj",
        suffix="", first_seen=now, last_seen=now,
    )  # fmt: skip
    store = Store.open(tmp_path, "a1", clock)
    for customer, key in (("acme", mine), ("acme", others), ("beta", mine)):
        store.put_origin_version(customer, key, build.version())
    store.put_nodes(
        Changes(nodes=(node, replace(node, domain="else.example"), replace(node, customer="beta")))
    )
    await store.close()
    store = Store.open(tmp_path, "a1", clock)
    try:
        seed = seed_of(store, [task], clock.time_ns())
    finally:
        await store.close()
    assert seed == Seed(
        histories=(("acme", mine, (build.version(),)),), nodes=(node,), learning=(), spent=(("acme", 0),)
    )
