"""What the user wrote: agent.yaml and a customer's file of one scenario, and the commands that measure with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from probe.core.records.codec import encode_any
from tests.support.stored import stored_since
from tests.support.with_parent import WITH_PARENT
from tests.truth.internet import ANCHORS, ORIGIN, PREFIX, RESOLVER
from tests.truth.lab import Lab

CHECKOUT = Path(__file__).parents[2]
ONCE_WITHIN_S = 90.0
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One customer's domain and how it is measured. Mappings are merged over what would be written else.

    `lines`: vantage points; `two` is another line. `command`: what stands before the agent's command.
    """

    domain: str = "www.acme.example"
    scheme: str = "http"
    files: Sequence[str] = ("app.js",)
    objects: int = 1  # of each file, under as many paths
    origin: Mapping[str, Any] | None = field(default_factory=dict)
    checks: Mapping[str, Any] | None = None
    lines: Sequence[str] = ("one",)
    vantage: Mapping[str, Any] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)  # of the domain
    interval: str = "60s"
    timeout: str = "4s"
    connect_timeout: str = "2500ms"
    command: Sequence[str] = ()
    path: str | None = None

    def write(self, lab: Lab, directory: Path, name: str) -> Path:
        """Both files; the path of agent.yaml."""
        (directory / "customers").mkdir(parents=True, exist_ok=True)
        customer = {
            "customer": "acme",
            "defaults": {
                "interval": self.interval,
                "timeout": self.timeout,
                "connect_timeout": self.connect_timeout,
            },
            "domains": [self._domain(lab, name)],
        }
        (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
        agent = {
            "agent": "truth",
            "results": "results",
            "customers": "customers/",
            "vantage_points": [self._vantage_point(lab, line) for line in self.lines],
            "allow_addresses": [PREFIX, "fd94::/16"],
            **self.agent,
        }
        (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
        return directory / "agent.yaml"

    def _domain(self, lab: Lab, name: str) -> dict[str, Any]:
        made: dict[str, Any] = {
            "domain": self.domain,
            "scheme": self.scheme,
            "cdn": {"suffixes": ["cdn.test"]},
        }
        if self.scheme == "https":
            made["tls"] = {"ca": f"file:{lab.ca_file}"}
        if self.origin is not None:
            made["origin"] = {"address": ORIGIN, "scheme": "http", **self.origin}
        checks = {} if self.checks is None else {"checks": dict(self.checks)}
        paths = [f"/s/{name}{n or ''}/{file}" for n in range(self.objects) for file in self.files]
        made["objects"] = [{"path": path, **checks} for path in ([self.path] if self.path else paths)]
        return {**made, **self.keys}

    def _vantage_point(self, lab: Lab, line: str) -> dict[str, Any]:
        own = {} if line == "one" else {"netns": lab.net.ns(line)}
        return {
            "name": line,
            "resolvers": [f"udp://{RESOLVER}"],
            "anchors": [f"http://{address}/" for address in ANCHORS],
            "anchor_interval": "2s",
            **own,
            **self.vantage,
        }


def _command(lab: Lab, setup: Setup, *arguments: str) -> list[str]:
    return [
        *lab.net.inside("one"),
        *WITH_PARENT,
        *setup.command,
        *WITH_PARENT,
        sys.executable,
        "-m",
        "probe",
        *arguments,
    ]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command gave: its rows, and how it ended."""

    rows: list[Row]
    exit_code: int
    stderr: str


def once(lab: Lab, setup: Setup, directory: Path, name: str) -> Measured:
    """`cdn-probe once --json` with this configuration."""
    config = setup.write(lab, directory, name)
    done = subprocess.run(
        _command(lab, setup, "once", "-c", str(config), "--json"),
        capture_output=True, text=True, timeout=ONCE_WITHIN_S, check=False, cwd=CHECKOUT, env=_environment(),
    )  # fmt: skip
    (directory / "once.ndjson").write_text(done.stdout)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return Measured(rows, done.returncode, done.stderr)


def _environment() -> dict[str, str]:
    return {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


@dataclass(slots=True)
class Daemon:
    """`cdn-probe run` beside the scenario; `rows` are all that it stored so far, in that order."""

    directory: Path
    child: subprocess.Popen[bytes]
    log: Path
    rows: list[Row] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)

    def look(self) -> list[Row]:
        """Read what was stored meanwhile."""
        assert self.child.poll() is None, f"the agent ended: {self.log.read_text(errors='replace')[-2000:]}"
        self._read()
        return self.rows

    def _read(self) -> None:
        for record in stored_since(self.directory / "results", self._seen):
            row = json.loads(encode_any(record))
            if row["kind"] == "slot":
                self.rows.append(row)


@contextmanager
def running(lab: Lab, setup: Setup, directory: Path, name: str) -> Iterator[Daemon]:
    """The agent as a service would run it, until the end of the block."""
    config = setup.write(lab, directory, name)
    log = directory / "run.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            _command(lab, setup, "run", "-c", str(config)),
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=CHECKOUT, env=_environment(),
        )  # fmt: skip
    try:
        yield Daemon(directory, child, log)
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(20)
