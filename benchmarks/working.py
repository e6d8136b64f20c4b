"""Rule: what a second worker is worth is told by the processor's time, which the servers on this machine do not share.

Whole agents, daemon and store and all: one that measures by itself, then with two workers and twice as many tasks, so
that each process that measures does as much. The servers take cores as well, and by the clock slots would be theirs
too. Two figures are told instead, in slots a second:

- `capacity`: of a machine with a core for each process, by the process that is busiest;
- `on_cores`: where only as many cores are free as there are workers, by the time of all processes together.

`python -m benchmarks.working AGENT_YAML SECONDS` is one such agent; the last line that it prints is a `Worked` as JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.agents import resident_mb, told_by
from benchmarks.measure import Effort, WrongResultError
from benchmarks.peer_process import Ports
from benchmarks.server import NAME, ORIGIN
from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.records.rows import SlotRecord
from probe.host.gc import settle
from probe.net.event_loop import run
from probe.settings.config_files import load_config

WORKERS = (1, 2)
RATE = 200  # slots a second of each process that measures: some 30 % of what it can
INTERVAL_S = 5
CUSTOMERS = 20
SECONDS = 10.0
WARM_S = 8.0  # past the start, the first look at every origin and the first slot of every task
TICKS_A_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """One agent. CPU in microseconds a slot: of the process that keeps, of all workers, of the busiest of all."""

    workers: int
    slots: int
    slots_per_s: float
    kinds: dict[str, int]
    keeper_us: float
    workers_us: float
    busiest_us: float
    rss_mb: float

    @property
    def capacity(self) -> float:
        """Slots a second where each process has a core."""
        return 1e6 / self.busiest_us

    @property
    def on_cores(self) -> float:
        """Slots a second on as many cores as there are workers."""
        return min(self.capacity, self.workers * 1e6 / (self.keeper_us + self.workers_us))


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """Medians over the rounds; the ratios are to one process, formed in each round."""

    workers: int
    slots: int
    kinds: dict[str, int]
    keeper_us: float
    workers_us: float
    capacity: float
    on_cores: float
    capacity_ratio: float
    on_cores_ratio: float
    rss_mb: float


async def compared(
    ports: Ports, directory: Path, effort: Effort, seconds: float = SECONDS, rate: int = RATE
) -> list[Working]:
    """One agent after the other, in rounds. Raises WrongResultError where they did not find the same."""
    rounds: list[list[Worked]] = []
    for number in range(effort.rounds if effort.scale >= 1 else 1):
        turn = [await _agent(ports, directory / f"{number}-{n}", n, seconds, rate) for n in WORKERS]
        if len({tuple(sorted(worked.kinds)) for worked in turn}) != 1:
            raise WrongResultError(f"the workers' rows are of another kind: {[w.kinds for w in turn]}")
        rounds.append(turn)
    return [_medians([turn[i] for turn in rounds], [turn[0] for turn in rounds]) for i in range(len(WORKERS))]


def _medians(mine: list[Worked], one: list[Worked]) -> Working:
    pairs = list(zip(mine, one, strict=True))
    return Working(
        workers=mine[0].workers,
        slots=sum(worked.slots for worked in mine),
        kinds=dict(sum((Counter(worked.kinds) for worked in mine), Counter())),
        keeper_us=median(worked.keeper_us for worked in mine),
        workers_us=median(worked.workers_us for worked in mine),
        capacity=median(worked.capacity for worked in mine),
        on_cores=median(worked.on_cores for worked in mine),
        capacity_ratio=median(worked.capacity / alone.capacity for worked, alone in pairs),
        on_cores_ratio=median(worked.on_cores / alone.on_cores for worked, alone in pairs),
        rss_mb=median(worked.rss_mb for worked in mine),
    )


async def _agent(ports: Ports, directory: Path, workers: int, seconds: float, rate: int) -> Worked:
    file = write(ports, directory, workers, rate * workers)
    return await told_by("benchmarks.working", file, seconds, Worked)


def write(ports: Ports, directory: Path, workers: int, rate: int) -> Path:
    """agent.yaml and the customers' files for so many slots a second; the path of agent.yaml."""
    customers = directory / "customers"
    customers.mkdir(parents=True)
    objects = rate * INTERVAL_S
    for number in range(CUSTOMERS):
        paths = (f"/10000?o={n}" for n in range(number, objects, CUSTOMERS))
        checks = (
            "{availability: {status: [200]}, response_time: {ttfb: 2s, total: 5s}, integrity: {mode: exact}}"
        )
        text = (
            f"customer: c{number}\ndefaults: {{interval: {INTERVAL_S}s, timeout: 10s, vantage_points: [v]}}\n"
            f"domains:\n  - domain: {NAME}\n    scheme: http\n    port: {ports.http}\n"
            "    cdn: {suffixes: [cdn.example.net]}\n    origin: "
            f"{{address: {ORIGIN}, scheme: http, port: {ports.http}, host: {NAME}, interval: 300s}}\n"
            "    objects:\n" + "".join(f'      - {{path: "{path}", checks: {checks}}}\n' for path in paths)
        )
        (customers / f"c{number}.yaml").write_text(text, encoding="utf-8")
    agent = directory / "agent.yaml"
    agent.write_text(
        "agent: bench\nresults: results\ncustomers: customers/\nallow_addresses: [127.0.0.0/8]\n"
        f'vantage_points: [{{name: v, resolvers: ["udp://{ORIGIN}:{ports.dns}"]}}]\n'
        f"limits: {{workers: {workers}}}\n",
        encoding="utf-8",
    )
    return agent


# --- one agent, in a process of its own -----------------------------------------------------------------


async def work(file: Path, seconds: float) -> Worked:
    """Run the agent of this configuration, and look at its processes over some seconds."""
    config = load_config(file, CHECKS)
    settle()
    stop, kinds = asyncio.Event(), Counter[str]()

    def on_row(row: SlotRecord) -> None:
        kinds[" ".join(filter(None, (row.state, row.missed_reason, row.outcome, row.reason)))] += 1

    running = asyncio.ensure_future(run_until(config, CHECKS, stop, on_row=on_row))
    try:
        await asyncio.wait([running], timeout=WARM_S)
        before, from_s, pids = Counter(kinds), asyncio.get_running_loop().time(), _workers()
        spent_before = {pid: processor_us(pid) for pid in (os.getpid(), *pids)}
        await asyncio.wait([running], timeout=seconds)
        spent_us = {pid: processor_us(pid) - us for pid, us in spent_before.items()}
        found, took_s = kinds - before, asyncio.get_running_loop().time() - from_s
        memory_mb = sum(resident_mb(pid) for pid in spent_us)
    finally:
        stop.set()
        await running
    slots = max(1, found.total())
    return Worked(
        workers=config.agent.limits.workers,
        slots=slots,
        slots_per_s=slots / took_s,
        kinds=dict(found),
        keeper_us=spent_us[os.getpid()] / slots,
        workers_us=sum(spent_us[pid] for pid in pids) / slots,
        busiest_us=max(spent_us.values()) / slots,
        rss_mb=memory_mb,
    )


def _workers() -> list[int]:
    """Our worker processes (proc(5))."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return [
        int(pid) for pid in children if b"probe.workers.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def processor_us(pid: int) -> float:
    """Time of the processor that it took, all threads (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_S * 1e6


if __name__ == "__main__":
    print(msgspec.json.encode(run(work(Path(sys.argv[1]), float(sys.argv[2])))).decode())
