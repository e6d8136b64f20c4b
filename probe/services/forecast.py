"""Rule: what measuring will cost is worked out before it costs, and every assumption stands beside the figures.

A configuration, and what earlier results show of its objects -> requests a second to each edge, origin, resolver and
anchor, bytes a day measured and stored, and what the samples can show. Asks nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from ipaddress import ip_address
from itertools import repeat, takewhile
from types import MappingProxyType

from probe.checks import advertised
from probe.core.config.agent import AgentConfig
from probe.core.content.check_kind import Kinds, reading_of
from probe.core.content.origin_keys import history_key
from probe.core.model.protocols import H3, spoken
from probe.core.model.task import Task
from probe.core.records.observation import Alternative, Observation, Role
from probe.core.records.response import Response
from probe.core.sla.binomial import least_errors, rate_at_most
from probe.core.sla.figures import SHOWN_NEEDS
from probe.services.learned import HEAD_BYTES, NOTHING_LEARNED, Learned, PerSlot

DAY_S = 86_400
GRAIN_S = 300
EDGES, BODY_BYTES = 3, 100_000  # assumed of what was never measured
ROW_BYTES, ROW_BYTES_AN_EDGE = 400, 115  # on the disk, with indexes
ARRIVAL_US, HALF = 1_000, 0.5
LIMIT, SIGNIFICANCE, DOUBT = Fraction(1, 2000), Fraction(1, 1000), Fraction(1, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSamples:
    """What is asked of one domain by one protocol in a grain, and what that can show, as shares of all requests.

    Apart, since a contract counts requests of the protocols that it names, HTTP/1.1 where it names none.

    `no_error_shows`: without any error the rate is at most this, with 95 %. `seen_from`: an error rate that is shown
    to be over the contract's 0.05 % in nine of ten grains; None: by no rate.
    """

    customer: str
    domain: str
    protocol: str
    requests: float
    no_error_shows: float
    month_shows: float
    seen_from: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Rates are requests or messages a second; `learned`: tasks of which results were found."""

    tasks: int
    slots_per_s: float
    edges_per_s: float
    origins_per_s: Mapping[str, float]
    resolvers_per_s: Mapping[str, float]
    anchors_per_s: Mapping[str, float]
    measured_bytes_a_day: float
    stored_bytes_a_day: float
    days_until_full: float | None
    domains: tuple[DomainSamples, ...]
    learned: int
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]


def assumed(task: Task, kinds: Kinds, edges: int = EDGES, body_bytes: int = BODY_BYTES) -> PerSlot:
    """Of a task that was never measured: a name that leads to so many edges, an object of this size."""
    policy = task.edges
    asked = {"all": edges, "one": 1}.get(policy.kind, min(policy.count, edges))
    further = controls = whole = 0.0
    edge = _healthy(task, body_bytes)
    for spec in task.checks:
        for ask in kinds[spec.kind].follow_ups(spec.params, task, 0):
            if ask.settle is not None and ask.settle(edge) is None:
                continue  # only of replies that are otherwise, as of a body over our limit
            further += asked if ask.edges == "all" else 1
            whole += ask.compared  # the content once more, by another HTTP version
            controls += ask.origin and task.origin is not None
    resolvers = len(task.vantage_point.resolvers) if task.vantage_point.resolver_policy == "all" else 1
    size = 0 if task.request.method == "HEAD" else min(body_bytes, task.limits.body_bytes)
    return PerSlot(
        edges=asked,
        further=further,
        controls=controls,
        messages=max(1, resolvers) + any(spec.kind == advertised.KIND.name for spec in task.checks),
        bytes=(asked + whole) * size + (asked + further) * HEAD_BYTES,
    )


def _healthy(task: Task, body_bytes: int) -> Observation:
    """A reply as it should be, of an edge that advertises HTTP/3, as most do."""
    response = Response(
        status_code=200,
        fields=(("content-length", str(body_bytes)), ("accept-ranges", "bytes")),
        encoded_body_bytes=body_bytes,
        decoded_body_bytes=body_bytes,
        body_complete=True,
    )
    return Observation(
        role=Role.EDGE,
        address="192.0.2.1",
        port=task.request.port,
        url=task.request.shown_url,
        response=response,
        advertised=()
        if task.request.protocol == H3
        else (Alternative(protocol=H3, host="", port=task.request.port),),
    )


