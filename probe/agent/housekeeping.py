"""Rule: what goes from the store is on record before it goes, and what was found damaged is on record at once.

The agent's housekeeping beside measuring: events of the store itself, retention, a regular look at the closed parts.
The disk is waited for in threads; measuring and writing go on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from probe.core.config.results import KeepConfig
from probe.core.proof.evidence import DROPPED as EVIDENCE_DROPPED
from probe.core.proof.evidence import IDS_AN_EVENT
from probe.core.results.retention import Action, KeepPolicy, Step, Stream, evidence_to_drop, next_action
from probe.host.clock import Clock, rfc3339
from probe.store.base.parts import Part, remove
from probe.store.base.schema import StoreError
from probe.store.store import Store
from probe.store.upkeep import retention as store_keep
from probe.store.upkeep.check import check_part, keep_other_copy
from probe.store.upkeep.reading import each_time
from probe.store.upkeep.salvage import salvage
from probe.store.write.files import Limits
from probe.store.write.notices import Notice, evidence_lost, notices_of
from probe.telemetry.logs import fields

log = logging.getLogger("probe.keeping")

ROUND_S = 60.0
LOOK_S = 0.5  # so that trouble is known within a second
CHECK_EVERY = 30  # rounds between two looks at a closed part
STEPS_A_ROUND = 50


class Event(Protocol):
    """Puts an event on record in the streams of some customers (None: all), under an earlier name of the agent's."""

    def __call__(
        self,
        event: str,
        detail: dict[str, str],
        customers: tuple[str, ...] | None = None,
        *,
        agent: str | None = None,
    ) -> Awaitable[None]:
        """`agent`: whose stream it is, if not the writing agent's."""
        ...


Confirmed = Callable[[], Mapping[Stream, int]]


def limits_of(keep: KeepConfig) -> Limits:
    """When a part of the store is full."""
    return Limits(span_us=keep.part_span, size_bytes=keep.part_size)


def policy_of(keep: KeepConfig) -> KeepPolicy:
    """What the configuration says of results."""
    return KeepPolicy(
        failures_us=keep.failures,
        healthy_us=keep.healthy,
        size_bytes=keep.size,
        hard_size_bytes=keep.hard_size,
    )


def no_confirmations() -> Mapping[Stream, int]:
    """No reader confirms anything: nothing waits for one."""
    return {}


