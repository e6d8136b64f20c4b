"""Facts become grains by adding whole numbers: in any order and partition the same, so engines may share the work.

A fact is one request on the wire, or one slot that was due and not measured. Its class is decided here once: excluded
before unknown before request (semantics of the contract's rule); which failures count is the rule's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from probe.core.model.value import Value
from probe.core.records.failure import Phase
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.periods import Span

SHORTEST_US = 1_000_000
_SERVED = frozenset({Outcome.OK, Outcome.SLOW, Outcome.STALE})
_NO_REPLY = frozenset({Phase.DNS, Phase.TCP, Phase.TLS, Phase.HTTP, Phase.BODY})


class FactClass(StrEnum):
    """What a fact counts as."""

    EXCLUDED = "excluded"
    UNKNOWN = "unknown"
    GOOD = "good"
    ERROR = "error"


class Error(StrEnum):
    """Failures that a contract may count. `by_content`: content, headers or redirects that are not as agreed."""

    STATUS_5XX = "status_5xx"
    NO_COMPLETE_REPLY = "no_complete_reply"
    BY_CONTENT = "by_content"


class Fact(Value, frozen=True, kw_only=True):
    """One request, or one slot without any (`address` None), which weighs as many requests as it would have made.

    `first`: the first of its slot, which alone stands for the slot in sums of slots, so that facts of one slot may be
    added up apart. `clock`: what vouched for the row's time (`kernel`, `dates`), None: nothing did.
    """

    agent: str
    customer: str
    task: str
    scheduled_us: int
    seq: int
    number: int = 0
    address: str | None = None
    weight: int = 1
    first: bool = True
    state: State = State.MEASURED
    outcome: Outcome | None = None
    fault: Fault | None = None
    status_code: int | None = None
    failure_phase: Phase | None = None
    clock: str | None = "kernel"
    clock_max_error_us: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingRule:
    """How facts are counted. `faults` whose failures are errors, of these kinds; of others they are no errors.

    `clocks`: what may vouch for a row's time, to at most `clock_max_error_us`.
    """

    length_us: int = 300 * 1_000_000
    faults: frozenset[Fault] = frozenset({Fault.CDN})
    errors: frozenset[Error] = frozenset({Error.STATUS_5XX, Error.NO_COMPLETE_REPLY})
    clocks: frozenset[str] = frozenset({"kernel", "dates"})
    clock_max_error_us: int = 60_000_000

    def __post_init__(self) -> None:
        if self.length_us < SHORTEST_US:
            raise ValueError("a grain is at least one second long")


class Grain(Value, frozen=True, kw_only=True):
    """Sums of one grain; all are of requests but `due` and `measured`, which are slots. Adding is merging."""

    n: int = 0
    errors: int = 0
    unknown: int = 0
    excluded: int = 0
    due: int = 0
    measured: int = 0
    clock_unsure: int = 0

    def __add__(self, other: Grain) -> Grain:
        return Grain(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


NOTHING = Grain()


class Part(Value, frozen=True, kw_only=True):
    """Grains of a part that is not judged: those that something is to be said of, and the others of a period as one.

    A grain is `troubled` where it has errors, unknown or excluded requests, or fewer requests than a rule asks for.
    """

    troubled: Mapping[int, Grain]
    rest: Grain = NOTHING


def part_of(grains: Mapping[int, Grain], least: int, bounds: tuple[int, int]) -> Part:
    """`least`: requests that a grain must have; `bounds`: the first grain of the period, and that behind its last."""
    troubled = {
        number: one
        for number, one in grains.items()
        if one.errors or one.unknown or one.excluded or one.n < least
    }
    rest = NOTHING
    for number, one in grains.items():
        if number not in troubled and bounds[0] <= number < bounds[1]:
            rest += one
    return Part(troubled=troubled, rest=rest)


def grain_of(time_us: int, length_us: int) -> int:
    """The number of the grain that holds this instant; before 1970 it is negative."""
    return time_us // length_us


def span_of(grain: int, length_us: int) -> Span:
    """The instants of a grain."""
    return Span(grain * length_us, (grain + 1) * length_us)


def class_of(fact: Fact, rule: CountingRule, excluded: Sequence[Span] = ()) -> FactClass:
    """What a fact counts as: excluded (by a declared span only) before unknown before request."""
    if any(span.holds(fact.scheduled_us) for span in excluded):
        return FactClass.EXCLUDED
    if fact.state is not State.MEASURED or not clock_is_vouched(fact, rule):
        return FactClass.UNKNOWN
    if fact.outcome in _SERVED:
        return FactClass.GOOD
    if fact.outcome is not Outcome.FAILED or fact.fault in (None, Fault.UNKNOWN):
        return FactClass.UNKNOWN
    return FactClass.ERROR if fact.fault in rule.faults and kind_of(fact) in rule.errors else FactClass.GOOD


def kind_of(fact: Fact) -> Error:
    """How a request failed, as a contract tells failures apart."""
    if fact.failure_phase in _NO_REPLY:
        return Error.NO_COMPLETE_REPLY
    status = fact.status_code
    if status is not None and 500 <= status <= 599:
        return Error.STATUS_5XX
    return Error.NO_COMPLETE_REPLY if status is None else Error.BY_CONTENT


def clock_is_vouched(fact: Fact, rule: CountingRule) -> bool:
    """Whether whoever the rule accepts vouches for the row's time, closely enough."""
    return is_vouched(fact.clock, fact.clock_max_error_us, rule)


