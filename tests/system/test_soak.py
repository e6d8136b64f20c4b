"""Every due slot is one row: a healthy run, with the whole process stopped in the middle of it.

32 seconds by default; SOAK_S=600 STOP_S=30 is the long run that the release notes quote.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.core.model.times import epoch_s
from probe.core.records.rows import EventRecord, SlotRecord
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader
from tests.system.agent import COMMAND, write_config
from tests.system.conftest import SmallCdn

SOAK_S = float(os.environ.get("SOAK_S", "32"))
STOP_S = float(os.environ.get("STOP_S", "8"))
PERIOD_S = 10
TASKS = 200
HEARTBEAT_S = 0.5  # a slot due this close to the edges of the stop may have gone either way

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(2 * SOAK_S + 120)]


def _wall_minus_monotonic_s() -> float:
    return time.time() - time.monotonic()


def _run_and_stop(config: Path, log: Path) -> tuple[float, float]:
    """Run the daemon, freeze it in the middle, end it by SIGTERM; when it was frozen (epoch seconds).

    Counted on the monotonic clock from the start on, as the agent does: the wall clock of a guest may be set.
    """
    zero_s = _wall_minus_monotonic_s()
    with log.open("wb") as out:
        child = subprocess.Popen([*COMMAND, "run", "-c", str(config)], stderr=out, stdout=out)
        try:
            time.sleep((SOAK_S - STOP_S) / 2)
            frozen_from = zero_s + time.monotonic()
            child.send_signal(signal.SIGSTOP)
            time.sleep(STOP_S)
            child.send_signal(signal.SIGCONT)
            frozen_to = zero_s + time.monotonic()
            time.sleep((SOAK_S - STOP_S) / 2)
            child.send_signal(signal.SIGTERM)
            assert child.wait(30) == 0, log.read_text()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    return frozen_from, frozen_to


def _stalled_otherwise(rows: list[SlotRecord], frozen_from: float, frozen_to: float) -> bool:
    """Whether the agent saw a stall that was not ours."""
    stalled = [epoch_s(row.scheduled_at) for row in rows if row.missed_reason == "agent.stalled"]
    return any(not frozen_from - HEARTBEAT_S <= at <= frozen_to + HEARTBEAT_S for at in stalled)


def test_every_due_slot_is_one_row_and_the_stop_is_missed_exactly(
    small_cdn: SmallCdn, tmp_path: Path
) -> None:
    paths = [f"/small.txt?object={i}" for i in range(TASKS)]
    config = write_config(tmp_path, small_cdn, scheme="http", paths=paths, interval=f"{PERIOD_S}s")
    tasks = make_plan(load_config(config, CHECKS)).tasks
    assert len(tasks) == TASKS
    for _ in range(2):
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        before_s = _wall_minus_monotonic_s()
        frozen_from, frozen_to = _run_and_stop(config, tmp_path / "log")
        set_by_s = abs(_wall_minus_monotonic_s() - before_s)
        with Reader.open(tmp_path / "results") as reader:
            records = list(reader.follow({}))
        events = {r.event: epoch_s(r.at) for r in records if isinstance(r, EventRecord)}
        rows = [r for r in records if isinstance(r, SlotRecord)]
        if set_by_s < 0.1 and not _stalled_otherwise(rows, frozen_from, frozen_to):
            break  # else the machine's clock was set or it stood still by itself: one more, quiet try
    began, ended = events["agent.started"], events["agent.stopped"]

    found = sorted((row.task, round(epoch_s(row.scheduled_at) * 1e6)) for row in rows)
    assert len(found) == len(set(found)), "a slot has two rows"
    first = {task.id: min(t for name, t in found if name == task.id) for task in tasks}
    due = sorted(
        (task.id, time_us)
        for task in tasks
        for time_us in range(
            first[task.id], max(t for n, t in found if n == task.id) + 1, PERIOD_S * 1_000_000
        )
    )
    assert found == due, "a due slot has no row"
    for task in tasks:
        assert first[task.id] / 1e6 - began < PERIOD_S + 1
        last = max(t for name, t in found if name == task.id) / 1e6
        assert ended - last < PERIOD_S + 1

    missed = [row for row in rows if row.state != "measured"]
    for row in rows:
        at = epoch_s(row.scheduled_at)
        if row.missed_reason == "agent.stopped" and (at > ended - 2 or at < began + 2):
            continue  # due in the very moment of SIGTERM, or while the agent was starting
        assert row.missed_reason in (None, "agent.stalled")
        if frozen_from + HEARTBEAT_S < at < frozen_to - HEARTBEAT_S:
            assert row.state == "missed", f"{row.scheduled_at} was due in the stop"
        elif not frozen_from - HEARTBEAT_S <= at <= frozen_to + HEARTBEAT_S:
            assert row.state == "measured", f"{row.scheduled_at} was not due in the stop"
    accused = [row.summary for row in rows if row.fault == "cdn"]
    assert accused == [], "a healthy CDN was accused"
    print(f"due {len(due)} = measured {len(rows) - len(missed)} + missed {len(missed)}")
