"""Rule: two versions measure the same objects in turns, in one run: what slows the machine slows both.

`python -m benchmarks.earlier [COMMIT] [--rounds 5] [--slots 150]`: processor time of a whole slot of this tree beside
that of an earlier commit, by its own code (`git archive`) with today's libraries; nginx and nsd as in `versus`. Each is
a process of its own, which measures when it is told to. Medians; the ratio is formed in each round.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Protocol

from benchmarks.peer_process import Ports
from benchmarks.programs import real_servers
from benchmarks.versus import IN_FLIGHT, LABELS, SIZES
from tests.support.history import taken

ROOT = Path(__file__).parents[1]
BEFORE_PACKED = "6cb3dfc^"
_MEASURES = """
import asyncio, gc, json, sys, time
from pathlib import Path
from benchmarks.peer_process import Ports
from benchmarks.slots import our_slots
try:
    from probe.net.event_loop import run
except ImportError:  # version 0.1
    from probe.io.polls import run

async def main():
    given = json.loads(sys.argv[1])
    ports = Ports(**given["ports"] | {"ca": Path(given["ports"]["ca"])})
    place, flight = Path(given["directory"]), given["in_flight"]
    async with our_slots(ports, given["scheme"], given["size"], place, flight) as work:
        await work(2 * flight)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            gc.collect()
            began = time.process_time_ns()
            await work(int(line))
            print(time.process_time_ns() - began, flush=True)

run(main())
"""


class Version(Protocol):
    """What measures slots when it is told to."""

    def us_a_slot(self, slots: int) -> float:
        """Of processor time."""


class Side:
    """One version, ready to measure."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self._answer()

    def us_a_slot(self, slots: int) -> float:
        """Of processor time. Raises RuntimeError if it ended."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{slots}\n")
        self._child.stdin.flush()
        return int(self._answer()) / 1000 / slots

    def _answer(self) -> str:
        assert self._child.stdout is not None
        if not (line := self._child.stdout.readline()):
            raise RuntimeError("a version ended instead of measuring; its message stands above")
        return line


@contextmanager
def started(version: Path, program: str, *arguments: str) -> Iterator[Side]:
    """A version in a process of its own, which runs this text of Python and measures when it is told to."""
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(  # noqa: S603 - our own program, no foreign words
        command, cwd=version, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield Side(child)
        finally:
            assert child.stdin is not None
            child.stdin.close()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


def measuring(
    version: Path, ports: Ports, directory: Path, scheme: str, size: int, flight: int
) -> AbstractContextManager[Side]:
    """A version that measures slots."""
    told = {"http": ports.http, "https": ports.https, "dns": ports.dns, "ca": str(ports.ca)}
    given = {"ports": told, "scheme": scheme, "size": size, "directory": str(directory), "in_flight": flight}
    return started(version, _MEASURES, json.dumps(given))


def compared(now: Version, then: Version, slots: int, rounds: int) -> dict[str, float]:
    """Both in turns, the one that begins changing from round to round."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        sides = [(now, ours), (then, theirs)]
        for side, times in sides if number % 2 == 0 else reversed(sides):
            times.append(side.us_a_slot(slots))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "now_us": round(median(ours)),
        "then_us": round(median(theirs)),
        "ratio": round(median(ratios), 3),
        "least": round(min(ratios), 3),
        "most": round(max(ratios), 3),
    }


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.earlier", description=__doc__)
    parser.add_argument("commit", nargs="?", default=BEFORE_PACKED, help="Default: before lines were packed.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=150, help="A round; of the largest object a third.")
    options = parser.parse_args()
    cases = [(scheme, size, IN_FLIGHT) for scheme in ("http", "https") for size in SIZES]
    cases += [(scheme, min(SIZES), 1) for scheme in ("http", "https")]
    with tempfile.TemporaryDirectory(prefix="cdn-probe-earlier-") as name:
        place = Path(name)
        version = taken(options.commit, place / "version", "probe", "benchmarks", "tests")
        with real_servers(place / "servers", list(SIZES)) as servers:
            for number, (scheme, size, flight) in enumerate(cases):
                with ExitStack() as stack:
                    sides = [
                        stack.enter_context(
                            measuring(tree, servers.ports, place / f"{number}-{side}", scheme, size, flight)
                        )
                        for side, tree in (("now", ROOT), ("then", version))
                    ]
                    slots = options.slots * SIZES[size] // max(SIZES.values())
                    found = compared(sides[0], sides[1], slots, options.rounds)
                alone = ", one by one" if flight == 1 else ""
                case = f"{LABELS[size]} over {scheme.upper()}{alone}"
                sys.stdout.write(json.dumps({"slot": case, **found}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
