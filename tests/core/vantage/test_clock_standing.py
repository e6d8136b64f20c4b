"""Dates accuse only while somebody vouches for our clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.checks import CHECKS
from probe.core.model.times import epoch_s, utc_text
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import HostDate
from probe.core.records.transport import Tls
from probe.core.records.verdict import Evidence
from probe.core.results.rows import evidence_of, measured_row
from probe.core.vantage.clock_standing import clock_standing
from tests.support.build import AT, EDGE, broken, evidence, host, seen, task, triple

EXPIRED = broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS)
WRONG = ("inconclusive", "agent", "agent.clock_wrong")
ACCUSED = ("failed", "cdn", "tls.cert.date_invalid")
DAY_S = 86_400


def dated(off_s: float, address: str, role: Role = Role.ANCHOR) -> Observation:
    """A reply of another host whose clock is behind ours by `off_s`."""
    from email.utils import formatdate

    date = formatdate(epoch_s(AT) - off_s, usegmt=True)
    return replace(seen(role, fields=(("date", date),)), address=address)


def vouched(of: Evidence) -> bool:
    return clock_standing(of).vouched_by is not None


def earlier(host: str, ahead_s: float, *, of_edge: bool = False) -> HostDate:
    """What was seen a minute before the slot."""
    return HostDate(
        host=host, ahead_us=round(ahead_s * 1e6), within_us=1_000_000, seen_us_ago=60_000_000, of_edge=of_edge
    )


def unvouched(*others: Observation, synchronised: bool | None = False) -> tuple[str, str | None, str | None]:
    return triple(evidence(EXPIRED, *others, host=host(clock_synchronised=synchronised)))


@pytest.mark.parametrize("synchronised", [False, None])
def test_without_a_voucher_no_date_accuses(synchronised: bool | None) -> None:
    assert unvouched(synchronised=synchronised) == WRONG
    assert unvouched(dated(0, "198.18.7.1"), synchronised=synchronised) == WRONG
    assert unvouched(dated(0, "198.18.7.1"), dated(0, "198.18.7.1"), synchronised=synchronised) == WRONG


def test_the_kernel_or_two_other_hosts_vouch() -> None:
    assert unvouched(synchronised=True) == ACCUSED
    assert unvouched(dated(0, "198.18.7.1"), dated(-200, "198.18.7.2", Role.ORIGIN)) == ACCUSED


def test_the_accused_host_does_not_vouch() -> None:
    assert unvouched(dated(0, EDGE), dated(0, "198.18.7.1")) == WRONG


def test_two_hosts_outrank_the_kernel_and_one_does_not() -> None:
    assert unvouched(dated(400 * DAY_S, "198.18.7.1"), synchronised=True) == ACCUSED
    both = dated(400 * DAY_S, "198.18.7.1"), dated(400 * DAY_S, "198.18.7.2")
    assert unvouched(*both, synchronised=True) == WRONG


def test_certificates_of_others_that_do_not_fit_contradict_too() -> None:
    likewise = [
        replace(broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS, Role.ANCHOR), address=f"198.18.7.{i}")
        for i in (1, 2)
    ]
    assert not vouched(evidence(EXPIRED, *likewise))


def test_dates_of_earlier_slots_count() -> None:
    two = earlier("198.18.7.1", 0), earlier("198.18.7.2", 1)
    alone = evidence(EXPIRED, host=host(clock_synchronised=False))
    assert triple(replace(alone, dates=two)) == ACCUSED
    assert triple(replace(alone, dates=two[:1])) == WRONG
    assert triple(replace(alone, dates=(two[0], earlier(EDGE, 0)))) == WRONG, "the accused one does not vouch"
    both = replace(alone, observations=(EXPIRED, dated(0, "198.18.7.2")), dates=two[:1])
    assert triple(both) == ACCUSED


def test_of_a_host_the_latest_date_counts() -> None:
    alone = evidence(
        EXPIRED, dated(0, "198.18.7.1"), dated(0, "198.18.7.2"), host=host(clock_synchronised=False)
    )
    wrong_before = earlier("198.18.7.1", 400 * DAY_S), earlier("198.18.7.2", 400 * DAY_S)
    assert triple(replace(alone, dates=wrong_before)) == ACCUSED


def test_nodes_of_a_cdn_vouch_and_never_contradict() -> None:
    two = earlier("203.0.113.1", 0, of_edge=True), earlier("203.0.113.2", 0, of_edge=True)
    alone = evidence(EXPIRED, host=host(clock_synchronised=False))
    assert triple(replace(alone, dates=two)) == ACCUSED
    off = tuple(replace(date, ahead_us=400 * DAY_S * 1_000_000) for date in two)
    assert triple(replace(alone, dates=off, host=host())) == ACCUSED, (
        "whose date is wrong excuses no certificate"
    )
    anchors = tuple(replace(date, of_edge=False) for date in off)
    assert triple(replace(alone, dates=anchors, host=host())) == WRONG


@pytest.mark.parametrize(("over_s", "expected"), [(0.5, WRONG), (1.5, WRONG), (20.0, ACCUSED)])
def test_a_date_accuses_only_beyond_the_bound(over_s: float, expected: tuple[str, str, str]) -> None:
    """By the dates of two hosts our clock is off by two seconds at most."""
    ended = Tls(not_before="2026-01-01T00:00:00Z", not_after=utc_text(epoch_s(AT) - over_s))
    two = earlier("198.18.7.1", 0), earlier("198.18.7.2", 2)
    seen_with = evidence(replace(EXPIRED, tls=ended), dates=two, host=host(clock_synchronised=False))
    assert clock_standing(seen_with).bound_us == 2_000_000
    assert triple(seen_with) == expected
    begins = Tls(not_before=utc_text(epoch_s(AT) + over_s), not_after="2027-01-01T00:00:00Z")
    assert triple(replace(seen_with, observations=(replace(EXPIRED, tls=begins),))) == expected


def test_an_origin_is_no_more_accused_by_our_clock_than_an_edge() -> None:
    """The edge gives a 503, and the origin's certificate is expired by our clock, which nobody vouches for."""
    origin = broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS, Role.ORIGIN)
    off = evidence(seen(status=503), origin, host=host(clock_synchronised=False))
    assert triple(off) == ("failed", "unknown", "http.error")
    assert triple(replace(off, host=host())) == ("failed", "origin", "origin.tls.cert.date_invalid")


