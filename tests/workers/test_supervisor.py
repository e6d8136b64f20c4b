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
from probe.workers import supervisor as crew_seat
from probe.workers.supervisor import Seat, SlotFailedError, WorkerLostError
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
        elif kind == "Cut":
            say(m.Worried("cut", order.slot), m.Done(order.slot, b"late"))
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
    """Who hears what a worker says of more than its slots."""

    def __init__(self) -> None:
        self.reports: list[m.AnyReport] = []
        self.losses: list[str] = []

    def hear(self, seat: Seat, report: m.AnyReport) -> None:
        self.reports.append(report)

    def lost(self, seat: Seat, why: str, again_in_s: float) -> None:
        self.losses.append(why)


@pytest.fixture(autouse=True)
def acting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def started(theirs: socket.socket) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WORKER, str(theirs.fileno())),
            stdin=DEVNULL,
            pass_fds=(theirs.fileno(),),
        )

    monkeypatch.setattr(crew_seat, "_started", started)
    monkeypatch.setattr(crew_seat, "FIRST_WAIT_S", 0.05)


@asynccontextmanager
async def seat_of(told: Told) -> AsyncIterator[Seat]:
    async def prepare(seat: Seat) -> None:
        seat.say(m.Begin())

    seat = Seat(3, told, prepare)
    seat.start()
    try:
        async with asyncio.timeout(30):
            yield seat
    finally:
        await seat.stop()
        await seat.stop()
    assert seat.pid is None
    assert seat.state(0).running == 0


def asked(seat: Seat, name: str, definition: str = "d1") -> asyncio.Future[m.Done]:
    task = replace(build.task(), id=name, definition=definition)
    return asyncio.ensure_future(seat.measure(task, build.AT))


async def test_each_slot_has_its_answer_and_a_task_goes_once() -> None:
    told = Told()
    async with seat_of(told) as seat:
        done = await asyncio.gather(*(asked(seat, "a") for _ in range(20)), asked(seat, "b"))
        assert {one.line for one in done} == {build.AT.encode()}
        assert len({one.slot for one in done}) == 21
        await asked(seat, "a", "d2")
        await asked(seat, "a", "d2")
        seat.keep_only({"b"})
        await asked(seat, "a", "d2")
        taught = [report.url for report in told.reports if isinstance(report, m.Version) and report.url]
        assert taught == ["a:d1", "b:d1", "a:d2", "a:d2"]
        assert seat.state(2).slots == 24
        assert seat.state(2).measuring
    assert isinstance(told.reports[-1], m.Learned), "at the end it says what is left"
    assert told.losses == []


async def test_a_defect_in_the_worker_is_of_its_slot_alone() -> None:
    async with seat_of(Told()) as seat:
        with pytest.raises(SlotFailedError, match="ValueError: no"):
            await asked(seat, "fails")
        assert (await asked(seat, "a")).line


@pytest.mark.parametrize("how", ["garbage", "too long"])
async def test_who_speaks_nonsense_is_ended_and_begun_again(how: str) -> None:
    told = Told()
    async with seat_of(told) as seat:
        held = [asked(seat, "hangs"), asked(seat, how)]
        for slot in held:
            with pytest.raises(WorkerLostError):
                await slot
        assert (await asked(seat, "a")).line
        assert len(told.losses) == 1
        assert seat.state(0).starts == 2


async def test_what_was_said_before_the_end_counts() -> None:
    told = Told()
    async with seat_of(told) as seat:
        held, answered = asked(seat, "hangs"), asked(seat, "answers and ends")
        assert (await answered).line == b"last"
        with pytest.raises(WorkerLostError, match="ended with code 7"):
            await held
    assert told.losses in ([], ["ended with code 7"])


async def test_a_second_answer_and_one_to_nobody_are_passed_over() -> None:
    async with seat_of(Told()) as seat:
        assert (await asked(seat, "twice")).line == b"one"
        assert (await asked(seat, "a")).line


async def test_a_slot_that_is_cut_off_is_cut_off_there_and_its_late_row_is_nobodys() -> None:
    told = Told()
    async with seat_of(told) as seat:
        await asked(seat, "a")
        slot = asked(seat, "hangs")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        slot.cancel()
        with suppress(asyncio.CancelledError):
            await slot
        assert slot.cancelled()

        async def cut() -> bool:
            return any(isinstance(report, m.Worried) for report in told.reports)

        await until(cut)
        assert seat.state(0).running == 0
        assert (await asked(seat, "a")).line


@pytest.mark.parametrize("within_s", [0.0, 30.0], ids=["killed", "waited for"])
async def test_a_seat_that_is_stopped_while_its_worker_ends_leaves_no_process(
    within_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's socket has ended and its process not yet, and then somebody stops the seat."""
    ending, ended = asyncio.Event(), crew_seat._end

    async def slowly(child: Process, _: float) -> None:
        ending.set()
        await asyncio.sleep(0.05)
        await ended(child, within_s)

    monkeypatch.setattr(crew_seat, "_end", slowly)
    async with seat_of(Told()) as seat:
        assert (await asked(seat, "a")).line
        child = seat._child
        assert child is not None
        slot = asked(seat, "answers and ends")
        await slot
        waiting = asked(seat, "hangs")
        await asyncio.wait_for(ending.wait(), 20)
        await seat.stop()
        assert (seat.pid, child.returncode is None) == (None, False)
        with pytest.raises(WorkerLostError):
            await waiting


async def test_a_worker_that_hangs_is_killed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_seat, "BEAT_S", 0.05)
    told = Told()
    async with seat_of(told) as seat:
        held = asked(seat, "hangs")  # begun, and then not a word more
        while (pid := seat.pid) is None or not seat.state(0).measuring:
            await asyncio.sleep(0.001)
        with pytest.raises(WorkerLostError, match="silent for"):
            await held
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_what_cannot_be_prepared_is_a_loss_that_says_why() -> None:
    told = Told()

    async def prepare(seat: Seat) -> None:
        raise OSError("the store cannot be read")

    seat = Seat(0, told, prepare)
    seat.start()

    async def lost() -> bool:
        return bool(told.losses)

    await until(lost)
    await seat.stop()
    assert told.losses[0] == "the store cannot be read"
