"""Dates accuse only while somebody vouches for our clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.times import epoch_s
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.vantage.clock_standing import clock_vouched
from tests.support.build import AT, EDGE, broken, evidence, host, seen, triple

EXPIRED = broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS)
WRONG = ("inconclusive", "agent", "agent.clock_wrong")
ACCUSED = ("failed", "cdn", "tls.cert.date_invalid")
DAY_S = 86_400


def dated(off_s: float, address: str, role: Role = Role.ANCHOR) -> Observation:
    """A reply of another host whose clock is behind ours by `off_s`."""
    from email.utils import formatdate

    date = formatdate(epoch_s(AT) - off_s, usegmt=True)
    return replace(seen(role, fields=(("date", date),)), address=address)


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
    assert not clock_vouched(evidence(EXPIRED, *likewise))


@given(
    st.lists(st.floats(400, 1e8) | st.floats(-1e8, -400), min_size=2, max_size=6),
    st.booleans() | st.none(),
)
def test_a_contradicted_clock_never_accuses_by_a_date(offs_s: list[float], synchronised: bool | None) -> None:
    others = [dated(off_s, f"198.18.7.{i}") for i, off_s in enumerate(offs_s, 1)]
    seen_with = evidence(EXPIRED, *others, host=host(clock_synchronised=synchronised))
    assert not clock_vouched(seen_with)
    assert triple(seen_with)[1] not in ("cdn", "origin", "customer")
