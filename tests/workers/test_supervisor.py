"""The place of one worker: what it is given comes back once, whatever the worker does."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from probe.core.model.value import replace
from probe.workers import messages as m
from probe.workers import supervisor as supervisor
from probe.workers.supervisor import SlotFailedError, WorkerLostError, WorkerSupervisor
from tests.support import build
from tests.support.agent_process import until

# A worker that does what the task's id says.
WORKER = """
import socket, sys
from probe.workers import messages as m
from probe.workers.channel import HEAD
end = socket.socket(fileno=int(sys.argv[1]))
held = {}
def say(*reports):
    frame = m.reports_out(reports)
    end.sendall(HEAD.pack(len(frame)) + frame)
def take(count):
    data = b""
    while len(data) < count:
        more = end.recv(count - len(data))
        if not more:
            sys.exit(0)
        data += more
    return data
while True:
    for order in m.orders_in(take(HEAD.unpack(take(4))[0])):
        kind = type(order).__name__
        if kind == "Begin":
            say(m.Ready())
        elif kind == "Tasks":
            say(m.Version("taught", " ".join(t.id + ":" + t.definition for t in order.tasks), m.OriginVersion(
                content_digest="", decoded_body_bytes=0, status_code=200, etag=None, last_modified=None,
                first_seen="", last_seen="")))
        elif kind == "Cancel":
            say(m.AnchorCheckRequested("cut", order.slot), m.Done(order.slot, b"late"))
        elif kind == "Stop":
            say(m.Learned(m.Changes()))
            sys.exit(0)
        elif kind == "Measure":
            if order.task == "fails":
                say(m.Failed(order.slot, "ValueError: no"))
            elif order.task == "garbage":
                end.sendall(HEAD.pack(3) + b"\\xc1\\xc1\\xc1")
            elif order.task == "too long":
                end.sendall(b"\\xff" * 64)
            elif order.task == "answers and ends":
                say(m.Done(order.slot, b"last"))
                sys.exit(7)
            elif order.task == "twice":
                say(m.Done(order.slot, b"one"), m.Done(order.slot, b"two"), m.Done(999, b"nobody's"))
            elif order.task != "hangs":
                say(m.Done(order.slot, order.scheduled_at.encode()))
"""


class Told:
    """Takes the reports of a worker that are not about its slots."""

    def __init__(self) -> None:
        self.reports: list[m.AnyReport] = []
        self.losses: list[str] = []

    def on_report(self, worker: WorkerSupervisor, report: m.AnyReport) -> None:
        self.reports.append(report)

    def on_lost(self, worker: WorkerSupervisor, why: str, again_in_s: float) -> None:
        self.losses.append(why)


@pytest.fixture(autouse=True)
def acting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def started(theirs: socket.socket) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WORKER, str(theirs.fileno())),
            stdin=DEVNULL,
            pass_fds=(theirs.fileno(),),
        )

    monkeypatch.setattr(supervisor, "_start_process", started)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.05)


@pytest.fixture
def exits_in_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a worker ended is seen however long a busy host takes over it."""
    monkeypatch.setattr(supervisor, "LOST_EXIT_S", 20.0)


@asynccontextmanager
async def supervised(told: Told) -> AsyncIterator[WorkerSupervisor]:
    async def prepare(worker: WorkerSupervisor) -> None:
        worker.send(m.Begin())

    worker = WorkerSupervisor(3, told, prepare)
    worker.start()

    async def measuring() -> bool:
        return worker.state(0).measuring

    try:
        await until(measuring)  # a slot waits for it only so long, and this host may be busy
        async with asyncio.timeout(60):
            yield worker
    finally:
        await worker.stop()
        await worker.stop()
    assert worker.pid is None
    assert worker.state(0).running == 0


def asked(worker: WorkerSupervisor, name: str, definition: str = "d1") -> asyncio.Future[m.Done]:
    task = replace(build.task(), id=name, definition=definition)
    return asyncio.ensure_future(worker.measure(task, build.AT))


