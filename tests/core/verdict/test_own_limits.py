"""A limit of ours accuses nobody, and hides nothing: what can be judged without the rest is judged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.failure import OWN_LIMITS, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.transport import Tls
from probe.core.verdict.basis import basis_of
from probe.core.verdict.reach import answers
from tests.core.verdict.test_judge_properties import observations, surroundings
from tests.support.build import (
    EDGE_2,
    GOOD,
    broken,
    checks,
    evidence,
    reference,
    seen,
    task,
    timing,
    triple,
    verdict,
    version,
)
from tests.support.sizes import scaled

ANCHOR_OK = seen(Role.ANCHOR, digest=None)
LIMIT = "inconclusive", "agent", "agent.limit.body"
OK = ("ok", None, None)
ONLY_STATUS = task(checks=checks(availability={}))
EXACT = task(checks=checks(availability={}, integrity={}))
DETAIL = "the body is over our limits.body: 1000 bytes"


def cut(role: Role = Role.EDGE, status: int = 200, **changes: Any) -> Observation:
    """An answer whose body a limit of ours cut after `read` bytes, by default fewer than the origin's version has."""
    read = changes.pop("read", 5)
    digest = changes.pop("digest", "d" * 64)
    kind = changes.pop("kind", FailureType.BODY_TOO_LARGE)
    made = seen(role, status=status, digest=digest, **changes)
    assert made.response is not None
    failure = broken(kind, Phase.BODY).failure
    assert failure is not None
    return replace(
        made,
        failure=replace(failure, detail=DETAIL),
        response=replace(
            made.response,
            body_complete=False,
            content_digest=None,
            encoded_body_bytes=read,
            decoded_body_bytes=read,
        ),
    )


def test_without_a_check_that_needs_the_rest_the_slot_is_well_and_says_how_far() -> None:
    found = evidence(cut(), seen(Role.ORIGIN))
    made = verdict(found, ONLY_STATUS)
    assert made.outcome == "ok"
    assert [(f.reason, f.detail) for f in made.findings] == [("agent.limit.body", DETAIL)]
    assert made.summary.endswith(f"as agreed, as far as it was read ({DETAIL}).")
    assert basis_of(made, found) == (0, 1)


@pytest.mark.parametrize("mode", [{}, {"mode": "markers", "contain": ["x"]}])
def test_content_that_was_not_compared_is_ours_and_said(mode: dict[str, object]) -> None:
    made = verdict(
        evidence(cut(), cut(Role.ORIGIN, digest="e" * 64)),
        task(checks=checks(availability={}, integrity=mode)),
    )
    assert (made.outcome, made.fault, made.reason) == LIMIT
    assert "limits.body: 1000 bytes; its content was not compared" in made.summary


def test_the_same_bytes_up_to_the_same_limit_are_equal_as_far_as_read() -> None:
    assert triple(evidence(cut(), cut(Role.ORIGIN)), EXACT) == OK
    other = cut(Role.ORIGIN)
    assert other.response is not None
    coded = replace(other, response=replace(other.response, content_codings=("gzip",)))
    assert triple(evidence(cut(), coded), EXACT) == LIMIT


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (cut(status=503), ("failed", "cdn", "http.error")),
        (cut(status=404), ("failed", "cdn", "http.error")),
        (cut(timing=timing(900_000, 950_000)), ("slow", "cdn", "timing.over_limit")),
    ],
)
def test_status_and_first_byte_are_judged(edge: Observation, expected: tuple[str, str, str]) -> None:
    made_for = task(checks=checks(availability={}, response_time={"ttfb": "500ms"}))
    assert triple(evidence(edge, seen(Role.ORIGIN), ANCHOR_OK), made_for) == expected


def test_header_fields_and_certificates_are_judged() -> None:
    missing = task(checks=checks(headers={"present": ["x-agreed"]}))
    assert triple(evidence(cut(), seen(Role.ORIGIN, fields=(("x-agreed", "1"),)), ANCHOR_OK), missing) == (
        "failed",
        "cdn",
        "headers.missing",
    )
    old = cut(tls=Tls(version="TLSv1.2", chain_sha256=("0" * 64,)))
    newer = task(checks=checks(certificate={"minimum_version": "TLSv1.3"}))
    assert triple(evidence(old, ANCHOR_OK), newer)[2] == "certificate.protocol_below"


def test_what_may_be_among_the_fields_that_we_did_not_keep_is_not_missing() -> None:
    half = seen(fields=(("x-bad", "1"),))
    assert half.response is not None
    half = replace(half, response=replace(half.response, flags=("fields_cut",)))
    missing = task(
        checks=checks(headers={"present": ["x-agreed"]}, freshness={"max_age": {"at_least": "1m"}})
    )
    assert triple(evidence(half, seen(Role.ORIGIN), ANCHOR_OK), missing) == OK
    forbidden = task(checks=checks(headers={"absent": ["x-bad"]}))
    assert triple(evidence(half, ANCHOR_OK), forbidden)[2] == "headers.forbidden"


