"""Rule: one whole agent, from its start, in a process that did nothing else before.

Run by `benchmarks.growing` with agent.yaml and seconds as arguments; the last line printed is a `Growth` as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.agents import resident_mb
from benchmarks.growing import Growth
from probe.agent.agent import Agent
from probe.agent.parts import build
from probe.checks import CHECKS
from probe.core.records.rows import SlotRecord, State
from probe.core.records.verdict import Outcome
from probe.host.clock import SystemClock
from probe.host.gc import settle
from probe.net.event_loop import run
from probe.settings.config_files import load_config
from probe.store.store import Store


async def measure(file: Path, seconds: float) -> Growth:
    """Run the agent of this configuration for so long after its first result."""
    began_s, bare_mb = time.clock_gettime(time.CLOCK_BOOTTIME) - _age_s(), resident_mb()
    config = load_config(file, CHECKS)
    settle()
    store = Store.open(file.parent / "results", "bench", SystemClock())
    rows: list[tuple[State, Outcome | None, int]] = []
    reasons = Counter[str]()
    first, stop = asyncio.Event(), asyncio.Event()

    def on_row(row: SlotRecord) -> None:
        rows.append((row.state, row.outcome, row.host.lateness_us or 0))
        if row.outcome is not Outcome.OK:
            reasons[row.missed_reason or row.reason or row.state.value] += 1
        first.set()

    agent = Agent(build(config, CHECKS, store=store, on_row=(on_row,)))
    running = asyncio.ensure_future(agent.run(stop, drain_s=5.0))
    try:
        await asyncio.wait(
            (running, asyncio.ensure_future(first.wait())), return_when=asyncio.FIRST_COMPLETED
        )
        start_s = time.clock_gettime(time.CLOCK_BOOTTIME) - began_s
        await asyncio.sleep(min(2.0, seconds / 4))  # past the start
        before, cpu_ns, from_s = len(rows), time.process_time_ns(), time.monotonic()
        await asyncio.sleep(seconds)
        spent_ns, took_s = time.process_time_ns() - cpu_ns, time.monotonic() - from_s
        memory_mb, missed, why = (
            resident_mb(),
            sum(state is not State.MEASURED for state, _, _ in rows),
            dict(reasons),
        )
        seen = rows[before:]
    finally:
        stop.set()
        await running
        await store.close()
    measured = [row for row in seen if row[0] is State.MEASURED]
    late_ms = sorted(late_us / 1000 for _, _, late_us in measured) or [0.0]
    return Growth(
        tasks=len(agent.plan.tasks),
        seconds=took_s,
        measured=len(measured),
        not_ok=sum(outcome is not Outcome.OK for _, outcome, _ in measured),
        missed=missed,
        reasons=why,
        start_s=start_s,
        cpu_us=spent_ns / 1000 / max(1, len(measured)),
        cpu_share=spent_ns / 1e9 / took_s,
        lateness_p50_ms=late_ms[len(late_ms) // 2],
        lateness_p99_ms=late_ms[min(len(late_ms) - 1, len(late_ms) * 99 // 100)],
        rss_mb=memory_mb,
        bare_rss_mb=bare_mb,
    )


def _age_s() -> float:
    """How long this process has existed (proc(5), starttime in clock ticks since boot)."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / 100


if __name__ == "__main__":
    print(msgspec.json.encode(run(measure(Path(sys.argv[1]), float(sys.argv[2])))).decode())
