"""The verdict table, row by row, and the rows that the table leaves open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.task import Exclusion
from probe.core.model.value import replace
from probe.core.records.failure import OWN_LIMITS, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.response import CacheStatus
from probe.core.records.verdict import Fault, Outcome
from probe.core.verdict.judge import exclusions_at
from tests.support.build import (
    AT,
    EDGE,
    EDGE_2,
    MISS,
    OLD,
    OTHER,
    broken,
    checks,
    evidence,
    host,
    reference,
    refused,
    resolution,
    seen,
    silent,
    task,
    timing,
    triple,
    unresolved,
    verdict,
    version,
)

ORIGIN_OK = seen(Role.ORIGIN)
ANCHOR_OK = seen(Role.ANCHOR, digest=None)
FAILED_CDN = "failed", "cdn"


def test_edge_with_the_origins_content_is_ok() -> None:
    assert triple(evidence(seen())) == ("ok", None, None)


def test_summary_of_a_good_slot_counts_the_edges() -> None:
    assert (
        verdict(evidence(seen(), seen())).summary
        == "2 of 2 edge addresses of www.acme.example served /a.js as agreed."
    )


@pytest.mark.parametrize(
    ("kind", "phase"),
    [
        (FailureType.TCP_REFUSED, Phase.TCP),
        (FailureType.TCP_TIMED_OUT, Phase.TCP),
        (FailureType.TCP_RESET, Phase.BODY),
        (FailureType.TLS_TIMED_OUT, Phase.TLS),
        (FailureType.TLS_CERT_DATE_INVALID, Phase.TLS),
        (FailureType.TLS_CERT_NAME_INVALID, Phase.TLS),
        (FailureType.HTTP_TIMED_OUT, Phase.HTTP),
        (FailureType.HTTP_PROTOCOL_VIOLATION, Phase.HTTP),
        (FailureType.BODY_TRUNCATED, Phase.BODY),
        (FailureType.BODY_DECODE_FAILED, Phase.BODY),
    ],
)
def test_edge_without_a_whole_reply_and_a_healthy_origin_is_the_cdns(kind: FailureType, phase: Phase) -> None:
    assert triple(evidence(broken(kind, phase), ORIGIN_OK, ANCHOR_OK)) == (*FAILED_CDN, kind.value)


def test_5xx_with_a_healthy_origin_is_the_cdns() -> None:
    assert triple(evidence(seen(status=503), ORIGIN_OK)) == (*FAILED_CDN, "http.error")


def test_same_status_from_the_origin_is_the_origins() -> None:
    both = evidence(seen(status=404), seen(Role.ORIGIN, status=404))
    assert triple(both) == ("failed", "origin", "origin.same_status")


def test_502_beside_an_origin_that_refuses_is_the_origins() -> None:
    both = evidence(seen(status=502), refused(Role.ORIGIN), ANCHOR_OK)
    assert triple(both) == ("failed", "origin", "origin.tcp.refused")


def test_404_beside_a_failing_origin_accuses_nobody_by_name() -> None:
    both = evidence(seen(status=404), refused(Role.ORIGIN), ANCHOR_OK)
    assert triple(both) == ("failed", "unknown", "http.error")


def test_edge_that_refuses_is_not_excused_by_an_origin_that_answers_500() -> None:
    both = evidence(refused(), seen(Role.ORIGIN, status=500))
    assert triple(both) == (*FAILED_CDN, "tcp.refused")


@pytest.mark.parametrize(
    ("kind", "phase"),
    [
        (FailureType.TCP_REFUSED, Phase.TCP),
        (FailureType.TCP_TIMED_OUT, Phase.TCP),
        (FailureType.TLS_TIMED_OUT, Phase.TLS),
        (FailureType.TLS_CERT_DATE_INVALID, Phase.TLS),
    ],
)
def test_an_origin_never_explains_an_edges_connection_or_handshake(kind: FailureType, phase: Phase) -> None:
    """An edge opens its port and shows its certificate without its origin."""
    alike = evidence(broken(kind, phase), broken(kind, phase, Role.ORIGIN), ANCHOR_OK)
    assert triple(alike) == (*FAILED_CDN, kind.value)


def test_edge_that_waits_in_vain_beside_a_failing_origin_is_the_origins() -> None:
    both = evidence(
        broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP),
        broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP, Role.ORIGIN),
    )
    assert triple(both) == ("failed", "origin", "origin.http.timed_out")


def test_anchors_unreachable_is_the_vantage_points() -> None:
    dead = evidence(silent(), silent(Role.ORIGIN), silent(Role.ANCHOR), refused(Role.ANCHOR))
    assert triple(dead) == ("inconclusive", "vantage", "vantage.offline")


def test_one_anchor_that_answers_is_enough() -> None:
    assert triple(evidence(silent(), ORIGIN_OK, silent(Role.ANCHOR), ANCHOR_OK)) == (
        *FAILED_CDN,
        "tcp.timed_out",
    )


def test_silence_everywhere_without_an_anchor_accuses_nobody() -> None:
    dead = evidence(silent(), silent(Role.ORIGIN))
    assert triple(dead) == ("inconclusive", "unknown", "vantage.no_witness")


def test_loop_stall_explains_a_timeout_but_not_a_503() -> None:
    stalled = host(loop_lag_us=1_500_000)
    late = evidence(broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP), ORIGIN_OK, host=stalled)
    assert triple(late) == ("inconclusive", "agent", "agent.stalled")
    assert triple(evidence(seen(status=503), ORIGIN_OK, host=stalled)) == (*FAILED_CDN, "http.error")


@pytest.mark.parametrize("kind", [FailureType.AGENT_DESCRIPTORS_EXHAUSTED, FailureType.AGENT_SOCKET_LATE])
def test_what_our_own_host_lacks_is_our_own_fault(kind: FailureType) -> None:
    ours = evidence(broken(kind, Phase.HOST), ORIGIN_OK)
    assert triple(ours) == ("inconclusive", "agent", kind.value)


def test_lost_source_address_is_the_vantage_points() -> None:
    gone = evidence(broken(FailureType.VANTAGE_SOURCE_UNAVAILABLE, Phase.HOST), ORIGIN_OK)
    assert triple(gone) == ("inconclusive", "vantage", "vantage.source_unavailable")


def test_an_origin_that_recovered_within_the_slot_still_explains_the_edge() -> None:
    recovered = evidence(seen(status=502), refused(Role.ORIGIN), ORIGIN_OK, ANCHOR_OK)
    assert triple(recovered) == ("failed", "origin", "origin.tcp.refused")
    same = evidence(seen(status=503), seen(Role.ORIGIN, status=503), ORIGIN_OK)
    assert triple(same) == ("failed", "origin", "origin.same_status")
    slow = seen(timing=timing(900_000, 950_000), cache_status=MISS)
    assert triple(evidence(slow, seen(Role.ORIGIN, timing=timing(900_000, 950_000)), ORIGIN_OK)) == (
        "slow", "origin", "timing.origin_slow",
    )  # fmt: skip


# --- time -----------------------------------------------------------------------------------------

SLOW = timing(ttfb_us=900_000, total_us=950_000)


def test_over_the_limit_is_slow() -> None:
    made = verdict(evidence(seen(timing=SLOW), ORIGIN_OK))
    assert (made.outcome, made.fault, made.reason) == (Outcome.SLOW, Fault.CDN, "timing.over_limit")
    assert made.findings[0].detail == "ttfb 900.0ms, limit 500ms"


@pytest.mark.parametrize(
    ("protocol", "words"), [("h1", ""), ("auto", ""), ("h2", " over HTTP/2"), ("h3", " over HTTP/3")]
)
def test_who_was_late_or_silent_by_a_version_that_was_asked_for_was_so_by_that_one(
    protocol: str, words: str
) -> None:
    """A redirect that led on to plain HTTP was followed by HTTP/1.1."""
    asked = task(request=replace(task().request, protocol=protocol))
    slow, mute = seen(timing=SLOW), broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP)
    told = verdict(evidence(slow, ORIGIN_OK), asked).summary
    assert told.startswith(
        f"Edge {EDGE} answered slower than the agreed limit{words} (ttfb 900.0ms, limit 500ms)"
    )
    told = verdict(evidence(mute, ORIGIN_OK), asked).summary
    assert told.startswith(f"Edge {EDGE} did not begin its reply in time{words}; ")
    both = evidence(mute, broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP, Role.ORIGIN))
    told = verdict(both, asked).summary
    assert told.startswith(
        f"Edge {EDGE} did not begin its reply in time{words}; the origin, asked directly, did not"
    )
    hop = replace(mute, role=Role.REDIRECT, of=0, url="http://www.acme.example/b.js")
    told = verdict(evidence(seen(status=302), hop, ORIGIN_OK), asked).summary
    assert told.startswith(f"Edge {EDGE} did not begin its reply in time; ")


def test_exactly_at_the_limit_is_not_over_it() -> None:
    assert triple(evidence(seen(timing=timing(500_000, 2_000_000)), ORIGIN_OK)) == ("ok", None, None)


def test_slow_origin_behind_a_miss_is_the_origins() -> None:
    slow = evidence(seen(timing=SLOW, cache_status=MISS), seen(Role.ORIGIN, timing=SLOW))
    assert triple(slow) == ("slow", "origin", "timing.origin_slow")


def test_an_edge_that_does_not_say_whether_it_asked_an_origin_as_slow_is_not_known_to_be_at_fault() -> None:
    slow = evidence(seen(timing=SLOW), seen(Role.ORIGIN, timing=SLOW))
    assert triple(slow) == ("slow", "unknown", "timing.over_limit")


def test_slow_origin_behind_a_hit_does_not_excuse_the_edge() -> None:
    hit = CacheStatus(cache="edge", hit=True)
    slow = evidence(seen(timing=SLOW, cache_status=hit), seen(Role.ORIGIN, timing=SLOW))
    assert triple(slow) == ("slow", "cdn", "timing.over_limit")


def test_our_lag_is_taken_off_before_a_limit_counts() -> None:
    excess = evidence(seen(timing=timing(600_000, 700_000)), ORIGIN_OK, host=host(loop_lag_us=150_000))
    assert triple(excess) == ("inconclusive", "agent", "agent.stalled")
    words = "This agent's own delay may be all that is over the limit (ttfb 600.0ms, limit 500ms); "
    assert verdict(excess).summary.startswith(words), "a short delay is no standing still"
    still = evidence(seen(timing=timing(900_000, 950_000)), ORIGIN_OK, host=host(loop_lag_us=812_000))
    assert verdict(still).summary.startswith("The agent itself stood still while it measured; ")
    beyond = evidence(seen(timing=timing(700_000, 700_000)), ORIGIN_OK, host=host(loop_lag_us=150_000))
    assert triple(beyond) == ("slow", "cdn", "timing.over_limit")


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (FailureType.DNS_NAME_NOT_RESOLVED, "www.acme.example", ("failed", "customer")),
        (FailureType.DNS_DANGLING_ALIAS, "acme.cdn.example.net", ("failed", "cdn")),
        (FailureType.DNS_CNAME_LOOP, "acme.cdn.example.net", ("failed", "cdn")),
        (FailureType.DNS_SERVER_FAILURE, "acme.cdn.example.net", ("failed", "cdn")),
        (FailureType.DNS_BOGUS_ADDRESS, "acme.cdn.example.net", ("failed", "cdn")),
        (FailureType.DNS_REFUSED, "acme.cdn.example.net", ("inconclusive", "vantage")),
        (FailureType.DNS_LAME, "acme.cdn.example.net", ("inconclusive", "vantage")),
        (FailureType.DNS_TIMED_OUT, "acme.cdn.example.net", ("inconclusive", "unknown")),
        (FailureType.DNS_TRUNCATED_TCP_FAILED, "acme.cdn.example.net", ("inconclusive", "vantage")),
    ],
)
def test_zone_of_the_failing_name_decides(kind: FailureType, name: str, expected: tuple[str, str]) -> None:
    found = evidence(ANCHOR_OK, resolution=unresolved(kind, name, "no_other_resolver", "resolver_alive"))
    assert triple(found) == (*expected, kind.value)


def test_a_name_that_times_out_at_every_living_resolver_is_its_zones() -> None:
    name = unresolved(
        FailureType.DNS_TIMED_OUT, "acme.cdn.example.net", "other_resolvers_failed", "resolver_alive"
    )
    assert triple(evidence(ANCHOR_OK, resolution=name)) == (*FAILED_CDN, "dns.timed_out")


def test_silent_resolver_is_the_vantage_points() -> None:
    mute = unresolved(FailureType.DNS_TIMED_OUT, "www.acme.example", "no_other_resolver", "resolver_silent")
    assert triple(evidence(ANCHOR_OK, resolution=mute)) == ("inconclusive", "vantage", "dns.resolver_failed")


def test_resolver_that_failed_where_another_answered() -> None:
    found = evidence(seen(), resolution=resolution(flags=("resolver_failed",)))
    assert triple(found) == ("inconclusive", "vantage", "dns.resolver_failed")


def test_a_failing_edge_outweighs_a_failing_resolver() -> None:
    found = evidence(refused(), ORIGIN_OK, resolution=resolution(flags=("resolver_failed",)))
    assert triple(found) == (*FAILED_CDN, "tcp.refused")


def test_alias_that_leaves_the_cdn_is_the_customers_whatever_answers_there() -> None:
    elsewhere = resolution(cname_chain=(), canonical_name="www.acme.example")
    for observation in (seen(), seen(status=503), seen(digest=OTHER), refused()):
        found = evidence(observation, ORIGIN_OK, resolution=elsewhere)
        assert triple(found) == ("inconclusive", "customer", "dns.alias_changed")


# --- content --------------------------------------------------------------------------------------


def test_other_bytes_under_the_same_etag_are_a_mismatch() -> None:
    assert triple(evidence(seen(digest=OTHER), ORIGIN_OK)) == (*FAILED_CDN, "content.mismatch")


def test_foreign_address_with_other_bytes_is_the_paths() -> None:
    at = task(cdn_prefixes=("203.0.113.0/24",))
    assert triple(evidence(seen(digest=OTHER), ORIGIN_OK), at) == ("failed", "path", "dns.hijacked")


def _replaced(seconds_ago: int) -> object:
    at = f"2026-11-22T09:59:{60 - seconds_ago:02d}.000000Z"
    return reference(version(OLD, first_seen="2026-11-22T08:00:00Z", etag='"v0"'), version(first_seen=at))


def test_older_version_within_its_lifetime_is_ok_with_a_note() -> None:
    found = verdict(evidence(seen(digest=OLD), ORIGIN_OK, reference=_replaced(30)))
    assert (found.outcome, [f.reason for f in found.findings]) == (Outcome.OK, ["stale_fresh"])


def test_older_version_past_its_lifetime_is_stale() -> None:
    short = (("cache-control", "max-age=10"),)
    found = evidence(seen(digest=OLD, fields=short), ORIGIN_OK, reference=_replaced(30))
    assert triple(found) == ("stale", "cdn", "content.overlong_cache")


def test_origin_that_changes_while_we_look_accuses_nobody() -> None:
    changing = reference(version(OLD, etag='"v0"'), version(etag='"v9"'), changed_during_slot=True)
    found = verdict(evidence(seen(digest=OTHER), ORIGIN_OK, reference=changing))
    assert (found.outcome, [f.reason for f in found.findings]) == (Outcome.OK, ["integrity.origin_changing"])


@pytest.mark.parametrize(
    "origin",
    [
        refused(Role.ORIGIN),
        seen(Role.ORIGIN, status=500),
        broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS, Role.ORIGIN),
        broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP, Role.ORIGIN),
    ],
)
def test_edge_well_and_origin_not_to_be_asked_is_ok_and_unverified(origin: Observation) -> None:
    found = verdict(evidence(seen(), origin, ANCHOR_OK, reference=reference().__class__(configured=True)))
    assert (found.outcome, [f.reason for f in found.findings]) == (Outcome.OK, ["integrity.unverified"])


# --- several edges, confirmation, exclusions ------------------------------------------------------


def test_one_bad_edge_of_two_fails_the_slot_and_is_named() -> None:
    found = verdict(evidence(seen(), refused(address=EDGE_2), ORIGIN_OK))
    assert (found.outcome, found.findings[0].address) == (Outcome.FAILED, EDGE_2)


def test_first_failure_stays_whatever_the_second_look_says() -> None:
    again = evidence(refused(), seen(Role.CONFIRM, of=0), ORIGIN_OK)
    assert (triple(again), verdict(again).confirmed) == ((*FAILED_CDN, "tcp.refused"), False)
    twice = evidence(refused(), refused(Role.CONFIRM, of=0), ORIGIN_OK)
    assert (triple(twice), verdict(twice).confirmed) == ((*FAILED_CDN, "tcp.refused"), True)
    assert verdict(evidence(refused(), ORIGIN_OK)).confirmed is None


def test_sentence_names_the_edge_the_origin_and_the_second_look() -> None:
    twice = evidence(refused(), refused(Role.CONFIRM, of=0), ORIGIN_OK)
    assert verdict(twice).summary == (
        "Edge 192.0.2.1 refused the connection; the origin, asked directly, answered 200: "
        "the CDN's fault (tcp.refused, seen again on a second look)."
    )


def test_exclusion_is_half_open_and_changes_no_verdict() -> None:
    span = Exclusion(start=AT, end="2026-11-22T11:00:00Z", reason="maintenance", source="notice")
    excluded = task(exclusions=(span,))
    assert exclusions_at(excluded, AT) == ("maintenance",)
    assert exclusions_at(excluded, "2026-11-22T11:00:00Z") == ()
    assert triple(evidence(refused(), ORIGIN_OK), excluded) == (*FAILED_CDN, "tcp.refused")


# --- properties -----------------------------------------------------------------------------------

_ANY_KIND = st.sampled_from(
    [kind for kind in FailureType if not kind.startswith(("dns.", "vantage.", "agent."))]
)
_ROLE = st.sampled_from([Role.ORIGIN, Role.ANCHOR, Role.SWEEP])
_BYSTANDER = st.one_of(
    st.builds(
        lambda role, status: seen(role, status=status), _ROLE, st.sampled_from([200, 304, 404, 500, 503])
    ),
    st.builds(lambda role, kind: broken(kind, Phase.TCP, role), _ROLE, _ANY_KIND),
)
_PLAIN = task(checks=checks(availability={}, integrity={}, alias={}))


@given(st.lists(_BYSTANDER, max_size=5), st.integers(0, 3_000_000))
def test_healthy_edge_is_never_accused_whatever_else_was_seen(others: list, lag_us: int) -> None:
    found = evidence(seen(), seen(), *others, host=host(loop_lag_us=lag_us))
    assert triple(found, _PLAIN)[1] != "cdn"


@given(_ANY_KIND, st.lists(_BYSTANDER.filter(lambda o: o.role is not Role.ANCHOR), max_size=4))
def test_vantage_point_offline_never_accuses(kind: FailureType, others: list) -> None:
    found = evidence(broken(kind, Phase.HTTP), *others, silent(Role.ANCHOR))
    ours = "agent" if kind in OWN_LIMITS else "vantage"  # who sends more than we read is heard
    assert triple(found, _PLAIN)[:2] == ("inconclusive", ours)


@given(
    st.lists(
        st.sampled_from([seen(), refused(), seen(status=503), seen(digest=OTHER)]), min_size=1, max_size=4
    )
)
def test_another_healthy_edge_never_makes_a_verdict_worse(edges: list) -> None:
    order = ["ok", "inconclusive", "slow", "stale", "failed"]
    before = triple(evidence(*edges, ORIGIN_OK), _PLAIN)
    after = triple(evidence(*edges, seen(), ORIGIN_OK), _PLAIN)
    assert order.index(after[0]) <= order.index(before[0])


def test_same_evidence_same_verdict() -> None:
    found = evidence(refused(), ORIGIN_OK)
    assert verdict(found) == verdict(replace(found))
