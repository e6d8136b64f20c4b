"""Rule: gauges show the agent's state at the moment of the scrape; what is unknown has no series.

Turns a LiveState into metric families. Nothing is counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from probe.core.incidents.incident import Kind
from probe.core.model.times import epoch_s
from probe.core.results.live_state import CustomerState, LiveState, StampState, WorkerState
from probe.telemetry.metric_labels import NAMES, OTHER, named

_PREFIX = "cdn_probe_"


class StateCollector(Collector):
    """Set `state` before each scrape; without it no series is exposed."""

    def __init__(self) -> None:
        self.state: LiveState | None = None
        self.folded = self.folded_domains = 0

    def describe(self) -> Iterable[Metric]:
        """Nothing: which families there are depends on the state."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families of the state."""
        state = self.state
        if state is None:
            return
        yield from _scheduling(state)
        yield from _workers(state.workers)
        yield from _keeping(state)
        yield from _stamps(state.stamps)
        yield from _surroundings(state)
        yield from _customers(state.customers, state)
        yield from _incidents(state)
        yield from _calls(state)
        yield _gauge(
            "label_pairs_folded", "Pairs of customer and vantage point that share `other`.", self.folded
        )
        yield _gauge(
            "label_domains_folded", "Domains that share `other` (metrics.domains).", self.folded_domains
        )


def _scheduling(state: LiveState) -> Iterator[Metric]:
    slots = state.slots
    yield _gauge("ready", "1: it measures on schedule.", state.ready and not state.stopping)
    yield _gauge("slots_running", "Slots being measured.", slots.running)
    yield _gauge("slots_waiting", "Slots that are due and wait for room.", slots.waiting)
    yield _counter("slots_due", "Slots that came due.", slots.due)
    yield _counter("slots_aborted", "Measurements that were cut off.", slots.aborted)
    yield _gauge(
        "event_loop_lag_seconds",
        "Greatest lag of the event loop within the last minute.",
        _s(state.loop_lag_us),
    )
    yield _gauge(
        "config_problems", "Problems that keep changed files from being in force.", len(state.config_problems)
    )


def _workers(workers: tuple[WorkerState, ...]) -> Iterator[Metric]:
    up = GaugeMetricFamily(f"{_PREFIX}worker_up", "1: this worker measures.", labels=("worker",))
    starts = CounterMetricFamily(f"{_PREFIX}worker_starts", "Times that it was begun.", labels=("worker",))
    slots = CounterMetricFamily(f"{_PREFIX}worker_slots", "Slots that it measured.", labels=("worker",))
    memory = GaugeMetricFamily(
        f"{_PREFIX}worker_resident_memory_bytes", "Resident memory of its process.", labels=("worker",)
    )
    for worker in workers:
        label = (str(worker.number),)
        up.add_metric(label, float(worker.measuring))
        starts.add_metric(label, float(worker.starts))
        slots.add_metric(label, float(worker.slots))
        if worker.measuring:
            memory.add_metric(label, float(worker.rss_bytes))
    yield from (up, starts, slots, memory)


def _keeping(state: LiveState) -> Iterator[Metric]:
    queue, disk = state.queue, state.disk
    yield _gauge("store_queue_records", "Records that wait to be written.", queue.queued)
    yield _counter("store_written_records", "Records written.", queue.written)
    yield _counter(
        "store_shed_records", "Records written without their evidence, for want of room.", queue.shed
    )
    yield _counter(
        "store_lost_records", "Records that could not be kept; each loss is on record.", queue.lost
    )
    yield _gauge("store_writable", "1: the last attempt to write worked.", queue.trouble is None)
    yield _gauge("store_size_bytes", "What the store's files take.", disk.store_bytes)
    yield _gauge("store_free_bytes", "Free for the agent where the results lie.", disk.free_bytes)


def _stamps(stamps: StampState | None) -> Iterator[Metric]:
    if stamps is None:
        return
    yield _counter("stamps", "Time stamps received and verified.", stamps.stamped)
    yield _counter("stamp_failures", "Rounds of stamping that ended early.", stamps.failed)
    yield _gauge("stamps_waiting", "Signed heads that wait for a time stamp.", stamps.waiting)
    yield _gauge(
        "last_stamp_timestamp_seconds",
        "When a time stamp was last received.",
        None if stamps.last_at is None else epoch_s(stamps.last_at),
    )


