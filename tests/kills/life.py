"""What an agent does to its results in one run, with everything that changes files; told line by line as it is done."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from probe.agent.housekeeping import Housekeeping
from probe.core.config.results import KeepConfig, SegmentsConfig, TimestampConfig
from probe.core.model.value import replace
from probe.core.proof.chain import line_digest
from probe.core.records.codec import encode
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.surroundings import HostFacts
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import BUNDLE_VERSION, Bundle, bundle_id
from probe.core.results.rows import event_row
from probe.host.clock import SystemClock, rfc3339
from probe.seal.keys import Keys
from probe.seal.known_ends import known_ends
from probe.seal.sealer import Sealer
from probe.seal.stamps.stamper import Stamper
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.kills.stamping import Beside, Watched
from tests.support.rows import slot

MINUTE_S = 60
LIMITS = Limits(span_us=6 * 3_600_000_000, size_bytes=400_000)
KEEP = {"healthy": "3d", "failures": "10d"}
TASKS = ("t1", "t2")
WRITE = os.write  # what is told is no moment
Tell = Callable[[dict[str, object]], None]


class SetClock(SystemClock):
    """A wall clock that this run of the agent sets."""

    def __init__(self, at_s: int) -> None:
        self.at_s = at_s

    def time_ns(self) -> int:
        return self.at_s * 10**9


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the agent: whose results, from which time, and a seed for all that is left to chance.

    `authority`: who stamps its heads; by its own clock, not by that of the run.
    """

    directory: Path
    agent: str
    customers: tuple[str, ...]
    at_s: int
    seed: int
    authority: Beside


async def run(what: Run, tell: Tell, moment: Callable[[str], None]) -> None:
    """Open, measure, seal, have heads stamped, keep house, close; the clock jumps now and then."""
    chance = random.Random(what.seed)
    clock = SetClock(what.at_s)
    host = HostFacts(agent=what.agent, agent_version="0", config_digest="c1")
    store = Store.open(what.directory, what.agent, clock, limits=LIMITS, known=known_ends(what.directory))
    Keys.open(what.directory)

    async def put(records: list[Record], agent: str | None = None) -> None:
        done = await store.append(records, rfc3339(clock.time_ns()), agent)
        tell(
            {"acknowledged": [[row.customer, row.seq, line_digest(encode(row))] for row in done if not agent]}
        )

    async def event(
        name: str,
        detail: dict[str, str],
        customers: tuple[str, ...] | None = None,
        *,
        agent: str | None = None,
    ) -> None:
        earlier = None if agent == what.agent else agent
        said = host if earlier is None else replace(host, agent=earlier)
        for customer in customers or what.customers:
            await put([event_row(customer, rfc3339(clock.time_ns()), name, detail, said)], earlier)

    keeping = Housekeeping(what.directory, store, KeepConfig.model_validate(KEEP), clock, event)
    sealer = Sealer(what.directory, SegmentsConfig(), clock, most_rows=60)
    stamping = TimestampConfig(url=what.authority.url, ca=str(what.authority.ca))
    watched = Watched(what.authority, moment)
    stamper = Stamper(what.directory, what.agent, stamping, clock, event, asked=watched)
    await event("agent.started", {})
    for turn in range(chance.randint(2, 5)):
        await put(_measured(store, what, host, clock.at_s, chance))
        clock.at_s += 5 * MINUTE_S
        if turn % 2 == what.seed % 2:
            await keeping.round()
        else:
            await sealer.seal_now()
        if chance.random() < 0.4:
            await stamper.round()
        if chance.random() < 0.15:
            clock.at_s += chance.choice((-1, 1)) * chance.randint(60, 8 * 3600)
            await event("clock.stepped", {"delta_us": "0"})
    await event("agent.stopped", {})
    await store.close()


def _measured(store: Store, what: Run, host: HostFacts, at_s: int, chance: random.Random) -> list[Record]:
    """What was due in the last five minutes by this clock; some of it not well, with evidence."""
    rows: list[Record] = []
    for due_s in range(at_s // MINUTE_S * MINUTE_S - 4 * MINUTE_S, at_s + 1, MINUTE_S):
        for customer in what.customers:
            for name in TASKS:
                row = slot(0, id=f"{customer}-{name}", customer=customer)
                row = replace(
                    row, scheduled_at=rfc3339(due_s * 10**9), started_at=rfc3339(at_s * 10**9), host=host
                )
                rows.append(_failed(store, row) if chance.random() < 0.1 else row)
    return rows


def _failed(store: Store, row: SlotRecord) -> SlotRecord:
    named = replace(row, outcome=Outcome.FAILED, evidence_id=bundle_id(row))
    bundle = Bundle(bundle_version=BUNDLE_VERSION, id=bundle_id(row), record=named, definition="{}")
    return replace(named, evidence_sha256=store.put_bundle(bundle))


def told_by(descriptor: int) -> Tell:
    """Tells through a pipe, a line each, whole whatever happens afterwards."""

    def tell(what: dict[str, object]) -> None:
        data = json.dumps(what).encode() + b"\n"
        while data:
            data = data[WRITE(descriptor, data) :]

    return tell
