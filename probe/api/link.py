"""Rule: the agent is asked with a short deadline, and one that does not answer is not asked again at once.

The control socket in the results directory: one JSON line in, one out.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probe.api.ports import AgentView

SOCKET = "_control.sock"
WITHIN_S = 1.0
SILENT_S = 2.0  # how long one that did not answer is left alone
MOST_BYTES = 16 * 1024 * 1024


class ControlLink:
    """Asks the agent of a results directory."""

    def __init__(self, directory: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._path = directory / SOCKET
        self._now = now
        self._silent_until = 0.0

    async def view(self) -> AgentView | None:
        """What the agent knows now."""
        answer = await self._ask({"ask": "live"})
        if answer is None:
            return None
        complete = answer.get("complete_up_to") or {}
        return AgentView(
            complete_up_to={str(k): str(v) for k, v in complete.items() if v is not None},
            trouble=answer.get("trouble"),
        )

    async def metrics(self) -> str | None:
        """Its metrics."""
        answer = await self._ask({"ask": "metrics"})
        text = None if answer is None else answer.get("text")
        return text if isinstance(text, str) else None

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        if self._now() < self._silent_until:
            return None
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self._exchange(json.dumps(question).encode() + b"\n")
        except (OSError, TimeoutError, ValueError):
            self._silent_until = self._now() + SILENT_S
            return None

    async def _exchange(self, question: bytes) -> dict[str, Any] | None:
        reader, writer = await asyncio.open_unix_connection(str(self._path), limit=MOST_BYTES)
        try:
            writer.write(question)
            await writer.drain()
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
        return answer if isinstance(answer, dict) and "problem" not in answer else None