def test_the_standing_is_on_the_row_and_judged_again_from_it() -> None:
    two = earlier("198.18.7.1", 0), earlier("198.18.7.2", 2)
    off = evidence(EXPIRED, dates=two, host=host(clock_synchronised=False))
    row = measured_row(task(), off, CHECKS, finished_at=AT)
    assert row.clock is not None
    assert (row.clock.vouched_by, row.clock.bound_us, row.clock.agreeing) == ("dates", 2_000_000, 2)
    assert row.clock.earlier == two
    assert evidence_of(row) == off
    well = measured_row(task(checks=()), evidence(seen(), dates=two), CHECKS, finished_at=AT)
    assert well.clock is not None
    assert (well.clock.vouched_by, well.clock.bound_us, well.clock.earlier) == ("kernel", None, ())


@given(
    st.lists(st.floats(400, 1e8) | st.floats(-1e8, -400), min_size=2, max_size=6),
    st.booleans() | st.none(),
)
def test_a_contradicted_clock_never_accuses_by_a_date(offs_s: list[float], synchronised: bool | None) -> None:
    others = [dated(off_s, f"198.18.7.{i}") for i, off_s in enumerate(offs_s, 1)]
    seen_with = evidence(EXPIRED, *others, host=host(clock_synchronised=synchronised))
    assert not vouched(seen_with)
    assert triple(seen_with)[1] not in ("cdn", "origin", "customer")
