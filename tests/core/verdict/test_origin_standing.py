"""What an origin's word is worth: one that never answered us explains nothing; silence is excused, a reply never."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.content.origin_standing import KEPT_ASKS, in_words, with_ask
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginAsk, OriginStanding
from probe.core.records.surroundings import LineState, VantageHealth
from probe.core.records.transport import Tls
from tests.core.verdict.test_judge_properties import observations, surroundings
from tests.support.build import (
    EDGE_2,
    MISS,
    ORIGIN,
    broken,
    evidence,
    reference,
    refused,
    seen,
    silent,
    task,
    timing,
    triple,
    verdict,
)
from tests.support.sizes import scaled

AT = "2026-11-22T10:00:00.000000Z"
ANCHOR_OK = seen(Role.ANCHOR, digest=None)
VERIFIED = Tls(version="TLSv1.3", chain_sha256=("0" * 64,))
MUTE = OriginStanding(asks=(OriginAsk(at=AT, address=ORIGIN, answered=False, failure="tcp.timed_out"),))
ANSWERED = replace(MUTE, last_answered_at="2026-11-20T10:00:00Z", last_answered_address=ORIGIN)


def mute_reference() -> object:
    return replace(reference(), versions=(), verified_at=None, standing=MUTE)


# --- the standing itself --------------------------------------------------------------------------


def test_the_last_five_asks_are_kept_and_when_it_last_answered_at_which_address() -> None:
    standing = with_ask(OriginStanding(), seen(Role.ORIGIN), "2026-11-22T10:00:00Z")
    for second in range(7):
        standing = with_ask(standing, refused(Role.ORIGIN), f"2026-11-22T10:01:0{second}Z")
    assert len(standing.asks) == KEPT_ASKS
    assert [ask.at[-3:-1] for ask in standing.asks] == ["02", "03", "04", "05", "06"]
    assert {(ask.answered, ask.failure, ask.address) for ask in standing.asks} == {
        (False, "tcp.refused", ORIGIN)
    }
    assert (standing.last_answered_at, standing.last_answered_address) == ("2026-11-22T10:00:00Z", ORIGIN)
    assert not standing.never_answered


@pytest.mark.parametrize("status", [200, 304, 403, 500])
def test_any_status_is_an_answer(status: int) -> None:
    assert not with_ask(MUTE, seen(Role.ORIGIN, status=status), AT).never_answered


def test_a_refusal_and_a_handshake_that_fails_are_none() -> None:
    for look in (
        refused(Role.ORIGIN),
        broken(FailureType.TLS_CERT_NAME_INVALID, Phase.TLS, Role.ORIGIN),
        broken(FailureType.DNS_NO_DATA, Phase.DNS, Role.ORIGIN),
    ):
        assert with_ask(OriginStanding(), look, AT).never_answered


def test_what_our_own_host_lacked_is_no_ask() -> None:
    ours = broken(FailureType.AGENT_DESCRIPTORS_EXHAUSTED, Phase.HOST, Role.ORIGIN)
    assert with_ask(OriginStanding(), ours, AT) == OriginStanding()


def test_it_is_said_for_people() -> None:
    assert in_words(OriginStanding()) == "was not asked yet"
    assert in_words(MUTE) == f"never answered; asked at {AT}, the last time with tcp.timed_out"
    assert "1 of the last 1 asks failed" in in_words(ANSWERED)


# --- what it explains -----------------------------------------------------------------------------


@pytest.mark.parametrize("look", [silent(Role.ORIGIN), refused(Role.ORIGIN)])
@pytest.mark.parametrize(
    "edge",
    [
        refused(),
        seen(status=502),
        broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP),
        broken(FailureType.BODY_TRUNCATED, Phase.BODY),
        seen(timing=timing(900_000, 950_000), cache_status=MISS),
    ],
)
def test_an_origin_that_never_answered_is_judged_as_if_none_were_configured(
    edge: Observation, look: Observation
) -> None:
    beside = evidence(edge, look, ANCHOR_OK, reference=mute_reference())
    without = evidence(edge, ANCHOR_OK, reference=replace(reference(), versions=(), configured=False))
    assert triple(beside) == triple(without, task(origin=None))
    assert triple(beside)[1] != "origin"


def test_the_sentence_names_it_and_nothing_rests_on_it() -> None:
    found = verdict(evidence(refused(), silent(Role.ORIGIN), ANCHOR_OK, reference=mute_reference()))
    assert found.summary == (
        "Edge 192.0.2.1 refused the connection; the origin, asked directly, never answered us and excuses nobody: "
        "the CDN's fault (tcp.refused)."
    )


def test_findings_name_the_observation_among_all_that_were_made() -> None:
    found = evidence(seen(), silent(Role.ORIGIN), refused(address=EDGE_2), reference=mute_reference())
    (finding,) = [f for f in verdict(found).findings if f.reason == "tcp.refused"]
    assert (finding.observation, finding.address) == (2, EDGE_2)


def test_an_origin_that_answered_once_still_explains_what_it_can() -> None:
    known = replace(reference(), standing=ANSWERED)
    found = evidence(seen(status=502), refused(Role.ORIGIN), ANCHOR_OK, reference=known)
    assert triple(found) == ("failed", "origin", "origin.tcp.refused")


@settings(max_examples=scaled(300))
@given(
    st.lists(observations(Role.EDGE, Role.CONFIRM, Role.SWEEP, Role.ANCHOR), min_size=1, max_size=5),
    st.lists(
        st.sampled_from(
            [
                silent(Role.ORIGIN),
                refused(Role.ORIGIN),
                broken(FailureType.TLS_CLOSED, Phase.TLS, Role.ORIGIN),
            ]
        ),
        max_size=3,
    ),
    surroundings(),
)
def test_an_origin_that_never_answered_changes_no_verdict(
    others: list[Observation], looks: list[Observation], around: dict[str, object]
) -> None:
    others = [seen() if o.of is not None and not i else o for i, o in enumerate(others)]
    around["reference"] = mute_reference()
    beside = evidence(*others, *looks, **around)
    around["reference"] = replace(reference(), versions=(), configured=False)
    assert triple(beside) == triple(evidence(*others, **around), task(origin=None))


# --- a reply outweighs anchors --------------------------------------------------------------------

DEAD_ANCHORS = silent(Role.ANCHOR, timing=timing()), silent(Role.ANCHOR, address=EDGE_2, timing=timing())
OFFLINE = "inconclusive", "vantage", "vantage.offline"


@pytest.mark.parametrize(
    "edge",
    [seen(status=404, tls=VERIFIED), seen(status=503, tls=VERIFIED), seen(status=503, cache_status=MISS)],
)
def test_a_reply_of_the_cdn_itself_is_never_excused_by_anchors(edge: Observation) -> None:
    assert triple(evidence(edge, seen(Role.ORIGIN), *DEAD_ANCHORS))[:2] == ("failed", "cdn")


@pytest.mark.parametrize(
    "edge",
    [
        silent(),
        seen(status=503),
        seen(status=503, tls=replace(VERIFIED, verify_error="self-signed certificate")),
        broken(FailureType.BODY_TIMED_OUT, Phase.BODY, tls=VERIFIED, response=seen().response),
    ],
)
def test_silence_and_what_anybody_can_have_said_stay_excused(edge: Observation) -> None:
    assert triple(evidence(edge, silent(Role.ORIGIN), *DEAD_ANCHORS)) == OFFLINE


def test_a_reply_while_the_anchors_were_asked_in_vain_proves_the_line_for_a_silent_edge() -> None:
    swept = seen(Role.SWEEP, address="192.0.2.9", tls=VERIFIED, timing=timing(500_000, 600_000))
    assert triple(evidence(silent(), swept, *DEAD_ANCHORS)) == ("failed", "cdn", "tcp.timed_out")


def test_a_reply_before_the_anchors_were_asked_does_not() -> None:
    early = seen(address=EDGE_2, tls=VERIFIED)
    late = [replace(a, timing=replace(timing(), connect_start_us=900_000)) for a in DEAD_ANCHORS]
    assert triple(evidence(early, silent(), *late)) == OFFLINE


def test_a_line_that_was_away_meanwhile_excuses_silence_though_all_is_well_again() -> None:
    was_away = VantageHealth(state=LineState.ONLINE, offline_meanwhile=True)
    again = seen(Role.CONFIRM, of=0, tls=VERIFIED, timing=timing(800_000, 900_000))
    found = evidence(silent(), again, seen(Role.ANCHOR), vantage_health=was_away)
    assert triple(found) == OFFLINE


def test_the_look_by_another_line_is_read_before_the_origins_same_status() -> None:
    """Who redirects everything on this line redirects us from the origin, too."""
    led_away = seen(status=302)
    again = seen(Role.CONFIRM, status=302, of=0)
    elsewhere = seen(Role.ELSEWHERE, of=0, vantage_point="other")
    found = evidence(led_away, again, elsewhere, seen(Role.ORIGIN, status=302), ANCHOR_OK)
    assert triple(found) == ("failed", "path", "http.hijacked")
