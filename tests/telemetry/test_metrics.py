"""Metrics: what rows and the agent's parts come to, how many series there are at most, and what a scrape costs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord, State
from probe.core.records.transport import ResourceTiming, Tls
from probe.core.records.verdict import Fault, Outcome
from probe.core.results.live_state import (
    CallState,
    ClockFacts,
    CustomerState,
    Disk,
    Queue,
    SlotCounts,
    VantageState,
)
from probe.telemetry import metric_labels as metrics_labels
from probe.telemetry.metric_labels import NAMES, PAIRS, Pairs, named
from probe.telemetry.metrics import Metrics
from tests.core.calls.made import story
from tests.core.incidents.looking import fed, minutes
from tests.core.results.test_live_state import STATE
from tests.support import build
from tests.support.rows import slot
from tests.support.work import counted

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
TIMING = ResourceTiming(
    connect_start_us=10_000,
    secure_connection_start_us=30_000,
    connect_end_us=60_000,
    request_start_us=61_000,
    response_start_us=161_000,
    response_end_us=361_000,
)


def samples(metrics: Metrics, state: Any = STATE, now_s: float | None = None) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text(state, now_s))
        for sample in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def row(**changes: Any) -> SlotRecord:
    """A measured slot of acme from bj-ct with one edge."""
    made = slot(customer="acme", vantage_point="bj-ct", outcome=Outcome.OK, fault=None)
    edge = build.seen(timing=TIMING)
    return replace(made, **{"observations": (edge,), **changes})


PAIR = {"customer": "acme", "vantage_point": "bj-ct"}


def test_phases_are_those_of_the_observations() -> None:
    metrics = Metrics("1")
    metrics.row(row())
    found = samples(metrics)
    for phase, seconds in (("connect", 0.02), ("tls", 0.03), ("processing", 0.1), ("transfer", 0.2)):
        assert of(found, "cdn_probe_phase_duration_seconds_sum", phase=phase, **PAIR) == pytest.approx(
            seconds
        )
        assert of(found, "cdn_probe_phase_duration_seconds_count", phase=phase, **PAIR) == 1
    assert of(found, "cdn_probe_first_byte_seconds_sum", **PAIR) == pytest.approx(0.151)
    assert of(found, "cdn_probe_duration_seconds_sum", **PAIR) == pytest.approx(0.351)
    assert of(found, "cdn_probe_duration_seconds_bucket", le="0.5", **PAIR) == 1
    assert of(found, "cdn_probe_duration_seconds_bucket", le="0.25", **PAIR) == 0


def test_what_did_not_take_place_and_what_our_own_stall_spoiled_has_no_time() -> None:
    metrics = Metrics("1")
    edge = build.seen(timing=replace(TIMING, response_start_us=None, response_end_us=None))
    stalled = replace(build.seen(timing=TIMING), tainted=True)
    origin = replace(build.seen(timing=TIMING), role=Role.ORIGIN)
    metrics.row(row(observations=(edge, stalled, origin)))
    found = samples(metrics)
    assert of(found, "cdn_probe_phase_duration_seconds_count", phase="connect", **PAIR) == 1
    assert of(found, "cdn_probe_phase_duration_seconds_count", phase="transfer", **PAIR) == 0
    assert of(found, "cdn_probe_duration_seconds_count", **PAIR) == 0


def test_verdicts_failures_and_replies_are_counted() -> None:
    metrics = Metrics("1")
    failure = Failure(phase=Phase.TCP, type=FailureType.TCP_REFUSED)
    refused = replace(build.seen(), failure=failure, response=None)
    metrics.row(row())
    metrics.row(row())
    metrics.row(row(outcome=Outcome.FAILED, fault=Fault.CDN, observations=(refused,)))
    found = samples(metrics)
    assert of(found, "cdn_probe_slots_total", outcome="ok", fault="none", **PAIR) == 2
    assert of(found, "cdn_probe_slots_total", outcome="failed", fault="cdn", **PAIR) == 1
    assert of(found, "cdn_probe_edge_failures_total", type="tcp.refused") == 1
    assert of(found, "cdn_probe_edge_responses_total", status_class="2xx") == 2


def test_a_missed_slot_is_no_measurement() -> None:
    metrics = Metrics("1")
    missed = {"state": State.MISSED, "outcome": None, "observations": ()}
    metrics.row(row(missed_reason="agent.stalled", **missed))
    metrics.row(row(missed_reason="agent.aborted", **{**missed, "state": State.ABORTED}))
    found = samples(metrics)
    assert of(found, "cdn_probe_missed_slots_total", reason="agent.stalled") == 1
    assert of(found, "cdn_probe_missed_slots_total", reason="agent.aborted") == 1
    assert not [name for name, _ in found if name == "cdn_probe_slots_total"]


def test_when_it_was_ok_last() -> None:
    metrics = Metrics("1")
    metrics.row(row(scheduled_at="2026-11-22T10:00:00Z"))
    metrics.row(row(scheduled_at="2026-11-22T10:01:00Z", outcome=Outcome.FAILED, fault=Fault.CDN))
    found = samples(metrics)
    last = of(found, "cdn_probe_last_measurement_timestamp_seconds", **PAIR)
    assert last - of(found, "cdn_probe_last_success_timestamp_seconds", **PAIR) == 60


def test_the_state_is_told_in_base_units() -> None:
    state = replace(
        STATE,
        slots=SlotCounts(tasks=3, running=2, waiting=1, due=100),
        queue=Queue(queued=4, written=50, shed=2, lost=1, trouble="full"),
        disk=Disk(store_bytes=1000, free_bytes=2000),
        clock=ClockFacts(synchronised=True, max_error_us=2_500, steps=2),
        loop_lag_us=40_000,
        vantage_points=(
            VantageState(name="a", ip_version=4, state="online"),
            VantageState(name="a", ip_version=6, state="offline", problem="no address"),
            VantageState(name="b", ip_version=4, state="unknown"),
        ),
        customers=(
            CustomerState(
                name="acme",
                tasks=3,
                certificate_until="2026-12-01T00:00:00Z",
                origins_unanswering=1,
                origin_answered_at="2026-12-01T00:00:00Z",
            ),
        ),
    )
    found = samples(Metrics("9.9"), state)
    assert of(found, "cdn_probe_ready") == 1
    assert of(found, "cdn_probe_slots_running") == 2
    assert of(found, "cdn_probe_slots_due_total") == 100
    assert of(found, "cdn_probe_store_queue_records") == 4
    assert of(found, "cdn_probe_store_lost_records_total") == 1
    assert of(found, "cdn_probe_store_writable") == 0
    assert of(found, "cdn_probe_store_free_bytes") == 2000
    assert of(found, "cdn_probe_clock_max_error_seconds") == 0.0025
    assert of(found, "cdn_probe_clock_steps_total") == 2
    assert of(found, "cdn_probe_event_loop_lag_seconds") == 0.04
    assert of(found, "cdn_probe_vantage_point_up", vantage_point="a", ip_version="4") == 1
    assert of(found, "cdn_probe_vantage_point_up", vantage_point="a", ip_version="6") == 0
    assert of(found, "cdn_probe_vantage_point_line_up", vantage_point="a") == 0
    assert of(found, "cdn_probe_vantage_point_line_up", vantage_point="b") == 1
    assert ("cdn_probe_vantage_point_up", (("ip_version", "4"), ("vantage_point", "b"))) not in found
    assert of(found, "cdn_probe_tasks", customer="acme") == 3
    assert of(found, "cdn_probe_complete_up_to_timestamp_seconds", customer="acme") == 1795345199
    assert of(found, "cdn_probe_earliest_certificate_expiry_timestamp_seconds", customer="acme") == 1796083200
    assert of(found, "cdn_probe_origins_never_answered", customer="acme") == 1
    assert of(found, "cdn_probe_origin_last_answer_timestamp_seconds", customer="acme") == 1796083200
    assert next(labels for name, labels in found if name == "cdn_probe_build_info")[1] == ("version", "9.9")


def test_what_is_unknown_has_no_series() -> None:
    state = replace(STATE, disk=Disk(), clock=ClockFacts(), loop_lag_us=None, complete_up_to={})
    names = {name for name, _ in samples(Metrics("1"), state)}
    assert not names & {
        "cdn_probe_store_size_bytes",
        "cdn_probe_clock_synchronised",
        "cdn_probe_event_loop_lag_seconds",
        "cdn_probe_complete_up_to_timestamp_seconds",
    }


# --- how much it can become ---------------------------------------------------------------------------


def test_pairs_beyond_the_bound_share_one_label() -> None:
    pairs = Pairs(room=2)
    assert [pairs.label("a", "x"), pairs.label("b", "x"), pairs.label("c", "x")] == [
        ("a", "x"), ("b", "x"), ("other", "other"),
    ]  # fmt: skip
    assert pairs.label("a", "x") == ("a", "x")
    assert pairs.folded == {("c", "x")}
    assert pairs.forget_but({("b", "x"), ("d", "x")}) == [("a", "x")]
    assert pairs.label("d", "x") == ("d", "x")
    assert pairs.folded == set()


def test_names_beyond_the_bound_share_one_label() -> None:
    assert named({"c", "a", "b"}, room=2) == {"a": "a", "b": "b", "c": "other"}


def test_who_is_measured_no_longer_has_no_series() -> None:
    metrics = Metrics("1")
    metrics.row(row())
    metrics.row(row(outcome=Outcome.FAILED, fault=Fault.CDN))
    metrics.row(row(customer="bolt"))
    metrics.forget_but({("bolt", "bj-ct")})
    assert 'customer="acme"' not in metrics.text(replace(STATE, customers=(), complete_up_to={}))
    assert 'customer="bolt"' in metrics.text(STATE)
    metrics.row(row())
    assert (
        of(
            samples(metrics, now_s=time.monotonic() + 5),
            "cdn_probe_slots_total",
            outcome="ok",
            fault="none",
            **PAIR,
        )
        == 1
    )


def test_the_largest_exposition_is_bounded_and_its_work_in_line_with_it() -> None:
    """A thousand customers from three vantage points, with all verdicts: more pairs than have series of their own."""
    metrics = Metrics("1")
    made = row()
    for number in range(1000):
        for point in range(3):
            for outcome in Outcome:
                metrics.row(replace(made, customer=f"c{number}", vantage_point=f"v{point}", outcome=outcome))
    state = replace(
        STATE,
        customers=tuple(CustomerState(name=f"c{n}", tasks=1) for n in range(1000)),
        complete_up_to={f"c{n}": STATE.at for n in range(1000)},
        vantage_points=tuple(VantageState(name=f"v{n}", ip_version=4, state="online") for n in range(30)),
    )
    text, work = counted(lambda: metrics.text(state))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    print(f"{len(lines)} series, {len(text)} bytes, {work} calls and lines")
    of_pairs, of_domains = (PAIRS + 1) * (7 * 14 + 2 + len(Outcome)), 201 * (12 + 2 + len(Outcome))
    assert len(lines) < of_pairs + of_domains + 3 * (NAMES + 1) + 500
    assert work < 270 * len(lines)  # seen are 181
    found = samples(metrics, state)
    assert of(found, "cdn_probe_label_pairs_folded") == 3000 - PAIRS
    assert of(found, "cdn_probe_tasks", customer="other") == 1000 - NAMES
    other = {"customer": "other", "vantage_point": "other"}
    assert of(found, "cdn_probe_slots_total", outcome="ok", fault="none", **other) == 3000 - PAIRS


def test_a_flood_of_scrapes_makes_the_text_once_a_second() -> None:
    metrics = Metrics("1")
    first = metrics.text(STATE, 100.0)
    metrics.row(row())
    assert metrics.text(STATE, 100.9) is first
    assert metrics.text(STATE, 101.1) != first


def test_a_row_costs_little() -> None:
    metrics = Metrics("1")
    made = row()
    metrics.row(made)
    for number in range(2000):
        _, work = counted(lambda: metrics.row(made))
        assert work < 1000, f"row {number}"


def test_the_bounds_are_what_the_documents_say() -> None:
    assert (metrics_labels.PAIRS, metrics_labels.NAMES) == (150, 500)


# --- by domain ------------------------------------------------------------------------------------------


def test_one_failing_domain_of_fifty_is_seen_by_its_name() -> None:
    metrics = Metrics("1")
    for number in range(50):
        failed = {"outcome": Outcome.FAILED, "fault": Fault.CDN} if number == 17 else {}
        made = slot(customer="acme", domain=f"d{number}.example.net", vantage_point="bj-ct")
        metrics.row(replace(made, observations=(build.seen(timing=TIMING),), **failed))
    found = samples(metrics)
    failing = [
        (dict(labels)["domain"], value)
        for (name, labels), value in found.items()
        if name == "cdn_probe_domain_slots_total" and dict(labels)["outcome"] == "failed"
    ]
    assert failing == [("d17.example.net", 1)]
    one = {"customer": "acme", "domain": "d3.example.net"}
    assert of(found, "cdn_probe_domain_duration_seconds_sum", **one) == pytest.approx(0.351)
    assert of(found, "cdn_probe_label_domains_folded") == 0


@pytest.mark.parametrize(("room", "own", "folded"), [(0, 0, 0), (3, 3, 7), (10, 10, 0)])
def test_domains_are_bounded_by_the_configuration(room: int, own: int, folded: int) -> None:
    metrics = Metrics("1", room)
    for number in range(10):
        metrics.row(slot(customer="acme", domain=f"d{number}.example.net"))
    found = samples(metrics)
    named_ones = {
        dict(labels)["domain"] for name, labels in found if name == "cdn_probe_domain_slots_total"
    } - {"other"}
    assert len(named_ones) == own
    assert of(found, "cdn_probe_label_domains_folded") == folded


def test_a_domain_that_is_measured_no_longer_has_no_series() -> None:
    metrics = Metrics("1")
    tls = Tls(chain_not_after="2026-12-01T00:00:00Z")
    for domain in ("www.example.net", "img.example.net"):
        made = slot(customer="acme", domain=domain)
        seen = replace(build.seen(timing=TIMING), tls=tls)
        for protocol in ("h1", "h2", "h3"):
            metrics.row(replace(made, protocol=protocol, observations=(seen,)))
    metrics.domains.refresh()
    www = {"customer": "acme", "domain": "www.example.net"}
    expiry = "cdn_probe_domain_certificate_expiry_timestamp_seconds"
    assert of(samples(metrics, now_s=1.0), expiry, **www) == 1796083200
    metrics.forget_but({("acme", "bj-ct")}, {("acme", "img.example.net")})
    left = {dict(labels).get("domain") for name, labels in samples(metrics, now_s=3.0) if "domain_" in name}
    assert left - {None} == {"img.example.net"}


def test_http_3_that_fails_shows_beside_versions_that_are_well() -> None:
    metrics = Metrics("1")
    good = replace(slot(customer="acme"), observations=(build.seen(timing=TIMING),))
    for protocol in ("h1", "h2", "h3", "auto"):
        metrics.row(replace(good, protocol=protocol))
    metrics.row(replace(good, protocol="h3", outcome="failed", fault="cdn"))
    found = samples(metrics)
    counted = {
        tuple(dict(labels)[name] for name in ("protocol", "outcome", "fault")): value
        for (name, labels), value in found.items()
        if name == "cdn_probe_domain_protocol_slots_total"
    }
    assert counted == {
        ("h2", "ok", "none"): 1,
        ("h3", "ok", "none"): 1,
        ("h3", "failed", "cdn"): 1,
        ("auto", "ok", "none"): 1,
    }
    of_h3 = {"customer": "acme", "domain": good.domain, "protocol": "h3"}
    assert of(found, "cdn_probe_domain_protocol_duration_seconds_count", **of_h3) == 2
    whole = {"customer": "acme", "domain": good.domain}
    assert of(found, "cdn_probe_domain_duration_seconds_count", **whole) == 5


def test_open_incidents_and_calls_are_of_the_moment() -> None:
    opened = story()[0].incident
    line = fed(Tracker(Rules()), minutes({"bj": "vv"}))[0].incident
    state = replace(
        STATE,
        incidents=(opened, line),
        calls=(CallState(target="ops", delivered=3, failed=1, waiting=2),),
    )
    found = samples(Metrics("1"), state)
    labels = {"customer": "acme", "domain": "www.example.net", "fault": "cdn"}
    assert of(found, "cdn_probe_open_incidents", **labels) == 1
    assert of(found, "cdn_probe_open_vantage_point_incidents", vantage_point="bj") == 1
    assert of(found, "cdn_probe_calls_total", target="ops", result="delivered") == 3
    assert of(found, "cdn_probe_calls_total", target="ops", result="failed") == 1
    assert of(found, "cdn_probe_calls_waiting", target="ops") == 2
    assert not [name for name, _ in samples(Metrics("1")) if "incident" in name]
