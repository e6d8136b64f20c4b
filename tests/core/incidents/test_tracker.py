"""Incidents row by row: when trouble is one, when it is over, and that it is one however it is fed."""

from __future__ import annotations

import pytest

from probe.core.incidents.incident import Ending, Incident, Kind, Stage, Transition, detail_of, from_detail
from probe.core.incidents.looks import LineLook
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.model.value import replace
from probe.core.records.verdict import Fault, Outcome
from tests.core.incidents.looking import MINUTE_US, START_US, fed, look, minutes

RULES = Rules()


def stages(points: dict[str, str], rules: Rules = RULES) -> list[str]:
    """What is told, each with the minute of the row that it came with."""
    tracker, told = Tracker(rules), []
    for one in minutes(points):
        told += [f"{each.stage}@{(one.at_us - START_US) // MINUTE_US}" for each in tracker.feed(one)]
    return told


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("....", []),
        ("..X", ["opened@2"]),
        ("..x", []),  # a second look was well, or nobody looked again: one row alone is none
        ("..xx", ["opened@3"]),
        ("..x.x", ["opened@4"]),
        ("..x......x", []),  # each alone, with the calm between
        ("X.....", ["opened@0", "closed@5"]),
        ("XX......", ["opened@0", "closed@6"]),
        ("X.X.X.X.X.....", ["opened@0", "closed@13"]),  # flapping is one
        ("X...X....X.....", ["opened@0", "closed@14"]),
        ("X......X.....", ["opened@0", "closed@5", "opened@7", "closed@12"]),
        ("X??????????.....", ["opened@0", "closed@12"]),  # nobody saw it well meanwhile
        ("X?????????????", ["opened@0"]),
    ],
)
def test_one_vantage_point(signs: str, expected: list[str]) -> None:
    assert stages({"bj": signs}) == expected


@pytest.mark.parametrize(
    ("points", "needed", "expected"),
    [
        ({"bj": "..X", "sh": "..."}, 1, ["opened@2"]),
        ({"bj": "..XXXX", "sh": "......"}, 2, []),
        ({"bj": "..XXXX", "sh": "....X."}, 2, ["opened@4"]),
        ({"bj": "..X...", "sh": "...X.."}, 2, ["opened@3"]),  # within the calm of each other
        ({"bj": "..X.......", "sh": ".........X"}, 2, []),
        ({"bj": "..XX"}, 2, ["opened@3"]),  # only one looks at all: two rows are asked of it
        (
            {"bj": ".........XX", "sh": ".??????????"},
            2,
            ["opened@10"],
        ),  # the other has not been able to for long
        ({"bj": "XX", "sh": " X"}, 2, ["opened@1"]),
        ({"bj": "XXXX", "sh": "..XX", "gz": "...."}, 2, ["opened@2"]),
    ],
)
def test_n_of_m(points: dict[str, str], needed: int, expected: list[str]) -> None:
    assert stages(points, Rules(vantage_points=needed)) == expected


def test_two_vantage_points_and_their_nodes_are_one_incident_that_grows() -> None:
    tracker = Tracker(RULES)
    told = fed(tracker, minutes({"bj": "..XXXX.......", "sh": "...XXX......."}))
    assert [each.stage for each in told] == [Stage.OPENED, Stage.CHANGED, Stage.CLOSED]
    first, grown, last = (each.incident for each in told)
    assert len({first.id, grown.id, last.id}) == 1
    assert [one.revision for one in (first, grown, last)] == [1, 2, 3]
    assert first.vantage_points == ("bj",)
    assert grown.vantage_points == last.vantage_points == ("bj", "sh")
    assert (last.looking, last.regions, last.nodes) == (2, ("CN-BJ", "CN-SH"), ("192.0.2.1",))
    assert (last.rows, last.fault, last.reason) == (7, Fault.CDN, "http.error")
    assert last.keys == tuple(f"acme/{at}" for at in (201, 301, 302, 401, 402, 501, 502))
    assert last.evidence_ids[0] == "ebj2"
    minute = [
        None if at is None else (at - START_US) // MINUTE_US
        for at in (last.well_before_us, last.first_failing_us, last.last_failing_us, last.well_after_us)
    ]
    assert minute == [1, 2, 5, 6]
    assert last.ending is Ending.WELL
    assert not tracker.open()
    assert tracker.closed() == [last]


def test_what_changes_often_is_told_once_in_a_while() -> None:
    tracker = Tracker(RULES)
    looks = [look("X", at / 60, nodes=(f"192.0.2.{at}",), seq=at + 1) for at in range(180)]
    told = fed(tracker, looks)
    assert [each.stage for each in told] == [Stage.OPENED, Stage.CHANGED, Stage.CHANGED]
    assert told[-1].incident.nodes != told[-2].incident.nodes