async def test_each_slot_has_its_answer_and_a_task_goes_once() -> None:
    told = Told()
    async with supervised(told) as worker:
        done = await asyncio.gather(*(asked(worker, "a") for _ in range(20)), asked(worker, "b"))
        assert {one.line for one in done} == {build.AT.encode()}
        assert len({one.slot for one in done}) == 21
        await asked(worker, "a", "d2")
        await asked(worker, "a", "d2")
        worker.forget_other_tasks({"b"})
        await asked(worker, "a", "d2")
        taught = [report.url for report in told.reports if isinstance(report, m.Version) and report.url]
        assert taught == ["a:d1", "b:d1", "a:d2", "a:d2"]
        assert worker.state(2).slots == 24
        assert worker.state(2).measuring
    assert isinstance(told.reports[-1], m.Learned), "at the end it says what is left"
    assert told.losses == []


async def test_a_defect_in_the_worker_is_of_its_slot_alone() -> None:
    async with supervised(Told()) as worker:
        with pytest.raises(SlotFailedError, match="ValueError: no"):
            await asked(worker, "fails")
        assert (await asked(worker, "a")).line


@pytest.mark.parametrize("how", ["garbage", "too long"])
async def test_who_speaks_nonsense_is_ended_and_begun_again(how: str) -> None:
    told = Told()
    async with supervised(told) as worker:
        held = [asked(worker, "hangs"), asked(worker, how)]
        for slot in held:
            with pytest.raises(WorkerLostError):
                await slot
        assert (await asked(worker, "a")).line
        assert len(told.losses) == 1
        assert worker.state(0).starts == 2


@pytest.mark.usefixtures("exits_in_its_own_time")
async def test_what_was_said_before_the_end_counts() -> None:
    told = Told()
    async with supervised(told) as worker:
        held, answered = asked(worker, "hangs"), asked(worker, "answers and ends")
        assert (await answered).line == b"last"
        with pytest.raises(WorkerLostError, match="ended with code 7"):
            await held
    assert told.losses in ([], ["ended with code 7"])


async def test_a_second_answer_and_one_to_nobody_are_passed_over() -> None:
    async with supervised(Told()) as worker:
        assert (await asked(worker, "twice")).line == b"one"
        assert (await asked(worker, "a")).line


async def test_a_slot_that_is_cut_off_is_cut_off_there_and_its_late_row_is_nobodys() -> None:
    told = Told()
    async with supervised(told) as worker:
        await asked(worker, "a")
        slot = asked(worker, "hangs")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        slot.cancel()
        with suppress(asyncio.CancelledError):
            await slot
        assert slot.cancelled()

        async def cut() -> bool:
            return any(isinstance(report, m.AnchorCheckRequested) for report in told.reports)

        await until(cut)
        assert worker.state(0).running == 0
        assert (await asked(worker, "a")).line


@pytest.mark.parametrize("within_s", [0.0, 30.0], ids=["killed", "waited for"])
async def test_a_supervisor_that_is_stopped_while_its_worker_ends_leaves_no_process(
    within_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's socket has ended and its process not yet, and then somebody stops the worker."""
    ending, ended = asyncio.Event(), supervisor._wait_or_kill

    async def slowly(child: Process, _: float) -> None:
        ending.set()
        await asyncio.sleep(0.05)
        await ended(child, within_s)

    monkeypatch.setattr(supervisor, "_wait_or_kill", slowly)
    async with supervised(Told()) as worker:
        assert (await asked(worker, "a")).line
        child = worker._child
        assert child is not None
        slot = asked(worker, "answers and ends")
        await slot
        waiting = asked(worker, "hangs")
        await asyncio.wait_for(ending.wait(), 60)
        await worker.stop()
        assert (worker.pid, child.returncode is None) == (None, False)
        with pytest.raises(WorkerLostError):
            await waiting


async def test_a_worker_that_hangs_is_killed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async with supervised(Told()) as worker:
        pid = worker.pid
        monkeypatch.setattr(supervisor, "BEAT_S", 0.05)  # from now on: it began in its own time
        held = asked(worker, "hangs")
        with pytest.raises(WorkerLostError, match="silent for"):
            await held
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_what_cannot_be_prepared_is_a_loss_that_says_why() -> None:
    told = Told()

    async def prepare(worker: WorkerSupervisor) -> None:
        raise OSError("the store cannot be read")

    worker = WorkerSupervisor(0, told, prepare)
    worker.start()

    async def lost() -> bool:
        return bool(told.losses)

    await until(lost)
    await worker.stop()
    assert told.losses[0] == "the store cannot be read"
