"""Content read by declared rules: what changes is taken out on both sides, and reading always ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.content import html_elements, json_paths
from probe.core.content import reading as bounds
from probe.core.content.html_elements import check_selector
from probe.core.content.json_paths import check_json_path
from probe.core.content.reading import Reading, check_pattern, normalise, read_content
from probe.core.content.unreadable import UnreadableError


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
        (Reading(json_paths=("$.a",)), b"[" * 100_000, "too_costly"),
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


def test_a_pattern_that_would_run_away_elsewhere_is_matched() -> None:
    assert normalise(Reading(patterns=(r"(a|a)*b|(a+)+c",)), b"a" * 40 + b"!" + b"a" * 4000) == (
        b"a" * 40 + b"!" + b"a" * 4000
    )
    assert normalise(Reading(patterns=("(a+)+b",)), b"a" * 4000 + b"b!") == b"!"


FLAT = b"<body>" + b"<p>x</p>" * 40_000
TOO_COSTLY = {
    "each search goes to the end": (Reading(patterns=("(?s)a.*b|a",)), b"a" * 100_000),
    "a large pattern over a large content": (Reading(patterns=("[a-f]{900}",)), b"x" * 4_000_000),
    "deep JSON": (Reading(json_paths=("$.a",)), b'{"a":' * 201 + b"1" + b"}" * 201),
    "deep JSON in UTF-16": (Reading(json_paths=("$.a",)), ("[" * 201 + "]" * 201).encode("utf-16")),
    "a query in each member": (
        Reading(json_paths=("$[?count($[*]) == 1]",)),
        b"[" + b",".join([b"1"] * 3000) + b"]",
    ),
    "comparing all with all": (
        Reading(json_paths=("$.b[?@ == $.a]",)),
        json.dumps({"a": [0] * 3000, "b": [[0] * 3000] * 1000}).encode(),
    ),
    "descent from descent": (Reading(json_paths=("$..*..*..*",)), b"[" * 150 + b"]" * 150),
    "much matched text": (
        Reading(json_paths=("$.b[?match($.a, '(a+)+b')]",)),
        json.dumps({"a": "a" * 100_000, "b": [0] * 1000}).encode(),
    ),
    "deep HTML": (Reading(selectors=("p",)), b"<div>" * 600),
    "deep HTML in a template": (Reading(selectors=("p",)), b"<template>" + b"<div>" * 600),
    "many attributes": (
        Reading(selectors=("p",)),
        b"<a " + b"".join(b"b%d=c " % number for number in range(3000)) + b">",
    ),
    "a frameset that hides the body": (Reading(selectors=("p",)), b"<b>" * 10_001 + b"<FrameSet>"),
    "siblings among siblings": (Reading(selectors=("p:nth-child(2)",)), FLAT),
    "siblings before siblings": (Reading(selectors=("b ~ p",)), FLAT),
    "many ancestors": (Reading(selectors=("b div div div div",)), b"<div>" * 400),
    "many subtrees": (Reading(selectors=("div div div:has(b)",)), b"<div>" * 400),
}


@pytest.mark.parametrize("name", TOO_COSTLY)
def test_what_takes_more_steps_than_agreed_is_too_costly(name: str) -> None:
    facts = read_content(*TOO_COSTLY[name])
    assert (facts.normalised_digest, facts.flags) == (None, ("too_costly",))


@pytest.mark.parametrize(
    ("rules", "body"),
    [
        (Reading(patterns=(r"t=\d+",)), b"<p>t=1234</p>" + b"word " * 4000 + b"t=1 " * 10_000),
        (Reading(json_paths=("$..time", "$.items[?@.ad == true]")),
         json.dumps({"items": [{"time": n, "ad": n % 2 == 0} for n in range(50_000)]}).encode()),
        (Reading(json_paths=("$..a",)), b'{"a":' * 200 + b"1" + b"}" * 200),
        (Reading(json_paths=("$[?match(@.a, '(a+)+b')]",)), json.dumps([{"a": "a" * 4000}] * 10).encode()),
        (Reading(selectors=("div.a > p", "body script[nonce]", "p:nth-child(2)", "main p:has(b)")),
         (b"<div class=a><p>words</p><p>of</p></div>" * 200 + b"<section>") * 20),
    ],
    ids=["patterns", "JSON", "as deep as may be", "a pattern in a path", "HTML"],
)  # fmt: skip
def test_ordinary_content_is_far_from_the_bounds(rules: Reading, body: bytes) -> None:
    assert read_content(rules, body).flags == ()


def test_the_bound_is_a_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step less is too few: nothing else decides."""
    body = b"t=1 t=2 "
    pattern = Reading(patterns=("t=[0-9]",))
    monkeypatch.setattr(bounds, "SEARCHED_BYTES", 5 + 1)
    assert read_content(pattern, body).flags == ()
    monkeypatch.setattr(bounds, "SEARCHED_BYTES", 5)
    assert read_content(pattern, body).flags == ("too_costly",)
    path = Reading(json_paths=("$[*]",))
    monkeypatch.setattr(json_paths, "STEPS_AT_MOST", 4)
    assert read_content(path, b"[1, 2, 3]").flags == ()
    assert read_content(path, b"[1, 2, 3, 4]").flags == ("too_costly",)
    selector = Reading(selectors=("p",))
    monkeypatch.setattr(html_elements, "SELECTOR_STEPS", 4)
    assert read_content(selector, b"<p>").flags == ()
    assert read_content(selector, b"<p><p>").flags == ("too_costly",)


def test_one_place_found_twice_is_taken_out_once() -> None:
    assert normalise(Reading(json_paths=("$['a', 'a']", "$.b[0, 0]")), b'{"a":1,"b":[1,2]}') == b'{"b":[2]}'


def test_a_pattern_in_a_path_matches_in_linear_time_and_as_rfc_9485_says() -> None:
    path = Reading(json_paths=("$[?match(@, 'a.')]", "$[?search(@, '[.]x')]", "$[?match(@, '(?=a)a')]"))
    assert normalise(path, b'["ab", "a\\n", "a.x", "abx", "a"]') == b'["a\\n","abx","a"]'


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
        (check_selector, "p:has(b)", "p:has(a:has(b))"),
        (check_pattern, "[^é]", "(?=a)b"),
    ],
    ids=["pattern", "pattern of nothing", "path", "selector", "nested :has", "look-around"],
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
