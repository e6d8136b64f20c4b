"""Rule: an earlier version is its own code, as it was committed; only the libraries are today's."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.support.agent_process import Ended

FIRST, BEFORE_PACKED = "4ddf4b8", "dbd2f30"
"""Version 0.1.0; the last one before copies and stored lines were packed."""
WITHIN_S = 120.0


async def typed(version: Path, *arguments: str | Path, token: str = "") -> Ended:
    """`cdn-probe ...` of that version, to its end."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "probe", *map(str, arguments)),
        cwd=version,
        env={**os.environ, "CDN_PROBE_TOKEN": token, "COLUMNS": "200"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), WITHIN_S)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode is not None
    return Ended(code=child.returncode, out=out.decode(), err=err.decode())
