"""Rule: the journal says when a verdict changes, not that it goes on; what it is about can be looked up by its record.

Rows, each after it is stored -> `verdict.changed` in the log: a warning where it is not well now, else information.
"""

from __future__ import annotations

import logging

from probe.core.records.rows import SlotRecord, State
from probe.core.records.verdict import Outcome
from probe.telemetry.logs import fields

log = logging.getLogger("probe.verdicts")

TASKS = 100_000  # remembered at most: those of earlier configurations go first

Known = tuple[str, str | None]  # outcome and fault


class VerdictLog:
    """Of one agent; nobody is told of a task's first verdict where it is well."""

    def __init__(self, room: int = TASKS) -> None:
        self._room = room
        self._known: dict[str, Known] = {}

    def see(self, row: SlotRecord) -> None:
        """One more row. A slot that was not measured changes no verdict."""
        if row.state is not State.MEASURED or row.outcome is None:
            return
        now: Known = (row.outcome.value, None if row.fault is None else row.fault.value)
        before = self._known.pop(row.task, None)
        self._known[row.task] = now
        if len(self._known) > self._room:
            del self._known[next(iter(self._known))]
        well = row.outcome is Outcome.OK
        if now == before or (before is None and well):
            return
        log.log(
            logging.INFO if well else logging.WARNING,
            "verdict.changed",
            extra=fields(
                record=f"{row.customer}/{row.seq}",
                domain=row.domain,
                path=row.path,
                vantage=row.vantage_point,
                ip_version=row.ip_version,
                before=None if before is None else _words(before),
                now=_words(now),
                reason=row.reason,
                due=row.scheduled_at,
            ),
        )


def _words(known: Known) -> str:
    return "/".join(word for word in known if word is not None)
