"""The table `grains`: sums of five minutes by object, vantage point and address; added up again they stay the same.

Facts of one stream, in the order of seq -> rows. A slot is summed in the row without an address, its requests in those
with one. What counts as an error of whom is said here without any contract: 5xx and no complete reply are the CDN's
(`errors_cdn`), what the origin caused is its own, all else that failed is `errors_other`. All stay in `n`. Beside
them stands what was found by itself (`ok` to `failed_unknown`), for whoever shows the state of things. A row whose due
time has an earlier one counts nowhere: of one due time the first row is the row.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from math import isqrt
from typing import Any

from probe.core.model.value import Value
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import Record, SlotRecord, State
from probe.core.records.verdict import Fault, Outcome
from probe.core.scheduling.grid import to_us
from probe.core.sla.facts.row import FactRow
from probe.core.sla.facts.stream import StreamFacts
from probe.core.sla.grains import CountingRule, FactClass, class_of, clock_is_vouched, grain_of, is_vouched
from probe.core.tables.columns import GRAINS, Row
from probe.core.tables.rows import Rows, clock_of, event_rows, request_rows, slot_row

RULE = CountingRule()
# Upper bounds, exclusive, in microseconds: 1 ms, then each the root of two times the one before, up to 32.8 s.
TTFB_BOUNDS_US = tuple(isqrt(10**6 << k) for k in range(31))
SUMS = (
    "due", "measured", "n", "errors_cdn", "errors_origin", "errors_other", "unknown", "excluded", "clock_unsure",
    "ok", "slow", "stale", "inconclusive", *(f"failed_{fault.value}" for fault in Fault),
)  # fmt: skip
_PLACE = {name: place for place, name in enumerate(SUMS)}
DUE, MEASURED, N, ERRORS_CDN, ERRORS_ORIGIN, ERRORS_OTHER, UNKNOWN, EXCLUDED, CLOCK_UNSURE, OK = range(10)
Key = tuple[Any, ...]


class Carried(Value, frozen=True, kw_only=True):
    """What later rows of a stream need of earlier ones.

    `edges`: task -> requests of its last measured slot: what a slot without any weighs. `tasks`: of which object it is.
    """

    edges: dict[str, int]
    tasks: dict[str, FactRow]
    schemes: dict[str, str | None]


NOTHING_CARRIED = Carried(edges={}, tasks={}, schemes={})


class Sums:
    """Those of one key. `counts` as SUMS; `ttfb`: the bucket of each request; the ends of errors and of seqs."""

    __slots__ = ("counts", "first_bad_us", "last_bad_us", "seq_first", "seq_last", "ttfb")

    def __init__(self, seq: int) -> None:
        self.counts = [0] * len(SUMS)
        self.ttfb = bytearray()
        self.first_bad_us: int | None = None
        self.last_bad_us: int | None = None
        self.seq_first = self.seq_last = seq

    def ttfb_counts(self) -> tuple[int, ...]:
        """How many of each bucket."""
        found = [0] * (len(TTFB_BOUNDS_US) + 1)
        for bucket in self.ttfb:
            found[bucket] += 1
        return tuple(found)


class GrainTable:
    """Feed it the rows of each line of one stream, in order, or the records; then take its rows."""

    def __init__(self, agent: str, carried: Carried = NOTHING_CARRIED) -> None:
        """`carried`: of what came before, so that its sums and these add up to the whole."""
        self.agent = agent
        self._facts = StreamFacts()
        self._facts.resume(carried.edges, carried.tasks, (), (), None)
        self._schemes = dict(carried.schemes)
        self._sums: dict[Key, Sums] = {}

    @classmethod
    def after(cls, before: GrainTable) -> GrainTable:
        """An empty one that goes on with what another knows of the tasks: its sums and theirs add up to the whole."""
        return cls(before.agent, before.carried)

    @property
    def carried(self) -> Carried:
        """What whoever goes on after this is to be given."""
        edges, tasks = self._facts.carried
        return Carried(edges=edges, tasks=tasks, schemes=dict(self._schemes))

    def feed(self, rows: Rows) -> None:
        """Those of one line."""
        for slot in rows.slots:
            of: Any = slot
            self._schemes[of["task"]] = of["scheme"] or self._schemes.get(of["task"])
            facts, look = self._facts.slot(slot, rows.requests)
            if not of["due_again"]:
                self._add(facts, tagged=look.tagged)
        if rows.events:
            self._add(self._facts.events(rows.events), tagged=False)

    def see(self, record: Record) -> None:
        """The same of a record that is at hand: where all is well, which is nearly always, no rows are made of it."""
        if not isinstance(record, SlotRecord):
            self.feed(Rows(events=list(event_rows(self.agent, record))))
            return
        edges = [seen for seen in record.observations if seen.role is Role.EDGE]
        if self._is_plain(record, edges):
            self._add_plain(record, edges)
        else:
            slots, requests = [slot_row(self.agent, record)], list(request_rows(self.agent, record))
            self.feed(Rows(slots=slots, requests=requests))

    def _is_plain(self, slot: SlotRecord, edges: Sequence[Observation]) -> bool:
        """Whether each of its requests is well, and nothing is learned of its task but how many they are."""
        return (
            slot.outcome is Outcome.OK
            and slot.state is State.MEASURED
            and bool(edges)
            and not slot.exclusions
            and not slot.due_again
            and slot.scheme is not None
            and self._schemes.get(slot.task) == slot.scheme
            and all(seen.failure is None for seen in edges)
            and all(finding.outcome is Outcome.OK for finding in slot.findings)
        )

    def _add_plain(self, slot: SlotRecord, edges: Sequence[Observation]) -> None:
        seq = slot.seq or 0
        self._facts.measured(slot.task, len(edges))
        grain = grain_of(to_us(slot.scheduled_at), RULE.length_us)
        key = (
            self.agent, slot.customer, slot.domain, slot.path, slot.scheme, slot.protocol,
            slot.vantage_point, slot.region, slot.carrier, slot.ip_version,
        )  # fmt: skip
        counts = self._of((*key, None, grain), seq).counts
        counts[DUE] += 1
        counts[MEASURED] += 1
        sure = is_vouched(*clock_of(slot), RULE)
        for seen in edges:
            sums = self._of((*key, seen.address, grain), seq)
            sums.counts[OK] += 1
            if not sure:
                sums.counts[UNKNOWN] += 1
                sums.counts[CLOCK_UNSURE] += 1
                continue
            sums.counts[N] += 1
            begun_us, answered_us = seen.timing.connect_start_us, seen.timing.response_start_us
            if begun_us is not None and answered_us is not None and not seen.tainted:
                sums.ttfb.append(bisect_right(TTFB_BOUNDS_US, answered_us - begun_us))

    def take(self) -> Iterator[Row]:
        """The rows so far; it goes on without their sums. Of one key there may be another later: they are added up."""
        taken, self._sums = self._sums, {}
        return _rows(taken)

    def __len__(self) -> int:
        """How many keys it has sums of."""
        return len(self._sums)

    def keyed(self) -> Iterator[tuple[Key, Sums]]:
        """Each key, as `GRAINS.key`, with its sums; sorted, null first."""
        return _sorted(self._sums)

    def rows(self) -> Iterator[Row]:
        """Sorted by their keys, null first."""
        return _rows(self._sums)

    def _add(self, facts: Iterable[FactRow], *, tagged: bool) -> None:
        for fact in facts:
            if fact.first:
                counts = self._of_fact(fact, None).counts
                counts[DUE] += 1
                counts[MEASURED] += fact.state is State.MEASURED
            _count(self._of_fact(fact, fact.address), fact, tagged=tagged)

    def _of_fact(self, fact: FactRow, address: str | None) -> Sums:
        key = (
            self.agent, fact.customer, fact.domain, fact.path, self._schemes.get(fact.task), fact.protocol,
            fact.vantage_point, fact.region, fact.carrier, fact.ip_version, address,
            grain_of(fact.scheduled_us, RULE.length_us),
        )  # fmt: skip
        return self._of(key, fact.seq)

    def _of(self, key: Key, seq: int) -> Sums:
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = Sums(seq)
        sums.seq_last = seq  # rows come in the order of seq
        return sums


def _sorted(found: dict[Key, Sums]) -> Iterator[tuple[Key, Sums]]:
    yield from sorted(found.items(), key=lambda pair: [(v is not None, v) for v in pair[0]])


def _rows(found: dict[Key, Sums]) -> Iterator[Row]:
    for key, sums in _sorted(found):
        row: Row = dict.fromkeys(GRAINS.columns)
        row |= zip(GRAINS.key, key, strict=True)
        row |= zip(SUMS, sums.counts, strict=True)
        row["ttfb_counts"] = sums.ttfb_counts()
        row["first_bad_us"], row["last_bad_us"] = sums.first_bad_us, sums.last_bad_us
        row["seq_first"], row["seq_last"] = sums.seq_first, sums.seq_last
        yield row


def _count(sums: Sums, fact: FactRow, *, tagged: bool) -> None:
    counts, weight = sums.counts, fact.weight
    if fact.state is State.MEASURED:
        counts[_PLACE[found_as(fact.outcome, fact.fault)]] += weight
    kind = FactClass.EXCLUDED if tagged else class_of(fact.fact, RULE)
    if kind is FactClass.EXCLUDED:
        counts[EXCLUDED] += weight
    elif kind is FactClass.UNKNOWN:
        counts[UNKNOWN] += weight
        counts[CLOCK_UNSURE] += 0 if clock_is_vouched(fact.fact, RULE) else weight
    else:
        counts[N] += weight
        if fact.ttfb_us is not None:
            sums.ttfb += bytes([bisect_right(TTFB_BOUNDS_US, fact.ttfb_us)]) * weight
        if kind is FactClass.ERROR:
            counts[ERRORS_CDN] += weight
            sums.first_bad_us = _least(min, sums.first_bad_us, fact.scheduled_us)
            sums.last_bad_us = _least(max, sums.last_bad_us, fact.scheduled_us)
        elif fact.outcome is Outcome.FAILED:
            counts[ERRORS_ORIGIN if fact.fault is Fault.ORIGIN else ERRORS_OTHER] += weight


def found_as(outcome: Outcome | None, fault: Fault | None) -> str:
    """The column that counts what was found of a request, before anybody asks what a contract makes of it."""
    if outcome is Outcome.FAILED:
        return f"failed_{(fault or Fault.UNKNOWN).value}"
    return (outcome or Outcome.INCONCLUSIVE).value


def added(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows made apart, of several spans, agents or files, as those of all together; by key, in order."""
    found: dict[Key, Row] = {}
    for row in rows:
        key = tuple(row[name] for name in GRAINS.key)
        found[key] = _both(found[key], row) if key in found else row
    for key in sorted(found, key=lambda key: [(v is not None, v) for v in key]):
        yield found[key]


def _both(one: Any, other: Any) -> Row:
    made: Row = {**one, **{name: one[name] + other[name] for name in SUMS}}
    made["ttfb_counts"] = tuple(a + b for a, b in zip(one["ttfb_counts"], other["ttfb_counts"], strict=True))
    made["first_bad_us"] = _least(min, one["first_bad_us"], other["first_bad_us"])
    made["last_bad_us"] = _least(max, one["last_bad_us"], other["last_bad_us"])
    made["seq_first"] = min(one["seq_first"], other["seq_first"])
    made["seq_last"] = max(one["seq_last"], other["seq_last"])
    return made


def _least(of: Any, *values: int | None) -> int | None:
    known: Sequence[int] = [value for value in values if value is not None]
    return of(known) if known else None