def forecast(
    config: AgentConfig,
    tasks: Sequence[Task],
    kinds: Kinds,
    learned: Learned = NOTHING_LEARNED,
    *,
    edges: int = EDGES,
    body_bytes: int = BODY_BYTES,
) -> Forecast:
    """All figures of a plan's tasks on this host."""
    slots = {task.id: learned.slots.get(task.id) or assumed(task, kinds, edges, body_bytes) for task in tasks}
    rates = {task.id: 1e6 / task.period_us for task in tasks}
    slots_per_s = sum(rates.values())
    row_bytes = learned.row_bytes
    stored = DAY_S * sum(
        rates[t.id] * (row_bytes or ROW_BYTES + ROW_BYTES_AN_EDGE * slots[t.id].edges) for t in tasks
    )
    days = config.keep.size / stored if stored else None
    known = sum(1 for slot in slots.values() if slot.known)
    return Forecast(
        tasks=len(tasks),
        slots_per_s=slots_per_s,
        edges_per_s=sum(rates[t.id] * (slots[t.id].edges + slots[t.id].further) for t in tasks),
        origins_per_s=_origins(tasks, kinds, slots, rates),
        resolvers_per_s=_resolvers(tasks, slots, rates),
        anchors_per_s=_anchors(config, tasks, slots, rates),
        measured_bytes_a_day=_measured(tasks, slots, rates),
        stored_bytes_a_day=stored,
        days_until_full=days,
        domains=tuple(_domains(tasks, slots, rates)),
        learned=known,
        assumptions=tuple(_assumptions(len(tasks) - known, edges, body_bytes, learned)),
        warnings=tuple(retention_warnings(config, stored)),
    )


def _origins(
    tasks: Sequence[Task], kinds: Kinds, slots: Mapping[str, PerSlot], rates: Mapping[str, float]
) -> dict[str, float]:
    """By address. An object's version is trusted for `interval`, whichever task of the customer asked last."""
    found: defaultdict[str, float] = defaultdict(float)
    shared: dict[tuple[str, str], list[Task]] = defaultdict(list)
    ceilings: dict[str, float] = {}
    for task in tasks:
        if task.origin is not None:
            key = history_key(task.origin, reading_of(task, kinds))
            shared[task.customer, key].append(task)
            found[task.origin.address] += rates[task.id] * slots[task.id].controls
            ceilings[task.origin.address] = task.origin.requests_per_minute / 60
    for together in shared.values():
        origin = together[0].origin
        assert origin is not None, "only tasks with an origin are shared"
        found[origin.address] += origin_rate(together, origin.interval_us, slots)
    return {address: min(rate, ceilings[address]) for address, rate in sorted(found.items())}


def origin_rate(
    tasks: Sequence[Task],
    interval_us: int,
    slots: Mapping[str, PerSlot] = MappingProxyType({}),
    events: int = 2_000,
) -> float:
    """Requests a second for one object: each slot asks that finds the last answer older than the interval.

    The slots of all tasks are walked through as they will be due. An answer arrives a moment after its slot began;
    with a second look at the edges there is a later one in each slot.
    """
    end_us = events * min(task.period_us for task in tasks)
    grids = (range(task.phase_us, end_us + 1, task.period_us) for task in tasks)
    due = merge(*(zip(grid, repeat(task.id)) for grid, task in zip(grids, tasks, strict=True)))
    asked, last_us, first_us, now_us = 0, None, None, 0
    for now_us, name in takewhile(lambda pair: pair[0] <= end_us, due):
        first_us = now_us if first_us is None else first_us
        asks = last_us is None or now_us - last_us >= interval_us
        asked += asks
        slot = slots.get(name)
        if asks or (slot is not None and slot.again > HALF):
            last_us = now_us + (ARRIVAL_US if slot is None else round(slot.origin_after_us))
    span_us = now_us - (first_us or 0)
    return asked * 1e6 / span_us if span_us else 0.0


def _resolvers(
    tasks: Iterable[Task], slots: Mapping[str, PerSlot], rates: Mapping[str, float]
) -> dict[str, float]:
    """Messages by resolver; those of the host itself where a vantage point names none."""
    found: dict[str, float] = {}
    for task in tasks:
        named = [str(resolver) for resolver in task.vantage_point.resolvers] or ["the host's"]
        asked = named if task.vantage_point.resolver_policy == "all" else named[:1]
        for resolver in asked:
            found[resolver] = found.get(resolver, 0.0) + rates[task.id] * slots[task.id].messages / len(asked)
    return dict(sorted(found.items()))


