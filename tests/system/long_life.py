"""A day and more of slots in minutes: schedule, pipeline and judge for real, time and the network made.

`python -m tests.system.long_life SLOTS`: prints one JSON object: how many slots, how many hours of agent time, and the
resident memory and open descriptors at ten moments on the way. One slot in fifty finds its edge down, one in two
hundred other content, so that confirmation, findings and summaries are made too.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys

from probe.checks import CHECKS
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.fetch.target import FetchTarget
from probe.host.clock import rfc3339
from probe.measure.pipeline import HostProbe, Pipeline
from probe.schedule.scheduler import Due, Scheduler
from probe.telemetry.metrics import Metrics
from tests.measure.test_pipeline import MadeResolver, reply
from tests.support import build
from tests.support.virtual import VirtualTime, run

TASKS = int(os.environ.get("LIFE_TASKS", "10"))
PERIOD_S = int(os.environ.get("LIFE_PERIOD_S", "120"))
MOMENTS = 10


class Network:
    """Answers at once; now and then an edge is down or gives other content."""

    def __init__(self) -> None:
        self.asked = 0
        self.good = reply(b"content")
        self.other = reply(b"other content")
        self.down = build.broken(FailureType.TCP_REFUSED, Phase.TCP)

    async def fetch(self, target: FetchTarget) -> Observation:
        self.asked += 1
        made = self.good
        if target.role is Role.EDGE and self.asked % 50 == 0:
            made = self.down
        elif target.role is Role.EDGE and self.asked % 201 == 0:
            made = self.other
        return replace(made, role=target.role, address=target.address, of=target.of)

    async def connect_only(self, target: FetchTarget) -> Observation:
        return await self.fetch(target)

    async def close(self) -> None:
        return None


def resident_bytes() -> int:
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Life:
    """Runs until so many slots have been measured."""

    def __init__(self, slots: int) -> None:
        self.time = VirtualTime()
        self.wanted = slots
        self.done = asyncio.Event()
        self.measured = self.missed = self.bytes = 0
        self.resident: list[int] = []
        self.descriptors: list[int] = []
        self.outcomes: dict[str, int] = {}
        network, resolver = Network(), MadeResolver(build.resolution())
        resolver.asked = _Nothing()
        self.pipeline = Pipeline(
            kinds=CHECKS,
            resolver=resolver,  # type: ignore[arg-type]
            fetcher=network,
            clock=self.time,
            host=HostProbe(
                agent="a",
                agent_version="0",
                config_digest=lambda: "c",
                worst_lag_us=lambda since, until: 0,
                clock_state=lambda: (True, 10),
            ),
        )
        self.metrics = Metrics("0")

    async def slot(self, task: Task, due: Due) -> None:
        row = await self.pipeline.measure(task, rfc3339(due.scheduled_us * 1000))
        self.bytes += len(encode(row))
        self.metrics.row(row)
        self.outcomes[str(row.outcome)] = self.outcomes.get(str(row.outcome), 0) + 1
        self.measured += 1
        if self.measured % max(1, self.wanted // MOMENTS) == 0:
            self.resident.append(resident_bytes())
            self.descriptors.append(len(os.listdir("/proc/self/fd")))
        if self.measured >= self.wanted:
            self.done.set()

    def miss(self, task: Task, due: Due, reason: str) -> None:
        self.missed += 1

    async def run(self) -> None:
        period_us = PERIOD_S * 1_000_000
        tasks = [
            build.task(id=f"t{i}", period_us=period_us, phase_us=i * period_us // TASKS) for i in range(TASKS)
        ]
        scheduler = Scheduler(tasks, clock=self.time, on_slot=self.slot, on_missed=self.miss)
        await scheduler.start()
        await self.done.wait()
        await scheduler.stop(1)


class _Nothing(list[str]):
    """Remembers nothing of what is put into it."""

    def append(self, item: str) -> None:
        return None


def main() -> None:
    """See above."""
    life = Life(int(sys.argv[1]))
    run(life.time, life.run())
    found = {
        "slots": life.measured,
        "missed": life.missed,
        "hours": life.time.now_us / 3.6e9,
        "outcomes": life.outcomes,
        "bytes_of_rows": life.bytes,
        "resident_bytes": life.resident,
        "descriptors": life.descriptors,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
