"""RFC 3986: its own examples of resolution (section 5.4), and when two URIs are one (section 6.2.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.redirects.target import equivalent, fits
from probe.core.text.uri import encoded, normalised, resolve, shown, split

BASE = "http://a/b/c/d;p?q"
EXAMPLES = """
g:h g:h | g http://a/b/c/g | ./g http://a/b/c/g | g/ http://a/b/c/g/ | /g http://a/g | //g http://g
?y http://a/b/c/d;p?y | g?y http://a/b/c/g?y | #s http://a/b/c/d;p?q#s | g#s http://a/b/c/g#s
g?y#s http://a/b/c/g?y#s | ;x http://a/b/c/;x | g;x http://a/b/c/g;x | g;x?y#s http://a/b/c/g;x?y#s
. http://a/b/c/ | ./ http://a/b/c/ | .. http://a/b/ | ../ http://a/b/ | ../g http://a/b/g | ../.. http://a/
../../ http://a/ | ../../g http://a/g | ../../../g http://a/g | ../../../../g http://a/g | /./g http://a/g
/../g http://a/g | g. http://a/b/c/g. | .g http://a/b/c/.g | g.. http://a/b/c/g.. | ..g http://a/b/c/..g
./../g http://a/b/g | ./g/. http://a/b/c/g/ | g/./h http://a/b/c/g/h | g/../h http://a/b/c/h
g;x=1/./y http://a/b/c/g;x=1/y | g;x=1/../y http://a/b/c/y | g?y/./x http://a/b/c/g?y/./x
g?y/../x http://a/b/c/g?y/../x | g#s/./x http://a/b/c/g#s/./x | g#s/../x http://a/b/c/g#s/../x | http:g http:g
? http://a/b/c/d;p? | /; http://a/; | /?# http://a/?#
"""


@pytest.mark.parametrize(
    "example", [e.strip() for line in EXAMPLES.split("\n") for e in line.split("|") if e.strip()]
)
def test_the_examples_of_the_rfc(example: str) -> None:
    reference, whole = example.split()
    assert str(resolve(BASE, reference)) == whole


def test_nothing_is_the_place_itself_without_its_fragment() -> None:
    assert str(resolve(BASE + "#f", "")) == BASE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/caf\xc3\xa9.js", "/caf%C3%A9.js"),  # raw UTF-8, as a record holds it
        ("/caf\xc3\xa9.js", "/caf%c3%a9.js"),
        ("/a b.js", "/a%20b.js"),
        ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
        ("/%e4%b8%ad", "/%E4%B8%AD"),
        ("/%7Euser/%61", "/~user/a"),
        ("/a/../new/./x", "/new/x"),
        ("/a/%2e%2E/new", "/new"),
        ("http://www.acme.example/a/../new", "/new"),
        ("HTTP://WWW.acme.example:80/?#", "/?#"),
        ("http://www.acme.example", "/"),
        ("http://www.acme.example:/", "/"),
        ("//www.acme.example", "http://www.acme.example/"),
        ("#%c3", "#%C3"),
        ("http://\xe4\xbe\x8b\xe5\xad\x90.cn/", "http://xn--fsqu00a.cn/"),  # raw UTF-8 as browsers take it
        ("http://%E4%BE%8B%E5%AD%90.cn:80/a", "http://xn--fsqu00a.CN/a"),
    ],
)
def test_two_spellings_of_one_place(one: str, other: str) -> None:
    base = "http://www.acme.example/app.js?v=1"
    assert equivalent(base, one, other)
    assert equivalent(base, other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a%2Fb", "/a/b"),  # a reserved character and its code are not the same
        ("/a?", "/a"),
        ("/a#", "/a"),
        ("/;", "/"),
        ("/a//b", "/a/b"),
        ("/A", "/a"),
        ("/%25", "/%"),
        ("?", "?v=1"),
        ("http://www.acme.example:8080/", "/"),
        ("https://www.acme.example/", "/"),
        ("http://u@www.acme.example/", "/"),
    ],
)
def test_two_places(one: str, other: str) -> None:
    assert not equivalent("http://www.acme.example/app.js?v=1", one, other)


@pytest.mark.parametrize(
    "pattern", ["/caf%C3%A9[.]js", "/caf\u00e9[.]js", "http://www[.]acme[.]example/caf.*"]
)
def test_a_pattern_sees_the_place_as_people_write_it(pattern: str) -> None:
    assert fits("http://www.acme.example/", "/caf\xc3\xa9.js", pattern) is True


def test_raw_bytes_are_shown_as_the_text_that_they_are() -> None:
    assert shown("/caf\xc3\xa9") == "/caf\u00e9"
    assert shown("/caf\xe9") == "/caf\xe9"


URI_TEXT = st.text(alphabet="ab/.%2eE:@?#;[]&= \xc3\xa9\x7f", max_size=40)


@given(URI_TEXT, URI_TEXT)
def test_any_text_has_one_normal_form(base: str, text: str) -> None:
    whole = normalised(resolve("http://h" + base, encoded(text)))
    assert normalised(split(str(whole))) == whole
    scheme = split(text).scheme or ""  # in lower case
    assert str(split(text)) == scheme + text[len(scheme) :]
