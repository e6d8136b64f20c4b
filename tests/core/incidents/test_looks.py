"""What rows and events say for incidents, as values and as stored lines."""

from __future__ import annotations

from typing import Any

import pytest

from probe.core.incidents.incident import EVENTS, Stage, detail_of
from probe.core.incidents.looks import ClockStep, LineLook, Sight, event_look_of, look_of, read_line
from probe.core.incidents.rules import Rules
from probe.core.incidents.sentence import sentence, span
from probe.core.incidents.told import is_of_incident, told
from probe.core.incidents.tracker import Tracker
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.rows import EventRecord, State
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.results.rows import event_row
from tests.core.incidents.looking import fed, look, minutes
from tests.support.rows import HOST, event, missed, slot

OUTCOMES = Rules().outcomes
FAILED: dict[str, Any] = {"outcome": Outcome.FAILED, "fault": Fault.CDN, "reason": "http.error"}


@pytest.mark.parametrize(
    ("changes", "domain", "line"),
    [
        ({}, Sight.WELL, Sight.WELL),
        (FAILED, Sight.TROUBLE, Sight.WELL),
        ({**FAILED, "fault": Fault.ORIGIN}, Sight.TROUBLE, Sight.WELL),
        ({**FAILED, "fault": Fault.CUSTOMER}, Sight.TROUBLE, Sight.WELL),
        ({**FAILED, "fault": Fault.UNKNOWN}, Sight.TROUBLE, Sight.WELL),
        ({**FAILED, "outcome": Outcome.STALE}, Sight.TROUBLE, Sight.WELL),
        ({**FAILED, "outcome": Outcome.SLOW}, Sight.TROUBLE, Sight.WELL),
        ({"outcome": Outcome.INCONCLUSIVE, "fault": Fault.VANTAGE}, Sight.UNKNOWN, Sight.TROUBLE),
        ({"outcome": Outcome.INCONCLUSIVE, "fault": Fault.AGENT}, Sight.UNKNOWN, Sight.UNKNOWN),
        ({"outcome": Outcome.INCONCLUSIVE, "fault": Fault.UNKNOWN}, Sight.UNKNOWN, Sight.UNKNOWN),
        ({"outcome": Outcome.INCONCLUSIVE, "fault": Fault.CUSTOMER}, Sight.TROUBLE, Sight.WELL),
        ({"state": State.ABORTED, "outcome": None}, Sight.UNKNOWN, Sight.UNKNOWN),
    ],
)
def test_what_a_row_says(changes: dict[str, Any], domain: Sight, line: Sight) -> None:
    seen = look_of(slot(**changes), OUTCOMES)
    assert (seen.domain_sight, seen.line_sight) == (domain, line)


def test_outcomes_are_as_configured() -> None:
    slow = slot(**{**FAILED, "outcome": Outcome.SLOW})
    assert look_of(slow, (Outcome.FAILED,)).domain_sight is Sight.WELL


def test_a_missed_row_says_nothing() -> None:
    seen = look_of(missed(), OUTCOMES)
    assert (seen.domain_sight, seen.line_sight, seen.nodes) == (Sight.UNKNOWN, Sight.UNKNOWN, ())


def finding(address: str, fault: Fault | None = Fault.CDN, outcome: Outcome = Outcome.FAILED) -> Finding:
    return Finding(
        check="observation",
        reason="http.error",
        severity=Severity.ERROR,
        outcome=outcome,
        fault=fault,
        address=address,
    )


def test_a_stored_line_says_what_its_row_says() -> None:
    found = (finding("192.0.2.7"), finding("192.0.2.8", None, Outcome.OK), finding("192.0.2.7"))
    row = replace(
        slot(**FAILED, findings=found, confirmed=True, evidence_id="e1", exclusions=("attack",)), seq=7
    )
    line = read_line(encode(row))
    assert line is not None
    assert not isinstance(line, EventRecord)
    seen = look_of(row, OUTCOMES)
    assert look_of(line, OUTCOMES) == seen
    assert (seen.nodes, seen.confirmed, seen.evidence_id) == (("192.0.2.7",), True, "e1")