def is_vouched(clock: str | None, bound_us: int | None, rule: CountingRule) -> bool:
    """The same of a clock's word: who gives it, and to within how much."""
    return clock in rule.clocks and bound_us is not None and bound_us <= rule.clock_max_error_us


def distinct(facts: Iterable[Fact]) -> list[Fact]:
    """Each due time once, however often it was pulled: by (agent, customer, seq), then by (agent, task, due time)."""
    by_seq: dict[tuple[str, str, int, int], Fact] = {}
    for fact in facts:
        by_seq.setdefault((fact.agent, fact.customer, fact.seq, fact.number), fact)
    first: dict[tuple[str, str, int], int] = {}
    for fact in by_seq.values():
        key = fact.agent, fact.task, fact.scheduled_us
        first[key] = min(fact.seq, first.get(key, fact.seq))
    return [f for f in by_seq.values() if first[f.agent, f.task, f.scheduled_us] == f.seq]


def grains_of(facts: Iterable[Fact], rule: CountingRule, excluded: Sequence[Span] = ()) -> dict[int, Grain]:
    """The grains of one subject. `excluded`: declared spans; of a grain that one touches, the rows outside count."""
    sums: dict[int, list[int]] = {}
    for fact in facts:
        row = sums.setdefault(grain_of(fact.scheduled_us, rule.length_us), [0] * len(_SUMS))
        _add(row, class_of(fact, rule, excluded), fact, rule)
    return {number: Grain(**dict(zip(_SUMS, row, strict=True))) for number, row in sums.items()}


_SUMS = ("n", "errors", "unknown", "excluded", "clock_unsure", "due", "measured")


def _add(row: list[int], kind: FactClass, fact: Fact, rule: CountingRule) -> None:
    """In the order of `_SUMS`."""
    if kind is FactClass.EXCLUDED:
        row[3] += fact.weight
    elif kind is FactClass.UNKNOWN:
        row[2] += fact.weight
        row[4] += 0 if clock_is_vouched(fact, rule) else fact.weight
    else:
        row[0] += fact.weight
        row[1] += fact.weight if kind is FactClass.ERROR else 0
    row[5] += fact.first
    row[6] += fact.first and fact.state is State.MEASURED


def merged(parts: Iterable[dict[int, Grain]]) -> dict[int, Grain]:
    """Grains that were made apart (by address, vantage point, host, engine) as those of all together."""
    whole: dict[int, Grain] = {}
    for part in parts:
        for number, grain in part.items():
            whole[number] = whole.get(number, NOTHING) + grain
    return whole


class Stretch(Value, frozen=True):
    """Grains from `first` to `last`, both included, each of which is `each`."""

    first: int
    last: int
    each: Grain

    @property
    def grains(self) -> int:
        return self.last - self.first + 1


class Series(Mapping[int, Grain]):
    """Stretches apart from each other, in order: a mapping of the number of a grain to its sums; nothing is lost.

    What costs nothing to be well costs nothing to be read: a domain that is well for a month, and asked as often in
    each grain, is one stretch.
    """

    __slots__ = ("_begins", "stretches")

    def __init__(self, stretches: Iterable[Stretch] = ()) -> None:
        """In order, none of them over another."""
        self.stretches = tuple(stretches)
        self._begins = [one.first for one in self.stretches]

    @classmethod
    def of(cls, grains: Mapping[int, Grain]) -> Series:
        """The same grains."""
        return grains if isinstance(grains, Series) else cls(_stretches(grains))

    def within(self, first: int, end: int) -> Series:
        """Those of [first, end)."""
        if end <= first:
            return Series()
        if not self.stretches or (first <= self.stretches[0].first and self.stretches[-1].last < end):
            return self
        found = list(
            self.stretches[max(0, bisect_right(self._begins, first) - 1) : bisect_left(self._begins, end)]
        )
        if found and found[0].last < first:
            del found[0]
        if found and found[0].first < first:
            found[0] = Stretch(first, found[0].last, found[0].each)
        if found and found[-1].last >= end:
            found[-1] = Stretch(found[-1].first, end - 1, found[-1].each)
        return Series(found)

    def __getitem__(self, number: int) -> Grain:
        at = bisect_right(self._begins, number) - 1
        if at < 0 or self.stretches[at].last < number:
            raise KeyError(number)
        return self.stretches[at].each

    def __iter__(self) -> Iterator[int]:
        for one in self.stretches:
            yield from range(one.first, one.last + 1)

    def __len__(self) -> int:
        return sum(one.grains for one in self.stretches)


@dataclass(frozen=True, slots=True)
class Sums:
    """Of several grains, and how many they are."""

    grains: int
    n: int
    errors: int
    unknown: int
    due: int
    measured: int
    clock_unsure: int

    @classmethod
    def of(cls, series: Series) -> Sums:
        """Stretch by stretch."""
        grains = n = errors = unknown = due = measured = clock_unsure = 0
        for one in series.stretches:  # written out: there are many of them
            count, each = one.grains, one.each
            grains += count
            n += count * each.n
            errors += count * each.errors
            unknown += count * each.unknown
            due += count * each.due
            measured += count * each.measured
            clock_unsure += count * each.clock_unsure
        return cls(grains, n, errors, unknown, due, measured, clock_unsure)


def _stretches(grains: Mapping[int, Grain]) -> Iterator[Stretch]:
    begun: int | None = None
    last, each = 0, None
    for number in sorted(grains):
        found = grains[number]
        if begun is not None and each is not None:
            if number == last + 1 and found == each:
                last = number
                continue
            yield Stretch(begun, last, each)
        begun, last, each = number, number, found
    if begun is not None and each is not None:
        yield Stretch(begun, last, each)
