"""A worker by its orders alone: in this process, over a socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.core.model.task import Task
from probe.host.clock import SystemClock, rfc3339
from probe.lab.lab import Lab
from probe.settings.config_files import load_config
from probe.workers import messages as m
from probe.workers import worker as worker_module
from probe.workers.channel import Channel
from probe.workers.worker import Worker
from probe.workers.worker_pool import settings_of
from tests.support.agent_process import until


class Ordering:
    """The keeper's end: what was said, and what came of it."""

    def __init__(self) -> None:
        self.reports: list[m.AnyReport] = []
        self.ended = asyncio.Event()
        self.channel: Channel[m.AnyOrder] = Channel(
            pack=m.orders_out, on_frame=self._on_frame, on_end=self.ended.set
        )

    def _on_frame(self, frame: bytes) -> None:
        self.reports.extend(m.reports_in(frame))

    async def outcomes(self, count: int) -> list[m.Done | m.Failed]:
        """Of so many slots."""

        def told() -> list[m.Done | m.Failed]:
            return [report for report in self.reports if isinstance(report, m.Done | m.Failed)]

        async def there() -> bool:
            return len(told()) >= count

        await until(there)
        return told()


@asynccontextmanager
async def working(lab: Lab, directory: Path) -> AsyncIterator[tuple[Ordering, Task]]:
    config = load_config(lab.write_config(directory), CHECKS)
    plan = make_plan(config)
    ours, theirs = socket.socketpair()
    work, keeper = asyncio.ensure_future(Worker().work(theirs)), Ordering()
    try:
        await asyncio.get_running_loop().create_connection(lambda: keeper.channel, sock=ours)
        keeper.channel.send(settings_of(config, plan))
        yield keeper, plan.tasks[0]
    finally:
        keeper.channel.send(m.Stop())
        await asyncio.wait_for(work, 60)


@pytest.fixture(autouse=True)
def _our_own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "set_up", lambda level: None)


async def test_a_slot_that_was_ordered_before_its_task_went_is_measured(lab: Lab, tmp_path: Path) -> None:
    """All in one frame, as a reload on a busy machine sends it: the slot has not begun when its task goes."""
    async with working(lab, tmp_path) as (keeper, task):
        keeper.channel.send(m.Tasks(tasks=(task,)))
        keeper.channel.send(m.Measure(7, task.id, rfc3339(SystemClock().time_ns())))
        keeper.channel.send(m.Tasks(gone=(task.id,)))
        (outcome,) = await keeper.outcomes(1)
    assert isinstance(outcome, m.Done), outcome
    row = m.row_in(outcome.line)
    assert (outcome.slot, row.task, row.outcome) == (7, task.id, "ok")


async def test_a_slot_of_a_task_that_it_was_never_given_fails_and_nothing_else_does(
    lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(lab, tmp_path) as (keeper, task):
        at = rfc3339(SystemClock().time_ns())
        keeper.channel.send(m.Measure(1, task.id, at))
        keeper.channel.send(m.Tasks(tasks=(task,)))
        keeper.channel.send(m.Measure(2, task.id, at))
        outcomes = await keeper.outcomes(2)
    assert {outcome.slot: type(outcome) for outcome in outcomes} == {1: m.Failed, 2: m.Done}
    assert [record.getMessage() for record in caplog.records if record.name == "probe.worker"] == [
        "slot.error"
    ]


async def test_a_slot_that_is_cut_off_before_it_begins_is_not_told_of(lab: Lab, tmp_path: Path) -> None:
    async with working(lab, tmp_path) as (keeper, task):
        at = rfc3339(SystemClock().time_ns())
        keeper.channel.send(m.Tasks(tasks=(task,)))
        keeper.channel.send(m.Measure(1, task.id, at))
        keeper.channel.send(m.Cancel(1))
        keeper.channel.send(m.Measure(2, task.id, at))
        assert [outcome.slot for outcome in await keeper.outcomes(1)] == [2]
