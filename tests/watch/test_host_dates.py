"""Dates of other hosts are kept for minutes, and say the same whatever is done to our clock meanwhile."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import HostDate
from probe.watch.host_dates import HOSTS_AT_MOST, KEPT_NS, TOLD_AT_MOST, HostDates
from tests.support.build import seen

EPOCH_S = 1_795_428_000
SECOND_NS = 1_000_000_000


class SetClock:
    """A wall clock that can be set, beside a monotonic one."""

    def __init__(self) -> None:
        self.steady_ns, self.ahead_ns = 5 * SECOND_NS, 0

    def monotonic_ns(self) -> int:
        return self.steady_ns

    def time_ns(self) -> int:
        return EPOCH_S * SECOND_NS + self.steady_ns + self.ahead_ns


def reply(clock: SetClock, host: str, role: Role = Role.ANCHOR) -> Observation:
    """One that comes at once, dated by a clock that is right."""
    date = formatdate(EPOCH_S + clock.steady_ns // SECOND_NS, usegmt=True)
    made = seen(role, fields=(("date", date),))
    timing = replace(made.timing, request_start_us=0, response_start_us=0)
    return replace(made, address=host, timing=timing)


def told(dates: HostDates) -> dict[str, HostDate]:
    return {date.host: date for date in dates.lately()}


def test_a_date_says_by_how_much_our_clock_is_ahead() -> None:
    clock = SetClock()
    dates = HostDates(clock)
    clock.ahead_ns = 7 * SECOND_NS
    dates.note(reply(clock, "198.18.7.1"), clock.steady_ns)
    assert told(dates)["198.18.7.1"] == HostDate(host="198.18.7.1", ahead_us=7_000_000, within_us=1_000_000)


@pytest.mark.parametrize("set_by_s", [0, 400 * 86_400, -3_600])
def test_a_clock_that_is_set_afterwards_is_seen_to_be_wrong(set_by_s: int) -> None:
    clock = SetClock()
    dates = HostDates(clock)
    dates.note(reply(clock, "198.18.7.1"), clock.steady_ns)
    clock.steady_ns += 60 * SECOND_NS
    clock.ahead_ns = set_by_s * SECOND_NS
    date = told(dates)["198.18.7.1"]
    assert (date.ahead_us, date.seen_us_ago) == (set_by_s * 1_000_000, 60_000_000)


def test_what_is_older_than_minutes_is_told_no_more() -> None:
    clock = SetClock()
    dates = HostDates(clock)
    dates.note(reply(clock, "198.18.7.1"), clock.steady_ns)
    clock.steady_ns += KEPT_NS
    assert told(dates)
    clock.steady_ns += 1
    assert not told(dates)


def test_a_host_counts_once_and_a_thousand_nodes_displace_no_anchor() -> None:
    clock = SetClock()
    dates = HostDates(clock)
    for number in range(2):
        dates.note(reply(clock, f"198.18.7.{number}"), clock.steady_ns)
    for number in range(1000):
        clock.steady_ns += SECOND_NS // 10
        dates.note(reply(clock, f"203.0.{number // 200}.{number % 200}", Role.EDGE), clock.steady_ns)
    found = told(dates)
    assert {"198.18.7.0", "198.18.7.1"} <= found.keys()
    assert len(found) == TOLD_AT_MOST < HOSTS_AT_MOST
    assert found["203.0.4.199"].of_edge
    assert not found["198.18.7.0"].of_edge


def test_replies_without_a_date_say_nothing() -> None:
    clock = SetClock()
    dates = HostDates(clock)
    for fields in ((), (("date", "yesterday"),)):
        dates.note(replace(seen(Role.ANCHOR, fields=fields), address="198.18.7.1"), clock.steady_ns)
    dates.note(replace(seen(Role.ANCHOR), address="198.18.7.1", response=None), clock.steady_ns)
    assert not told(dates)
