"""Ctrl-C while a command is loaded ends the process at once; from then on it is Python's KeyboardInterrupt.

While modules are imported there is nothing to clean up, and an exception there would be shown as a traceback, or be
swallowed by whichever library it fell into. So `probe.__main__` gives SIGINT back to the kernel first of all, a
command takes it back when its modules are there, and the end gives it to the kernel again.

That it came is kept: libraries with a compiled core make other errors of a KeyboardInterrupt that falls into a function
of ours which they call. Pydantic tells one that falls into its checks as a value that is wrong.
"""

from __future__ import annotations

import _thread
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.01
_came = False


def was_interrupted() -> bool:
    """Whether SIGINT came since the command was loaded, whatever became of the KeyboardInterrupt."""
    return _came


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handler of SIGINT: as Python's own, and `was_interrupted` is true from now on."""
    global _came  # one process, one command
    _came = True
    signal.default_int_handler(number, frame)


def end_at_once() -> None:
    """From now on SIGINT ends the process without a word, where Python would raise; ignored stays ignored."""
    if signal.getsignal(signal.SIGINT) in {signal.default_int_handler, interrupt}:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def loading() -> Iterator[None]:
    """Around the imports of a command: after them SIGINT is KeyboardInterrupt, so that what it began is ended well."""
    yield
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        sys.unraisablehook = _again
        signal.signal(signal.SIGINT, interrupt)


def _again(what: UnraisableHookArgs) -> None:
    """A KeyboardInterrupt that fell where nothing can be raised (a finaliser) is raised once more, not printed.

    From a thread and a moment later: raised at once it would fall into this very function.
    """
    if what.exc_type is KeyboardInterrupt:
        _thread.start_new_thread(_signal_soon, ())
    else:
        sys.__unraisablehook__(what)


def _signal_soon() -> None:
    time.sleep(AGAIN_S)
    signal.raise_signal(signal.SIGINT)  # taken by the main thread
