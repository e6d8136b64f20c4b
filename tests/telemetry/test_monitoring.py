"""Rules, dashboard and guide speak of metrics that exist, and of all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from probe.api.http.counters import Counters
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.rows import State
from probe.core.records.transport import Tls
from probe.core.results.live_state import CallState, CustomerState, StampState, VantageState, WorkerState
from probe.telemetry.metrics import Metrics
from tests.core.calls.made import story
from tests.core.incidents.looking import fed, minutes
from tests.core.results.test_live_state import STATE
from tests.support import build
from tests.telemetry.test_metrics import TIMING, row

DOCS = Path(__file__).parents[2] / "docs"
RULES = DOCS / "monitoring" / "alerts.yml"
DASHBOARD = DOCS / "monitoring" / "dashboard.json"
NAME = re.compile(r"\b(?:cdn_probe|process)_\w+")


def exposed() -> dict[str, set[str]]:
    """Name of each sample of a full exposition -> names of its labels."""
    metrics = Metrics("1")
    metrics.row(row())
    refused = replace(build.seen(), failure=Failure(phase=Phase.TCP, type=FailureType.TCP_REFUSED))
    metrics.row(row(observations=(refused,), resolution=build.resolution("192.0.2.1")))
    tls = Tls(chain_not_after="2026-12-01T00:00:00Z")
    metrics.row(row(observations=(replace(build.seen(timing=TIMING), tls=tls),)))
    metrics.row(row(protocol="h2", observations=(build.seen(timing=TIMING),)))
    metrics.row(row(state=State.MISSED, missed_reason="agent.stalled"))
    metrics.event("clock.stepped")
    state = replace(
        STATE,
        vantage_points=(VantageState(name="a", ip_version=4, state="online"),),
        workers=(WorkerState(number=0, measuring=True, starts=1),),
        incidents=(story()[0].incident, fed(Tracker(Rules()), minutes({"bj": "vv"}))[0].incident),
        calls=(CallState(target="ops", delivered=1),),
        stamps=StampState(url="https://tsa.example.net", last_at="2026-11-22T00:00:00Z"),
        customers=(
            CustomerState(
                name="acme",
                tasks=3,
                certificate_until="2026-12-01T00:00:00Z",
                origins_unanswering=0,
                origin_answered_at="2026-11-22T00:00:00Z",
            ),
        ),
    )
    metrics.domains.refresh()
    counters = Counters()
    counters.requests.labels("/v1/results", "200").inc()
    counters.cut.labels("slow").inc()
    found: dict[str, set[str]] = {}
    for text in (metrics.text(state), counters.text()):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return {name: labels for name, labels in found.items() if not name.endswith("_created")}


EXPOSED = exposed()
ALL_RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
RULE_LIST = [rule for rule in ALL_RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in ALL_RULES if "record" in rule}
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]


@pytest.mark.parametrize("rule", RULE_LIST, ids=lambda rule: rule["alert"])
def test_every_metric_of_a_rule_exists(rule: dict[str, Any]) -> None:
    names = set(NAME.findall(rule["expr"]))
    recorded = set(re.findall(r"cdn_probe:[\w:]+", rule["expr"]))
    assert names or recorded or "up" in rule["expr"]
    assert recorded <= RECORDED
    assert names <= set(EXPOSED)
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert rule["annotations"]["summary"]


def test_what_is_recorded_is_made_of_metrics_by_domain() -> None:
    assert len(RECORDED) == 5
    for rule in ALL_RULES:
        if "record" in rule:
            names = set(NAME.findall(rule["expr"]))
            assert names
            assert names <= set(EXPOSED)
            assert all({"customer", "domain"} <= EXPOSED[name] for name in names)


def test_of_every_alert_it_is_tested_when_it_is_raised() -> None:
    """With `promtool test rules`: raised once at least, with its labels and words."""
    cases = yaml.safe_load((RULES.parent / "alerts_test.yml").read_text())["tests"]
    raised = {
        one["alertname"] for case in cases for one in case.get("alert_rule_test", ()) if one.get("exp_alerts")
    }
    assert {rule["alert"] for rule in ALL_RULES if "alert" in rule} == raised


@pytest.mark.parametrize("panel", [p for p in PANELS if p["type"] != "row"], ids=lambda panel: panel["title"])
def test_every_metric_of_a_panel_exists_with_its_labels(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        names = set(NAME.findall(target["expr"]))
        assert names, target["expr"]
        assert names <= set(EXPOSED)
        for name, matchers in re.findall(r"\b((?:cdn_probe|process)_\w+)\{([^}]*)\}", target["expr"]):
            used = set(re.findall(r"(\w+)\s*[=!]", matchers)) - {"instance", "job"}
            assert used <= EXPOSED[name], (name, used)


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert board["title"] == "cdn-probe"
    identifiers = [panel["id"] for panel in PANELS]
    assert len(set(identifiers)) == len(identifiers)
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in PANELS]
    assert len(set(places)) == len(places)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in PANELS)
    known = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)\}?", DASHBOARD.read_text())) - {"__all"} == known
    for variable in board["templating"]["list"][1:]:
        (name,) = NAME.findall(variable["query"]["query"])
        assert name in EXPOSED


def test_the_guide_lists_every_metric_with_its_labels_and_no_other() -> None:
    text = (DOCS / "monitoring.md").read_text()
    listed = {
        name: set(filter(None, (label.strip() for label in labels.split(","))))
        for name, labels in re.findall(r"^\| `(cdn_probe_\w+)` \| \w+ \| ([\w, ]*) ?\|", text, re.M)
    }
    ours = {
        re.sub(r"_(bucket|sum|count)$", "", name): labels - {"le"}
        for name, labels in EXPOSED.items()
        if name.startswith("cdn_probe")
    }
    assert listed == ours
    assert set(NAME.findall(text)) - {"process_"} <= set(ours) | {"process_start_time_seconds"}


def test_every_metric_of_ours_is_drawn_or_alerted_on() -> None:
    """One that nobody looks at is not worth its series."""
    looked_at = set(NAME.findall(RULES.read_text())) | set(NAME.findall(DASHBOARD.read_text()))
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in EXPOSED if name.startswith("cdn_probe")}
    unseen = ours - {re.sub(r"_(bucket|sum|count)$", "", name) for name in looked_at}
    assert unseen == {
        "cdn_probe_api_rows_total",
        "cdn_probe_api_sent_bytes_total",
        "cdn_probe_api_cut_total",
        "cdn_probe_api_connections_refused_total",
        "cdn_probe_last_stamp_timestamp_seconds",
    }