def test_another_fault_that_prevails_is_told() -> None:
    tracker = Tracker(RULES)
    fed(tracker, [look("X", 0), look("X", 1)])
    told = fed(tracker, [look("X", at, fault=Fault.ORIGIN, reason="origin.error") for at in range(2, 6)])
    assert {each.stage for each in told} == {Stage.CHANGED}
    assert told[-1].incident.fault is Fault.ORIGIN
    assert told[-1].incident.faults == ((Fault.ORIGIN, 3), (Fault.CDN, 2))


def test_domains_and_customers_are_apart() -> None:
    tracker = Tracker(RULES)
    told = fed(
        tracker, [look("X", 0), look("X", 0, domain="img.example.net"), look("X", 0, customer="other")]
    )
    assert [(each.incident.customer, each.incident.domain) for each in told] == [
        ("acme", "www.example.net"),
        ("acme", "img.example.net"),
        ("other", "www.example.net"),
    ]
    assert len({each.incident.id for each in told}) == 3
    assert told[2].customers == ("other",)


def test_one_domain_of_fifty_is_named_with_its_first_confirmed_row() -> None:
    tracker = Tracker(RULES)
    told = []
    for at in range(3):
        for number in range(50):
            sign = "X" if number == 17 and at else "."
            told += tracker.feed(look(sign, at, domain=f"d{number}.example.net", seq=at * 50 + number + 1))
    assert [each.incident.domain for each in told] == ["d17.example.net"]


# --- vantage points -----------------------------------------------------------------------------------


def offline(at: float, *, well: bool = False, customer: str = "acme", part: str = "ip4") -> LineLook:
    return LineLook(
        agent="probe-1",
        customer=customer,
        vantage_point="bj",
        part=part,
        at_us=START_US + round(at * MINUTE_US),
        well=well,
        reason="vantage.offline",
    )


def test_a_vantage_point_that_is_offline_is_in_trouble_itself_and_nobody_else_is() -> None:
    tracker = Tracker(RULES)
    told = fed(tracker, minutes({"bj": "..", "sh": ".."}))
    told += tracker.feed_line(offline(2))
    told += tracker.feed_line(offline(2, customer="other"))  # the same event in another customer's stream
    told += fed(tracker, (look("v", at, "bj") for at in range(2, 6)))
    told += tracker.feed_line(offline(6, well=True))
    told += fed(tracker, (look(".", at, "bj") for at in range(6, 14)))
    assert [(each.stage, each.incident.kind) for each in told if each.stage is not Stage.CHANGED] == [
        (Stage.OPENED, Kind.VANTAGE_POINT),
        (Stage.CLOSED, Kind.VANTAGE_POINT),
    ]
    first, last = told[0].incident, told[-1].incident
    assert (first.vantage_point, first.customer, first.domain) == ("bj", None, None)
    assert first.fault is Fault.VANTAGE
    assert told[-1].customers == ("acme", "other")
    assert last.ending is Ending.WELL
    assert (last.keys, last.paths, last.summary) == ((), (), None)  # nothing that is one customer's


def test_a_line_that_comes_and_goes_is_one_incident() -> None:
    tracker, told = Tracker(RULES), []
    for at in range(0, 20, 2):
        told += tracker.feed_line(offline(at))
        told += tracker.feed_line(offline(at + 1, well=True))
    told += tracker.tick(START_US + 30 * MINUTE_US)
    assert [each.stage for each in told] == [Stage.OPENED, Stage.CLOSED]


def test_a_lossy_line_without_events_is_seen_by_its_rows() -> None:
    tracker = Tracker(RULES)
    told = fed(tracker, minutes({"bj": ".vv......", "sh": "........."}))
    assert [(each.stage, each.incident.kind) for each in told] == [
        (Stage.OPENED, Kind.VANTAGE_POINT),
        (Stage.CLOSED, Kind.VANTAGE_POINT),
    ]


# --- restarts, copies, exclusions ---------------------------------------------------------------------

STORY = {"bj": "..xX.X....X........X.", "sh": "...XX......vv......X.", "gz": ".?.....x............."}


def test_written_down_and_read_again_after_any_row_it_says_the_same() -> None:
    looks = list(minutes(STORY))
    whole = fed(Tracker(RULES), looks)
    assert len(whole) >= 5
    for cut in range(len(looks)):
        tracker = Tracker(RULES)
        told = fed(tracker, looks[:cut])
        again = Tracker.restored(RULES, tracker.state())
        assert again.state() == tracker.state()
        assert told + fed(again, looks[cut:]) == whole


def test_a_row_that_is_fed_again_changes_nothing() -> None:
    looks = list(minutes(STORY))
    for cut in range(3, len(looks)):
        tracker = Tracker(RULES)
        fed(tracker, looks[:cut])
        before = tracker.open()
        assert [one.id for one in tracker.open()] == [one.id for one in before]
        assert not [t for t in fed(tracker, looks[max(0, cut - 3) : cut]) if t.stage is Stage.OPENED]
        assert tracker.open() == before or not before


