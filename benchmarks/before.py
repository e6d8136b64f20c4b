"""What HTTP/1.1 costs now against an earlier commit: processor time of slots without a store, in turns.

`python -m benchmarks.before COMMIT [ROUNDS]` prints a row for each scheme. Each side is a process that imports its own
tree; both ask the same server, and each round times both, the one that begins changing from round to round. The commit
before HTTP/2 came is d51abab.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

SLOTS, ROUNDS = 150, 15
SIZES = (10_000, 1_000_000)
HERE = Path(__file__).resolve().parents[1]
Client = subprocess.Popen[str]


def client() -> None:
    """The process of one side: for each line of its input, SCHEME SIZE SLOTS, the nanoseconds of processor time."""
    ports = SimpleNamespace(**json.loads(sys.argv[2]))
    ports.of = lambda scheme, protocol="h1": ports.https if scheme == "https" else ports.http
    asyncio.run(_answer(ports))


async def _answer(ports: SimpleNamespace) -> None:
    from benchmarks import slots
    from probe.checks import CHECKS
    from probe.fetch.fetcher import HttpFetcher
    from probe.host.clock import SystemClock, rfc3339
    from probe.host.gc import settle
    from probe.host.loop_lag import LoopLag
    from probe.measure.oneshot import host_probe
    from probe.measure.pipeline import Pipeline
    from probe.resolver.resolver import Resolver
    from probe.settings.secrets import reveal

    clock = SystemClock()
    fetcher = HttpFetcher(clock, reveal, slots.LOOPBACK)
    pipeline = Pipeline(
        kinds=CHECKS,
        resolver=Resolver(clock, slots.LOOPBACK),
        fetcher=fetcher,
        clock=clock,
        host=host_probe("bench", "", LoopLag(clock)),
    )
    more = () if slots._task.__code__.co_argcount == 3 else ("h1",)
    for line in sys.stdin:
        scheme, size, count = line.split()
        task = slots._task(cast(Any, ports), scheme, int(size), *more)
        settle()
        began = time.process_time_ns()
        for _ in range(int(count)):
            row = await pipeline.measure(task, rfc3339(clock.time_ns()))
            if row.outcome != "ok":
                raise SystemExit(row.summary)
        print((time.process_time_ns() - began) // int(count), flush=True)
    await fetcher.close()


@contextmanager
def side(tree: Path, ports: str) -> Iterator[Client]:
    """A client of this tree, until the block ends."""
    command = [sys.executable, str(HERE / "benchmarks/before.py"), "--client", ports]
    # In a directory of its own: what is imported is the tree's, and not what stands beside this file.
    bootstrap = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    with (
        subprocess.Popen(  # noqa: S603 - our own program, no foreign words
            [sys.executable, "-c", bootstrap, *command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tree,
        ) as child
    ):
        yield child
        assert child.stdin is not None
        child.stdin.close()


class Slots:
    """Slots of one scheme and size in a client, as `benchmarks.earlier` compares them."""

    def __init__(self, child: Client, scheme: str, size: int) -> None:
        self._child, self._scheme, self._size = child, scheme, size

    def us_a_slot(self, slots: int) -> float:
        """Of processor time."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{self._scheme} {self._size} {slots}\n")
        self._child.stdin.flush()
        return int(self._child.stdout.readline()) / 1000


def main(commit: str, rounds: int) -> None:
    """Both sides in turns; a row for each scheme and size."""
    from benchmarks.peer_process import serving
    from tests.support.history import taken

    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="before-")))
        tree = taken(commit, directory / "tree")
        ports = stack.enter_context(serving(directory, SIZES))
        told = json.dumps({"http": ports.http, "https": ports.https, "dns": ports.dns, "ca": str(ports.ca)})
        now, before = (stack.enter_context(side(place, told)) for place in (HERE, tree))
        for scheme in ("http", "https"):
            for size in SIZES:
                _row(now, before, scheme, size, rounds)


def _row(now: Client, before: Client, scheme: str, size: int, rounds: int) -> None:
    from benchmarks.earlier import compared

    count = SLOTS if size == min(SIZES) else SLOTS // 5
    ours, theirs = Slots(now, scheme, size), Slots(before, scheme, size)
    for side_of in (ours, theirs):
        side_of.us_a_slot(count)  # warms it up
    found = compared(ours, theirs, count, rounds)
    print(
        f"{scheme:5} {size:8} bytes  now {found['now_us']:7} us  before {found['then_us']:7} us "
        f" ratio {found['ratio']:.3f} ({found['least']:.2f} to {found['most']:.2f})",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client()
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
