"""Rule: a whole agent runs in a process of its own, so that nothing of ours is counted as its work."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


async def told_by(module: str, agent_yaml: Path, seconds: float, what: type[T]) -> T:
    """What `python -m MODULE AGENT_YAML SECONDS` prints as its last line. Raises RuntimeError with its words."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(agent_yaml), str(seconds)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    out, err = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"the agent of {agent_yaml} failed: {err.decode(errors='replace')[-800:]}")
    return msgspec.json.decode(out.splitlines()[-1], type=what)


def resident_mb(process: int | str = "self") -> float:
    """Memory of a process in 10^6 bytes (proc(5): VmRSS, of 1024 bytes)."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(text.split("VmRSS:")[1].split()[0]) * 1024 / 1e6