def _surroundings(state: LiveState) -> Iterator[Metric]:
    clock = state.clock
    yield _gauge("clock_synchronised", "1: the kernel holds its clock for synchronised.", clock.synchronised)
    yield _gauge(
        "clock_max_error_seconds", "The kernel's own bound on its clock's error.", _s(clock.max_error_us)
    )
    yield _counter("clock_steps", "Times that the clock was set by more than two seconds.", clock.steps)
    up = GaugeMetricFamily(
        f"{_PREFIX}vantage_point_up",
        "1: anchors are reached over this line; 0: none is. Absent while that is not known.",
        labels=("vantage_point", "ip_version"),
    )
    line = GaugeMetricFamily(
        f"{_PREFIX}vantage_point_line_up",
        "1: source address, interface and namespace are there as configured.",
        labels=("vantage_point",),
    )
    labels = named({point.name for point in state.vantage_points})
    lines: dict[str, bool] = {}
    for point in state.vantage_points:
        label = labels[point.name]
        lines[label] = lines.get(label, True) and point.problem is None
        if point.state in ("online", "offline") and label == point.name:
            up.add_metric((label, str(point.ip_version)), float(point.state == "online"))
    for label, there in lines.items():
        line.add_metric((label,), float(there))
    yield up
    yield line


def _customers(customers: tuple[CustomerState, ...], state: LiveState) -> Iterator[Metric]:
    labels = named({customer.name for customer in customers})
    tasks: dict[str, int] = {}
    complete: dict[str, float] = {}
    expiry: dict[str, float] = {}
    mute: dict[str, int] = {}
    answered: dict[str, float] = {}
    for customer in customers:
        label = labels[customer.name]
        if customer.origins_unanswering is not None:
            mute[label] = mute.get(label, 0) + customer.origins_unanswering
        if customer.origin_answered_at is not None:
            answered[label] = min(epoch_s(customer.origin_answered_at), answered.get(label, float("inf")))
        tasks[label] = tasks.get(label, 0) + customer.tasks
        until = state.complete_up_to.get(customer.name)
        if until is not None:
            complete[label] = min(epoch_s(until), complete.get(label, float("inf")))
        if customer.certificate_until is not None:
            expiry[label] = min(epoch_s(customer.certificate_until), expiry.get(label, float("inf")))
    yield _labelled("tasks", "Tasks measured here.", tasks)
    yield _labelled(
        "complete_up_to_timestamp_seconds",
        "Every slot that was due before is measured or explained.",
        complete,
    )
    yield _labelled(
        "earliest_certificate_expiry_timestamp_seconds",
        "When the first certificate seen at edges expires.",
        expiry,
    )
    yield _labelled(
        "origins_never_answered",
        "Origins that never answered when asked directly: they protect nobody.",
        mute,
    )
    yield _labelled(
        "origin_last_answer_timestamp_seconds",
        "When the longest silent of the origins that ever answered last did.",
        answered,
    )


def _incidents(state: LiveState) -> Iterator[Metric]:
    """Those that go on; beyond a number that nobody reads one by one they share `other`."""
    domains = GaugeMetricFamily(
        f"{_PREFIX}open_incidents",
        "Open incidents of a domain, by whose fault most of their rows are.",
        labels=("customer", "domain", "fault"),
    )
    points = GaugeMetricFamily(
        f"{_PREFIX}open_vantage_point_incidents",
        "Open incidents of a vantage point.",
        labels=("vantage_point",),
    )
    of_domain: Counter[tuple[str, ...]] = Counter()
    of_point: Counter[tuple[str, ...]] = Counter()
    for one in state.incidents:
        if one.kind is Kind.VANTAGE_POINT:
            of_point[(one.vantage_point or "",)] += 1
            continue
        known = len(of_domain) < NAMES
        of_domain[(one.customer or "", one.domain or "", one.fault) if known else (OTHER, OTHER, OTHER)] += 1
    for family, counts in ((domains, of_domain), (points, of_point)):
        for labels, count in counts.items():
            family.add_metric(labels, float(count))
        yield family


def _calls(state: LiveState) -> Iterator[Metric]:
    made = CounterMetricFamily(
        f"{_PREFIX}calls", "Attempts at telling somebody of an incident.", labels=("target", "result")
    )
    waiting = GaugeMetricFamily(
        f"{_PREFIX}calls_waiting", "What a target has not been told yet.", labels=("target",)
    )
    for call in state.calls:
        made.add_metric((call.target, "delivered"), float(call.delivered))
        made.add_metric((call.target, "failed"), float(call.failed))
        waiting.add_metric((call.target,), float(call.waiting))
    yield from (made, waiting)


def _labelled(name: str, words: str, values: dict[str, float] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, words, labels=("customer",))
    for label, value in sorted(values.items()):
        family.add_metric((label,), float(value))
    return family


def _gauge(name: str, words: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, words)
    if value is not None:
        family.add_metric((), float(value))
    return family


def _counter(name: str, words: str, value: int) -> Metric:
    family = CounterMetricFamily(_PREFIX + name, words)
    family.add_metric((), float(value))
    return family


def _s(value_us: int | None) -> float | None:
    return None if value_us is None else value_us / 1e6
