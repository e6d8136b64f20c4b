"""Rule: pulling costs the agent next to nothing: concurrent readers share one query, and no answer is remembered too.

The control socket in the results directory (`probe.control.server`). A recent answer may be used again: its
watermark was true when it was given, and since then rows can only have been added.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probe.api.request.ports import AgentView
from probe.control.client import ask_async
from probe.control.socket_place import ControlError
from probe.core.results.concerns import concerns
from probe.core.results.live_state import from_json

WITHIN_S = 1.0
METRICS_WITHIN_S = (
    4.0  # megabytes of text on a busy host, made beside measuring; who scrapes waits for ten seconds
)
KEPT_S = 0.5
SILENT_S = 2.0  # an agent that did not answer is not asked again for so long


class ControlLink:
    """Asks the agent of a results directory."""

    def __init__(self, directory: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._now = now
        self._silent_until = 0.0
        self._kept: tuple[float, AgentView] | None = None
        self._asking: asyncio.Task[AgentView | None] | None = None

    async def view(self) -> AgentView | None:
        """What the agent knows now, or knew half a second ago."""
        if self._kept is not None and self._now() - self._kept[0] <= KEPT_S:
            return self._kept[1]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._view())
        return await asyncio.shield(self._asking)

    async def metrics(self) -> str | None:
        """Its metrics."""
        answer = await self._ask("metrics", METRICS_WITHIN_S)
        text = None if answer is None else answer.get("text")
        return text if isinstance(text, str) else None

    async def _view(self) -> AgentView | None:
        answer = await self._ask("live", WITHIN_S)
        if answer is None:
            return None
        try:
            state = from_json(answer)
        except ValueError:  # an agent of another version: its answer is not used
            return None
        trouble = state.trouble or (None if state.ready else "it does not measure at this moment")
        made = AgentView(complete_up_to=dict(state.complete_up_to), trouble=trouble, concerns=concerns(state))
        self._kept = self._now(), made
        return made

    async def _ask(self, question: str, within_s: float) -> dict[str, Any] | None:
        if self._now() < self._silent_until:
            return None
        try:
            return await ask_async(self._directory, {"ask": question}, within_s)
        except ControlError:
            self._silent_until = self._now() + SILENT_S
            return None
