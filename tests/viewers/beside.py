"""Turns with viewers and without: how late slots began, what they came to, and what the processes spent."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from probe.core.records.rows import SlotRecord, State
from probe.core.scheduling.grid import to_us
from tests.support.agent_process import slots
from tests.viewers.looking import Looked, looked_at
from tests.viewers.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One of them. Shares are of one processor."""

    viewers: int
    from_us: int
    to_us: int
    agent_share: float
    api_share: float
    looked: Looked


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Of the measured slots of some turns, and what all slots of them came to."""

    slots: int
    p50_ms: float
    p99_ms: float
    verdicts: Counter[str] = field(default_factory=Counter)


async def turn(world: World, viewers: int, seconds: float, looks: int = 0) -> Turn:
    """So many viewers, for so long, and until they were given so many pages."""
    async with looked_at(world, viewers) as looked:
        spent, begun_s, from_us = world.processor_s(), time.monotonic(), time.time_ns() // 1000
        await asyncio.sleep(seconds)
        while len(looked.took_s) < looks:
            await asyncio.sleep(0.1)
        after, took_s = world.processor_s(), time.monotonic() - begun_s
    return Turn(
        viewers=viewers,
        from_us=from_us,
        to_us=time.time_ns() // 1000,
        agent_share=(after["agent"] - spent["agent"]) / took_s,
        api_share=(after["api"] - spent["api"]) / took_s,
        looked=looked,
    )


def rows_of(world: World) -> list[SlotRecord]:
    """All that was due so far."""
    return slots(world.results)


def lateness(rows: list[SlotRecord], turns: list[Turn]) -> Lateness:
    """Of the slots that were due within these turns."""
    spans = [(one.from_us, one.to_us) for one in turns]
    due = [row for row in rows if any(a <= to_us(row.scheduled_at) < b for a, b in spans)]
    late = sorted((row.host.lateness_us or 0) / 1000 for row in due if row.state is State.MEASURED) or [0.0]
    return Lateness(
        slots=len(due),
        p50_ms=late[len(late) // 2],
        p99_ms=late[min(len(late) - 1, len(late) * 99 // 100)],
        verdicts=Counter(row.missed_reason or row.reason or str(row.outcome) for row in due),
    )


def accused(rows: list[SlotRecord]) -> list[SlotRecord]:
    """Those that say that somebody else failed: everybody here is well."""
    return [row for row in rows if row.fault not in (None, "agent", "vantage")]
