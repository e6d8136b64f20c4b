"""Rule: that something is cheap is shown by how much it does, never by how long it takes: a machine of tests is busy.

`counted` counts the calls (of Python and of C) and the lines of Python that were run: the same number on each run, for
code that asks no clock and remembers nothing from one run to the next. One call of C counts as one, however long it
takes: a pattern that goes back and forth, a text that is built anew for each character. That is held by the time-out of
each test (pytest-timeout, 120 s): give it so much that the square of it does not come to an end.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


def counted(do: Callable[[], T]) -> tuple[T, int]:
    """What it returns, and how many calls and lines that took in this thread.

    Who looked on before (coverage, a debugger) does so again afterwards. Garbage is not collected meanwhile: what it
    ends would count, now in this run and now in that.
    """
    done = 0

    def called(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal done
        done += event in ("call", "c_call")

    def ran(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal done
        done += event == "line"
        return ran

    traced, profiled, collects = sys.gettrace(), sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.settrace(ran)
    sys.setprofile(called)
    try:
        result = do()
    finally:
        sys.setprofile(profiled)
        sys.settrace(traced)
        if collects:
            gc.enable()
    return result, done


def linear(do: Callable[[], T], size: int, *, each: float, once: int = 1000) -> T:
    """What it returns. It may take `each` calls and lines for each of `size` (characters, rows), and `once` beside."""
    result, done = counted(do)
    assert done <= each * size + once, f"{done} calls and lines for {size}: {done / max(1, size):.2f} each"
    return result
