"""Content beside the origin's versions: who may be accused, and when not."""

from __future__ import annotations

import pytest

from probe.core.compare import compare
from probe.core.records import FailureType, Observation, OriginVersion, Phase, Relation
from tests.build import AT, EARLIER, GOOD, MISS, OLD, OTHER, broken, reference, refused, seen, version

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


def test_same_etag_other_bytes_is_unknown() -> None:
    assert relation(seen(digest=OTHER, fields=(("etag", '"v1"'),))) is Relation.UNKNOWN_VERSION


def test_weak_etag_claims_nothing_about_bytes() -> None:
    weak = seen(digest=OTHER, fields=(("etag", 'W/"v1"'), ("cache-control", "max-age=7200")))
    assert relation(weak, version(etag='W/"v1"')) is Relation.UNSEEN_VERSION


def test_version_from_before_we_looked_is_not_accused_within_its_lifetime() -> None:
    long = (("etag", '"v0"'), ("cache-control", "max-age=7200"))
    assert relation(seen(digest=OTHER, fields=long)) is Relation.UNSEEN_VERSION


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
