"""The scheduler in a process of its own, on the real clocks, that is stopped and continued."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
S = 1_000_000

CHILD = """
import asyncio, json, sys
from probe.host.clock import SystemClock
from probe.schedule.scheduler import Scheduler
from tests.support.build import task

tasks = [task(id=f"t{i}", period_us=1_000_000, phase_us=i * 50_000 + 20_000) for i in range(20)]

def say(*words):
    print(json.dumps(words), flush=True)

async def measure(task, due):
    await asyncio.sleep(0.005)
    say("ran", task.id, due.scheduled_us, due.lateness_us)

async def main():
    clock = SystemClock()
    scheduler = Scheduler(
        tasks, clock=clock, on_slot=measure, on_missed=lambda t, d, r: say("missed", t.id, d.scheduled_us, r))
    await scheduler.start()
    say("from", clock.time_ns() // 1000)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    say("until", clock.time_ns() // 1000)
    await scheduler.stop(2)
    say("due", scheduler.tally.due)

asyncio.run(main())
"""


def test_a_stopped_process_misses_exactly_what_was_due_in_it() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    lines = []
    try:
        for _ in range(20):
            lines.append(child.stdout.readline())
        stopped_us = time.time_ns() // 1000
        child.send_signal(signal.SIGSTOP)
        time.sleep(3)
        continued_us = time.time_ns() // 1000
        child.send_signal(signal.SIGCONT)
        for _ in range(90):
            lines.append(child.stdout.readline())
        rest, _ = child.communicate("\n", timeout=20)
    finally:
        child.kill()
        child.wait()
    said = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    ran = {(name, time_us) for word, name, time_us, *_ in (s for s in said if s[0] == "ran")}
    missed = {(s[1], s[2]): s[3] for s in said if s[0] == "missed"}
    begin, end = (next(s[1] for s in said if s[0] == word) for word in ("from", "until"))
    due = {
        (f"t{i}", time_us)
        for i in range(20)
        for time_us in range(begin - begin % S + i * 50_000 + 20_000, end, S)
        if time_us > begin
    }
    told = [tuple(s[1:3]) for s in said if s[0] in ("ran", "missed")]
    assert len(told) == len(set(told)), "each once"
    assert due <= set(told), "none vanishes"
    assert len(told) == next(s[1] for s in said if s[0] == "due")
    assert ran.isdisjoint(missed)
    # In the stop, but for what was due in the last heartbeat before waking; some ms for the signals' delivery.
    surely = {key for key in due if stopped_us + 20_000 < key[1] < continued_us - 260_000}
    perhaps = {key for key in due if stopped_us - 260_000 <= key[1] <= continued_us}
    assert surely <= missed.keys() <= perhaps
    assert set(missed.values()) == {"agent.stalled"}
    assert len(surely) >= 50
