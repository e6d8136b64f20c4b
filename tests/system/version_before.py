"""Version 0.1.0 in a booted machine: its package, built from its commit; its agent measures and is pulled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.history import NotInHistoryError, taken
from tests.support.packaged import CHECKOUT, built
from tests.support.with_parent import WITH_PARENT
from tests.system.booted import Machine
from tests.system.public_cdn import DOMAIN, HERE, ORIGIN

COMMIT = "4ddf4b8"  # as tests/fixtures/v0.1/README.md says
OBJECTS = 8
PERIOD_S = 2
AGENT = f"""\
agent: mon-01
results: /var/lib/cdn-probe
customers: customers/
vantage_points: [{{name: local}}]
allow_addresses: [198.51.100.0/24]
segments: {{every: 1m}}
api:
  listen: {HERE}:8640
  tls: {{certificate: tls/api.pem, key: tls/api.key}}
  tokens:
"""
CUSTOMER = f"""\
customer: acme
defaults: {{interval: {PERIOD_S}s, timeout: 2s}}
domains:
  - domain: {DOMAIN}
    scheme: https
    cdn: {{suffixes: [cdn.example.net]}}
    origin: {{address: {ORIGIN}, scheme: https, host: {DOMAIN}}}
    edges: all
    objects:
"""
CHECKS = "{availability: {status: [200]}, integrity: {mode: exact}}"


def package(directory: Path) -> Path:
    """Its Debian package, by its own scripts, in `directory`. Skips where the history does not go back so far."""
    try:
        tree = taken(COMMIT, directory / "tree")
    except NotInHistoryError as error:
        if os.environ.get("REQUIRE_SYSTEM") == "1":
            pytest.fail(f"the history has no {COMMIT}: {error}")
        pytest.skip(f"the history has no {COMMIT}")
    return built(tree, directory)


def configure(machine: Machine) -> str:
    """Its files, for eight objects on two edges every two seconds; gives the token of its reader."""
    made = machine.run("cdn-probe", "token", "evaluator", "--customer", "acme")
    (token,) = [line for line in made.splitlines() if line.startswith("cdnp_")]
    machine.run("install", "-d", "-m", "750", "-g", "cdn-probe", "/etc/cdn-probe/tls")
    machine.run("install", "-m", "644", "/srv/cert.pem", "/etc/cdn-probe/tls/api.pem")
    machine.run("install", "-m", "640", "-g", "cdn-probe", "/srv/key.pem", "/etc/cdn-probe/tls/api.key")
    machine.write("/etc/cdn-probe/agent.yaml", AGENT + made[made.index("    - name:") :])
    objects = "".join(
        f"      - {{path: '/app.js?{number}', checks: {CHECKS}}}\n" for number in range(OBJECTS)
    )
    machine.write("/etc/cdn-probe/customers/acme.yaml", CUSTOMER + objects)
    return token


@contextmanager
def pulled(machine: Machine, directory: Path, token: str) -> Iterator[Path]:
    """A copy that is pulled meanwhile, by this checkout, from the evaluator's place; ended in order."""
    (directory / "token").write_text(token)
    (directory / "token").chmod(0o600)
    root = machine.root
    (directory / "ca.pem").write_bytes((root / "usr/local/share/ca-certificates/machine.crt").read_bytes())
    place = ["nsenter", f"--net={root}/run/netns/evaluator", "--"]
    words = (
        "pull",
        "--from",
        f"https://{HERE}:8640",
        "--into",
        "copy",
        "--token-file",
        "token",
        "--ca",
        "ca.pem",
    )
    command = (sys.executable, "-m", "probe", *words, "--key", "kept.pub", "--ack", "--follow")
    with (directory / "pull.log").open("wb") as log:
        child = subprocess.Popen(
            [*WITH_PARENT, *place, *command],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield directory / "copy"
        finally:
            child.terminate()
            child.wait(30)


def problems(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What a seam must not show: a number that is not there, a due time twice or not at all."""
    found = [
        f"number {seq} is not there" for seq in set(range(1, len(rows) + 1)) - {row["seq"] for row in rows}
    ]
    times: dict[str, Counter[datetime]] = defaultdict(Counter)
    for row in rows:
        if row["kind"] == "slot" and not row.get("due_again"):
            times[row["task"]][datetime.fromisoformat(row["scheduled_at"])] += 1
    if len(times) != OBJECTS:
        found.append(f"{len(times)} tasks in place of {OBJECTS}")
    for task, due in times.items():
        found += [f"{task}: {at} has {count} first rows" for at, count in due.items() if count > 1]
        found += [
            f"{task}: nothing between {one} and {other}"
            for one, other in pairwise(sorted(due))
            if (other - one).total_seconds() != PERIOD_S
        ]
    return found
