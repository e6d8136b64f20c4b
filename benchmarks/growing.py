"""Rule: how an agent grows is seen on a whole agent, as it runs: schedule, store, watches and all.

Each size is an agent in a process of its own (`benchmarks.grown`) that measures from four vantage points every 60 s,
for some seconds. What is kept: CPU a slot, memory, how long until the first result, what was missed, how late slots
began; and what a bare probe of the exporter costs at the same rate, since a processor that slept works slower.
Sizes take turns for as many rounds as wanted: the speed of a shared machine changes while one of them is watched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.agents import told_by
from benchmarks.blackbox import Blackbox
from benchmarks.peer_process import Ports
from benchmarks.server import EDGE, NAME, ORIGIN

TASKS = (100, 1_000, 10_000)
SECONDS = 20.0
VANTAGE_POINTS = 4
SIZE = 10_000
CUSTOMERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """An agent of so many tasks. `start_s`: from the start of the process to the first stored measurement.

    `missed` and `reasons` (of slots missed or not ok): from the start on, and not of what the stop itself cuts off.
    `cpu_us`: a measured slot, after the start; `cpu_share`: of one core. `rss_mb`: at the end, and `bare_rss_mb` before
    the configuration was read. `peer_us`: CPU of the exporter's probe at this rate, None where it is not installed.
    """

    tasks: int
    seconds: float
    measured: int
    not_ok: int
    missed: int
    reasons: dict[str, int]
    start_s: float
    cpu_us: float
    cpu_share: float
    lateness_p50_ms: float
    lateness_p99_ms: float
    rss_mb: float
    bare_rss_mb: float
    peer_us: float | None = None

    @property
    def mb_per_1000_tasks(self) -> float:
        """Memory that the tasks themselves take."""
        return (self.rss_mb - self.bare_rss_mb) / self.tasks * 1000


async def run(
    ports: Ports,
    directory: Path,
    seconds: float = SECONDS,
    sizes: tuple[int, ...] = TASKS,
    peer: Blackbox | None = None,
    rounds: int = 1,
) -> list[Growth]:
    """One agent after the other, and that so many times. Raises RuntimeError with an agent's own words if it fails."""
    found: dict[int, list[Growth]] = {tasks: [] for tasks in sizes}
    for number in range(rounds):
        for tasks in sizes:
            grown = await _grown(ports, directory / f"{number}-{tasks}", tasks, seconds)
            if peer is not None:
                probe_us = await peer.paced(tasks / 60, min(seconds, SECONDS), peer.target("http", SIZE))
                grown = replace(grown, peer_us=probe_us)
            found[tasks].append(grown)
    return [summed(several) for several in found.values()]


def summed(rounds: Sequence[Growth]) -> Growth:
    """Rounds of one size as one: medians of what is a figure, the worst lateness, sums of what is counted."""
    reasons = sum((Counter(g.reasons) for g in rounds), Counter[str]())
    peers_us = [g.peer_us for g in rounds if g.peer_us is not None]
    return Growth(
        tasks=rounds[0].tasks,
        seconds=sum(g.seconds for g in rounds),
        measured=sum(g.measured for g in rounds),
        not_ok=sum(g.not_ok for g in rounds),
        missed=sum(g.missed for g in rounds),
        reasons=dict(reasons),
        start_s=median(g.start_s for g in rounds),
        cpu_us=median(g.cpu_us for g in rounds),
        cpu_share=median(g.cpu_share for g in rounds),
        lateness_p50_ms=median(g.lateness_p50_ms for g in rounds),
        lateness_p99_ms=max(g.lateness_p99_ms for g in rounds),
        rss_mb=median(g.rss_mb for g in rounds),
        bare_rss_mb=median(g.bare_rss_mb for g in rounds),
        peer_us=median(peers_us) if peers_us else None,
    )


async def _grown(ports: Ports, directory: Path, tasks: int, seconds: float) -> Growth:
    return await told_by("benchmarks.grown", write(ports, directory, tasks), seconds, Growth)


def write(ports: Ports, directory: Path, tasks: int) -> Path:
    """agent.yaml and the customers' files for so many tasks; the path of agent.yaml."""
    customers = directory / "customers"
    customers.mkdir(parents=True)
    objects = tasks // VANTAGE_POINTS
    files = min(CUSTOMERS, objects)
    names = [f"v{number}" for number in range(VANTAGE_POINTS)]
    for number in range(files):
        mine = range(number, objects, files)
        (customers / f"c{number}.yaml").write_text(_customer(ports, number, mine, names), encoding="utf-8")
    points = "\n".join(f'  - {{name: {n}, resolvers: ["udp://{ORIGIN}:{ports.dns}"]}}' for n in names)
    agent = directory / "agent.yaml"
    agent.write_text(
        f"agent: bench\nresults: results\ncustomers: customers/\nvantage_points:\n{points}\n"
        "allow_addresses: [127.0.0.0/8]\n",
        encoding="utf-8",
    )
    return agent


def _customer(ports: Ports, number: int, objects: range, vantage_points: list[str]) -> str:
    head = (
        f"customer: c{number}\n"
        f"defaults: {{interval: 60s, timeout: 10s, vantage_points: [{', '.join(vantage_points)}]}}\n"
        f"domains:\n  - domain: {NAME}\n    scheme: http\n    port: {ports.http}\n"
        "    cdn: {suffixes: [cdn.example.net]}\n"
        f"    origin: {{address: {ORIGIN}, scheme: http, port: {ports.http}, host: {NAME}, interval: 60s}}\n"
        "    objects:\n"
    )
    checks = "{availability: {status: [200]}, response_time: {ttfb: 2s, total: 5s}, integrity: {mode: exact}}"
    return head + "".join(f'      - {{path: "/{SIZE}?o={n}", checks: {checks}}}\n' for n in objects)


__all__ = ["EDGE", "Growth", "run", "summed", "write"]
