"""Looks of one subject: what each saw for a condition of the contract, tracks of vantage points, and incidents.

A track is what one vantage point saw of a domain, all its objects together; of wrong content, of one object alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from probe.core.incidents.looks import Sight
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.terms import Condition
from probe.core.sla.episodes import Look, episodes
from probe.core.sla.facts.histogram import Histogram, Quantity, quantile
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.incidents import Incident, Seen, incidents
from probe.core.sla.periods import Span
from probe.core.sla.report.shown import instant
from probe.core.sla.report.subject import MOST_ROWS, Named
from probe.core.sla.report.values import IncidentShown, QuantilesShown, TimesShown, Words

KIND = Callable[[SlotLook], Sight]
Tracks = dict[tuple[str, ...], list[Look]]
QUANTILES = (Fraction(1, 2), Fraction(95, 100), Fraction(99, 100))
ENDS = (Fraction(5, 100), Fraction(1, 2), Fraction(95, 100))
UNSURE_US = 60_000_000
UNJUDGED = frozenset({None, Fault.UNKNOWN, Fault.VANTAGE, Fault.AGENT})


def sight_of(row: SlotLook, condition: Condition | None, not_counted: frozenset[Fault]) -> Sight:
    """What a slot says for a condition; None: whether it failed at all. `not_counted`: faults of somebody else."""
    if row.state is not State.MEASURED or row.outcome in (None, Outcome.INCONCLUSIVE):
        return Sight.UNKNOWN
    if row.outcome is not Outcome.FAILED:
        return Sight.WELL
    if row.fault in UNJUDGED:
        return Sight.UNKNOWN
    if condition is None:
        return Sight.TROUBLE
    if row.fault in not_counted:
        return Sight.WELL
    if condition.all_nodes is not None:
        others = condition.fault is not None and row.fault is not condition.fault
        return Sight.WELL if others else _unanswered(row, condition)
    if condition.reason:
        is_it = row.reason in condition.reason and row.reason not in condition.without
        return Sight.TROUBLE if is_it and (row.confirmed or not condition.confirmed) else Sight.WELL
    wanted = condition.fault is None or row.fault is condition.fault
    return Sight.TROUBLE if wanted and row.outcome is (condition.outcome or Outcome.FAILED) else Sight.WELL


def _unanswered(row: SlotLook, condition: Condition) -> Sight:
    if row.reach_answered is None:  # a name that does not resolve leads to no node, and none was asked
        nameless = condition.outcome is Outcome.FAILED and (row.reason or "").startswith("dns.")
        return Sight.TROUBLE if nameless else Sight.UNKNOWN
    if row.reach_answered:
        return Sight.WELL
    every = row.reach_asked is not None and row.reach_asked == row.reach_known
    return Sight.TROUBLE if every or condition.needs is None else Sight.UNKNOWN


def not_counted(agreed: Agreed) -> frozenset[Fault]:
    """Whose failures the contract does not count."""
    return frozenset(one.fault for one in agreed.profile.exclusions.by_observation)


def tracks(
    rows: Iterable[SlotLook], sight: KIND, by: Sequence[str] = ("vantage_point",)
) -> dict[tuple[str, ...], list[Look]]:
    """Looks by vantage point, or by other columns; `rows` in order of due time."""
    made: Tracks = {}
    for row in rows:
        key = tuple(str(getattr(row, name)) for name in by)
        made.setdefault(key, []).append(_look(row, sight(row)))
    return made


def _look(row: SlotLook, sight: Sight) -> Look:
    trouble = sight is Sight.TROUBLE
    return Look(
        at_us=row.scheduled_us,
        sight=sight,
        confirmed=row.confirmed,
        key=f"{row.agent} {row.key}",
        nodes=tuple(row.nodes.split()) if trouble else (),
        fault=row.fault if trouble else None,
        reason=row.reason if trouble else None,
        evidence_id=row.evidence_id if trouble else None,
    )


def clocks_shown(rows: Iterable[SlotLook], period: Named) -> tuple[Words, ...]:
    """Of a contract that says nothing of clocks: that looks count whose time nobody vouches for to within a minute."""
    inside = [row for row in rows if period.span.holds(row.scheduled_us) and row.state is State.MEASURED]
    unsure = sum(
        row.clock is None or row.clock_max_error_us is None or row.clock_max_error_us > UNSURE_US
        for row in inside
    )
    if not unsure:
        return ()
    return (
        Words(
            en=f"whether times are right: of {len(inside)} looks {unsure} have a clock that nobody vouched for"
            " to within a minute; the contract says nothing of clocks, and they count",
            zh=f"时间是否准确:{len(inside)} 次观测中有 {unsure} 次的时钟无人担保误差在一分钟以内;"
            "合同未提及时钟, 仍予计入",
        ),
    )


def interval_us(rows: Iterable[SlotLook]) -> int | None:
    """How often the slowest task looks: the most frequent time between two of its due times; None: nobody knows."""
    times: dict[str, list[int]] = {}
    for row in rows:
        times.setdefault(row.task, []).append(row.scheduled_us)
    steps = []
    for of_task in times.values():
        counted = Counter(later - earlier for earlier, later in pairwise(sorted(of_task)) if later > earlier)
        if counted:
            steps.append(max(counted.items(), key=lambda pair: (pair[1], -pair[0]))[0])
    return max(steps, default=None)


def times_shown(histograms: Mapping[tuple[str | None, ...], Histogram]) -> tuple[TimesShown, ...]:
    """Quantiles of each group, by name."""
    made = []
    for group, counts in histograms.items():
        half, most, nearly = (quantile(counts, share) for share in QUANTILES)
        if half is not None and most is not None and nearly is not None:
            part = ", ".join(name or "?" for name in group)
            made.append(
                TimesShown(part=part, samples=sum(counts.values()), p50_us=half, p95_us=most, p99_us=nearly)
            )
    return tuple(sorted(made, key=lambda one: one.part))


def quantiles_shown(
    quantity: Quantity, histograms: Mapping[tuple[str | None, ...], Histogram]
) -> tuple[QuantilesShown, ...]:
    """Of each group, by name."""
    made = []
    for group, counts in histograms.items():
        few, half, most = (quantile(counts, share) for share in ENDS)
        if few is not None and half is not None and most is not None:
            part = ", ".join(name or "?" for name in group)
            samples = sum(counts.values())
            made.append(
                QuantilesShown(quantity=quantity, part=part, samples=samples, p05=few, p50=half, p95=most)
            )
    return tuple(sorted(made, key=lambda one: one.part))


def incidents_in(rows: Sequence[SlotLook], period: Named) -> tuple[IncidentShown, ...]:
    """Whatever failed, whoever caused it, merged over vantage points and objects; those that touch the period."""

    def failed(row: SlotLook) -> Sight:
        return sight_of(row, None, frozenset())

    gap = interval_us(rows)
    places = {row.vantage_point: row for row in rows}
    seen = [
        Seen(
            episode=episode,
            customer=places[point].customer,
            domain=places[point].domain,
            vantage_point=point,
            region=places[point].region,
            carrier=places[point].carrier,
        )
        for (point, _), looks in sorted(tracks(rows, failed, ("vantage_point", "task")).items())
        for episode in episodes(looks, None if gap is None else 2 * gap)
    ]
    found = incidents(seen)
    touching = [one for one in found if _touches(one, period.span)]
    return tuple(_shown(one, number, period) for number, one in enumerate(touching, 1))


def _touches(one: Incident, period: Span) -> bool:
    return one.first_failing_us < period.to_us and one.last_failing_us >= period.from_us


def _shown(one: Incident, number: int, period: Named) -> IncidentShown:
    zone = period.time_zone
    keys = [key.partition(" ")[2] for key in one.keys]

    def at(time_us: int | None) -> str | None:
        return None if time_us is None else instant(time_us, zone)

    bounded = one.well_before_us is not None and one.well_after_us is not None
    return IncidentShown(
        begin_after=at(one.well_before_us),
        first_failing=instant(one.first_failing_us, zone),
        first_confirmed=at(one.first_confirmed_us),
        last_failing=instant(one.last_failing_us, zone),
        over_by=at(one.well_after_us),
        at_least_us=one.last_failing_us - one.first_failing_us,
        at_most_us=(one.well_after_us or 0) - (one.well_before_us or 0) if bounded else None,
        vantage_points=one.vantage_points,
        regions=one.regions,
        carriers=one.carriers,
        nodes=one.nodes,
        faults=tuple((fault.value, count) for fault, count in one.faults),
        reasons=one.reasons,
        rows=tuple(keys[:MOST_ROWS]),
        more_rows=max(0, len(keys) - MOST_ROWS),
        evidence=one.evidence_ids[:MOST_ROWS],
        name=f"{one.domain}/{period.name}/{number}",
        records=_records(one.keys),
    )


def _records(keys: Iterable[str]) -> tuple[tuple[str, int, int], ...]:
    """The first and the last seq of each agent."""
    made: dict[str, tuple[int, int]] = {}
    for key in keys:
        agent, _, row = key.partition(" ")
        seq = int(row.rpartition("/")[2])
        low, high = made.get(agent, (seq, seq))
        made[agent] = min(low, seq), max(high, seq)
    return tuple((agent, *made[agent]) for agent in sorted(made))
