"""Ctrl-C while a command is loaded ends the process at once; from then on it is Python's KeyboardInterrupt.

While modules are imported there is nothing to clean up, and an exception there would be shown as a traceback, or be
swallowed by whichever library it fell into. So `probe.__main__` gives SIGINT back to the kernel first of all, a
command takes it back when its modules are there, and the end gives it to the kernel again.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


def end_at_once() -> None:
    """From now on SIGINT ends the process without a word, where Python would raise; ignored stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def loading() -> Iterator[None]:
    """Around the imports of a command: after them SIGINT is KeyboardInterrupt, so that what it began is ended well."""
    yield
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        sys.unraisablehook = _again
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _again(what: UnraisableHookArgs) -> None:
    """A KeyboardInterrupt that fell where nothing can be raised (a finaliser) is raised once more, not printed."""
    if what.exc_type is KeyboardInterrupt:
        signal.raise_signal(signal.SIGINT)
    else:
        sys.__unraisablehook__(what)
