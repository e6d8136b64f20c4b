"""The versions of an object as the origin served them: first and last seen, and what each was declared to last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.content.history import KEPT_VERSIONS, updated, with_reply
from probe.core.model.value import replace
from probe.core.records.origin import OriginVersion
from probe.core.records.response import Response

CC = "cache-control"


def reply(digest: str | None, control: str = "", status: int = 200, **fields: str) -> Response:
    named = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Response(
        status_code=status,
        fields=((CC, control), *named) if control else named,
        content_digest=digest,
        decoded_body_bytes=7,
        body_complete=True,
    )


def told(second: int) -> str:
    return f"2026-11-22T10:00:{second:02d}.000000Z"


def history(*replies: Response) -> tuple[OriginVersion, ...]:
    """Each asked at an even second and answered a second later."""
    versions: tuple[OriginVersion, ...] = ()
    for number, made in enumerate(replies):
        versions = with_reply(versions, made, asked=told(2 * number), seen=told(2 * number + 1)) or versions
    return versions


def test_the_first_version() -> None:
    (version,) = history(reply("a", "max-age=60", etag='"1"', last_modified="x"))
    assert (version.content_digest, version.etag, version.last_modified) == ("a", '"1"', "x")
    assert (version.decoded_body_bytes, version.status_code) == (7, 200)
    assert (version.first_seen, version.last_asked, version.last_seen) == (told(1), told(0), told(1))
    assert version.declared is not None
    assert (version.declared.lifetime_s, version.declared.source) == (60, "max-age")


@pytest.mark.parametrize("again", [reply("a", etag='"2"'), reply(None, status=304)])
def test_seen_again_it_keeps_its_first_time(again: Response) -> None:
    (version,) = history(reply("a"), again)
    assert (version.first_seen, version.last_asked, version.last_seen) == (told(1), told(2), told(3))


def test_the_validators_are_those_sent_last() -> None:
    (version,) = history(reply("a", etag='"1"', last_modified="x"), reply("a", etag='"2"'))
    assert (version.etag, version.last_modified) == ('"2"', None)


def test_a_change_is_a_further_version() -> None:
    old, new = history(reply("a"), reply("b"))
    assert (old.last_seen, new.first_seen) == (told(1), told(3))


def test_a_version_that_returns_is_the_newest_and_first_seen_now() -> None:
    versions = history(reply("a"), reply("b"), reply("a"))
    assert [v.content_digest for v in versions] == ["b", "a"]
    assert versions[-1].first_seen == told(5)


@pytest.mark.parametrize(
    "response", [reply("x", status=503), reply(None), reply(None, status=301), reply("x", status=404)]
)
def test_what_shows_no_version_changes_nothing(response: Response) -> None:
    known = history(reply("a"))
    assert with_reply(known, response, asked=told(8), seen=told(9)) is None
    assert with_reply((), reply(None, status=304), asked=told(8), seen=told(9)) is None


@pytest.mark.parametrize("again", ["max-age=3600", "max-age=5"])
@pytest.mark.parametrize("status", [200, 304])
def test_what_was_declared_once_holds_for_the_copies_taken_then(again: str, status: int) -> None:
    (version,) = history(reply("a", "max-age=60"), reply("a" if status == 200 else None, again, status))
    assert version.declared is not None
    assert version.declared.lifetime_s == max(60, int(again.removeprefix("max-age=")))


def test_a_304_that_declares_nothing_takes_nothing_away() -> None:
    (version,) = history(reply("a", "max-age=60"), reply(None, status=304))
    assert version.declared is not None
    assert version.declared.lifetime_s == 60


def test_an_origin_that_declares_nothing() -> None:
    (version,) = history(reply("a"))
    assert version.declared is None


def test_so_many_are_kept() -> None:
    versions = history(*(reply(str(n)) for n in range(29)))
    assert [v.content_digest for v in versions] == [str(n) for n in range(29 - KEPT_VERSIONS, 29)]


@given(st.lists(st.one_of(st.sampled_from("abc"), st.none()), max_size=20))
def test_each_digest_is_there_once_and_times_are_in_order(digests: list[str | None]) -> None:
    versions = history(*(reply(d) if d else reply(None, status=304) for d in digests))
    found = [v.content_digest for v in versions]
    assert len(set(found)) == len(found)
    assert [v.first_seen for v in versions] == sorted(v.first_seen for v in versions)
    assert all(v.first_seen <= v.last_seen and (v.last_asked or "") < v.last_seen for v in versions)
    served = [d for d in digests if d]
    assert not served or found[-1] == served[-1]
    assert all(replace(v, declared=None) == v for v in versions)


def test_a_version_that_was_not_seen_for_long_is_forgotten_but_never_the_present_one() -> None:
    known = history(reply("a"), reply("b"))
    day = "2026-11-23T10:00:{:02d}.000000Z"
    for keep_s, expected in ((3_600, ["b", "c"]), (100_000, ["a", "b", "c"])):
        made = with_reply(known, reply("c"), asked=day.format(0), seen=day.format(1), keep_s=keep_s)
        assert made is not None
        assert [version.content_digest for version in made] == expected


def test_a_304_replaces_the_fields_that_it_names() -> None:
    """RFC 9111 section 3.2."""
    whole = Response(status_code=200, fields=(("etag", '"1"'), ("x-a", "1"), ("x-a", "2"), ("x-b", "1")))
    kept = updated((("x-c", "old"),), whole)
    assert kept == whole.fields
    again = Response(status_code=304, fields=(("etag", '"1"'), ("x-a", "3")))
    assert updated(kept, again) == (("x-b", "1"), ("etag", '"1"'), ("x-a", "3"))
