"""The watchdog hears nothing once the loop stands still, or rows no longer come out and reach the disk."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from probe.agent.daemon import Stop
from probe.agent.watchdog import ROWS_S, UNANSWERED_S, WRITER_S, Progress, Unanswered, watchdog_fed
from probe.core.model.value import replace
from probe.host.systemd import Notifier
from probe.store.store import Health
from tests.support.build import task

WELL = Health(trouble=None, queued=0, written=0, shed=0, lost=0)
TASK = replace(task(), period_us=60_000_000)


class World:
    """Health, tasks and time as a test says."""

    def __init__(self) -> None:
        self.health = WELL
        self.tasks = [TASK]
        self.now_s = 1000.0
        self.progress = Progress(lambda: self.health, lambda: self.tasks, lambda: self.now_s)

    def after(self, seconds: float, **health: object) -> str | None:
        self.now_s += seconds
        self.health = replace(self.health, **health)
        return self.progress.stuck()


def test_rows_that_come_are_progress_for_years() -> None:
    world = World()
    for written in range(1, 2000):
        assert world.after(86_400, written=written) is None  # however late: it moved since the last look
        assert world.after(0) is None


def test_a_writer_that_writes_nothing_of_what_waits_is_stuck() -> None:
    world = World()
    assert world.after(0) is None
    assert world.after(1, queued=7) is None
    assert world.after(WRITER_S - 1) is None
    assert world.after(1) == "7 records wait and none was written for 61 s"
    assert world.after(1, written=1) is None


def test_a_queue_that_fills_after_a_quiet_hour_gets_its_whole_time() -> None:
    world = World()
    world.tasks = [replace(TASK, period_us=3_600_000_000)]
    assert world.after(3000) is None
    assert world.after(1, queued=1) is None
    assert world.after(WRITER_S - 1) is None
    assert world.after(2) is not None


def test_records_that_are_lost_for_want_of_room_are_told_elsewhere() -> None:
    world = World()
    for lost in range(1, 10):
        assert world.after(50, queued=100_000, lost=lost) is None


def test_a_disk_that_refuses_is_no_reason_to_be_killed() -> None:
    world = World()
    for _ in range(100):
        assert world.after(60, queued=5, trouble="cannot write results: database or disk is full") is None
    assert "disk is full" in world.progress.status_text()
    assert world.after(1, trouble=None, queued=5) is None


def test_a_disk_that_does_not_answer_is_told_once_and_again_when_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing fails there: a write that was begun does not end."""
    world = World()
    unanswered = Unanswered(lambda: world.health, lambda: world.now_s)
    for seconds, health, words in (
        (100.0, {}, None),
        (1.0, {"queued": 5}, None),
        (UNANSWERED_S - 2.0, {"queued": 9}, None),
        (2.0, {}, "the disk has not answered for 16 s"),
        (9.0, {"queued": 20}, "the disk has not answered for 25 s"),
        (1.0, {"written": 3}, None),
        (UNANSWERED_S + 1.0, {"trouble": "cannot write results: full"}, None),
        (1.0, {"trouble": None}, None),
    ):
        world.after(seconds, **health)
        assert unanswered.look() == words
    assert [record.message for record in caplog.records] == ["store.write_failed", "store.recovered"]


def test_no_row_though_rows_are_due_is_stuck() -> None:
    world = World()
    world.tasks = [replace(TASK, period_us=3_600_000_000), TASK]
    assert world.after(60 + ROWS_S) is None
    assert world.after(1) == "no row for 661 s, though one is due every 60 s"


def test_rare_tasks_may_take_their_time_and_no_tasks_all_of_it() -> None:
    world = World()
    world.tasks = [replace(TASK, period_us=86_400_000_000)]
    assert world.after(86_000) is None
    world.tasks = []
    assert world.after(1_000_000) is None
    world.tasks = [TASK]  # a reload brings tasks back: their time begins now
    assert world.after(600) is None


class Heard:
    """What came to the manager's socket, and when."""

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / f"notify-{os.getpid()}")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def next(self) -> str:
        return (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._socket, 4096), 60)).decode()

    def waiting(self) -> list[str]:
        found: list[str] = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found


async def test_the_watchdog_is_fed_while_all_goes_on(tmp_path: Path) -> None:
    world = World()
    with Heard(tmp_path) as heard:
        async with watchdog_fed(Notifier(heard.address, watchdog_s=0.03), world.progress):
            for _ in range(3):
                assert await heard.next() == "WATCHDOG=1\nSTATUS=1 tasks, 0 records written since the start"
        heard.waiting()
        await asyncio.sleep(0.05)
        assert heard.waiting() == []


async def test_what_is_stuck_is_said_in_place_of_feeding(tmp_path: Path) -> None:
    world = World()
    world.after(1, queued=3)
    world.now_s += WRITER_S + 1
    with Heard(tmp_path) as heard:
        async with watchdog_fed(Notifier(heard.address, watchdog_s=0.03), world.progress):
            assert await heard.next() == "STATUS=stuck: 3 records wait and none was written for 62 s"
            world.health = replace(world.health, queued=0, written=3)
            async with asyncio.timeout(60):
                while "WATCHDOG=1" not in await heard.next():
                    pass


async def test_a_loop_that_stands_still_feeds_nobody(tmp_path: Path) -> None:
    world = World()
    with Heard(tmp_path) as heard:
        async with watchdog_fed(Notifier(heard.address, watchdog_s=0.03), world.progress):
            await heard.next()
            heard.waiting()
            time.sleep(0.3)  # ten periods; whoever feeds from a thread would be heard
            assert heard.waiting() == []


async def test_feeding_that_fails_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with Heard(tmp_path) as heard:
        async with watchdog_fed(Notifier(heard.address, watchdog_s=0.03), world.progress):
            await heard.next()
            world.health = None  # type: ignore[assignment]
            async with asyncio.timeout(60):
                while "watchdog.failed" not in caplog.messages:
                    await asyncio.sleep(0.01)


async def test_without_a_watchdog_nobody_is_fed(tmp_path: Path) -> None:
    with Heard(tmp_path) as heard:
        async with watchdog_fed(Notifier(heard.address), World().progress):
            await asyncio.sleep(0.02)
        assert heard.waiting() == []


async def test_the_agent_is_ready_once_it_waits_for_its_end(tmp_path: Path) -> None:
    with Heard(tmp_path) as heard:
        stop = Stop(Notifier(heard.address))
        assert heard.waiting() == []
        waiting = asyncio.create_task(stop.wait())
        assert (await heard.next()).startswith("READY=1")
        stop.set()
        stop.set()
        await waiting
        assert heard.waiting() == ["STOPPING=1\nSTATUS=draining"]


async def test_an_end_before_the_beginning_is_never_ready(tmp_path: Path) -> None:
    with Heard(tmp_path) as heard:
        stop = Stop(Notifier(heard.address))
        stop.set()
        await stop.wait()
        assert heard.waiting() == ["STOPPING=1\nSTATUS=draining"]


@pytest.mark.parametrize("address", [None, "/nowhere/at/all"])
async def test_the_event_works_without_a_manager(address: str | None) -> None:
    stop = Stop(Notifier(address))
    asyncio.get_running_loop().call_later(0.01, stop.set)
    assert await asyncio.wait_for(stop.wait(), 60) is True
