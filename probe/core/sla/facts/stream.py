"""One stream's rows, in the order of seq, as facts and looks: a slot without a request weighs what it would have made.

What was found of a slot as a whole, and of no request in it, holds for each of its requests. Only requests of the role
`edge` are counted: confirmations, sweeps and controls exist because something failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from probe.core.model.value import replace
from probe.core.records.codec import DROPPED
from probe.core.records.failure import Phase
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.results.witnessing import FIRST_PULLED
from probe.core.scheduling.grid import to_us
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.tables.columns import Row

US = 1_000_000
GAP = "ledger.gap"
WORST_OF_REPLIES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Rows that are not there, whose due times nobody knows: at most those due before `before_us` (None: any)."""

    agent: str
    customer: str
    what: str
    before_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPull:
    """A reader had received the lines from `first_seq` to `last_seq` of an agent whole, at the latest then."""

    agent: str
    first_seq: int
    last_seq: int
    pulled_us: int


@dataclass(slots=True)
class StreamFacts:
    """Feed it the tables' rows of one stream, in order; it gives facts and looks, and keeps what is lost."""

    lost: list[Lost] = field(default_factory=list)
    pulls: list[FirstPull] = field(default_factory=list)
    last_us: int | None = None
    _edges: dict[str, int] = field(default_factory=dict)
    _tasks: dict[str, FactRow] = field(default_factory=dict)
    _open: list[int] = field(default_factory=list)  # of `lost`: still without the time of the row after

    def resume(
        self,
        edges: dict[str, int],
        tasks: dict[str, FactRow],
        lost: Iterable[Lost],
        pulls: Iterable[FirstPull],
        last_us: int | None,
    ) -> None:
        """Go on where another reading of the stream ended."""
        self._edges, self._tasks = dict(edges), dict(tasks)
        self.lost, self.pulls, self.last_us = list(lost), list(pulls), last_us
        self._open = [index for index, one in enumerate(self.lost) if one.before_us is None]

    @property
    def carried(self) -> tuple[dict[str, int], dict[str, FactRow]]:
        """What `resume` is to be given: requests of each task's last measured slot, and of which object it is."""
        return dict(self._edges), dict(self._tasks)

    def measured(self, task: str, edges: int) -> None:
        """A measured slot of a task that had a row before made so many requests."""
        self._edges[task] = edges

    def slot(self, slot: Row, requests: Sequence[Row]) -> tuple[list[FactRow], SlotLook]:
        """Of one due slot."""
        of: Any = slot
        self._time(of["scheduled_at"])
        edges = [row for row in requests if row["counted"]]
        bare = _bare(of)
        if edges and bare.state is State.MEASURED:
            self._edges[bare.task] = len(edges)
            facts = list(_requests(bare, of, edges))
        else:
            weight = len(edges) or self._edges.get(bare.task, 1)
            facts = [replace(bare, weight=weight, failure_phase=_phase_of(bare.reason))]
        self._tasks.setdefault(bare.task, bare)
        return facts, _look(of, edges, bare)

    def events(self, rows: Iterable[Row]) -> Iterator[FactRow]:
        """Of an event: slots without a row that it lists, each as a missed one."""
        for number, row in enumerate(rows):
            of: Any = row
            if of["event"] == DROPPED:
                detail = of["detail"]
                words = f"{detail['first_seq']} to {detail['last_seq']} ({detail['reason'] or 'dropped'})"
                self._lose(of, f"rows {words}")
                continue
            if of["at"] is not None:
                self._time(of["at"])
            if of["event"] == FIRST_PULLED:
                self._pulled(of)
            if of["event"] != GAP:
                continue
            known = self._tasks.get(of["task"])
            if of["slot_at"] is None or known is None:
                self._lose(
                    of, f"{of['detail'].get('records', 'some')} slots of task {of['task']}, event {of['seq']}"
                )
            else:
                yield replace(
                    known,
                    scheduled_us=of["slot_at"],
                    seq=of["seq"],
                    number=number,
                    weight=self._edges.get(known.task, 1),
                    state=State.MISSED,
                    outcome=None,
                    fault=None,
                    reason=GAP,
                    clock=None,
                    clock_max_error_us=None,
                    evidence_id=None,
                )

    def _pulled(self, of: Any) -> None:
        detail = of["detail"]
        try:
            self.pulls.append(
                FirstPull(
                    agent=of["agent"],
                    first_seq=int(detail["first_seq"]),
                    last_seq=int(detail["last_seq"]),
                    pulled_us=to_us(detail["pulled_at"]),
                )
            )
        except (KeyError, ValueError):
            return  # of a later version, perhaps: it witnesses nothing here

    def _lose(self, of: Any, what: str) -> None:
        self._open.append(len(self.lost))
        self.lost.append(Lost(agent=of["agent"], customer=of["customer"], what=what))

    def _time(self, at_us: int) -> None:
        """A row with a time: what was lost before it was due before it."""
        self.last_us = at_us if self.last_us is None else max(at_us, self.last_us)
        for index in self._open:
            self.lost[index] = replace(self.lost[index], before_us=at_us)
        self._open.clear()


