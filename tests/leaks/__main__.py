"""`python -m tests.leaks [--minutes 30] [--interval 5s]`: an agent beside every kind of failing endpoint at once.

Prints one line of JSON: what the agent and its children held at first and at last, what it measured, and what grew.
Exits with 1 if anything did. Memory is judged after the first sixth of the time, which is five minutes of thirty.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import yaml

from probe.core.records.rows import SlotRecord
from probe.core.text.tokens import hash_token
from probe.store.read.reader import Reader
from tests.leaks.endpoints import SUFFIX, Endpoints, endpoints
from tests.leaks.watching import Held, grown, held
from tests.support.with_parent import WITH_PARENT

RSS_SHARE = 0.05
LOOKS = 90


def configured(directory: Path, world: Endpoints, interval: str) -> Path:
    """agent.yaml and one customer with a domain for each endpoint."""
    agent = {
        "agent": "leaks",
        "results": "results",
        "customers": "customers/",
        "allow_addresses": ["127.0.0.0/8"],
        # Small, so that what bodies take is reached soon: a leak is told from a working set only then.
        "limits": {"body": "512KiB"},
        "segments": {"every": "1m"},
        "api": {
            "listen": "127.0.0.1:0",
            "tokens": [{"name": "x", "hash": hash_token("x"), "customers": ["*"]}],
        },
        "vantage_points": [
            {
                "name": "here",
                "resolvers": [f"udp://127.0.0.1:{world.resolver}"],
                "anchors": [f"tcp://127.0.0.1:{world.good}"],
            }
        ],
    }
    domains = [_domain(name, port, "http", world) for name, port in world.plain.items()]
    domains += [_domain(name, port, "https", world) for name, port in world.tls.items()]
    domains += [_domain(name, world.good, "http", world) for name in world.unresolved]
    customer = {
        "customer": "acme",
        "defaults": {"interval": interval, "timeout": "2s"},
        "domains": domains,
    }
    (directory / "customers").mkdir()
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    return directory / "agent.yaml"


def _domain(name: str, port: int, scheme: str, world: Endpoints) -> dict[str, object]:
    checks = {
        "availability": {"status": [200]},
        "integrity": {"mode": "exact"},
        "response_time": {"ttfb": "1s"},
        "headers": {"present": ["Cache-Control"], "absent": ["X-1"]},
        "negotiation": {"ranges": "required"},
    }
    tls = {"tls": {"ca": f"file:{world.ca}"}} if scheme == "https" else {}
    return {
        "domain": f"{name}.{SUFFIX}",
        "scheme": scheme,
        "port": port,
        "origin": {"address": "127.0.0.1", "scheme": "http", "port": world.good},
        "objects": [{"path": "/", "checks": checks}],
        **tls,
    }


async def watched(file: Path, log: Path, seconds: float) -> tuple[list[Held], int]:
    """Run the agent for so long; what it held, look by look, and its exit code."""
    seen: list[Held] = []
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            *WITH_PARENT, sys.executable, "-m", "probe", "run", "-c", str(file), stdout=out, stderr=out
        )
        try:
            begun = time.monotonic()
            while (at_s := time.monotonic() - begun) < seconds and child.returncode is None:
                seen.append(held(child.pid, round(at_s, 1)))
                await asyncio.sleep(seconds / LOOKS)
            if child.returncode is None:
                child.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(child.wait(), 60)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    return seen, code


async def main() -> int:
    """See above."""
    options = argparse.ArgumentParser(prog="python -m tests.leaks", description=__doc__)
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--interval", default="5s")
    options.add_argument("--memory-share", type=float, default=RSS_SHARE)
    asked = options.parse_args()
    directory, seconds = Path(tempfile.mkdtemp(prefix="leaks-")), asked.minutes * 60
    async with endpoints(directory) as world:
        file = configured(directory, world, asked.interval)
        seen, code = await watched(file, directory / "log", seconds)
    with Reader.open(directory / "results") as reader:
        slots = [row for row in reader.follow({}) if isinstance(row, SlotRecord)]
    found = grown(seen, seconds / 6, asked.memory_share)
    reasons = Counter(row.reason or row.missed_reason or row.outcome or "" for row in slots)
    told = {
        "minutes": asked.minutes,
        "slots": len(slots),
        "measured": sum(row.state == "measured" for row in slots),
        "endpoints": len(world.plain) + len(world.tls) + len(world.unresolved),
        "kinds_of_verdict": len(reasons),
        "verdicts": dict(reasons.most_common()),
        "looks": [asdict(each) for each in seen[:: max(1, len(seen) // 12)]],
        "exit_code": code,
        "grown": found,
    }
    print(json.dumps(told))
    if found or code:
        print(f"{directory}: {found or f'exit code {code}'}", file=sys.stderr)
    return 1 if found or code else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "default")
    sys.exit(asyncio.run(main()))