class Housekeeping:
    """Of one store. `run` is to be called every `ROUND_S`.

    What goes from the streams of an earlier name of the agent is told in those streams.
    """

    def __init__(
        self,
        directory: Path,
        store: Store,
        keep: KeepConfig,
        clock: Clock,
        event: Event,
        confirmed: Confirmed = no_confirmations,
    ) -> None:
        self._directory = directory
        self._store = store
        self._keep = keep
        self._clock = clock
        self._event = event
        self._confirmed = confirmed
        self._checked = 0  # number of the part looked at last
        self._rounds = 0
        self._ending = False

    async def run(self) -> str | None:
        """One round; what went wrong with the disk, in words, which is tried again with the next."""
        try:
            await self.round()
        except OSError as error:
            log.error("keeping.failed", extra=fields(error=str(error)))
            return str(error)
        return None

    def end_run(self) -> None:
        """A round that goes on ends with the step that it is at."""
        self._ending = True

    async def look(self) -> str | None:
        """Whether the store's open files are still those under their names; to be called every `LOOK_S`."""
        try:
            problem = await asyncio.to_thread(self._store.look)
        except OSError as error:
            return str(error)
        await self._record_notices()
        return problem

    async def round(self) -> None:
        """One look. Raises OSError."""
        await self._record_notices()
        for _ in range(STEPS_A_ROUND):
            if self._ending or not await self._retain():
                break
        if self._ending:
            return
        await self._retain_evidence()
        self._rounds += 1
        if self._rounds % CHECK_EVERY == 0:
            await self.check_next()

    async def check_next(self) -> Part | None:
        """Look at the closed part after the one looked at last; mend it if it is damaged. Raises OSError."""
        parts = await asyncio.to_thread(store_keep.closed_parts, self._directory)
        if not parts:
            return None
        part = next((part for part in parts if part.number > self._checked), parts[0])
        self._checked = part.number
        problem = await asyncio.to_thread(each_time, check_part, part.path)
        if problem is not None:
            now = rfc3339(self._clock.time_ns())
            found = await asyncio.to_thread(salvage, self._directory, part, now)
            for notice in notices_of(found, part, problem):
                await self._record(notice)
        await asyncio.to_thread(keep_other_copy, part.path)
        return part

    async def _record_notices(self) -> None:
        for notice in self._store.take_notices():
            await self._record(notice)

    async def _record(self, notice: Notice) -> None:
        customers = None if notice.customer is None else (notice.customer,)
        await self._event(notice.event, notice.detail, customers, agent=notice.agent)

    async def _retain(self) -> bool:
        facts = await asyncio.to_thread(store_keep.facts_of, self._directory)
        newest = await asyncio.to_thread(store_keep.newest_bytes, self._directory)
        now_us = self._clock.time_ns() // 1000
        policy = policy_of(self._keep)
        action = next_action(facts, self._confirmed(), now_us, policy, newest_bytes=newest)
        if action is None:
            return False
        parts = await asyncio.to_thread(store_keep.closed_parts, self._directory)
        for part in parts:
            if part.number == action.number:
                await self._carry_out(part, action, oldest=part == parts[0])
        return True

    async def _carry_out(self, part: Part, action: Action, *, oldest: bool) -> None:
        """`oldest`: no part is before it, so that the event accounts for a stream's whole beginning."""
        thinning = action.step is Step.THIN
        confirmed = self._confirmed()
        for removal in await asyncio.to_thread(store_keep.planned_removals, part, healthy_only=thinning):
            waited_for = confirmed.get((removal.agent, removal.customer))
            detail = {
                "reason": action.reason,
                "what": "healthy" if thinning else "all",
                "oldest": "yes" if oldest else "no",
                "rows": str(removal.rows),
                "first_seq": str(removal.first_seq),
                "last_seq": str(removal.last_seq),
                "digest": removal.digest,
                "confirmed": "yes" if waited_for is None or waited_for >= removal.last_seq else "no",
            }
            await self._event("retention.dropped", detail, (removal.customer,), agent=removal.agent)
        if thinning:
            await asyncio.to_thread(store_keep.thin, part, rfc3339(self._clock.time_ns()))
        else:
            await asyncio.to_thread(remove, part)

    async def _retain_evidence(self) -> None:
        files = await asyncio.to_thread(store_keep.evidence_files, self._directory)
        kept, now_us = self._keep.evidence, self._clock.time_ns() // 1000
        closed = {number: closed_us for number, _, closed_us in files}
        for number in evidence_to_drop(files, now_us, kept.age, kept.size):
            reason = "age" if now_us - closed[number] > kept.age else "size"
            await self._declare_evidence(number, reason, closed[number])
            await asyncio.to_thread(store_keep.drop_evidence, self._directory, number)
            log.info("retention.evidence", extra=fields(file=number))

    async def _declare_evidence(self, number: int, reason: str, closed_us: int) -> None:
        """Every bundle that goes, by its id, in the stream of its row; of a file that cannot be read, its span."""
        try:
            found = await asyncio.to_thread(store_keep.evidence_in, self._directory, number)
        except StoreError as error:
            lost = evidence_lost(closed_us - self._keep.part_span, closed_us)
            await self._event("store.damaged", {"file": f"{number:06}.db", "problem": str(error), **lost})
            return
        for (agent, customer), ids in found.items():
            for start in range(0, len(ids), IDS_AN_EVENT):
                page = ids[start : start + IDS_AN_EVENT]
                detail = {"reason": reason, "bundles": str(len(page)), "ids": " ".join(page)}
                await self._event(EVIDENCE_DROPPED, detail, (customer,), agent=agent or None)
