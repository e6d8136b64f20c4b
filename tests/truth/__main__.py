"""`python -m tests.truth`: play the scenarios, print whom the product accused beside who was to blame.

Exit code 0: every row is right; 1: some are wrong or a scenario could not be played; 2: a name is unknown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from tests.truth.lab import Lab, lab
from tests.truth.matrix import debatable, matrix, totals, wrong_rows
from tests.truth.play import play
from tests.truth.scenario import Scenario, Told
from tests.truth.scenarios import EVERY, ROOMS


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=[], help="scenarios, or groups of --list"
    )
    parser.add_argument("--list", action="store_true", help="print the scenarios and what is right of each")
    parser.add_argument("--labs", type=int, default=2, metavar="N", help="labs beside each other (2)")
    parser.add_argument(
        "--keep", metavar="DIRECTORY", type=Path, help="work there, and leave what was written"
    )
    parser.add_argument(
        "--rows", action="store_true", help="print every row's sentence, also where it is right"
    )
    options = parser.parse_args(arguments)
    chosen = [
        s
        for room, held in ROOMS.items()
        for s in held
        if not options.only or {room, s.name} & {*options.only}
    ]
    if not chosen or {*options.only} - {*ROOMS, *(s.name for s in EVERY)}:
        print("no such scenario; --list shows them", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{s.name:<36} {s.party:<9} {s.why}" for s in chosen))
        return 0
    told, broken = _play_all(chosen, max(1, options.labs), show=options.rows, keep=options.keep)
    print(f"\nwho was to blame (rows), whom the product named (columns)\n{matrix(told)}\n{totals(told)}")
    if found := debatable(told, chosen):
        print(f"\ndebatable, and why:\n{found}")
    if wrong := wrong_rows(told):
        print(f"\noff the diagonal:\n{wrong}")
    for name, why in broken.items():
        print(f"\nnot played: {name}: {why}")
    return 1 if wrong or broken else 0


def _play_all(
    chosen: Sequence[Scenario], labs: int, *, show: bool, keep: Path | None
) -> tuple[list[Told], dict[str, str]]:
    """Every scenario once; as many at a time as there are labs. What could not be played comes by name, with why."""
    told: list[Told] = []
    broken: dict[str, str] = {}
    free: SimpleQueue[Lab] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="truth-") as temporary:
        directory = Path(temporary) if keep is None else keep
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
        with ExitStack() as stack, ThreadPoolExecutor(labs) as pool:
            stack.callback(pool.shutdown, cancel_futures=True)
            for number in range(min(labs, len(chosen))):
                free.put(stack.enter_context(lab(directory / f"lab{number}")))
            running = {pool.submit(_play_one, free, s, directory): s for s in chosen}
            for done, future in enumerate(as_completed(running), 1):
                scenario = running[future]
                _collect(future, scenario, told, broken)
                _progress(scenario, told, broken, done, len(chosen), show=show)
    order = [s.name for s in chosen]
    told.sort(key=lambda one: order.index(one.scenario.split("/")[0]))
    return told, broken


def _play_one(free: SimpleQueue[Lab], scenario: Scenario, directory: Path) -> tuple[list[Told], float]:
    where, began = free.get(), time.monotonic()
    try:
        return play(where, scenario, directory / scenario.name), time.monotonic() - began
    finally:
        free.put(where)


_took: dict[str, float] = {}


def _collect(
    future: Future[tuple[list[Told], float]], scenario: Scenario, told: list[Told], broken: dict[str, str]
) -> None:
    try:
        found, _took[scenario.name] = future.result()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        broken[scenario.name] = f"{type(error).__name__}: {error}"
        return
    told += found


def _progress(
    scenario: Scenario, told: Sequence[Told], broken: dict[str, str], done: int, of: int, *, show: bool
) -> None:
    own = [one for one in told if one.scenario.split("/")[0] == scenario.name]
    wrong = sum(not one.right for one in own)
    state = "NOT PLAYED" if scenario.name in broken else f"{wrong} WRONG" if wrong else "right"
    took_s = _took.get(scenario.name, 0)
    print(f"{done:>3}/{of} {scenario.name:<36} {len(own):>4} rows {took_s:5.1f} s  {state}", flush=True)
    if show:
        for one in own:
            print(f"        {one.words}: {one.row['summary']}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
