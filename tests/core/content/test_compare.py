"""Content beside the origin's versions: who may be accused, and when not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.checks import CHECKS
from probe.core.caching.cache_status import with_caches
from probe.core.caching.freshness import declared
from probe.core.content.compare import compare
from probe.core.model.value import replace
from probe.core.records.codec import decode, encode
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.origin import OriginVersion
from probe.core.records.response import CacheStatus, Freshness
from probe.core.results.rows import measured_row
from probe.core.verdict.comparisons import with_comparisons
from tests.support.build import (
    AT,
    EARLIER,
    EDGE,
    GOOD,
    MISS,
    OLD,
    OTHER,
    broken,
    evidence,
    reference,
    refused,
    seen,
    task,
    version,
)

BEFORE = "2026-11-22T08:00:00Z"


def relation(
    observation: Observation, *versions: OriginVersion, failing: bool = False, **changes: object
) -> Relation:
    found = compare(observation, reference(*versions, **changes), AT, origin_failing=failing)
    assert found is not None
    return found.relation


def test_equal_content_under_another_coding_is_equal() -> None:
    squeezed = seen(fields=(("content-encoding", "br"),))
    assert relation(squeezed, version(GOOD)) is Relation.EQUAL


def test_incomplete_or_unsuccessful_replies_are_not_compared() -> None:
    for observation in (
        refused(),
        broken(FailureType.BODY_TRUNCATED, Phase.BODY),
        seen(status=404),
        seen(method="HEAD"),
    ):
        assert compare(observation, reference(), AT, origin_failing=False) is None


def test_undecodable_coding_is_unverified() -> None:
    assert relation(seen(digest=None)) is Relation.UNVERIFIED


def test_content_that_names_no_version_at_all_is_unknown() -> None:
    assert relation(seen(digest=OTHER, fields=())) is Relation.UNKNOWN_VERSION


def test_an_age_has_the_digits_that_its_sources_vouch_for() -> None:
    """By Date, whole seconds, and our clock: a difference of floats had seventeen digits in every observation."""
    dated = seen(fields=(("date", "Sun, 22 Nov 2026 09:59:18 GMT"),))
    found = compare(dated, reference(version(GOOD)), "2026-11-22T10:00:00.105185Z", origin_failing=False)
    assert found is not None
    assert found.age_s is not None
    assert 42.1 < found.age_s < 43
    assert found.age_s == round(found.age_s, 3)


def test_same_etag_other_bytes_is_unknown() -> None:
    assert relation(seen(digest=OTHER, fields=(("etag", '"v1"'),))) is Relation.UNKNOWN_VERSION


def test_an_origin_that_gives_one_etag_to_two_versions_names_nothing_by_it() -> None:
    """nginx makes it of size and second."""
    versions = version(OLD, first_seen=BEFORE, etag='"v1"'), version(etag='"v1"')
    assert relation(seen(digest=OTHER), *versions) is Relation.UNSEEN_VERSION


def test_weak_etag_claims_nothing_about_bytes() -> None:
    weak = seen(digest=OTHER, fields=(("etag", 'W/"v1"'), ("cache-control", "max-age=7200")))
    assert relation(weak, version(etag='W/"v1"')) is Relation.UNSEEN_VERSION


def test_version_from_before_we_looked_is_not_accused_within_its_lifetime() -> None:
    long = (("etag", '"v0"'), ("cache-control", "max-age=7200"))
    assert relation(seen(digest=OTHER, fields=long)) is Relation.UNSEEN_VERSION


@pytest.mark.parametrize(
    ("served_by", "changes", "expected"),
    [
        (((EDGE, "2026-11-22T09:59:00Z"),), {}, Relation.UNKNOWN_VERSION),
        ((("192.0.2.99", "2026-11-22T09:59:00Z"),), {}, Relation.UNSEEN_VERSION),
        (
            ((EDGE, "2026-11-22T08:59:00Z"),),
            {},
            Relation.UNSEEN_VERSION,
        ),  # before the present version was seen
        (((EDGE, "2026-11-22T09:59:00Z"),), {"changed_during_slot": True}, Relation.ORIGIN_CHANGING),
        (((EDGE, "2026-11-22T09:59:00Z"),), {"left_out": True}, Relation.UNVERIFIED),
    ],
)
def test_after_the_present_version_a_node_has_no_older_one_left(
    served_by: tuple[tuple[str, str], ...], changes: dict[str, bool], expected: Relation
) -> None:
    foreign = seen(
        digest=OTHER, fields=(("etag", '"v9"'), ("cache-control", "max-age=7200"), ("age", "7000"))
    )
    assert relation(foreign, version(), served_by=served_by, **changes) is expected


def test_unseen_version_past_its_lifetime_is_over_it() -> None:
    short = (("etag", '"v0"'), ("cache-control", "max-age=600"))
    found = compare(seen(digest=OTHER, fields=short), reference(), AT, origin_failing=False)
    assert found is not None
    assert (found.relation, found.within_lifetime, found.behind_s) == (Relation.UNSEEN_VERSION, False, 3600.0)


@pytest.mark.parametrize(
    ("age_s", "expected"), [(10, Relation.UNKNOWN_VERSION), (3600, Relation.UNSEEN_VERSION)]
)
def test_age_tells_whether_the_copy_is_younger_than_our_knowledge(age_s: int, expected: Relation) -> None:
    long = (("etag", '"v0"'), ("cache-control", "max-age=7200"))
    assert relation(seen(digest=OTHER, fields=long, age_s=age_s)) is expected


def test_a_cache_that_says_it_forwarded_got_it_now() -> None:
    long = (("etag", '"v0"'), ("cache-control", "max-age=7200"))
    assert relation(seen(digest=OTHER, fields=long, cache_status=MISS)) is Relation.UNKNOWN_VERSION
    fresh = version(first_seen="2026-11-22T10:00:01Z")
    assert relation(seen(digest=OTHER, fields=long, cache_status=MISS), fresh) is Relation.UNSEEN_VERSION


@pytest.mark.parametrize(
    ("control", "behind_at", "within"),
    [
        ("max-age=60", "2026-11-22T09:59:30Z", True),
        # 30 s behind: two caches, one of them unseen, may each lose a second to rounding
        ("max-age=28", "2026-11-22T09:59:30Z", True),
        ("max-age=27", "2026-11-22T09:59:30Z", False),
        ("max-age=10, stale-while-revalidate=60", "2026-11-22T09:59:30Z", True),
        ("max-age=10, stale-if-error=60", "2026-11-22T09:59:30Z", False),
        ("no-store", "2026-11-22T09:59:30Z", False),
        ("public", "2026-11-22T09:59:30Z", None),
    ],
)
def test_older_version_by_its_own_lifetime(control: str, behind_at: str, within: bool | None) -> None:
    versions = version(OLD, first_seen=BEFORE, etag='"v0"'), version(first_seen=behind_at)
    old = seen(digest=OLD, fields=(("cache-control", control),))
    found = compare(old, reference(*versions), AT, origin_failing=False)
    assert found is not None
    assert (found.relation, found.within_lifetime, found.behind_s) == (Relation.OLDER, within, 30.0)


def test_stale_if_error_counts_only_while_the_origin_fails() -> None:
    versions = version(OLD, first_seen=BEFORE), version(first_seen="2026-11-22T09:59:30Z")
    old = seen(digest=OLD, fields=(("cache-control", "max-age=10, stale-if-error=60"),))
    found = compare(old, reference(*versions), AT, origin_failing=True)
    assert found is not None
    assert found.within_lifetime is True


def test_version_that_returned_is_equal_again() -> None:
    back = version(OLD, first_seen=BEFORE), version(GOOD, first_seen=EARLIER)
    assert relation(seen(), *back) is Relation.EQUAL


def test_origin_changing_or_failing_accuses_nobody() -> None:
    assert relation(seen(digest=OTHER, fields=()), changed_during_slot=True) is Relation.ORIGIN_CHANGING
    assert relation(seen(digest=OTHER, fields=()), failing=True) is Relation.UNVERIFIED


def test_self_comparison_verifies_nothing() -> None:
    assert relation(seen(), self_comparison=True) is Relation.UNVERIFIED


# --- whose declaration counts ----------------------------------------------------------------------


def says(control: str, name: str = "cache-control") -> Freshness:
    return declared([(name, control)])


def old_beside(
    edge: str, origin: str | None, behind_s: int = 30, *, failing: bool = False, **changes: object
) -> Comparison:
    """An old version `behind_s` after the change, with the edge's and the origin's Cache-Control."""
    superseded = f"2026-11-22T09:{59 - behind_s // 60:02d}:{(60 - behind_s % 60) % 60:02d}Z"
    kept = version(OLD, first_seen=BEFORE, declared=None if origin is None else says(origin))
    fields = (("cache-control", edge),) if edge else ()
    made = seen(digest=OLD, fields=(*fields, *changes.pop("fields", ())), age_s=changes.pop("age_s", None))
    found = compare(
        made, reference(kept, version(first_seen=superseded), **changes), AT, origin_failing=failing
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("edge", "origin", "within", "lifetime_s", "source", "by"),
    [
        ("max-age=0, must-revalidate", "s-maxage=600", True, 600, "s-maxage", "origin"),
        ("max-age=600", "max-age=5", True, 600, "max-age", "edge"),
        ("max-age=5", "max-age=5", False, 5, "max-age", "edge"),
        ("", "max-age=5", False, 5, "max-age", "origin"),
        ("", "max-age=600", True, 600, "max-age", "origin"),
        ("max-age=5", None, False, 5, "max-age", "edge"),
        ("no-store", "no-store", False, 0, "no-store", "edge"),
        ("", None, None, None, None, None),
        ("max-age=soon", None, None, 0, "max-age", "edge"),
        ("max-age=soon", "max-age=5", False, 5, "max-age", "origin"),
    ],
)
def test_the_more_generous_word_counts(
    edge: str,
    origin: str | None,
    within: bool | None,
    lifetime_s: float | None,
    source: str | None,
    by: str | None,
) -> None:
    found = old_beside(edge, origin)
    assert (found.relation, found.within_lifetime) == (Relation.OLDER, within)
    assert (found.freshness_lifetime_s, found.freshness_source, found.freshness_by) == (
        lifetime_s,
        source,
        by,
    )


def test_the_origins_field_for_cdns_that_the_edge_keeps_to_itself() -> None:
    kept = version(OLD, first_seen=BEFORE, declared=says("max-age=600", "cdn-cache-control"))
    browser = seen(digest=OLD, fields=(("cache-control", "max-age=0"),))
    newest = version(first_seen="2026-11-22T09:59:30Z")
    found = compare(browser, reference(kept, newest), AT, origin_failing=False)
    assert found is not None
    assert (found.within_lifetime, found.freshness_source) == (True, "max-age of cdn-cache-control")


def test_what_the_newest_version_declares_says_nothing_of_the_old_one() -> None:
    versions = (
        version(OLD, first_seen=BEFORE, declared=says("max-age=5")),
        version(first_seen="2026-11-22T09:59:30Z", declared=says("max-age=600")),
    )
    found = compare(seen(digest=OLD, fields=()), reference(*versions), AT, origin_failing=False)
    assert found is not None
    assert found.within_lifetime is False


def test_a_heuristic_excuses_and_does_not_accuse() -> None:
    date = ("date", "Sun, 22 Nov 2026 10:00:00 GMT")
    for modified, within in (("09:50:00", True), ("09:59:50", None)):
        fields = (date, ("last-modified", f"Sun, 22 Nov 2026 {modified} GMT"))
        found = old_beside("", None, fields=fields)
        assert (found.within_lifetime, found.freshness_source) == (within, "heuristic")


# --- stale within the rules ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edge", "failing", "within", "allowance"),
    [
        ("max-age=60", False, True, None),
        ("max-age=10, stale-while-revalidate=60", False, True, "stale_while_revalidate"),
        ("max-age=10, stale-while-revalidate=5", False, False, None),
        ("max-age=10, stale-if-error=60", False, False, None),
        ("max-age=10, stale-if-error=60", True, True, "stale_if_error"),
        ("max-age=10, stale-while-revalidate=60, stale-if-error=60", True, True, "stale_while_revalidate"),
        ("max-age=10", True, True, "stale_disconnected"),
    ],
)
def test_what_allows_serving_stale(edge: str, failing: bool, within: bool, allowance: str | None) -> None:
    found = old_beside(edge, None, failing=failing)
    assert (found.relation, found.within_lifetime, found.allowance) == (Relation.OLDER, within, allowance)


@pytest.mark.parametrize(
    "edge",
    [
        "max-age=10, must-revalidate, stale-while-revalidate=60",
        "max-age=10, proxy-revalidate",
        "s-maxage=10",
        "no-cache, stale-if-error=600",
        "max-age=10, stale-if-error=5",
    ],
)
def test_what_forbids_it_while_the_origin_fails_needs_the_copys_own_age(edge: str) -> None:
    """Whether an origin that does not answer went back to the old version nobody knows."""
    found = old_beside(edge, None, failing=True)
    assert (found.relation, found.within_lifetime) == (Relation.UNVERIFIED, None)
    young = old_beside(edge, None, failing=True, age_s=12)
    assert (young.relation, young.within_lifetime) == (Relation.UNVERIFIED, None)
    old = old_beside(edge, None, failing=True, age_s=45)
    assert (old.relation, old.within_lifetime) == (Relation.OLDER, False)


def test_an_origin_that_was_not_asked_may_have_gone_back() -> None:
    found = old_beside("max-age=5", None, left_out=True)
    assert (found.relation, found.within_lifetime, found.behind_s) == (Relation.UNVERIFIED, None, 30.0)
    assert old_beside("max-age=5", None, left_out=True, age_s=31).within_lifetime is False
    assert old_beside("max-age=60", None, left_out=True).relation is Relation.OLDER


# --- what convicts -----------------------------------------------------------------------------------

LONG = (("etag", '"v0"'), ("cache-control", "max-age=7200"))


@pytest.mark.parametrize(
    ("fields", "age_s", "expected"),
    [
        ((), None, Relation.UNKNOWN_VERSION),
        ((), 0, Relation.UNKNOWN_VERSION),
        ((), 3600, Relation.UNSEEN_VERSION),  # the cache that it was forwarded to had it
        ((("date", "Sun, 22 Nov 2026 08:00:00 GMT"),), None, Relation.UNSEEN_VERSION),
        ((("via", "1.1 shield, 1.1 edge"),), None, Relation.UNSEEN_VERSION),
    ],
)
def test_a_forwarded_request_convicts_where_nothing_contradicts_it(
    fields: tuple[tuple[str, str], ...], age_s: int | None, expected: Relation
) -> None:
    made = seen(digest=OTHER, fields=(*LONG, *fields), age_s=age_s, cache_status=MISS)
    assert relation(made) is expected


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [(None, Relation.UNKNOWN_VERSION), (0, Relation.UNSEEN_VERSION), (1, Relation.UNSEEN_VERSION)],
)
def test_a_quiet_cache_behind_the_edge_shows_by_any_age(age_s: int | None, expected: Relation) -> None:
    """The origin is known to have changed a second ago; a copy of that age may be of the version before."""
    just_now = version(first_seen="2026-11-22T09:59:59Z")
    assert relation(seen(digest=OTHER, fields=LONG, age_s=age_s, cache_status=MISS), just_now) is expected


@pytest.mark.parametrize("fields", [LONG, ()], ids=["forwarded", "claims nothing"])
@pytest.mark.parametrize(
    ("last_asked", "asked_after", "expected"),
    [
        ("2026-11-22T09:59:59.9Z", False, Relation.UNSEEN_VERSION),
        ("2026-11-22T10:00:00.01Z", False, Relation.UNSEEN_VERSION),
        ("2026-11-22T10:00:00.1Z", False, Relation.UNKNOWN_VERSION),
        ("2026-11-22T09:59:59.9Z", True, Relation.UNKNOWN_VERSION),
        (None, False, Relation.UNKNOWN_VERSION),
    ],
)
def test_the_origin_may_have_changed_after_our_last_look_at_it(
    fields: tuple[tuple[str, str], ...], last_asked: str | None, asked_after: bool, expected: Relation
) -> None:
    """The edge's reply takes 28 ms: only an origin that is asked after it shows that nothing changed meanwhile."""
    made = seen(digest=OTHER, fields=fields, cache_status=MISS)
    known = reference(version(last_asked=last_asked))
    found = compare(made, known, AT, origin_failing=False, asked_after=asked_after)
    assert found is not None
    assert found.relation is expected


