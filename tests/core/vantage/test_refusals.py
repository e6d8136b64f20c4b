"""Who refuses us as a visitor, by a rate or with a challenge, and for how long we are to leave them alone."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.vantage.challenge_marks import CHALLENGE_MARKS, Mark
from probe.core.vantage.refusals import WAIT_AT_MOST_S, refusal, says_nothing, wait_s
from tests.support.build import evidence, seen, triple

DATE = ("date", "Sun, 22 Nov 2026 10:00:00 GMT")

# One head of each, as its source shows it.
CHALLENGES = {
    "Cloudflare": (403, ("cf-mitigated", "challenge")),
    "AWS WAF challenge": (202, ("x-amzn-waf-action", "challenge")),
    "AWS WAF captcha": (405, ("x-amzn-waf-action", "captcha")),
    "Vercel": (429, ("x-vercel-mitigated", "challenge")),
    "DataDome": (403, ("x-dd-b", "1")),
    "SiteGround": (202, ("sg-captcha", "challenge")),
    "Fastly": (200, ("set-cookie", "_fs_ch_st_Xy12=AbC; Path=/; Secure")),
    "Akamai": (428, ("set-cookie", "sec_cpt=1~2~abc; Path=/")),
    "Anubis": (200, ("set-cookie", "techaro.lol-anubis-cookie-verification-a=0191; Path=/")),
    "Privacy Pass": (401, ("www-authenticate", 'PrivateToken challenge="abc...", token-key="123..."')),
}


@pytest.mark.parametrize(("status", "field"), CHALLENGES.values(), ids=CHALLENGES)
def test_a_challenge_is_named_and_accuses_nobody(status: int, field: tuple[str, str]) -> None:
    page = seen(status=status, digest="f" * 64, fields=(field,))
    assert refusal(page.response, further=False) == "http.challenged"
    assert triple(evidence(page, seen(Role.ORIGIN))) == ("inconclusive", "unknown", "http.challenged")


# What vendors send with every reply, or with errors too: no challenge.
ORDINARY = {
    "every reply of Cloudflare": (503, ("cf-ray", "8f0000000000-FRA")),
    "every reply of DataDome": (403, ("x-datadome", "protected")),
    "solved at Fastly": (200, ("set-cookie", "_fs_ch_cp_Xy12=AbC")),
    "another way to log in": (401, ("www-authenticate", 'Basic realm="x"')),
    "blocked, not challenged": (403, ("x-vercel-mitigated", "deny")),
    "a word of AWS WAF with another status": (503, ("x-amzn-waf-action", "challenge")),
    "Akamai passes": (200, ("set-cookie", "sec_cpt=1~3~abc")),
}


@pytest.mark.parametrize(("status", "field"), ORDINARY.values(), ids=ORDINARY)
def test_what_comes_with_every_reply_marks_no_challenge(status: int, field: tuple[str, str]) -> None:
    assert refusal(seen(status=status, fields=(field,)).response, further=False) is None


def test_eight_other_vendors_are_known_each_by_a_source() -> None:
    assert len({mark.vendor for mark in CHALLENGE_MARKS} - {"Cloudflare"}) >= 8
    for mark in CHALLENGE_MARKS:
        assert urlsplit(mark.source).scheme == "https", mark
        assert (mark.field, mark.begins) == (mark.field.lower(), mark.begins.lower()), mark
        assert mark.begins or mark.statuses, f"{mark}: it would mark every reply with that field"
        assert any(_fits(mark, *case) for case in CHALLENGES.values()), mark


def _fits(mark: Mark, status: int, field: tuple[str, str]) -> bool:
    return (
        (not mark.statuses or status in mark.statuses)
        and field[0] == mark.field
        and field[1].lower().startswith(mark.begins)
    )


@pytest.mark.parametrize(
    ("status", "fields", "seconds"),
    [
        (429, (("retry-after", "7"),), 7.0),
        (429, (DATE, ("retry-after", "Sun, 22 Nov 2026 10:00:30 GMT")), 30.0),
        (429, (), 10.0),
        (429, (("retry-after", "soon"),), 10.0),
        (503, (("retry-after", "99999"),), WAIT_AT_MOST_S),
        (503, (), None),
        (503, (("retry-after", "soon"),), None),
        (301, (("retry-after", "7"),), None),
        (200, (("retry-after", "7"),), None),
    ],
)
def test_for_how_long_we_are_to_leave_them_alone(
    status: int, fields: tuple[tuple[str, str], ...], seconds: float | None
) -> None:
    assert wait_s(seen(status=status, fields=fields)) == seconds


LATER = (("retry-after", "60"),)
REFUSED = st.sampled_from([(429, ()), (429, LATER), (503, LATER), (403, (("cf-mitigated", "challenge"),))])


@given(REFUSED)
def test_a_refused_second_look_neither_convicts_nor_acquits(
    refused: tuple[int, tuple[tuple[str, str], ...]],
) -> None:
    status, fields = refused
    again = seen(Role.CONFIRM, status=status, fields=fields, of=0)
    assert says_nothing(again)
    assert not says_nothing(replace(again, role=Role.EDGE))
    off = seen(status=500)
    alone, looked = evidence(off, seen(Role.ORIGIN)), evidence(off, seen(Role.ORIGIN), again)
    assert triple(looked) == triple(alone) == ("failed", "cdn", "http.error")
    assert verdict_confirmed(off, again) is None
    assert verdict_confirmed(off, again, seen(Role.CONFIRM, status=500, of=0)) is True


def verdict_confirmed(*observations: Observation) -> bool | None:
    from tests.support.build import verdict

    return verdict(evidence(*observations)).confirmed


def test_an_origin_that_refuses_our_further_question_is_not_accused() -> None:
    """The edge answers HEAD wrongly; the origin, asked the same, says only that we ask too much."""
    from tests.support.build import checks, task

    negotiating = task(checks=checks(negotiation={}))
    asked = replace(
        seen(Role.CHECK, status=405, digest=None, method="HEAD"), ask="negotiation.head", address="192.0.2.1"
    )
    control = replace(
        seen(Role.CONTROL, status=429, digest=None, method="HEAD"),
        ask="negotiation.head",
        address="198.51.100.1",
    )
    found = triple(evidence(seen(), seen(Role.ORIGIN), asked, control), negotiating)
    assert found == ("failed", "unknown", "negotiation.head_differs")
