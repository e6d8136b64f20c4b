"""The whole measuring against the lab: every fault found and rightly attributed, and nobody else accused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.core.model.task import Task
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.lab.assessment import accuses
from probe.lab.faults import FAULTS, LabFault
from probe.lab.lab import Lab
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.resolver.resolver import Resolver
from probe.settings.config_files import load_config
from probe.settings.secrets import reveal
from tests.codes.provoking import provokes
from tests.support.sums import assert_alike

LOOPBACK = ("127.0.0.0/8",)
SEEN_WITHIN_S = 60.0


class Measuring:
    """The lab's tasks and a pipeline that measures them on demand."""

    def __init__(self, pipeline: Pipeline, tasks: Iterable[Task], clock: SystemClock) -> None:
        self._pipeline, self._clock = pipeline, clock
        self.tasks = tuple(tasks)

    async def round(self, wanted: Callable[[Task], bool] = lambda task: True) -> list[SlotRecord]:
        """One slot of each task, a few at a time."""
        turns = asyncio.Semaphore(4)

        async def measure(task: Task) -> SlotRecord:
            async with turns:
                return await self._pipeline.measure(task, rfc3339(self._clock.time_ns()))

        return await asyncio.gather(*(measure(task) for task in self.tasks if wanted(task)))


@asynccontextmanager
async def measuring(lab: Lab, directory: Path) -> AsyncIterator[Measuring]:
    clock = SystemClock()
    lag = LoopLag(clock)
    fetcher = HttpFetcher(clock, reveal, LOOPBACK)
    pipeline = Pipeline(
        kinds=CHECKS,
        resolver=Resolver(clock, LOOPBACK),
        fetcher=fetcher,
        clock=clock,
        host=host_probe("test", "", lag),
    )
    config = load_config(lab.write_config(directory), CHECKS)
    await lag.start()
    try:
        yield Measuring(pipeline, make_plan(config).tasks, clock)
    finally:
        await fetcher.close()
        await lag.stop()


def told(row: SlotRecord) -> str:
    where = f"{row.domain}{row.path} from {row.vantage_point}"
    return f"{where}: {row.outcome}/{row.fault}/{row.reason}: {row.summary}"


def reached(fault: LabFault, task: Task) -> bool:
    return fault.reach.covers(task.domain, task.request.path, task.vantage_point.name)


async def settled(agent: Measuring, fault: LabFault) -> list[SlotRecord]:
    """The affected rows, once the fault may be expected to show."""
    async with asyncio.timeout(SEEN_WITHIN_S):
        while True:
            rows = await agent.round(lambda task: reached(fault, task))
            if fault.name != "stale_version" or any(row.outcome is not Outcome.OK for row in rows):
                return rows


async def unstalled(look: Callable[[], Awaitable[list[SlotRecord]]]) -> list[SlotRecord]:
    """Its rows; looked at again where this machine stood still meanwhile, and the agent said so."""
    for _ in range(4):
        rows = await look()
        if not any(row.reason == "agent.stalled" for row in rows):
            break
    return rows


def shown(fault: LabFault) -> list[str]:
    """The reason that its rows have, where it is one and the same."""
    reasons = fault.expected.reasons
    return [*reasons] if len(reasons) == 1 and not reasons[0].endswith("*") else []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=provokes(*shown(fault))) for name, fault in FAULTS.items()]
)
async def test_the_agent_finds_the_fault_and_accuses_nobody_else(tmp_path: Path, name: str) -> None:
    async with Lab(lifetime_s=1) as lab, measuring(lab, tmp_path) as agent:
        healthy = await unstalled(agent.round)
        assert [told(row) for row in healthy if row.outcome is not Outcome.OK] == []
        async with lab.fault(name) as fault:
            affected = await unstalled(lambda: settled(agent, fault))
            others = await agent.round(lambda task: not reached(fault, task))
        assert_alike("test", [*healthy, *affected, *others])
        assert affected
        assert [told(row) for row in affected if not fault.expected.met_by(row)] == []
        assert [told(row) for row in others if accuses(row)] == []
        assert [told(row) for row in await agent.round() if accuses(row)] == []
