"""Rows for tests of the store and the codec."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from probe.core.model.value import replace
from probe.core.records.rows import EventRecord, SlotRecord, State
from probe.core.records.surroundings import HostFacts
from probe.core.records.verdict import Outcome
from probe.core.results.rows import event_row, missed_row
from probe.host.clock import rfc3339
from probe.store.base.parts import parts_of
from tests.support.build import task

HOST = HostFacts(agent="a1", agent_version="0", config_digest="c1")
START_S = 1_700_000_000


def at(second: int) -> str:
    """RFC 3339, so many seconds after the start."""
    return rfc3339((START_S + second) * 1_000_000_000)


def slot(second: int = 0, **changes: Any) -> SlotRecord:
    """A measured slot that was well, due at that second."""
    names = {key: changes.pop(key) for key in ("id", "customer", "domain") if key in changes}
    row = missed_row(task(**names), at(second), "agent.stalled", HOST)
    measured = replace(
        row,
        state=State.MEASURED,
        missed_reason=None,
        outcome=Outcome.OK,
        started_at=at(second),
        finished_at=at(second),
        summary="well",
    )
    return replace(measured, **changes)


def missed(second: int = 0, reason: str = "agent.stalled", **names: Any) -> SlotRecord:
    """A missed slot, due at that second."""
    return missed_row(task(**names), at(second), reason, HOST)


def event(name: str, customer: str = "acme") -> EventRecord:
    """An event of the agent."""
    return event_row(customer, at(0), name, {"a": "b"}, HOST)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Another process writes into the file of records: nobody else can, until the block is left."""
    with closing(sqlite3.connect(newest_part(directory), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def newest_part(directory: Path) -> Path:
    """The file of records that is written now."""
    return parts_of(directory)[-1].path
