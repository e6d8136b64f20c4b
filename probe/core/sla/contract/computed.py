"""What an agreement may say and this version does not compute: it is refused, so that no figure passes over it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from probe.core.sla.contract.profile import Credit, Profile
from probe.core.sla.contract.terms import Deadline, Scope
from probe.core.sla.periods import US

SERVED = frozenset({"ok", "slow", "stale", "failed"})
UNKNOWN = frozenset({"missed", "aborted", "inconclusive", "failed_unknown", "clock_unsure"})
SUBJECT = ("customer", "domain")
DEAD = {"all_requests_of_node_failed_in": "grain", "fault": ["cdn"]}
BEGINS = {
    "response": ("reported_at", "incident_begin", "request"),
    "complaint_report": ("complaint_at",),
    "first_notice": ("incident_begin",),
    "repair": ("incident_begin",),
}
DECLARED = {"response": "responded_at", "complaint_report": "reported_at", "first_notice": "responded_at"}
DAY_US = 86_400 * US


def not_computed_of(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key with dots, what is not computed) for every value that nothing would come of."""
    if profile.subject != SUBJECT:
        yield "subject", "figures are of one domain of one customer"
    if profile.grain is not None:
        yield from _of_grains(profile)
    gap = None if profile.duration is None else profile.duration.at_most_gap
    if gap is not None and not re.fullmatch(r"[1-9][0-9]{0,3} intervals?", gap):
        yield "duration.at_most_gap", "a silence is told by a number of intervals, such as 2 intervals"
    if profile.duration is not None and profile.duration.decide_by != "shown":
        yield "duration.decide_by", "what is possible is told, and decides nothing"
    for one in profile.incidents:
        for condition in one.any_:
            if isinstance(condition.scope, Scope) and (
                condition.scope.some != 1 or not condition.scope.whole
            ):
                yield (
                    "incidents",
                    f"{one.name}: scope is any one region, or all of them (some: 1, whole: true)",
                )
    yield from _of_money(profile)
    for name, begins in BEGINS.items():
        terms = getattr(profile.deadlines, name)
        if isinstance(terms, Deadline):
            yield from _of_deadline(name, terms, begins)
    if profile.surge is not None and profile.surge.compare.figure != "ttfb_us":
        yield "surge.compare.figure", "times to the first byte are compared (ttfb_us)"


def _of_grains(profile: Profile) -> Iterator[tuple[str, str]]:
    grain = profile.grain
    assert grain is not None, "asked of a profile with grains"
    if profile.unit != "request":
        yield "unit", "requests are counted, not slots"
    if grain.evidence != "literal":
        yield (
            "grain.evidence",
            "the literal figure and the one that is shown stand side by side, whatever is agreed",
        )
    if profile.node_down is not None and profile.node_down.dead != DEAD:
        yield "node_down.dead", "a node is dead in a grain in which all our requests to it failed by the CDN"
    if set(grain.denominator) != SERVED or set(grain.unknown) != UNKNOWN:
        yield "grain", "denominator and unknown are all kinds of rows: any other choice hides some"
    if len({frozenset(one.any_) for one in grain.errors}) != 1 or len(grain.errors) != len(
        {one.fault for one in grain.errors}
    ):
        yield "grain.errors", "each fault once, and all with the same kinds of failures"
    counted = {one.fault for one in grain.errors}
    if both := sorted(one.fault for one in profile.exclusions.by_observation if one.fault in counted):
        yield "exclusions.by_observation", f"failures of {', '.join(both)} are errors of the grain as well"
    if profile.period.unit != "span" and not _fits(grain.length, profile.period.time_zone):
        yield (
            "grain.length",
            (
                f"days of {profile.period.time_zone} are no whole number of such grains, and the rest of one would be"
                " counted nowhere: choose one that divides the hour"
            ),
        )


def _fits(length_us: int, time_zone: str) -> bool:
    """Whether every midnight of the zone, in winter and in summer, is the begin of a grain."""
    if DAY_US % length_us:
        return False
    zone = ZoneInfo(time_zone)
    offsets = {datetime(2026, number, 1, tzinfo=zone).utcoffset() or timedelta() for number in range(1, 13)}
    return all(offset // timedelta(microseconds=1) % length_us == 0 for offset in offsets)


def _of_money(profile: Profile) -> Iterator[tuple[str, str]]:
    credit = profile.credit
    if not isinstance(credit, Credit):
        return
    if profile.grain is None and credit.table is not None:
        yield "credit.table", "a table goes by an availability, and only contracts with grains have one"
    if profile.grain is not None and credit.share is not None:
        yield "credit.share", "hours begun are those of time down, and this contract counts grains"
    if profile.trigger is not None and profile.trigger.down != (credit.over or 0):
        yield "trigger.down", "credits begin where credit.over ends"


def _of_deadline(name: str, terms: Deadline, begins: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if terms.from_ not in begins:
        yield f"deadlines.{name}.from", f"it runs from {' or '.join(begins)}"
    if terms.declared not in (None, DECLARED.get(name)):
        yield f"deadlines.{name}.declared", f"what is declared of it is {DECLARED.get(name, 'nothing')}"
