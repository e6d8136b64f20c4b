"""Runs the command line and sends itself SIGINT at a place that is counted, not timed.

`python -m tests.support.interrupting WHAT N ARGUMENTS...`: at the N-th import (`import`) or Python call (`call`) after
`probe.__main__` began; N 0 never, and then the last line on standard error is how many there were. This module loads
nothing that the command line would have to load itself.
"""

import os
import sys


class _Counting:
    """As a finder of modules it finds none; as a profile function it sees calls."""

    def __init__(self, at: int) -> None:
        self.at, self.count, self.begun = at, 0, False

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), 2)

    def find_spec(self, name: str, *_: object) -> None:
        if self.begun:
            self.step()
        self.begun = self.begun or name == "probe.__main__"

    def call(self, frame: object, event: str, _: object) -> None:
        if event == "call" and self.begun:  # the first is entering `main`, before its first line
            self.step()
        self.begun = self.begun or event == "call"


def main() -> None:
    what, at, *arguments = sys.argv[1:]
    counting = _Counting(int(at))
    sys.argv = ["cdn-probe", *arguments]
    if what == "import":
        sys.meta_path.insert(0, counting)  # type: ignore[arg-type]
    from probe.__main__ import main as command_line

    if what == "call":
        counting.begun = False
        sys.setprofile(counting.call)
    try:
        command_line()
    finally:
        sys.setprofile(None)
        if not counting.at:
            sys.stderr.write(f"\n{counting.count}")


if __name__ == "__main__":
    main()
