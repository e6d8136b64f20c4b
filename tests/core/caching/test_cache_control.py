"""Directives of Cache-Control (RFC 9111 section 5.2) and of targeted fields (RFC 9213), odd ones above all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.caching.cache_control import Seconds, cache_control, delta_seconds, targeted_directives
from tests.support.work import linear


def test_directives_keep_order_and_case_folds() -> None:
    assert cache_control([("cache-control", "A=1,a=2 , b")]) == {"a": ["1", "2"], "b": [""]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('no-cache="set-cookie, x", max-age=5', {"no-cache": ["set-cookie, x"], "max-age": ["5"]}),
        ('max-age="60"', {"max-age": ["60"]}),
        ('ext="a\\"b"', {"ext": ['a"b']}),
        ("max-age = 7", {"max-age": ["7"]}),
        ("max-age=1 2", {"max-age": ["1 2"]}),
        ("a b, c d=1", {}),
        ('max-age="60', {"max-age": ['"60']}),
        (",, ,max-age=1,,", {"max-age": ["1"]}),
        ("=,;;==\x00", {}),
        ("", {}),
    ],
)
def test_grammar(value: str, expected: dict[str, list[str]]) -> None:
    assert cache_control([("cache-control", value)]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("60", 60.0),
        ("0060", 60.0),
        ("2147483647", 2147483647.0),
        ("2147483648", 2147483648.0),
        ("2147483649", 2147483648.0),
        ("9" * 5000, 2147483648.0),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0661", None),
        ("1 ", None),
    ],
)
def test_delta_seconds(text: str, expected: float | None) -> None:
    assert delta_seconds(text) == expected


@pytest.mark.parametrize(
    ("values", "expected", "flags"),
    [
        (["5"], 5.0, []),
        (["5", "9"], 5.0, ["s_maxage_repeated"]),
        (["5", "5"], 5.0, []),
        (["x", "9"], 0.0, ["s_maxage_repeated", "s_maxage_invalid"]),
        ([""], 0.0, ["s_maxage_invalid"]),
        ([], None, []),
    ],
)
def test_the_first_of_several_counts_and_invalid_is_stale(
    values: list[str], expected: float | None, flags: list[str]
) -> None:
    seconds = Seconds({"s-maxage": values})
    assert (seconds.of("s-maxage"), seconds.flags) == (expected, flags)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("max-age=60, no-cache", {"max-age": ["60"], "no-cache": [""]}),
        ("max-age=60;x=1", {"max-age": ["60"]}),
        ("max-age=60.5", {"max-age": ["?"]}),
        ('max-age="60"', {"max-age": ["?"]}),
        ("max-age=-5", {"max-age": ["-5"]}),
        ("no-store=?0", {"no-store": ["False"]}),
        ('no-cache="set-cookie"', {"no-cache": ["set-cookie"]}),
        ("max-age=(1 2)", {"max-age": ["?"]}),
        ("Max-Age=60", None),
        ("max-age=60,", None),
        ("", None),
    ],
)
def test_targeted_fields_are_structured_dictionaries(
    value: str, expected: dict[str, list[str]] | None
) -> None:
    assert targeted_directives([("cdn-cache-control", value)], "cdn-cache-control") == expected


def test_long_garbage_takes_work_in_line_with_its_length() -> None:
    """A scanner that tries each place again would take minutes for this, longer than a test has (pytest-timeout)."""
    for garbage in ("a" * 500_000 + ";", '"' * 500_001, "a=" * 250_000, '"\\' * 250_000, ", " * 250_000):
        linear(lambda garbage=garbage: cache_control([("cache-control", garbage)]), len(garbage), each=8)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_anything_is_read(values: list[str]) -> None:
    found = cache_control([("cache-control", value) for value in values])
    seconds = Seconds(found)
    for name in found:
        value = seconds.of(name)
        assert value is not None
        assert 0 <= value <= 2**31
