"""The table `grains`: sums of five minutes by object, vantage point and address; added up again they stay the same.

Facts of one stream, in the order of seq -> rows. A slot is summed in the row without an address, its requests in those
with one. What counts as an error of whom is said here without any contract: 5xx and no complete reply are the CDN's
(`errors_cdn`), what the origin caused is its own, all else that failed is `errors_other`. All stay in `n`. Beside
them stands what was found by itself (`ok` to `failed_unknown`), for whoever shows the state of things.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.facts.row import FactRow
from probe.core.sla.facts.stream import StreamFacts
from probe.core.sla.grains import CountingRule, FactClass, class_of, clock_is_vouched, grain_of
from probe.core.tables.columns import GRAINS, Row
from probe.core.tables.rows import Rows

RULE = CountingRule()
# Upper bounds, exclusive, in microseconds: 1 ms, then each the root of two times the one before, up to 32.8 s.
TTFB_BOUNDS_US = tuple(isqrt(10**6 << k) for k in range(31))
_SUMS = (
    "due", "measured", "n", "errors_cdn", "errors_origin", "errors_other", "unknown", "excluded", "clock_unsure",
    "ok", "slow", "stale", "inconclusive", *(f"failed_{fault.value}" for fault in Fault),
)  # fmt: skip
Key = tuple[Any, ...]


@dataclass(slots=True)
class _Sums:
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    ttfb: list[int] = field(default_factory=lambda: [0] * (len(TTFB_BOUNDS_US) + 1))
    bad_us: list[int] = field(default_factory=list)  # first and last
    seqs: list[int] = field(default_factory=list)


@dataclass(slots=True)
class GrainTable:
    """Feed it the rows of each line of one stream, in order; then take its rows."""

    agent: str
    _facts: StreamFacts = field(default_factory=StreamFacts)
    _schemes: dict[str, Any] = field(default_factory=dict)
    _sums: dict[Key, _Sums] = field(default_factory=dict)

    @classmethod
    def after(cls, before: GrainTable) -> GrainTable:
        """An empty one that goes on with what another knows of the tasks: its sums and theirs add up to the whole."""
        made = cls(before.agent, _schemes=dict(before._schemes))
        made._facts.resume(*before._facts.carried, (), (), before._facts.last_us)
        return made

    def feed(self, rows: Rows) -> None:
        """Those of one line."""
        for slot in rows.slots:
            of: Any = slot
            self._schemes[of["task"]] = of["scheme"] or self._schemes.get(of["task"])
            facts, look = self._facts.slot(slot, rows.requests)
            self._add(facts, tagged=look.tagged)
        if rows.events:
            self._add(self._facts.events(rows.events), tagged=False)

    def rows(self) -> Iterator[Row]:
        """Sorted by their keys, null first."""
        names = GRAINS.key
        for key, sums in sorted(self._sums.items(), key=lambda pair: [(v is not None, v) for v in pair[0]]):
            row: Row = dict.fromkeys(GRAINS.columns)
            row |= dict(zip(names, key, strict=True)) | sums.counts
            row["ttfb_counts"] = tuple(sums.ttfb)
            if sums.bad_us:
                row["first_bad_us"], row["last_bad_us"] = sums.bad_us[0], sums.bad_us[-1]
            row["seq_first"], row["seq_last"] = sums.seqs[0], sums.seqs[-1]
            yield row

    def _add(self, facts: Iterable[FactRow], *, tagged: bool) -> None:
        for fact in facts:
            if fact.first:
                sums = self._of(fact, None)
                sums.counts["due"] += 1
                sums.counts["measured"] += fact.state is State.MEASURED
                _widen(sums.seqs, fact.seq)
            sums = self._of(fact, fact.address)
            _widen(sums.seqs, fact.seq)
            _count(sums, fact, tagged=tagged)

    def _of(self, fact: FactRow, address: str | None) -> _Sums:
        key = (
            self.agent, fact.customer, fact.domain, fact.path, self._schemes.get(fact.task), fact.protocol,
            fact.vantage_point, fact.region, fact.carrier, fact.ip_version, address,
            grain_of(fact.scheduled_us, RULE.length_us),
        )  # fmt: skip
        return self._sums.setdefault(key, _Sums())


def _count(sums: _Sums, fact: FactRow, *, tagged: bool) -> None:
    counts = sums.counts
    if fact.state is State.MEASURED:
        counts[found_as(fact.outcome, fact.fault)] += fact.weight
    kind = FactClass.EXCLUDED if tagged else class_of(fact.fact, RULE)
    if kind is FactClass.EXCLUDED:
        counts["excluded"] += fact.weight
    elif kind is FactClass.UNKNOWN:
        counts["unknown"] += fact.weight
        counts["clock_unsure"] += 0 if clock_is_vouched(fact.fact, RULE) else fact.weight
    else:
        counts["n"] += fact.weight
        if fact.ttfb_us is not None:
            sums.ttfb[bisect_right(TTFB_BOUNDS_US, fact.ttfb_us)] += fact.weight
        if kind is FactClass.ERROR:
            counts["errors_cdn"] += fact.weight
            _widen(sums.bad_us, fact.scheduled_us)
        elif fact.outcome is Outcome.FAILED:
            counts["errors_origin" if fact.fault is Fault.ORIGIN else "errors_other"] += fact.weight


def found_as(outcome: Outcome | None, fault: Fault | None) -> str:
    """The column that counts what was found of a request, before anybody asks what a contract makes of it."""
    if outcome is Outcome.FAILED:
        return f"failed_{(fault or Fault.UNKNOWN).value}"
    return (outcome or Outcome.INCONCLUSIVE).value


def _widen(ends: list[int], value: int) -> None:
    """The least and the greatest."""
    ends[:] = [min([*ends, value]), max([*ends, value])]


def added(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows made apart, of several spans, agents or files, as those of all together; by key, in order."""
    found: dict[Key, Row] = {}
    for row in rows:
        key = tuple(row[name] for name in GRAINS.key)
        found[key] = _both(found[key], row) if key in found else row
    for key in sorted(found, key=lambda key: [(v is not None, v) for v in key]):
        yield found[key]


def _both(one: Any, other: Any) -> Row:
    made: Row = {**one, **{name: one[name] + other[name] for name in _SUMS}}
    made["ttfb_counts"] = tuple(a + b for a, b in zip(one["ttfb_counts"], other["ttfb_counts"], strict=True))
    made["first_bad_us"] = _least(min, one["first_bad_us"], other["first_bad_us"])
    made["last_bad_us"] = _least(max, one["last_bad_us"], other["last_bad_us"])
    made["seq_first"] = min(one["seq_first"], other["seq_first"])
    made["seq_last"] = max(one["seq_last"], other["seq_last"])
    return made


def _least(of: Any, *values: int | None) -> int | None:
    known: Sequence[int] = [value for value in values if value is not None]
    return of(known) if known else None
