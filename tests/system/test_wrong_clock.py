"""The command as it is started on a host whose clock is 400 days ahead (libfaketime): nobody is accused."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from probe.lab.assessment import accuses
from probe.lab.lab import Lab
from tests.agent.test_wrong_clock import only_https
from tests.support.agent_process import slots
from tests.support.with_parent import WITH_PARENT
from tests.system.programs import need

ROWS = 168  # so many accused the CDN before


async def test_an_agent_started_at_400_days_accuses_nobody(lab: Lab, tmp_path: Path) -> None:
    need("faketime")
    config = only_https(lab.write_config(tmp_path, interval="1s"))
    # The wrapper waits beside its command, and a signal ends it alone: so each of the two ends with who started it.
    faketime = (*WITH_PARENT, "faketime", "-f", "+400d", *WITH_PARENT)
    arguments = (*faketime, sys.executable, "-m", "probe", "run", "-c", str(config))
    env = {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    agent = await asyncio.create_subprocess_exec(
        *arguments, env=env, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    https = []
    try:
        async with asyncio.timeout(100):
            while len(https) < ROWS:
                assert agent.returncode is None
                await asyncio.sleep(0.5)
                if (tmp_path / "results").exists():
                    rows = await asyncio.to_thread(slots, tmp_path / "results")
                    https = [row for row in rows if row.state == "measured"]
    finally:
        if agent.returncode is None:
            agent.send_signal(signal.SIGTERM)
        await asyncio.wait_for(agent.wait(), 60)
    assert [row.summary for row in slots(tmp_path / "results") if accuses(row)] == []
    assert Counter(row.reason for row in https)["agent.clock_wrong"] >= 0.9 * ROWS
    assert {row.outcome for row in https} == {"inconclusive"}
