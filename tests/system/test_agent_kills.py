"""The agent is killed again and again while an evaluator pulls: the copy is the store, and every slot is on record."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.core.records.rows import SlotRecord
from probe.core.scheduling.grid import due_between, to_us
from probe.core.text.tokens import hash_token, make_token
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader
from tests.system.agent import COMMAND, write_config
from tests.system.conftest import SmallCdn

KILLS = int(os.environ.get("AGENT_KILLS", "4"))
TASKS = 20
SMALL_PART = "1MiB"

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(300 + 75 * KILLS)]


@contextmanager
def running(arguments: list[str], log: Path, token: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A command in a group of its own, which is ended whole."""
    environment = {**os.environ, "CDN_PROBE_TOKEN": token}
    with log.open("ab") as out:
        child = subprocess.Popen(
            [*COMMAND, *arguments], stdout=out, stderr=out, env=environment, start_new_session=True
        )
        try:
            yield child
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def configured(directory: Path, cdn: SmallCdn, token: str) -> tuple[Path, int]:
    """agent.yaml with an API on a free port, and small parts."""
    file = write_config(
        directory, cdn, scheme="http", paths=[f"/small.txt?object={i}" for i in range(TASKS)], interval="1s"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    agent = yaml.safe_load(file.read_text())
    agent["api"] = {
        "listen": f"127.0.0.1:{port}",
        "requests_per_minute": 100_000,
        "tokens": [{"name": "evaluator", "hash": hash_token(token), "customers": ["acme"]}],
    }
    agent["keep"] = {"part_size": SMALL_PART}
    agent["segments"] = {"every": "2s"}
    file.write_text(yaml.safe_dump(agent, sort_keys=False))
    return file, port


def lines_of(results: Path) -> list[str]:
    found: list[str] = []
    with Reader.open(results) as reader:
        while lines := reader.lines("acme", len(found), 1000):
            found += [line.text for line in lines]
    return found


def stored(results: Path) -> int:
    """How far the stream goes by now."""
    try:
        with Reader.open(results) as reader:
            return reader.head("acme").seq
    except OSError:
        return 0


def test_the_copy_is_the_store_and_the_outages_are_missed_slots(small_cdn: SmallCdn, tmp_path: Path) -> None:
    token = make_token(os.urandom(32))
    file, port = configured(tmp_path, small_cdn, token)
    results, copy, log = tmp_path / "results", tmp_path / "copy", tmp_path / "log"
    moments = random.Random(os.getpid())
    pulling = ["pull", "--from", f"http://127.0.0.1:{port}", "--into", str(copy), "--customer", "acme"]
    with running([*pulling, "--follow"], tmp_path / "pull.log", token):
        for _ in range(KILLS):
            with running(["run", "-c", str(file)], log) as agent:
                _until_two_rounds_more(results)
                time.sleep(moments.uniform(0, 1.0))
                assert agent.poll() is None, log.read_text()[-3000:]
    with running(["run", "-c", str(file)], log) as agent:
        _until_two_rounds_more(results)
        environment = {**os.environ, "CDN_PROBE_TOKEN": token}
        again = subprocess.run(
            [*COMMAND, *pulling], env=environment, capture_output=True, text=True, timeout=60
        )
        assert again.returncode == 0, again.stdout + again.stderr
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(60) == 0, log.read_text()[-3000:]
    lines = lines_of(results)
    rows = [json.loads(line) for line in lines]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "no gap, nothing twice"
    pulled = [
        line for part in sorted((copy / "system-test" / "acme").glob("*.ndjson")) if part.name[0].isdigit()
        for line in part.read_text().splitlines()
    ]  # fmt: skip
    assert len(pulled) > len(lines) // 2
    assert pulled == lines[: len(pulled)], "the copy is what was stored"
    _every_slot_is_on_record(file, results)
    for what in (["results", "-c", str(file), "verify"], ["results", "verify", str(copy)]):
        made = subprocess.run([*COMMAND, *what], capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stdout + made.stderr


def _until_two_rounds_more(results: Path) -> None:
    before, give_up = stored(results), time.monotonic() + 60
    while stored(results) < before + 2 * TASKS and time.monotonic() < give_up:
        time.sleep(0.1)


def _every_slot_is_on_record(file: Path, results: Path) -> None:
    """From a task's first row to its last: each due time once, measured or missed for a reason."""
    plan = make_plan(load_config(file, CHECKS))
    crashed = 0
    with Reader.open(results) as reader:
        slots = [row for row in reader.follow({}) if isinstance(row, SlotRecord)]
    for task in plan.tasks:
        own = [row for row in slots if row.task == task.id]
        times = sorted(to_us(row.scheduled_at) for row in own)
        assert times == list(due_between(task.period_us, task.phase_us, times[0] - 1, times[-1]))
        assert {row.fault for row in own} <= {None}
        reasons = {row.missed_reason for row in own if row.state != "measured"}
        assert reasons <= {
            "agent.crashed",
            "agent.stopped",
            "agent.stalled",
            "agent.overlap",
            "agent.overloaded",
            "agent.aborted",
        }
        crashed += sum(row.missed_reason == "agent.crashed" for row in own)
    assert crashed >= KILLS, "each outage was told"
