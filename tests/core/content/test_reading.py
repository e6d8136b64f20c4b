"""Content read by declared rules: what changes is taken out on both sides, and reading always ends."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.content.reading import (
    Reading,
    UnreadableError,
    check_json_path,
    check_pattern,
    check_selector,
    normalise,
    read_content,
)


def equal(reading: Reading, one: bytes, other: bytes) -> bool:
    first, second = read_content(reading, one), read_content(reading, other)
    assert first.normalised_digest is not None
    assert second.normalised_digest is not None
    return first.normalised_digest == second.normalised_digest


def test_without_rules_every_byte_counts() -> None:
    assert equal(Reading(), b"same", b"same")
    assert not equal(Reading(), b"same", b"Same")


def test_patterns_take_out_what_they_match() -> None:
    reading = Reading(patterns=(r"nonce=[0-9a-f]+", r"\d\d:\d\d"))
    assert equal(reading, b"<a nonce=12ab> at 10:00", b"<a nonce=ff> at 23:59")
    assert not equal(reading, b"<a nonce=12ab> at 10:00", b"<b nonce=ff> at 23:59")


def test_patterns_work_on_bytes_that_are_no_text() -> None:
    assert normalise(Reading(patterns=(r"\xff+",)), b"a\xff\xffb\x00") == b"ab\x00"


def test_json_paths_take_out_values_and_keys_have_no_order() -> None:
    reading = Reading(json_paths=("$.time", "$.items[*].id"))
    one = {"time": 1, "items": [{"id": 5, "name": "a"}, {"id": 6, "name": "b"}]}
    other = {"items": [{"name": "a", "id": 0}, {"name": "b"}], "time": {"deep": [1]}}
    assert equal(reading, json.dumps(one).encode(), json.dumps(other, indent=2).encode())
    changed = {**one, "items": [{"id": 5, "name": "A"}, {"id": 6, "name": "b"}]}
    assert not equal(reading, json.dumps(one).encode(), json.dumps(changed).encode())


def test_several_items_of_one_list_go_without_moving_each_other() -> None:
    reading = Reading(json_paths=("$[?@.ad == true]",))
    body = json.dumps([{"ad": True}, {"n": 1}, {"ad": True}, {"ad": True}, {"n": 2}]).encode()
    assert normalise(reading, body) == b'[{"n":1},{"n":2}]'


def test_overlapping_paths_take_the_inner_one_out_first() -> None:
    assert normalise(Reading(json_paths=("$..a",)), b'{"a":{"a":{"a":1}},"b":2}') == b'{"b":2}'


def test_selectors_take_out_elements() -> None:
    reading = Reading(selectors=("script[nonce]", "#ad"))
    page = "<html><body><script nonce={}>x</script><p>text</p><div id=ad>{}</div></body></html>"
    assert equal(reading, page.format(1, "one").encode(), page.format(2, "two<br>").encode())
    assert not equal(reading, page.format(1, "one").encode(), page.replace("text", "TEXT").encode())


def test_markers_are_looked_for_in_what_was_sent_not_in_what_is_left() -> None:
    reading = Reading(patterns=("Willkommen",), markers=("Willkommen", "Grüße", "<script src=//evil"))
    facts = read_content(reading, "Willkommen, Grüße".encode())
    assert facts.found == ("Willkommen", "Grüße")


@pytest.mark.parametrize(
    ("reading", "body", "flag"),
    [
        (Reading(json_paths=("$.a",)), b"<html>", "not_json"),
        (Reading(json_paths=("$.a",)), b"[" * 100_000, "not_json"),
        (Reading(json_paths=("$.a",)), b"\xff\xfe", "not_json"),
        (Reading(selectors=("p",)), b"\x89PNG\x00\x00", "not_html"),
        (Reading(), None, "too_large"),
    ],
    ids=["no JSON", "too deep", "no text", "no HTML", "too large"],
)
def test_content_of_another_kind_gives_a_flag_and_no_digest(
    reading: Reading, body: bytes | None, flag: str
) -> None:
    facts = read_content(reading, body)
    assert (facts.normalised_digest, facts.flags) == (None, (flag,))


def test_a_pattern_that_runs_away_is_stopped() -> None:
    began = time.monotonic()
    facts = read_content(
        Reading(patterns=(r"(a|a)*b|(a+)+c",), markers=("aa",)), b"a" * 40 + b"!" + b"a" * 4000
    )
    assert facts.flags == ("patterns_timed_out",)
    assert facts.found == ("aa",), "markers do not depend on the patterns"
    assert time.monotonic() - began < 10


def test_rules_have_a_name_of_their_own() -> None:
    assert Reading(patterns=("a",)).rules != Reading(patterns=("b",)).rules
    assert Reading(patterns=("a",)).rules != Reading(selectors=("a",)).rules
    assert Reading(markers=("a",)).rules == Reading(markers=("a",)).rules


@given(st.binary(max_size=2000))
def test_whatever_comes_nothing_is_raised(body: bytes) -> None:
    for reading in (
        Reading(patterns=(r"[a-z]+\d",)),
        Reading(json_paths=("$..*",)),
        Reading(selectors=("script", "div > p:nth-child(2)")),
    ):
        facts = read_content(reading, body)
        assert (facts.normalised_digest is None) == bool(facts.flags)


def test_the_root_itself_cannot_be_taken_out() -> None:
    assert normalise(Reading(json_paths=("$",)), b'{"a": 1}') == b'{"a":1}'


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_pattern, r"nonce=\w+", "(unclosed"),
        (check_pattern, "a+", "a*"),
        (check_json_path, "$.a[*].b", "$["),
        (check_selector, "div > p.x", "p[["),
    ],
    ids=["pattern", "pattern of nothing", "path", "selector"],
)
def test_rules_are_checked_before_they_are_used(check: object, good: str, bad: str) -> None:
    assert callable(check)
    assert check(good) == good
    with pytest.raises(ValueError, match=r"not a|nothing"):
        check(bad)


def test_unreadable_says_which() -> None:
    with pytest.raises(UnreadableError, match="not_json") as told:
        normalise(Reading(json_paths=("$.a",)), b"{")
    assert told.value.flag == "not_json"
