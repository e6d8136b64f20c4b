"""When our own line may be the cause, more is asked before an edge is accused: of bystanders, and of the edge.

Never in the healthy path. Where every edge and the origin took our connection and stalled, they are asked for a small
reply (`HEAD`): large packets may be lost that small ones are not. After a confirmation round whose connections to edges
lost packets, anchors are asked a few times more; an edge that gave nothing in time beside a lossy line is tried by
several connections at once. A slow edge was asked again already: anchors then tell whether the line loses packets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from probe.core.content.origin_standing import considered
from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.vantage.health import reacted
from probe.core.vantage.line_quality import (
    LOOKUPS_LOST,
    RESENT_US,
    line_quality,
    resent,
    small_replies_untried,
)
from probe.core.vantage.loss import ONCE_LOOKS, one_packet_lost
from probe.core.verdict.corroboration import TIMEOUTS
from probe.fetch.target import FetchTarget, target_of
from probe.measure.edge_pace import EdgePace
from probe.measure.slot import TAINTING_LAG_US, Slot
from probe.measure.stagger import Staggered

ANCHOR_ROUNDS = 3
MORE_LOOKS = 3
_NOTHING_CAME = (FailureType.TCP_TIMED_OUT, FailureType.TLS_TIMED_OUT, FailureType.HTTP_TIMED_OUT)
LITTLE = "line.small"

AskAnchors = Callable[[], Awaitable[Sequence[Observation]]]


async def doubt_the_line(
    slot: Slot, off: Iterable[int], late: Iterable[int], pace: EdgePace, ask_anchors: AskAnchors
) -> None:
    """Append what distinguishes loss on our line from a dead or slow edge; nothing where no packet was lost or stalled.

    `off`: observations of edges that were looked at again for a failure or wrong content; `late`: those that were slow.
    """
    slow = set(late)
    doubtful = slow.union(off)
    without = considered(slot.task, slot.evidence)[1].observations  # an origin that never answered us
    if small_replies_untried(slot.observations) or small_replies_untried(without):
        await _ask_for_little(slot, pace)
    once = [i for i in sorted(doubtful) if _stalled_once(slot, i)]
    await _ask_again(slot, once, ONCE_LOOKS - 1, pace)
    looks = [
        o
        for i, o in enumerate(slot.observations)
        if i in doubtful or (o.of in doubtful and o.role is Role.CONFIRM)
    ]
    # A host that has too much to do is not to be given more of it, and what it then sees tells little.
    calm = slot.lag_us() < TAINTING_LAG_US
    deadlines = slot.task.deadlines
    single = any(one_packet_lost(slot.observations[i], deadlines) for i in doubtful)
    stalled = any(map(_waited_long, slot.observations))
    if (calm and (slow or once or single)) or stalled or any(map(resent, looks)) or _lookup_lost(slot):
        for _ in range(ANCHOR_ROUNDS):
            quality = line_quality(slot.observations)
            if quality is not None and quality.lossy:
                break
            slot.append(await ask_anchors())
    quality = line_quality(slot.observations)
    if quality is None or not quality.lossy:
        return
    silent = [i for i in sorted(doubtful) if _gave_nothing(slot.observations[i])]
    await _ask_again(slot, silent, MORE_LOOKS, pace)


async def _ask_again(slot: Slot, edges: Iterable[int], times: int, pace: EdgePace) -> None:
    again = [slot.target(Role.CONFIRM, slot.observations[i].address, of=i) for i in edges]
    async with Staggered() as staggered:
        made = [
            await staggered.start(pace.fetch(target))
            for target in again
            for _ in range(times)
            if pace.admits(target)
        ]
    slot.append(look.result() for look in made)


def _waited_long(edge: Observation) -> bool:
    """So late a reply may be one that was lost and sent again, which our side does not show (RFC 6298 section 2)."""
    began_us, first_us = edge.timing.connect_end_us, edge.timing.response_start_us
    late = began_us is not None and first_us is not None and first_us - began_us >= RESENT_US
    return late and edge.role is Role.EDGE and edge.proxy is None


def _stalled_once(slot: Slot, index: int) -> bool:
    """It stalled and a second look was well: what the server sent may have been lost, which our side does not show."""
    failure = slot.observations[index].failure
    late = failure is not None and failure.type in TIMEOUTS
    return late and any(
        o.role is Role.CONFIRM and o.of == index and o.failure is None for o in slot.observations
    )


def _lookup_lost(slot: Slot) -> bool:
    """The look-up came to nothing as where packets are lost, on a line that is not simply away."""
    failure = None if slot.resolution is None else slot.resolution.failure
    lost = failure is not None and failure.type in LOOKUPS_LOST
    return lost and any(o.role is Role.ANCHOR and reacted(o) for o in slot.observations)


async def _ask_for_little(slot: Slot, pace: EdgePace) -> None:
    """`HEAD` of the object at every edge, and at the origin at the address at which it was asked."""
    asked = {(o.role, o.address): o for o in slot.observations if o.role in (Role.EDGE, Role.ORIGIN)}
    targets = [_small(slot, role, address) for role, address in asked]
    async with Staggered() as staggered:
        made = [await staggered.start(pace.fetch(t)) for t in targets if t is not None and pace.admits(t)]
    slot.append(replace(look.result(), ask=LITTLE) for look in made)


def _small(slot: Slot, role: Role, address: str) -> FetchTarget | None:
    task = slot.task
    if role is Role.EDGE:
        request = replace(task.request, method="HEAD")
        return target_of(task, Role.CHECK, address, slot.start_ns, request=request)
    if task.origin is None:
        return None
    request = replace(task.origin.request, method="HEAD")
    return target_of(task, Role.CONTROL, address, slot.start_ns, request=request, tls=task.origin.tls)


def _gave_nothing(observation: Observation) -> bool:
    return observation.failure is not None and observation.failure.type in _NOTHING_CAME
