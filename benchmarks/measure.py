"""Rule: a figure is a ratio: we and the peer do the same work in turns, in the same run, on the same machine.

Both sides are warmed up; then each round times both, the one that begins changing from round to round. The ratio
is formed in each round, so that what slows the whole machine slows both sides of it. Nothing here is a test.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

from probe.host.gc import settle

Work = Callable[[int], Awaitable[None]]
ROUNDS = 5


class WrongResultError(Exception):
    """A side did not do the work that it was timed for: its figure would be worthless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """`scale` multiplies the operations of each round; `rounds` are timed after one that is not."""

    rounds: int = ROUNDS
    scale: float = 1.0

    def operations(self, full: int) -> int:
        """So many operations a round instead of `full`; at least one."""
        return max(1, round(full * self.scale))


FULL = Effort()
QUICK = Effort(scale=0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Microseconds an operation: medians over the rounds; the ratio ours/peer, its median and its spread.

    `clock`: cpu (of this process, all threads) or wall.
    """

    case: str
    peer: str
    clock: str
    operations: int
    rounds: int
    ours_us: float
    peer_us: float
    ratio: float
    ratio_min: float
    ratio_max: float

    @property
    def ours_per_s(self) -> float:
        """Operations a second: of one core (cpu) or as they went by (wall)."""
        return 1e6 / self.ours_us


_CLOCKS: dict[str, Callable[[], int]] = {"cpu": time.process_time_ns, "wall": time.perf_counter_ns}


async def compare(
    case: str,
    *,
    ours: Work,
    peer: Work,
    peer_name: str,
    operations: int,
    rounds: int,
    clock: str = "cpu",
    peer_clock: Callable[[], int] | None = None,
) -> Result:
    """Time both sides in turns. Each is called with a number of operations to do.

    Raises what they raise. `clock`: see Result. `peer_clock`: nanoseconds of the peer, where it is another process.
    """
    now = _CLOCKS[clock]
    clocks = {ours: now, peer: peer_clock or now}
    warm_up = operations // 10  # nothing where one operation is the whole work: it was done once before
    if warm_up:
        await ours(warm_up)
        await peer(warm_up)
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        sides = [(ours, mine), (peer, theirs)]
        for work, times in sides if number % 2 == 0 else reversed(sides):
            times.append(await _timed(work, operations, clocks[work]))
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    return Result(
        case=case,
        peer=peer_name,
        clock=clock,
        operations=operations,
        rounds=rounds,
        ours_us=median(mine),
        peer_us=median(theirs),
        ratio=median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
    )


async def _timed(work: Work, operations: int, now: Callable[[], int]) -> float:
    """Microseconds an operation."""
    settle()  # as an agent does; and nobody pays for what the other left behind
    start = now()
    await work(operations)
    return max(now() - start, 1) / 1000 / operations


def repeated(step: Callable[[], object]) -> Work:
    """The work of calling `step` so many times."""

    async def work(operations: int) -> None:
        for _ in range(operations):
            step()

    return work
