"""When our own line may be the cause, more is asked before an edge is accused: of bystanders, and of the edge.

Never in the healthy path. After a confirmation round whose connections to edges lost packets, anchors are asked a few
times more; an edge that took no connection beside a lossy line is tried by several connections at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.vantage.line_quality import line_quality, resent
from probe.measure.edge_pace import EdgePace
from probe.measure.slot import Slot
from probe.measure.stagger import Staggered

ANCHOR_ROUNDS = 3
MORE_LOOKS = 3

AskAnchors = Callable[[], Awaitable[Sequence[Observation]]]


async def doubt_the_line(slot: Slot, off: Iterable[int], pace: EdgePace, ask_anchors: AskAnchors) -> None:
    """Append what tells loss on our line from an edge that is dead; nothing where no packet was lost."""
    doubtful = set(off)
    looks = [
        o
        for i, o in enumerate(slot.observations)
        if i in doubtful or (o.of in doubtful and o.role is Role.CONFIRM)
    ]
    if any(map(resent, looks)):
        for _ in range(ANCHOR_ROUNDS):
            quality = line_quality(slot.observations)
            if quality is not None and quality.lossy:
                break
            slot.append(await ask_anchors())
    quality = line_quality(slot.observations)
    if quality is None or not quality.lossy:
        return
    silent = [i for i in sorted(doubtful) if _took_no_connection(slot.observations[i])]
    again = [slot.target(Role.CONFIRM, slot.observations[i].address, of=i) for i in silent]
    async with Staggered() as staggered:
        made = [
            await staggered.start(pace.fetch(target))
            for target in again
            for _ in range(MORE_LOOKS)
            if pace.admits(target)
        ]
    slot.append(look.result() for look in made)


def _took_no_connection(observation: Observation) -> bool:
    return observation.failure is not None and observation.failure.type is FailureType.TCP_TIMED_OUT
