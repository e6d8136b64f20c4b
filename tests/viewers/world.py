"""An agent of so many domains with its API, as the command starts it, beside edges in a process of their own."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.peer_process import Ports, serving
from benchmarks.server import ORIGIN
from probe.core.text.tokens import hash_token, make_token
from tests.leaks.watching import family
from tests.support.agent_process import ended, listens, start, until, until_measuring
from tests.system.programs import free_port

SIZE = 10_000
CUSTOMERS = 5
TICKS_PER_S = 100  # proc(5): of utime and stime, on every Linux


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured, and by whose tokens it is looked at."""

    domains: int = 50
    vantage_points: int = 4
    interval_s: int = 10
    tokens: int = 50
    named: int = 500  # domains with series of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A running agent. `pid`: its own; `tokens`: each of another reader, who sees everything."""

    url: str
    results: Path
    pid: int
    tokens: Sequence[str]

    def processor_s(self) -> dict[str, float]:
        """Spent so far: by the agent, and by its API's process."""
        mine, *others = family(self.pid)
        return {"agent": spent_s(mine), "api": sum(map(spent_s, others))}

    def api_resident_mb(self) -> float:
        """Of the API's process, in 10^6 bytes."""
        return max((resident_mb(pid) for pid in family(self.pid)[1:]), default=0.0)


def spent_s(pid: int) -> float:
    """Processor time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def write(directory: Path, ports: Ports, size: Size, tokens: Sequence[str], port: int) -> Path:
    """The configuration: domains spread over a few customers, one object each."""
    points = [f"v{number}" for number in range(size.vantage_points)]
    agent = {
        "agent": "a1",
        "results": "results",
        "customers": "customers/",
        "allow_addresses": ["127.0.0.0/8"],
        "metrics": {"domains": size.named},
        "api": {
            "listen": f"127.0.0.1:{port}",
            "page": {},
            "open_metrics": True,
            "tokens": [
                {"name": f"reader-{number}", "hash": hash_token(token), "customers": ["*"]}
                for number, token in enumerate(tokens)
            ],
        },
        "vantage_points": [{"name": name, "resolvers": [f"udp://{ORIGIN}:{ports.dns}"]} for name in points],
    }
    (directory / "customers").mkdir(parents=True)
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    for number in range(CUSTOMERS):
        names = [f"www{n:03}.bench.example" for n in range(number, size.domains, CUSTOMERS)]
        if names:
            content = _customer(f"c{number}", names, points, ports, size)
            file = directory / "customers" / f"c{number}.yaml"
            file.write_text(yaml.safe_dump(content, sort_keys=False))
    return directory / "agent.yaml"


def _customer(
    customer: str, names: Sequence[str], points: Sequence[str], ports: Ports, size: Size
) -> dict[str, object]:
    checks = {"availability": {"status": [200]}, "integrity": {"mode": "exact"}}
    origin = {"address": ORIGIN, "scheme": "http", "port": ports.http, "interval": "60s"}
    usual = {"interval": f"{size.interval_s}s", "timeout": "10s", "vantage_points": list(points)}
    return {
        "customer": customer,
        "defaults": usual,
        "domains": [
            {
                "domain": name,
                "scheme": "http",
                "port": ports.http,
                "origin": origin,
                "objects": [{"path": f"/{SIZE}", "checks": checks}],
            }
            for name in names
        ],
    }


@asynccontextmanager
async def measuring(directory: Path, size: Size) -> AsyncIterator[World]:
    """The agent, once it measures and its page is there; ended in good order."""
    tokens = [make_token(number.to_bytes(32, "big")) for number in range(1, size.tokens + 1)]
    port = free_port()
    with serving(directory, [SIZE]) as ports:
        agent = await start("run", "-c", write(directory, ports, size, tokens, port))
        try:
            await until_measuring(directory / "results", within_s=60)
            await until(lambda: listens(port), 60)
            yield World(
                url=f"http://127.0.0.1:{port}", results=directory / "results", pid=agent.pid, tokens=tokens
            )
        finally:
            agent.send_signal(signal.SIGTERM)
            made = await ended(agent)
    assert made.code == 0, made.err