def _bare(of: Any) -> FactRow:
    """The slot itself, as if it had made no request."""
    return FactRow(
        agent=of["agent"],
        customer=of["customer"],
        domain=of["domain"],
        path=of["path"],
        task=of["task"],
        vantage_point=of["vantage_point"],
        region=of["region"],
        carrier=of["carrier"],
        ip_version=of["ip_version"],
        protocol=of["protocol"],
        scheduled_us=of["scheduled_at"],
        seq=of["seq"],
        number=0,
        address=None,
        weight=1,
        first=True,
        state=State(of["state"]),
        outcome=None if of["outcome"] is None else Outcome(of["outcome"]),
        fault=None if of["fault"] is None else Fault(of["fault"]),
        reason=of["reason"],
        status_code=None,
        failure_phase=None,
        clock=of["clock_vouched_by"],
        clock_max_error_us=of["clock_bound_us"],
        evidence_id=of["evidence_id"],
    )


def _requests(bare: FactRow, of: Any, edges: Sequence[Row]) -> Iterator[FactRow]:
    """Each of its edge requests. Nothing found of any of them: what was found of the slot is found of each."""
    named = any(row["outcome"] is not None for row in edges)
    for place, row in enumerate(edges):
        got: Any = row
        unexplained = Outcome.OK if got["failure_phase"] is None else Outcome.INCONCLUSIVE
        outcome = bare.outcome if not named else Outcome(got["outcome"] or unexplained)
        fault = bare.fault if not named else (None if got["fault"] is None else Fault(got["fault"]))
        status, phase = got["status_code"], got["failure_phase"]
        if outcome is Outcome.FAILED and phase is None and (status or 0) < WORST_OF_REPLIES:
            status, phase = got["final_status_code"], got["final_failure_phase"]
        late = got["propagated_after_s_at_most"]
        yield replace(
            bare,
            number=got["number"],
            address=got["address"],
            first=place == 0,
            outcome=outcome,
            fault=fault,
            reason=bare.reason if not named else got["reason"],
            status_code=status,
            failure_phase=None if phase is None else Phase(phase),
            ttfb_us=None if got["tainted"] else got["ttfb_us"],
            total_us=None if got["tainted"] else got["total_us"],
            transfer_us=None if got["tainted"] else got["transfer_us"],
            body_bytes=got["encoded_body_bytes"],
            relation=got["relation"],
            propagated_us=None if late is None else round(late * US),
        )


def _look(of: Any, edges: Sequence[Row], bare: FactRow) -> SlotLook:
    troubled = [str(row["address"]) for row in edges if row["outcome"] in ("failed", "stale", "slow")]
    return SlotLook(
        agent=bare.agent,
        customer=bare.customer,
        domain=bare.domain,
        path=bare.path,
        task=bare.task,
        vantage_point=bare.vantage_point,
        region=bare.region,
        carrier=bare.carrier,
        protocol=bare.protocol,
        scheduled_us=bare.scheduled_us,
        seq=bare.seq,
        state=bare.state,
        outcome=bare.outcome,
        fault=bare.fault,
        reason=bare.reason,
        confirmed=bool(of["confirmed"]),
        reach_known=of["reach_known"],
        reach_asked=of["reach_asked"],
        reach_answered=of["reach_answered"],
        evidence_id=bare.evidence_id,
        clock=bare.clock,
        clock_max_error_us=bare.clock_max_error_us,
        nodes=" ".join(dict.fromkeys(troubled)),
        tagged=bool(of["exclusions"]),
    )


def _phase_of(reason: str | None) -> Phase | None:
    """Of a slot that came to no request: the phase is the first part of its reason."""
    first = (reason or "").partition(".")[0]
    return Phase(first) if first in tuple(Phase) else None
