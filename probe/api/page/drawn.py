"""Rule: what many look at is drawn once, and drawing takes a third of a processor at most, however many look.

A page is given again for a second, and for longer where many different ones are asked for: so long that drawing all of
them again takes a third of that time. Each says as of when it is. Who comes while it is drawn waits for the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

KEPT_S = 1.0
COST_SHARE = 3.0  # kept for so many times what all that are asked for cost
ASKED_S = 30.0  # what nobody asked for within this time is let go
MOST = 200

Draw = Callable[[], Awaitable[tuple[str, float]]]
"""The page, and the processor's time that it took in seconds."""


@dataclass(slots=True)
class _Page:
    at_s: float
    asked_s: float
    cost_s: float
    text: str


class Drawn:
    """For one event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pages: OrderedDict[Hashable, _Page] = OrderedDict()
        self._drawing: dict[Hashable, asyncio.Task[str]] = {}

    @property
    def kept_s(self) -> float:
        """How long a page is given again now."""
        return max(KEPT_S, COST_SHARE * sum(page.cost_s for page in self._pages.values()))

    def is_kept(self, key: Hashable) -> bool:
        """Whether somebody asked for it within `ASKED_S`, and it was given, or is being drawn."""
        return key in self._drawing or (
            (kept := self._pages.get(key)) is not None and self._now() - kept.asked_s <= ASKED_S
        )

    async def page(self, key: Hashable, draw: Draw) -> str:
        """What `draw` gives, or gave for this key a moment ago. Raises what it raises."""
        now_s = self._now()
        self._let_go(now_s)
        kept = self._pages.get(key)
        if kept is not None:
            kept.asked_s = now_s
            self._pages.move_to_end(key)
            if now_s - kept.at_s < self.kept_s:
                return kept.text
        drawing = self._drawing.get(key)
        if drawing is None:
            drawing = self._drawing[key] = asyncio.create_task(self._draw(key, draw))
            drawing.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(drawing)

    async def _draw(self, key: Hashable, draw: Draw) -> str:
        text, cost_s = await draw()
        now_s = self._now()
        self._pages[key] = _Page(at_s=now_s, asked_s=now_s, cost_s=cost_s, text=text)
        self._pages.move_to_end(key)
        return text

    def _done(self, key: Hashable, task: asyncio.Task[str]) -> None:
        del self._drawing[key]
        if not task.cancelled():
            task.exception()  # is told to those who wait, if anybody still does

    def _let_go(self, now_s: float) -> None:
        while self._pages:
            oldest = next(iter(self._pages.values()))
            if len(self._pages) <= MOST and now_s - oldest.asked_s <= ASKED_S:
                return
            self._pages.popitem(last=False)