def test_taken_over_from_the_stream_it_goes_on_and_is_not_opened_twice() -> None:
    looks = list(minutes({"bj": "..XXXX.......", "sh": "............."}))
    whole = fed(Tracker(RULES), looks)
    tracker = Tracker(RULES)
    tracker.adopt(from_detail(detail_of(whole[0].incident)))
    told = fed(tracker, [one for one in looks if one.at_us >= START_US + 4 * MINUTE_US])
    assert [each.stage for each in told] == [Stage.CLOSED]
    assert told[0].incident.id == whole[0].incident.id
    assert told[0].incident.first_failing_us == whole[0].incident.first_failing_us
    assert told[0].customers == ("acme",)


def test_nobody_waits_for_what_is_measured_no_longer() -> None:
    tracker = Tracker(RULES)
    fed(tracker, minutes({"bj": "XXX", "sh": "..."}))
    told = tracker.keep([("probe-1", "acme", "www.example.net/@sh")])
    assert [(each.stage, each.incident.ending) for each in told] == [(Stage.CLOSED, Ending.UNKNOWN)]


def test_who_falls_silent_is_waited_for_an_hour() -> None:
    tracker = Tracker(RULES)
    fed(tracker, minutes({"bj": "XXX"}))
    assert not tracker.tick(START_US + 60 * MINUTE_US)
    told = tracker.tick(START_US + 63 * MINUTE_US)
    assert [(each.stage, each.incident.ending) for each in told] == [(Stage.CLOSED, Ending.UNKNOWN)]


def copies(several: Rules, order: str) -> list[Transition]:
    """Three agents see one outage; their rows come in order of time, or each copy as a whole, one after the other."""
    rows = [
        replace(one, agent=f"probe-{number}", seq=at + 1)
        for number in (1, 2, 3)
        for at, one in enumerate(minutes({"bj": "...XXXX....."}))
    ]
    if order == "time":
        rows.sort(key=lambda one: one.at_us)
    return fed(Tracker(several), rows)


@pytest.mark.parametrize("order", ["time", "copies"])
def test_three_copies_of_one_outage_are_one_incident(order: str) -> None:
    told = copies(Rules(several=True), order)
    assert len({each.incident.id for each in told}) == 1
    assert told[-1].stage is Stage.CLOSED
    last = told[-1].incident
    assert last.agents == ("probe-1", "probe-2", "probe-3")
    assert last.vantage_points == ("probe-1/bj", "probe-2/bj", "probe-3/bj")
    assert last.rows == 12
    assert [each.stage for each in told].count(Stage.OPENED) == 1


def test_n_of_m_spans_hosts() -> None:
    told = copies(Rules(several=True, vantage_points=2), "time")
    assert [each.stage for each in told if each.stage is not Stage.CHANGED] == [Stage.OPENED, Stage.CLOSED]
    assert len(told[0].incident.vantage_points) == 2


def test_whether_it_lies_in_an_exclusion_is_told() -> None:
    tracker = Tracker(RULES)
    told = fed(
        tracker, [look("X", 0, exclusions=("maintenance",)), look("X", 1, exclusions=("maintenance",))]
    )
    assert told[0].incident.excluded
    told = fed(tracker, [look("X", 2), look("X", 3)])
    assert [(each.stage, each.incident.excluded) for each in told] == [(Stage.CHANGED, False)]
    assert told[0].incident.exclusions == ("maintenance",)


def test_an_event_holds_it_whole() -> None:
    for each in fed(Tracker(RULES), minutes(STORY)):
        again = from_detail(detail_of(each.incident))
        assert again == each.incident
        assert all(isinstance(text, str) for text in detail_of(each.incident).values())


@pytest.mark.parametrize("detail", [{}, {"id": "1"}, {"id": "a", "revision": "x"}])
def test_what_is_no_incident_is_refused(detail: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no incident"):
        from_detail(detail)


def test_a_damaged_state_is_refused() -> None:
    for state in (b"", b"{}", b"[]", b'{"now_us": "x"}'):
        with pytest.raises(ValueError, match="no state"):
            Tracker.restored(RULES, state)


def test_the_lists_are_bounded() -> None:
    tracker = Tracker(RULES)
    fed(
        tracker,
        [look("X", at, nodes=(f"2001:db8::{at:x}",), path=f"/{at % 300}", seq=at + 1) for at in range(500)],
    )
    (one,) = tracker.open()
    assert one.rows == 500
    assert (len(one.nodes), len(one.paths), len(one.keys)) == (100, 100, 20)
    assert one.keys[0] == "acme/1"
    assert one.keys[-1] == "acme/500"
    assert len(str(detail_of(one))) < 10_000


def test_outcome_is_the_gravest() -> None:
    tracker = Tracker(RULES)
    told = tracker.feed(replace(look("X", 0), outcome=Outcome.SLOW))
    fed(tracker, [look("X", 1), replace(look("X", 2), outcome=Outcome.STALE)])
    assert told[0].incident.outcome is Outcome.SLOW
    found: list[Incident] = tracker.open()
    assert found[0].outcome is Outcome.FAILED