def test_times_that_end_with_the_body_were_not_measured() -> None:
    for kind in ({"response_time": {"total": "2s"}}, {"throughput": {"at_least": "1Mbps"}}):
        made = verdict(evidence(cut(), seen(Role.ORIGIN)), task(checks=checks(**kind)))
        assert (made.outcome, made.fault, made.reason) == LIMIT
        assert "was not measured" in made.summary
    further = verdict(evidence(cut(), seen(Role.ORIGIN)), task(checks=checks(negotiation={})))
    assert (further.outcome, further.fault, further.reason) == LIMIT
    assert "further requests for it were not made" in further.summary


def test_content_longer_than_every_version_of_the_origin_is_none_of_them() -> None:
    """Under the validator of a version that we know; else it may be one that we did not see."""
    known = reference(version(decoded_body_bytes=1000))
    found = evidence(cut(read=1001), seen(Role.ORIGIN), ANCHOR_OK, reference=known)
    assert triple(found, EXACT) == ("failed", "cdn", "content.mismatch")
    assert triple(evidence(cut(read=1000), seen(Role.ORIGIN), reference=known), EXACT) == LIMIT
    unseen = cut(read=1001, fields=(("cache-control", "max-age=7200"), ("etag", '"v2"')))
    assert triple(evidence(unseen, seen(Role.ORIGIN), ANCHOR_OK, reference=known), EXACT)[1] != "cdn"
    grown = evidence(cut(read=1001), cut(Role.ORIGIN, digest="e" * 64, read=1001), reference=known)
    assert triple(grown, EXACT)[1] not in ("cdn", "origin", "customer"), "the origin's own may have grown"


def test_an_origin_over_our_limit_answered_and_fails_nobody() -> None:
    found = evidence(seen(status=503), cut(Role.ORIGIN), ANCHOR_OK)
    assert triple(found, ONLY_STATUS) == ("failed", "cdn", "http.error")
    likewise = evidence(seen(status=503), cut(Role.ORIGIN, status=503), ANCHOR_OK)
    assert triple(likewise, ONLY_STATUS) == ("failed", "origin", "origin.same_status")
    other = evidence(seen(status=502), cut(Role.ORIGIN, status=503), ANCHOR_OK)
    assert triple(other, ONLY_STATUS) == ("failed", "origin", "origin.http.error")


def test_a_second_look_over_our_limit_confirms_no_failure() -> None:
    again = cut(Role.CONFIRM, of=0)
    assert verdict(evidence(seen(status=503), again, seen(Role.ORIGIN), ANCHOR_OK)).confirmed is False
    assert verdict(evidence(seen(status=503), cut(Role.CONFIRM, 503, of=0), ANCHOR_OK)).confirmed is True


def test_the_node_did_answer() -> None:
    assert answers(cut())
    assert not answers(cut(status=503))


def _range(role: Role, digest: str, status: int = 206) -> Observation:
    place = (("content-range", "bytes 0-99/5000"), ("etag", '"v1"'))
    made = seen(role, status=status, digest=digest, fields=place, ask="integrity.range:0-99")
    assert made.response is not None
    return replace(made, response=replace(made.response, encoded_body_bytes=100))


@pytest.mark.parametrize(
    ("edge", "origin", "expected"),
    [
        (_range(Role.CHECK, "1" * 64), _range(Role.CONTROL, "1" * 64), OK),
        (_range(Role.CHECK, "2" * 64), _range(Role.CONTROL, "1" * 64), ("failed", "cdn", "content.mismatch")),
        (_range(Role.CHECK, "1" * 64, 200), _range(Role.CONTROL, "1" * 64), LIMIT),
        (_range(Role.CHECK, "1" * 64), _range(Role.CONTROL, "1" * 64, 200), LIMIT),
    ],
)
def test_ranges_are_held_against_the_origins_in_place_of_the_whole(
    edge: Observation, origin: Observation, expected: tuple[str, str | None, str | None]
) -> None:
    assert triple(evidence(cut(), edge, origin, ANCHOR_OK), EXACT) == expected
    two = evidence(cut(), cut(address=EDGE_2), edge, origin, ANCHOR_OK)
    assert triple(two, EXACT) == (LIMIT if expected == OK else expected), "of the other none was asked for"


# --- properties -----------------------------------------------------------------------------------

ACCUSED = ("cdn", "origin", "customer")
CUT = st.builds(
    cut,
    kind=st.sampled_from([FailureType.BODY_TOO_LARGE, FailureType.BODY_DECODED_TOO_LARGE]),
    digest=st.sampled_from([GOOD, "d" * 64]),
)
NO_ANSWER = st.sampled_from([broken(kind, Phase.BODY) for kind in OWN_LIMITS])


@settings(max_examples=scaled(2_000))
@given(
    st.lists(CUT | NO_ANSWER, min_size=1, max_size=3),
    st.lists(observations(Role.ORIGIN, Role.CONFIRM, Role.SWEEP, Role.ANCHOR), max_size=5),
    surroundings(),
)
def test_answers_that_a_limit_of_ours_cut_accuse_nobody(
    edges: list[Observation], others: list[Observation], around: dict[str, object]
) -> None:
    made = verdict(evidence(*edges, *others, **around), EXACT)
    assert made.fault not in ACCUSED, made.summary
