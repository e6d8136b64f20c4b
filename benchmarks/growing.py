"""Rule: how an agent grows is seen on a whole agent, as it runs: schedule, store, watches and all.

Each size is an agent in a process of its own (`benchmarks.grown`) that measures from four vantage points every 60 s,
for some seconds. What is kept: CPU a slot, memory, how long until the first result, what was missed, how late slots
began; and what a bare probe of the exporter costs at the same rate, since a processor that slept works slower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

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
) -> list[Growth]:
    """One agent after the other. Raises RuntimeError with an agent's own words if it fails."""
    found = []
    for tasks in sizes:
        grown = await _grown(ports, directory / str(tasks), tasks, seconds)
        if peer is not None:
            probe_us = await peer.paced(tasks / 60, min(seconds, SECONDS), peer.target("http", SIZE))
            grown = replace(grown, peer_us=probe_us)
        found.append(grown)
    return found


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


__all__ = ["EDGE", "Growth", "run", "write"]