def test_lines_that_are_no_rows() -> None:
    one = read_line(encode(event("agent.started")))
    assert isinstance(one, EventRecord)
    assert event_look_of(one) is None
    assert read_line('{"kind":"dropped","first_seq":1,"last_seq":2}') is None
    for text in ("", "{}", "no", '{"kind":"slot"}'):
        with pytest.raises(ValueError, match="not a record"):
            read_line(text)


@pytest.mark.parametrize(
    ("name", "detail", "expected"),
    [
        ("vantage.offline", {"vantage_point": "bj", "ip_version": "6"}, ("bj", "ip6", False)),
        ("vantage.online", {"vantage_point": "bj", "ip_version": "4"}, ("bj", "ip4", True)),
        ("vantage.line_down", {"vantage_point": "bj"}, ("bj", "line", False)),
        ("vantage.line_up", {"vantage_point": "bj"}, ("bj", "line", True)),
    ],
)
def test_events_of_lines(name: str, detail: dict[str, str], expected: tuple[str, str, bool]) -> None:
    seen = event_look_of(event_row("acme", "2026-11-29T10:00:00Z", name, detail, HOST))
    assert isinstance(seen, LineLook)
    assert (seen.vantage_point, seen.part, seen.well) == expected


@pytest.mark.parametrize("text", ["-3600000000", "2500000", "", "x", "1.5", "--1"])
def test_events_of_the_clock(text: str) -> None:
    seen = event_look_of(event_row("acme", "1970-01-01T00:00:07Z", "clock.stepped", {"delta_us": text}, HOST))
    if text.removeprefix("-").isdigit():
        assert seen == ClockStep(agent=HOST.agent, customer="acme", at_us=7_000_000, delta_us=int(text))
    else:
        assert seen is None


def test_what_a_stream_tells_is_the_newest_of_each() -> None:
    story = fed(Tracker(Rules()), minutes({"bj": "X......X.....", "sh": "X............"}))
    story += fed(Tracker(Rules()), [look("X", 9, domain="img.example.net")])
    events = [
        event_row("acme", "2026-11-29T10:00:00Z", each.event, detail_of(each.incident), HOST)
        for each in story
    ]
    events.append(
        event_row("acme", "2026-11-29T10:00:00Z", "incident.opened", {"id": "of another kind"}, HOST)
    )
    found = told([*events, event("agent.started")])
    assert [(one.domain, one.is_open) for one in found] == [
        ("img.example.net", True),
        ("www.example.net", False),
        ("www.example.net", False),
    ]
    assert (found[1].closed_us or 0) > (found[2].closed_us or 0)
    assert all(is_of_incident(encode(one).decode()) for one in events)
    assert not is_of_incident(encode(event("agent.started")).decode())
    assert {each.event for each in story} <= set(EVENTS)


def test_a_sentence_says_what_was_seen_and_no_more() -> None:
    story = fed(Tracker(Rules()), minutes({"bj": ".X.....", "sh": ".X....."}))
    assert sentence(story[0].incident) == (
        "www.example.net fails since 2026-09-21T14:15:00Z: http.error, the CDN's fault; "
        "seen from 1 of 2 vantage points (bj), at 192.0.2.1."
    )
    assert story[-1].stage is Stage.CLOSED
    assert sentence(story[-1].incident) == (
        "www.example.net failed from 2026-09-21T14:15:00Z: http.error, the CDN's fault; "
        "seen from 2 of 2 vantage points (bj, sh), at 192.0.2.1; "
        "well again by 2026-09-21T14:16:00Z, it lasted 0 s to 2 min."
    )
    line = fed(Tracker(Rules()), minutes({"bj": "vv"}))
    assert sentence(line[0].incident) == (
        "Vantage point bj is in trouble since 2026-09-21T14:14:00Z: vantage.lossy; nobody else is accused."
    )
    gone = Tracker(Rules())
    fed(gone, [look("X", 0, exclusions=("attack",))])
    (lost,) = gone.keep([])
    assert sentence(lost.incident).endswith(
        "last seen at 2026-09-21T14:14:00Z, and nobody knows whether it is over; "
        "within a declared exclusion (attack)."
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h 01 min"), (180_000, "2 d 2 h")],
)
def test_spans(seconds: int, text: str) -> None:
    assert span(seconds * 1_000_000) == text
