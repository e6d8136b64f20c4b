"""Runs inside the booted machine, by the package's own interpreter: a CDN on its loopback, and an agent.yaml for it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from probe.lab.lab import Lab


async def main(directory: Path, results: str, interval: str) -> None:
    """Serve until killed; `directory` is complete once `lab-is-up` is in it."""
    async with Lab() as lab:
        await lab.warm()
        lab.write_config(directory, interval=interval, results=results)
        (directory / "lab-is-up").touch()
        await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
