"""`python -m tests.kills --kills 1000 [--seed N]`: kills an agent's runs at moments at which files change.

Prints one line of JSON: how many kills at which moments, and what was found; exits with 1 at the first thing that is
wrong, which it says together with the seed and the directory. Every fifty kills it says on stderr what it found so far,
so that a run that is ended before its time is not without a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from probe.core.scheduling.grid import to_us
from probe.store.read.reader import Reader
from tests.fixtures.frozen import unpacked
from tests.kills.first_layout import made_of_the_first_layout
from tests.kills.ledger import Ledger
from tests.kills.life import Run, run, told_by
from tests.kills.moments import Moments
from tests.kills.stamping import Beside, authority_beside
from tests.support.rows import START_S

RUNS_A_LIFE = 25
SAID_EVERY = 50  # kills
HOUR_S = 3600
EARLY = 120
AGENT, CUSTOMERS = "a1", ("acme", "other")


def once(what: Run, die_at: int) -> tuple[list[dict[str, Any]], bool]:
    """One run, killed at that moment; what it told, and whether it came so far."""
    reading, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            tell = told_by(telling)
            moments = Moments(die_at, lambda where: tell({"died": where}))
            moments.watch()
            asyncio.run(run(what, tell, moments.moment))
            tell({"moments": moments.count})
            os._exit(0)
        except BaseException as error:
            told_by(telling)({"failed": repr(error)})
            os._exit(99)
    os.close(telling)
    with open(reading, "rb") as pipe:
        told = [json.loads(line) for line in pipe if line.endswith(b"\n")]
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or os.waitstatus_to_exitcode(status) == 0, f"the run failed by itself: {told[-1:]}"
    return told, killed


class Life:
    """One results directory, from its first start on, or from what an earlier version left."""

    def __init__(self, place: Path, kind: str, chance: random.Random, authority: Beside) -> None:
        self.authority = authority
        self.agent, self.customers = AGENT, CUSTOMERS
        self.directory = place / "results"
        self.progress_s = START_S
        if kind == "first layout":
            made_of_the_first_layout(self.directory)
        elif kind == "fixture":
            unpacked("results", place)
            self.agent, self.customers = "lab-agent", ("shop", "media")
            with Reader.open(self.directory, self.agent) as reader:
                until = [reader.head(name).complete_up_to for name in self.customers]
            self.progress_s = max(to_us(text) for text in until if text) // 1_000_000 + 86_400
        self.ledger = Ledger(self.directory, self.agent, place / "witness.ndjson", authority.ca)
        self.ledger.pull()
        self.chance = chance
        self.moments = 600

    def turn(self, number: int) -> str | None:
        """One run; where it was killed."""
        self.progress_s += self.chance.randint(0, 12 * HOUR_S)
        at_s = self.progress_s + self.chance.choice((0, 0, 1, -1)) * self.chance.randint(0, 20 * HOUR_S)
        seed = self.chance.getrandbits(30)
        what = Run(self.directory, self.agent, self.customers, at_s, seed, self.authority)
        # The first runs are killed early: there are first start and upgrade, again and again until one comes through.
        told, killed = once(what, self.chance.randint(1, EARLY if number < 5 else self.moments))
        self.ledger.hear(told)
        self.ledger.pull()
        if number % 5 == 4:
            self.ledger.verify()
        if not killed:
            self.moments = max(100, told[-1]["moments"])
            return None
        self.moments += 5  # it may have more: found out where it is not killed
        return str(next(each["died"] for each in reversed(told) if "died" in each))


def main() -> int:
    """See above."""
    options = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    options.add_argument("--kills", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as work, authority_beside(Path(work) / "tsa") as beside:
        return killed_so_often(asked.kills, asked.seed, beside)


def killed_so_often(kills: int, seed: int, authority: Beside) -> int:
    """One results directory after the other, until so many runs were killed; the exit code."""
    chance, sums, died = random.Random(seed), Counter[str](), Counter[str]()
    kinds = ("new", "new", "fixture", "first layout")
    while died.total() < kills:
        place = Path(tempfile.mkdtemp(prefix="kills-"))
        kind = kinds[sums["lives"] % len(kinds)]
        try:
            life = Life(place, kind, chance, authority)
            for number in range(RUNS_A_LIFE):
                where = life.turn(number)
                sums["runs"] += 1
                if where is not None:
                    died[where] += 1
                    if died.total() >= kills:
                        break
                    if not died.total() % SAID_EVERY:
                        print(_so_far(died, sums + life.ledger.counts), file=sys.stderr, flush=True)
            life.ledger.verify()
        except AssertionError as error:
            print(f"seed {seed}, life {sums['lives']} ({kind}), {place}: {error}", file=sys.stderr)
            return 1
        shutil.rmtree(place)
        sums["lives"] += 1
        sums += life.ledger.counts
    print(json.dumps({"kills": died.total(), **sums, "moments": dict(died.most_common())}))
    return 0


def _so_far(died: Counter[str], sums: Counter[str]) -> str:
    """What was found when nothing was wrong yet: none lost, none twice, one history."""
    return json.dumps({"kills": died.total(), **sums, "kinds of moments": len(died)})


if __name__ == "__main__":
    sys.exit(main())
