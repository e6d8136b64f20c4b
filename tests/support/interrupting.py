"""Runs the command line and sends its process group SIGINT, as Ctrl-C does, at a place that is counted, not timed.

`python -m tests.support.interrupting WHAT N ARGUMENTS...`: at the N-th import (`import`), or the N-th call or return of
a function in Python or C in the main thread, from the first line of `probe.__main__` on (`event`) or once the command
is loaded and takes SIGINT itself (`body`). A line `sent` on standard error says that it came so far. Where it did not,
as with N 0, the last line says how many there were. This module loads nothing that the command line would have to load.
"""

import os
import sys

SENT = "sent"


class _Counting:
    """As a finder of modules it finds none; as a profile function it sees events."""

    def __init__(self, at: int) -> None:
        self.at, self.count, self.begun = at, 0, False

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.write(2, f"\n{SENT}\n".encode())
            os.kill(0, 2)

    def find_spec(self, name: str, *_: object) -> None:
        if self.begun:
            self.step()
        self.begun = self.begun or name == "probe.__main__"

    def event(self, frame: object, event: str, _: object) -> None:
        if self.begun:  # the first is entering `main`, before its first line
            self.step()
        self.begun = self.begun or event == "call"


def _once_loaded(counting: _Counting) -> None:
    """Count from when SIGINT is given back to Python: `probe.cli.loading` does that once its modules are there."""
    import signal

    set_handler = signal.signal

    def giving(number: int, handler: object) -> object:
        before = set_handler(number, handler)  # type: ignore[arg-type]
        if callable(handler):
            sys.setprofile(counting.event)
        return before

    signal.signal = giving  # type: ignore[assignment]


def _as_at_a_terminal() -> None:
    """SIGINT has its default action: what runs in the background of a shell, as a whole test run may, ignores it."""
    import _signal

    if _signal.getsignal(_signal.SIGINT) is _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def main() -> None:
    _as_at_a_terminal()
    what, at, *arguments = sys.argv[1:]
    counting = _Counting(int(at))
    sys.argv = ["cdn-probe", *arguments]
    sys.modules[
        "__main__"
    ].__package__ = None  # click: not `python -m`, but a program of the name in sys.argv
    if what == "import":
        sys.meta_path.insert(0, counting)  # type: ignore[arg-type]
    from probe.__main__ import main as command_line

    counting.begun = what == "import" and counting.begun
    if what == "event":
        sys.setprofile(counting.event)
    elif what == "body":
        _once_loaded(counting)
    try:
        command_line()
    finally:
        sys.setprofile(None)
        if counting.at == 0 or counting.count < counting.at:
            sys.stderr.write(f"\n{counting.count}")


if __name__ == "__main__":
    main()
