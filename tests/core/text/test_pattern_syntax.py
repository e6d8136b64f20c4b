"""Patterns: what is refused is told with words, what is accepted says the same everywhere, and ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.config.validation import ParamsReader
from probe.core.text.pattern_syntax import PROGRAM_AT_MOST, compiled_for_bytes, compiled_for_text, refused
from probe.core.text.patterns import MATCHED_CHARACTERS, check_pattern, matches
from tests.support.agent_process import cdn_probe

REFUSED = {
    "a(?=b)": ("look-around", 2),
    "(?!a)b": ("look-around", 1),
    "(?<=a)b": ("look-around", 1),
    "(?<!a)b": ("look-around", 1),
    r"(a)\1": ("back-reference", 4),
    "(?P<n>a)(?P=n)": ("another group", 9),
    "(?>a)": ("atomic", 1),
    "(a)?(?(1)b|c)": ("condition", 5),
    "a++": ("possessive", 2),
    "[a+]*+": ("possessive", 5),
    "a{2,3}+": ("possessive", 2),
    "a(?#b)": ("comment", 2),
    "(?x)a b": ("only the flags", 1),
    r"a\Z": (r"write \z", 2),
    r"\u20ac": (r"\x{20ac}", 1),
    r"[\N{DASH}]": (r"\x{20ac}", 1),
    r"\R": ("not known", 1),
    "a{,3}": ("write {0,3}", 2),
    "a{1,2000}": ("up to 1000", 2),
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_not_supported_is_told_with_its_place_and_what_to_do(pattern: str) -> None:
    words, place = REFUSED[pattern]
    told = refused(pattern)
    assert told is not None
    assert words in told
    assert told.endswith(f"(at character {place})")
    for compiled in (compiled_for_text, compiled_for_bytes):
        with pytest.raises(ValueError, match="not a regular expression that can be used"):
            compiled(pattern)


@pytest.mark.parametrize(
    "pattern", ["(", "[a", "a**", "*a", "a\\", "[z-a]", r"\p{Letter}", "a{3,1}", "\ud800"]
)
def test_what_is_no_regular_expression_is_told(pattern: str) -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"\pL{1,100}", ".{1,1000}", "((a{1,100}){1,10}){1,10}"])
def test_a_pattern_over_its_size_is_an_error_of_the_configuration(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"not a regular expression.*(too large|repetition)"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"[]\]a]+", "]a]"),
        ("[^]]+", "abc"),
        (r"[[:alpha:]\d]+", "ab1"),
        (r"[(?=]+", "(?="),
        (r"\(\?=", "(?="),
        (r"\Q(?=\E.", "(?=x"),
        ('{"t":[0-9]+}', '{"t":12}'),
        ("(?i)a(?-i:B)(?P<n>c)(?<m>d)(?:e)", "AbcdE".replace("b", "B").replace("c", "C").replace("C", "c")),
        ("a+?b*?c??", "aab"),
        (r"a\z", "a"),
        (r"\x{20ac}.", "€é"),
        ("é+", "éé"),
        (".{1,500}", "é" * 500),
    ],
)
def test_what_only_looks_like_it_is_accepted(pattern: str, text: str) -> None:
    assert matches(check_pattern(pattern), text) is True


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+b", "(a*)*b", "(.*)*b", "([a-c]+)*b", "(a|a|a)*b"])
def test_patterns_that_run_away_elsewhere_are_true_or_false(pattern: str) -> None:
    text = "a" * (MATCHED_CHARACTERS - 1)
    assert matches(pattern, text) is False
    assert matches(pattern, text + "b") is True


def test_a_text_that_is_no_evidence_is_neither() -> None:
    assert matches("a*", "a" * MATCHED_CHARACTERS) is True
    assert matches("a*", "a" * (MATCHED_CHARACTERS + 1)) is None
    assert matches(".*", "\ud800") is None


def test_the_end_is_the_end_and_classes_are_ascii() -> None:
    assert matches("a$", "a\n") is False
    assert matches(r"\d", "٣") is False
    assert matches(r"\w", "é") is False
    assert matches(r"\s", "\xa0") is False


def test_patterns_over_bytes_see_bytes() -> None:
    assert compiled_for_bytes(r"\xff").fullmatch(b"\xff") is not None
    assert compiled_for_bytes("é").fullmatch("é".encode()) is not None
    assert compiled_for_bytes("é").programsize < PROGRAM_AT_MOST


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("headers", {"match": {"x-a": "(?=a)"}}),
        ("redirect", {"location_pattern": "(?=a)"}),
        ("redirect", {"location": "/", "chain": {"hops": [{"location_pattern": "(?=a)"}]}}),
        ("redirect", {"location": "/", "chain": {"url_pattern": "(?=a)"}}),
        ("hotlink", {"denied": [""], "refused": {"redirect_to": "(?=a)"}}),
        ("integrity", {"mode": "normalised", "remove": {"patterns": ["(?=a)"]}}),
    ],
)
def test_every_parameter_that_holds_a_pattern_refuses_it(kind: str, params: dict[str, object]) -> None:
    found = ParamsReader(CHECKS).read(kind, params)
    assert isinstance(found, list)
    assert "look-around" in str(found)


async def test_check_config_names_each_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "customers").mkdir()
    (tmp_path / "agent.yaml").write_text(
        "agent: {name: a}\nresults: {directory: results}\ncustomers: customers\n"
        "vantage_points:\n  - {id: here, resolvers: [127.0.0.1]}\n"
    )
    (tmp_path / "customers" / "acme.yaml").write_text(
        "customer: acme\ndomains:\n  - name: www.acme.example\n    objects:\n      - path: /\n        checks:\n"
        "          headers: {match: {X-A: '(?=a)b'}}\n"
        "          redirect: {location_pattern: '(a)\\1'}\n"
        "          integrity: {mode: normalised, remove: {patterns: ['a++']}}\n"
    )
    made = await cdn_probe("check-config", "-c", tmp_path / "agent.yaml")
    assert made.code == 2
    for line, words in ((7, "look-around"), (8, "back-reference"), (9, "possessive")):
        (told,) = [text for text in made.err.splitlines() if words in text]
        assert f"acme.yaml:{line}:" in told
        assert "(at character" in told
