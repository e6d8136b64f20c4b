"""The agent in the world of `carriers.py`: three vantage points, one in each carrier's namespace.

It runs in a namespace of its own, as a root process of the host would beside the carriers' lines.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from probe.core.model.times import epoch_s
from probe.core.records.rows import EventRecord, SlotRecord
from tests.support.stored import stored_since
from tests.support.with_parent import WITH_PARENT
from tests.system.agent import json_lines
from tests.system.carriers import (
    ANCHORS,
    CARRIERS,
    DOMAIN,
    NODE,
    ORIGIN,
    RESOLVER,
    SOURCE,
    UPLINK,
    World,
)
from tests.system.sites import until

INTERVAL_S = 1.2
WITHIN_S = 60.0  # the machine may be loaded; conditions come true long before
DECLARED = {
    "ct": {"name": "bj-ct", "region": "CN-BJ", "carrier": "China Telecom", "asn": 4134},
    "cu": {"name": "sh-cu", "region": "CN-SH", "carrier": "China Unicom", "asn": 4837},
    "cm": {"name": "gd-cm", "region": "CN-GD", "carrier": "China Mobile", "asn": 9808},
}
NAME: dict[str, str] = {carrier: str(told["name"]) for carrier, told in DECLARED.items()}
LINE: dict[str, dict[str, Any]] = {  # what of its line each one declares beside its namespace
    "ct": {"client_subnet": "10.91.1.0/24"},
    "cu": {},
    "cm": {"source": SOURCE["cm"], "interface": UPLINK},
}


def write_config(made: World, directory: Path, *, path: str = "/app.js", **changed: dict[str, Any]) -> Path:
    """agent.yaml and the customer's file; `changed`: carrier -> keys of its vantage point that differ."""
    points = [
        {
            **DECLARED[carrier],
            "netns": made.ns(carrier),
            "resolvers": [f"udp://{RESOLVER[carrier]}"],
            "anchors": [f"http://{ANCHORS[carrier][0]}/ok", f"tcp://{ANCHORS[carrier][1]}:80"],
            "anchor_interval": "1s",
            **LINE[carrier],
            **changed.get(carrier, {}),
        }
        for carrier in CARRIERS
    ]
    agent = {
        "agent": "three-carriers",
        "results": "results",
        "customers": "customers/",
        "vantage_points": points,
        "allow_addresses": ["10.91.0.0/16"],
    }
    labelled = [{"prefix": f"{NODE[c]}/32", "carrier": DECLARED[c]["carrier"]} for c in CARRIERS]
    domain = {
        "domain": DOMAIN,
        "scheme": "http",
        "port": 80,
        "cdn": {"suffixes": ["cdn.test"], "prefixes": [*labelled, f"{NODE['shared']}/32"]},
        "origin": {"address": ORIGIN, "scheme": "http", "interval": "60s"},
        "objects": [{"path": path}],
    }
    defaults = {"interval": f"{round(INTERVAL_S * 1000)}ms", "timeout": "3s", "connect_timeout": "500ms"}
    customer = {"customer": "acme", "defaults": defaults, "domains": [domain]}
    (directory / "customers").mkdir(parents=True, exist_ok=True)
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    return directory / "agent.yaml"


def command(made: World, *arguments: str) -> list[str]:
    """The agent's command line, in its own namespace."""
    return [*made.inside("home"), *WITH_PARENT, sys.executable, "-m", "probe", *arguments]


def cdn_probe(made: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the agent to its end; it never prints a traceback."""
    done = subprocess.run(command(made, *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def once(made: World, config: Path, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """`once --json`: its exit code, and the rows by vantage point."""
    done = cdn_probe(made, "once", "-c", str(config), "--json", *more)
    rows = {row["vantage_point"]: row for row in json_lines(done.stdout)}
    assert rows, done.stderr
    return done.returncode, rows


def vantage_check(made: World, config: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """`vantage check --json`: its exit code, and what was found, by vantage point."""
    done = cdn_probe(made, "vantage", "check", "-c", str(config), "--json")
    return done.returncode, {look["vantage_point"]: look for look in json_lines(done.stdout)}


@dataclass(slots=True)
class Daemon:
    """`run` going on beside the test; `rows` and `events` are all of its so far, in the order of storing."""

    directory: Path
    child: subprocess.Popen[bytes]
    log: Path
    rows: list[SlotRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)

    def look(self) -> list[SlotRecord]:
        """Read what was stored meanwhile."""
        assert self.child.poll() is None, f"the agent ended: {self.log.read_text(errors='replace')[-3000:]}"
        self.read()
        return self.rows

    def read(self) -> None:
        """The same, whether it runs or not."""
        for record in stored_since(self.directory / "results", self._seen):
            if isinstance(record, SlotRecord):
                self.rows.append(record)
            else:
                self.events.append(record)

    def measured(self, since_s: float, carrier: str | None = None) -> list[SlotRecord]:
        """Rows that were measured of slots that began at or after `since_s` (Unix time)."""
        return [
            row
            for row in self.look()
            if row.started_at is not None
            and row.state == "measured"
            and epoch_s(row.started_at) >= since_s
            and (carrier is None or row.vantage_point == NAME[carrier])
        ]

    def lines_told(self, since_s: float) -> list[tuple[str, str]]:
        """(event, vantage point) of what the anchors told of the lines since then."""
        self.look()
        return [
            (event.event, event.detail["vantage_point"])
            for event in self.events
            if event.event in ("vantage.offline", "vantage.online") and epoch_s(event.at) >= since_s
        ]

    def each_measured(self, since_s: float, times: int = 1) -> list[SlotRecord]:
        """Wait until every vantage point measured that often since then; these rows."""
        until(
            lambda: all(len(self.measured(since_s, carrier)) >= times for carrier in CARRIERS),
            f"{times} rows of each vantage point since {utc(since_s)}; {self.told()}",
            WITHIN_S,
        )
        return self.measured(since_s)

    def all_well(self) -> float:
        """Wait until every vantage point's newest row is ok; the moment (Unix time)."""
        since_s = time.time()

        def well() -> bool:
            rows = {row.vantage_point: row for row in self.measured(since_s)}
            return len(rows) == len(CARRIERS) and {row.outcome for row in rows.values()} == {"ok"}

        until(well, f"all vantage points are well; {self.told()}", WITHIN_S)
        return time.time()

    def told(self) -> str:
        """The last rows in words, for a test that fails."""
        return "; ".join(f"{r.vantage_point} {r.scheduled_at} {r.state} {r.summary}" for r in self.rows[-9:])

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        code = self.child.wait(30)
        self.read()
        return code


@contextmanager
def running(made: World, directory: Path, path: str = "/app.js") -> Iterator[Daemon]:
    """`cdn-probe run` until the end of the block; `path` is what it asks for."""
    config = write_config(made, directory, path=path)
    log = directory / "run.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            command(made, "run", "-c", str(config)), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield Daemon(directory, child, log)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait(30)


def utc(at_s: float) -> str:
    """As records write it."""
    return datetime.fromtimestamp(at_s, UTC).isoformat()
