"""Ranges of large objects: unforeseeable, repeatable, and compared only where both sides speak of the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.http.ranges import byte_range, parse_content_range, samples, size_of
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Evidence
from tests.support import build

ASK = "integrity.range:100-199"
WHERE = "bytes 100-199/9000"
TAG, OTHER_TAG = ("etag", '"v1"'), ("etag", '"v2"')


@given(st.text(min_size=1, max_size=20), st.integers(1, 10**12), st.integers(1, 10**7))
def test_a_range_lies_in_the_object_and_is_as_long_as_wanted(seed: str, size: int, length: int) -> None:
    first, last = byte_range(seed, size, length)
    assert 0 <= first <= last < size
    assert last - first + 1 == min(size, length)
    assert (first, last) == byte_range(seed, size, length)


def test_ranges_are_spread_over_the_object() -> None:
    firsts = [byte_range(f"t 1 {i}", 1_000_000, 1_000)[0] for i in range(1000)]
    assert len(set(firsts)) > 990
    for tenth in range(10):
        assert 50 < sum(tenth * 100_000 <= first < (tenth + 1) * 100_000 for first in firsts) < 160


def test_an_empty_object_has_the_empty_range() -> None:
    assert byte_range("t", 0, 100) == (0, 0)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("bytes 0-99/1000", (0, 99, 1000)),
        (" bytes 5-5/* ", (5, 5, None)),
        ("bytes 9-5/1000", None),
        ("bytes 0-1000/1000", None),
        ("bytes */1000", None),
        ("items 0-1/2", None),
        ("bytes 0-99/1000, bytes 0-1/2", None),
        ("bytes -1-5/9", None),
        ("", None),
    ],
)
def test_content_range(text: str, parsed: tuple[int, int, int | None] | None) -> None:
    assert parse_content_range(text) == parsed


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ((("content-length", "1000"),), 1000),
        ((("content-range", "bytes 0-0/77"), ("content-length", "1")), 77),
        ((("content-range", "bytes 0-0/*"),), None),
        ((("content-length", "many"),), None),
        ((("content-length", "9" * 30),), None),
        ((), None),
    ],
)
def test_size(fields: tuple[tuple[str, str], ...], size: int | None) -> None:
    response = build.seen(fields=fields).response
    assert response is not None
    assert size_of(response) == size


def part(
    role: Role,
    digest: str = build.GOOD,
    place: str = "bytes 100-199/9000",
    *fields: tuple[str, str],
    **more: object,
) -> Observation:
    made = build.seen(role, status=206, digest=digest, fields=(("content-range", place), *fields))
    assert made.response is not None
    response = replace(made.response, encoded_body_bytes=more.pop("length", 100))
    return replace(made, response=response, ask=ASK, **more)


def seen(*observations: Observation) -> Evidence:
    return build.evidence(build.seen(), *observations)


EDGE, ORIGIN = Role.CHECK, Role.CONTROL
BROKEN = replace(build.broken(FailureType.TCP_RESET, Phase.BODY, ORIGIN), ask=ASK)


@pytest.mark.parametrize(
    ("observations", "says"),
    [
        ((part(EDGE), part(ORIGIN)), None),
        ((part(EDGE, build.OTHER), part(ORIGIN)), "mismatch"),
        ((part(EDGE, build.OTHER, WHERE, TAG), part(ORIGIN, build.GOOD, WHERE, TAG)), "mismatch"),
        ((part(EDGE, build.OTHER, WHERE, TAG), part(ORIGIN, build.GOOD, WHERE, OTHER_TAG)), "other_version"),
        ((part(EDGE, build.GOOD, WHERE, TAG), part(ORIGIN, build.GOOD, WHERE, OTHER_TAG)), "other_version"),
        ((part(EDGE, build.OTHER, "bytes 100-199/8000"), part(ORIGIN)), "other_version"),
        ((part(EDGE, build.OTHER, "bytes 100-199/8000", TAG), part(ORIGIN, build.GOOD, WHERE, TAG)), "mismatch"),
        ((part(EDGE, build.GOOD, "bytes 0-99/9000"), part(ORIGIN)), "range_wrong"),
        ((part(EDGE, build.GOOD, "nonsense"), part(ORIGIN)), "range_wrong"),
        ((part(EDGE, length=50), part(ORIGIN)), "range_wrong"),
        ((part(EDGE), part(ORIGIN, build.GOOD, "bytes 0-99/9000")), "unverified"),
        ((part(EDGE),), "unverified"),
        ((part(EDGE), replace(build.seen(ORIGIN, status=200), ask=ASK)), "unverified"),
        ((replace(build.seen(EDGE, status=200), ask=ASK), part(ORIGIN)), "unverified"),
        ((replace(build.refused(EDGE), ask=ASK), part(ORIGIN)), "unverified"),
        ((part(EDGE, build.OTHER), part(ORIGIN), part(ORIGIN, build.OLD)), "unverified"),
        ((part(EDGE, build.OTHER), part(ORIGIN), part(ORIGIN)), "mismatch"),
        ((part(EDGE, build.OTHER), BROKEN), "unverified"),
    ],
    ids=[
        "equal", "differs", "differs under one tag", "other tags", "equal under other tags", "other sizes",
        "other sizes under one tag", "another range", "no Content-Range", "too few bytes", "origin's other range",
        "origin not asked", "origin ignores ranges", "edge ignores ranges", "edge failed", "origin changing",
        "origin asked twice", "origin failed",
    ],
)  # fmt: skip
def test_what_a_sample_says(observations: tuple[Observation, ...], says: str | None) -> None:
    (sample,) = samples(seen(*observations), "integrity.range")
    assert sample.says == says, sample.detail
    assert sample.index == 1


def test_weak_tags_and_dates_speak_of_versions_only_together() -> None:
    weak = ("etag", 'W/"v1"')
    place = "bytes 100-199/9000"
    one = part(EDGE, build.OTHER, place, weak, ("last-modified", "Mon, 01 Jan 2026 00:00:00 GMT"))
    other = part(ORIGIN, build.GOOD, place, weak, ("last-modified", "Tue, 02 Jan 2026 00:00:00 GMT"))
    assert [s.says for s in samples(seen(one, other), "integrity.range")] == ["other_version"]
    assert [s.says for s in samples(seen(one, part(ORIGIN, build.GOOD, place, weak)), "integrity.range")] == [
        "mismatch"
    ]


def test_other_asks_are_not_samples() -> None:
    assert list(samples(seen(replace(part(EDGE), ask="negotiation.range")), "integrity.range")) == []
