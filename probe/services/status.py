"""Rule: the state of an agent is reported whether it runs or not; what cannot be known is reported as unknown.

A running agent is asked over its socket; verdicts, heads and what readers confirmed are read from the results
directory, beside the agent or without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from probe.control.client import ask
from probe.control.socket_place import ControlError, NotRunning
from probe.core.proof.chain import Head
from probe.core.records.rows import EventRecord, SlotRecord
from probe.core.results.concerns import concerns
from probe.core.results.live_state import LiveState, from_json
from probe.store.base.schema import StoreError
from probe.store.confirmations import Ack, ApiDbError, Confirmations
from probe.store.read.reader import Reader

NEWEST = 5_000  # rows looked at for the tasks' last verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """The last verdict of a task; `reason` of a missed slot is why it was missed."""

    task: str
    customer: str
    domain: str
    path: str
    vantage_point: str
    ip_version: int
    at: str
    state: str
    outcome: str | None
    fault: str | None
    reason: str | None
    summary: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`running`: it was asked, and answered. `problems`: everything that is to be acted on, in words.

    `last_event`, `last_event_at`: the newest event of the agent itself. `tasks`: those of the newest rows,
    by customer and domain. `pulls`: what each reader confirmed.
    """

    agent: str
    directory: str
    running: bool
    problems: tuple[str, ...]
    live: LiveState | None
    heads: tuple[Head, ...] = ()
    last_event: str | None = None
    last_event_at: str | None = None
    pulls: tuple[Ack, ...] = ()
    tasks: tuple[TaskState, ...] = ()


def look(directory: Path, agent: str, timeout_s: float = 5.0) -> Status:
    """Look now; raises nothing. Waits for the agent at most `timeout_s`, and for a disk of which it says no ill."""
    live, problems, running = None, list[str](), True
    try:
        live = from_json(ask(directory, {"ask": "live"}, timeout_s))
        problems.extend(one.words for one in concerns(live))
    except NotRunning as error:
        running = False
        problems.append(str(error))
    except (ControlError, ValueError) as error:  # it runs, and its state cannot be had
        problems.append(str(error))
    if live is not None and live.queue.unanswered:
        return Status(
            agent=agent, directory=str(directory), running=running, problems=tuple(problems), live=live
        )
    heads: tuple[Head, ...] = ()
    event: EventRecord | None = None
    tasks: tuple[TaskState, ...] = ()
    pulls: tuple[Ack, ...] = ()
    try:
        with Reader.open(directory, agent) as reader:
            heads = tuple(reader.head(customer) for customer in reader.heads())
            event, tasks = _newest(reader)
    except StoreError as error:
        problems.append(str(error))
    try:
        pulls = tuple(Confirmations(directory, agent).acks())
    except ApiDbError as error:
        problems.append(str(error))
    return Status(
        agent=agent,
        directory=str(directory),
        running=running,
        problems=tuple(problems),
        live=live,
        heads=heads,
        last_event=None if event is None else event.event,
        last_event_at=None if event is None else event.at,
        pulls=pulls,
        tasks=tasks,
    )


def _newest(reader: Reader) -> tuple[EventRecord | None, tuple[TaskState, ...]]:
    event: EventRecord | None = None
    found: dict[str, TaskState] = {}
    for record in reader.list(limit=NEWEST):
        if isinstance(record, SlotRecord):
            if record.task not in found:
                found[record.task] = _task(record)
        elif event is None:
            event = record
    return event, tuple(sorted(found.values(), key=lambda t: (t.customer, t.domain, t.path, t.vantage_point)))


def _task(row: SlotRecord) -> TaskState:
    return TaskState(
        task=row.task,
        customer=row.customer,
        domain=row.domain,
        path=row.path,
        vantage_point=row.vantage_point,
        ip_version=row.ip_version,
        at=row.scheduled_at,
        state=row.state,
        outcome=row.outcome,
        fault=row.fault,
        reason=row.missed_reason or row.reason,
        summary=row.summary,
    )
