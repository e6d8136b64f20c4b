"""What our own limits, or how often we ask, brought about accuses nobody."""

from __future__ import annotations

import pytest

from probe.core.records.failure import OWN_LIMITS, FailureType, Phase
from probe.core.records.observation import Role
from probe.core.vantage.refusals import refusal
from tests.support.build import broken, evidence, seen, triple

LIMITED = ("inconclusive", "unknown", "http.rate_limited")


@pytest.mark.parametrize("kind", list(OWN_LIMITS))
def test_a_limit_of_ours_is_ours(kind: FailureType) -> None:
    at = Phase.HTTP if kind is FailureType.HTTP_FIELDS_TOO_LARGE else Phase.BODY
    assert triple(evidence(broken(kind, at), seen(Role.ORIGIN))) == (
        "inconclusive",
        "agent",
        OWN_LIMITS[kind],
    )


def test_a_429_accuses_nobody_and_a_503_stays_what_it_is() -> None:
    assert triple(evidence(seen(status=429), seen(Role.ORIGIN))) == LIMITED
    later = (("retry-after", "60"),)
    assert triple(evidence(seen(status=503, fields=later), seen(Role.ORIGIN)))[:2] == ("failed", "cdn")


def test_a_challenge_accuses_nobody() -> None:
    page = seen(status=403, digest="f" * 64, fields=(("cf-mitigated", "challenge"),))
    assert triple(evidence(page, seen(Role.ORIGIN))) == ("inconclusive", "unknown", "http.challenged")


def test_a_503_with_retry_after_refuses_only_further_questions() -> None:
    later = seen(status=503, fields=(("retry-after", "60"),)).response
    assert refusal(later, further=True) == "http.rate_limited"
    assert refusal(later, further=False) is None
    assert refusal(seen(status=503).response, further=True) is None
