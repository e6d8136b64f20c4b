"""What an Alertmanager and a webhook are sent: one alert however an incident grows, one signed object a step."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from probe.core.calls.messages import alerts, signature, webhook, webhook_schema
from probe.core.calls.queue import Delivery
from probe.core.calls.target import Target
from probe.core.incidents.incident import Transition, from_shown
from probe.core.incidents.rules import Rules
from probe.core.incidents.sentence import sentence
from probe.core.incidents.tracker import Tracker
from probe.core.model.times import epoch_s
from probe.core.model.value import replace
from tests.core.calls.made import ALERTMANAGER, WEBHOOK, story, with_exclusion
from tests.core.incidents.looking import MINUTE_US, START_US, fed, minutes

NOW_US = START_US + 20 * MINUTE_US
MONITORING = Path(__file__).parents[3] / "docs/monitoring"


def delivery(told: Transition, target: Target = ALERTMANAGER) -> Delivery:
    return Delivery(target, told.stage, told.incident, 1)


def alert(told: Transition) -> dict[str, Any]:
    (made,) = json.loads(alerts(delivery(told), "probe-1", NOW_US))
    assert isinstance(made, dict)
    return made


def test_labels_never_change_and_annotations_grow() -> None:
    opened, changed, closed = map(alert, story())
    assert opened["labels"] == changed["labels"] == closed["labels"]
    assert set(opened["labels"]) == {"alertname", "agent", "customer", "domain", "incident"}
    assert opened["annotations"]["vantage_points"] == "bj"
    assert changed["annotations"]["vantage_points"] == "bj, sh"
    assert changed["annotations"]["summary"] == sentence(story()[1].incident)
    assert opened["annotations"]["fault"] == "cdn"
    assert opened["startsAt"] == closed["startsAt"]


def test_open_holds_for_a_while_and_closed_is_over() -> None:
    opened, _, closed = map(alert, story())
    now_s = NOW_US / 1e6
    assert epoch_s(opened["endsAt"]) == now_s + 300
    assert epoch_s(closed["startsAt"]) < epoch_s(closed["endsAt"]) <= now_s


def test_a_vantage_point_is_another_alert() -> None:
    (told,) = fed(Tracker(Rules()), minutes({"bj": "vv"}))
    made = alert(told)
    assert made["labels"].pop("incident") == told.incident.id
    assert made["labels"] == {
        "alertname": "CdnProbeVantagePointIncident",
        "agent": "probe-1",
        "vantage_point": "bj",
    }


def test_an_exclusion_is_named() -> None:
    assert alert(with_exclusion(story()[0], True))["annotations"]["exclusion"] == "maintenance"
    assert "exclusion" not in alert(story()[0])["annotations"]


def test_what_servers_sent_is_text_and_bounded() -> None:
    told = story()[0]
    nodes = tuple(f"192.0.2.{at}" for at in range(100))
    odd = replace(told.incident, summary="\x1b[2J", nodes=nodes, paths=("/\u202e",))
    made = alert(Transition(stage=told.stage, incident=odd, customers=told.customers))
    assert made["annotations"]["nodes"].endswith("and 80 more")
    assert "\x1b" not in json.dumps(made)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_webhooks_message_is_as_its_schema_says(at: int) -> None:
    told = story()[at]
    made = json.loads(webhook(delivery(told, WEBHOOK), "probe-1", NOW_US))
    Draft202012Validator(webhook_schema(), format_checker=FormatChecker()).validate(made)
    assert from_shown(made["incident"]) == told.incident
    assert made["delivery"] == f"{told.incident.id}-{at + 1}"
    assert made["event"] == f"incident.{told.stage}"


def test_the_schema_refuses_what_is_none() -> None:
    made = json.loads(webhook(delivery(story()[0], WEBHOOK), "probe-1", NOW_US))
    checked = Draft202012Validator(webhook_schema())
    for key, value in (("event", "incident.forgotten"), ("incident", {}), ("schema_version", 2)):
        assert not checked.is_valid({**made, key: value})
    assert not checked.is_valid({**made, "incident": {**made["incident"], "fault": "nobody"}})


def test_the_documents_are_those_of_the_code() -> None:
    """Renewed by `python -m tests.core.calls.documents`."""
    kept = json.loads((MONITORING / "call.schema.json").read_text())
    assert kept == webhook_schema()
    example = json.loads((MONITORING / "call.example.json").read_text())
    Draft202012Validator(kept, format_checker=FormatChecker()).validate(example)
    incident = from_shown(example["incident"])
    assert example["incident"]["sentence"] == sentence(incident)


def test_the_signature_is_over_time_and_body() -> None:
    made = signature(b"key", 1_700_000_000, b"{}")
    assert made == "v1=" + hmac.new(b"key", b"1700000000.{}", "sha256").hexdigest()
    others = {signature(b"key", 1_700_000_001, b"{}"), signature(b"kez", 1_700_000_000, b"{}"), made}
    assert len(others) == 3
