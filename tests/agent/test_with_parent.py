"""An agent that a test started does not outlive the test's process, even where that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from probe.lab.lab import Lab
from tests.support.agent_process import until, until_measuring

STARTS = """
import asyncio, sys
from tests.support.agent_process import start

async def main():
    agent = await start("run", "-c", sys.argv[1])
    print(agent.pid, flush=True)
    await agent.wait()

asyncio.run(main())
"""


def running(pid: int) -> bool:
    """Not gone, and not only waiting to be waited for (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_an_agent_ends_with_the_killed_test_that_started_it(lab: Lab, tmp_path: Path) -> None:
    config = lab.write_config(tmp_path)
    test = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTS, str(config)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    agent = 0
    try:
        assert test.stdout is not None
        agent = int(await test.stdout.readline())
        await until_measuring(tmp_path / "results")
        assert running(agent)
    finally:
        test.kill()
        await test.wait()
    try:

        async def gone() -> bool:
            return not running(agent)

        await until(gone)
        agent = 0
    finally:
        if agent:
            os.kill(agent, signal.SIGKILL)
