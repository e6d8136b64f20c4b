"""Rule: a test of a deadline counts the time that its loop was asked to wait, not that in which a machine was busy."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any


class Awake:
    """`async with Awake() as awake`: `awake.seconds` is how long the loop has waited for nothing since it was entered.

    Each wait that brought nothing but its end counts as long as it was asked for, however late the machine came back
    from it. So code that keeps a deadline comes to the deadline at most, on any machine. What works without waiting is
    not seen: where it would never end, the test's time-out ends it.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._selector: Any = None

    async def __aenter__(self) -> Awake:
        self._selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        select = self._selector.select

        def waiting(timeout: float | None = None) -> Any:
            came = select(timeout)
            if not came and timeout is not None:
                self.seconds += max(0.0, timeout)
            return came

        self._selector.select = waiting
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._selector.select