def _anchors(
    config: AgentConfig, tasks: Sequence[Task], slots: Mapping[str, PerSlot], rates: Mapping[str, float]
) -> dict[str, float]:
    """Each anchor is asked over each IP version in use, on its own schedule; and all alike with second looks."""
    versions: dict[str, set[int]] = defaultdict(set)
    with_looks: defaultdict[str, float] = defaultdict(float)
    for task in tasks:
        versions[task.vantage_point.name].add(task.ip_version)
        with_looks[task.vantage_point.name] += rates[task.id] * slots[task.id].anchors
    found: dict[str, float] = {}
    for point in (each.vantage_point() for each in config.vantage_points):
        for anchor in point.anchors:
            count = len(versions[point.name] & _versions_of(anchor.host))
            rate = count * 1e6 / point.anchor_interval_us + with_looks[point.name] / len(point.anchors)
            found[str(anchor)] = found.get(str(anchor), 0.0) + rate
    return {anchor: rate for anchor, rate in sorted(found.items()) if rate}


def _versions_of(host: str) -> set[int]:
    try:
        return {ip_address(host).version}
    except ValueError:
        return {4, 6}


def _measured(tasks: Iterable[Task], slots: Mapping[str, PerSlot], rates: Mapping[str, float]) -> float:
    """Bytes a day of edges' replies; a customer's budget bounds what is read for it."""
    found: dict[str, float] = {}
    budgets: dict[str, int | None] = {}
    for task in tasks:
        found[task.customer] = found.get(task.customer, 0.0) + DAY_S * rates[task.id] * slots[task.id].bytes
        budgets[task.customer] = task.bytes_per_day
    bounds = {name: float("inf") if (most := budgets[name]) is None else most for name in found}
    return sum(min(size, bounds[name]) for name, size in found.items())


def _domains(
    tasks: Iterable[Task], slots: Mapping[str, PerSlot], rates: Mapping[str, float]
) -> Iterator[DomainSamples]:
    found: dict[tuple[str, str, str], float] = {}
    for task in tasks:
        name = task.customer, task.domain, spoken(task.request.protocol, task.request.scheme)
        found[name] = found.get(name, 0.0) + GRAIN_S * rates[task.id] * slots[task.id].edges
    for (customer, domain, protocol), requests in sorted(found.items()):
        count = int(requests)
        yield DomainSamples(
            customer=customer,
            domain=domain,
            protocol=protocol,
            requests=requests,
            no_error_shows=_no_error(count),
            month_shows=_no_error(int(requests * 30 * DAY_S / GRAIN_S)),
            seen_from=seen_from(count),
        )


def _no_error(samples: int) -> float:
    return float(rate_at_most(0, samples, DOUBT)) if samples else 1.0


def seen_from(samples: int) -> float | None:
    """The least error rate that shows itself in nine of ten grains of so many samples; None: none does."""
    if samples < SHOWN_NEEDS:
        return None
    errors = least_errors(samples, LIMIT, SIGNIFICANCE)
    if errors > samples:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _at_least(errors, samples, middle) >= 0.9 else (middle, high)
    return high


def _at_least(errors: int, samples: int, rate: float) -> float:
    """P(X >= errors) of a binomial distribution: a figure for people, no verdict rests on it."""
    if rate >= 1:
        return 1.0
    below, term = 0.0, (1 - rate) ** samples
    for k in range(errors):
        below += term
        term *= (samples - k) / (k + 1) * rate / (1 - rate)
    return 1 - below


def retention_warnings(config: AgentConfig, stored_bytes_a_day: float) -> Iterator[str]:
    """Where `keep.size` is full before rows are as old as they are to be kept."""
    if not stored_bytes_a_day:
        return
    days = config.keep.size / stored_bytes_a_day
    wanted = config.keep.healthy / (DAY_S * 1e6)
    if days < wanted:
        gib = stored_bytes_a_day * wanted / (1 << 30)
        yield (
            f"keep.size of {config.keep.size / (1 << 30):.3g}GiB holds about {days:.3g} days of results, and"
            f" keep.healthy wants {wanted:.3g}: the oldest go earlier; {gib:.3g}GiB would hold them"
        )


def _assumptions(unknown: int, edges: int, body_bytes: int, learned: Learned) -> Iterator[str]:
    if unknown:
        yield (
            f"{unknown} tasks were never measured here: {edges} edges a name (--edges), objects of"
            f" {body_bytes} bytes (--body), one message a look-up; HTTP/3 is advertised where that is checked"
        )
    if learned.row_bytes is None:
        yield (
            f"a row takes {ROW_BYTES} bytes and {ROW_BYTES_AN_EDGE} an edge: too few results are here to know better"
        )
    elif not learned.own_dictionary:
        yield (
            "a row takes what it took so far: after its first 1,000 rows an agent packs them by a dictionary of its"
            " own, and they take a fifth less"
        )
    yield "nothing fails: confirmations, sweeps and evidence come on top; sealed segments too"
