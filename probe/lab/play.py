"""Rule: assessments use the real times of each step, so these are recorded; every fault is lifted at the end.

Plays a script on a running lab. Only the demo waits for time to pass; tests apply faults by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from probe.lab.lab import Lab
from probe.lab.script import Step

OnChange = Callable[[Step, bool], None]


class Player:
    """Applies and lifts the faults of `steps`. `on_change` is called when a step begins (True) and ends (False).

    `played`: the steps so far with their true times, also of those in force still, whose end is now.
    """

    def __init__(
        self, lab: Lab, steps: Sequence[Step], on_change: OnChange = lambda step, begins: None
    ) -> None:
        self._lab = lab
        self._steps = steps
        self._on_change = on_change
        self._zero_s = 0.0
        self._done: list[Step] = []
        self._running: dict[str, float] = {}

    @property
    def played(self) -> list[Step]:
        """What was done, by start; seconds from when `run` began."""
        now_s = self._now_s()
        running = [Step(fault=name, start_s=s, end_s=now_s) for name, s in self._running.items()]
        return sorted([*self._done, *running], key=lambda step: step.start_s)

    async def run(self) -> None:
        """Play to the end. If cancelled, every fault in force is lifted first."""
        self._zero_s = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for step in self._steps:
                group.create_task(self._play(step))

    async def _play(self, step: Step) -> None:
        await self._until(step.start_s)
        start_s = None
        try:
            async with self._lab.fault(step.fault):
                start_s = self._running[step.fault] = self._now_s()
                self._on_change(step, True)
                try:
                    await self._until(step.end_s)
                finally:
                    end_s = self._now_s()
                    del self._running[step.fault]
                    self._done.append(Step(fault=step.fault, start_s=start_s, end_s=end_s))
        finally:
            if start_s is not None:
                self._on_change(step, False)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._zero_s

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._now_s()))