def test_the_origins_own_caches_word_does_not_convict() -> None:
    made = seen(
        digest=OTHER, fields=LONG, cache_status=CacheStatus(hit=False, fwd="miss", derived_from="x-cache")
    )
    for words, expected in (({}, Relation.UNKNOWN_VERSION), ({"x-cache": 1}, Relation.UNSEEN_VERSION)):
        found = compare(made, reference(), AT, origin_failing=False, origin_words=words)
        assert found is not None
        assert found.relation is expected


def test_a_date_shows_up_an_age_that_was_started_anew() -> None:
    date = ("date", "Sun, 22 Nov 2026 08:00:00 GMT")
    assert relation(seen(digest=OTHER, fields=(*LONG, date), age_s=0)) is Relation.UNSEEN_VERSION
    assert relation(seen(digest=OTHER, fields=LONG, age_s=0)) is Relation.UNKNOWN_VERSION


def test_the_age_is_told() -> None:
    found = compare(seen(age_s=7), reference(), AT, origin_failing=False)
    assert found is not None
    assert (found.relation, round(found.age_s or 0, 3)) == (Relation.EQUAL, 7.018)


# --- hostile fields (row 33) -------------------------------------------------------------------------

HOSTILE = st.lists(
    st.tuples(
        st.sampled_from(
            ["cache-control", "cdn-cache-control", "surrogate-control", "expires", "date", "etag", "last-modified",
             "via", "cache-status", "proxy-status", "x-cache", "x-accel-expires"]
        ),
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(
                ["max-age=-1", "max-age=" + "9" * 40, "s-maxage=x, stale-while-revalidate=9", "@" + "9" * 30, "0",
                 "Sun, 22 Nov 99999 10:00:00 GMT", "Thu, 01 Jan 0001 00:00:00 +2359", '"v1"', "W/", "e; hit; ttl=1.5",
                 "e; fwd=miss; collapsed", "1.1 a, 1.1 b", "\ud800", "\x00"]
            ),
        ),
    ),
    max_size=8,
)  # fmt: skip


@given(
    HOSTILE,
    st.sampled_from([GOOD, OLD, OTHER, None]),
    st.one_of(st.none(), st.integers(min_value=0, max_value=2**31)),
    st.booleans(),
)
def test_any_reply_is_compared_judged_and_written(
    fields: list[tuple[str, str]], digest: str | None, age_s: int | None, failing: bool
) -> None:
    made = seen(digest=digest, fields=tuple(fields), age_s=age_s)
    made = replace(made, **with_caches(made))
    origin = refused(Role.ORIGIN) if failing else seen(Role.ORIGIN, fields=tuple(fields))
    versions = version(OLD, first_seen=BEFORE, declared=declared(fields)), version()
    at = evidence(made, origin, reference=reference(*versions))
    row = measured_row(task(), with_comparisons(task(), at), CHECKS, finished_at=AT)
    assert getattr(decode(encode(row)), "outcome", None) in ("ok", "stale", "failed", "inconclusive")
    assert digest != GOOD or row.outcome == "ok"
