"""Our places beside those of a second reading of RFC 3986, and chains of redirects compared hop by hop by it."""

from __future__ import annotations

import random

import pytest

from probe.core.records.observation import Observation, Role
from probe.core.redirects.chain import counterpart
from probe.core.redirects.target import equivalent, resolved
from tests.core.redirects import rfc3986
from tests.support.build import seen
from tests.support.sizes import scaled

BASES = (
    *("http://www.acme.example", "http://www.acme.example/", "http://www.acme.example/a/b/c;p?q=1"),
    *(
        "https://www.acme.example:443/a/./b/../c",
        "http://www.acme.example:8080/x?",
        "https://[2001:db8::1]:8443/a/",
    ),
)
SEGMENTS = (
    *(
        "",
        ".",
        "..",
        "a",
        "B",
        "%61",
        "%7Eu",
        "~u",
        "%2F",
        "%2f",
        "%2e",
        "%2E%2e",
        "...",
        ".a",
        "a.",
        ";p",
        "a;x=1",
    ),
    *(
        "caf\xc3\xa9",
        "caf%C3%A9",
        "caf%c3%a9",
        "a b",
        "a%20b",
        "+",
        "%",
        "%zz",
        "%E4",
        "*",
        "a,b",
        "'",
        "@",
        "!",
    ),
)
TAILS = ("", "", "", "?", "?q", "?q=%7E", "?q=~", "?/../a", "#", "#f", "?q#f", "?a?b", "?%2f")
STARTS = (
    *("", "", "/", "/", "/", "./", "../", "../../", "//www.acme.example/", "//WWW.ACME.example:80/"),
    *(
        "http://www.acme.example/",
        "HTTP://www.Acme.example:80/",
        "https://www.acme.example:443/",
        "http://u@h/",
    ),
    *("http://www.acme.example:/", "http://[2001:DB8::1]/", "https:/", "data:"),
)


def reference(draw: random.Random) -> str:
    path = "/".join(draw.choice(SEGMENTS) for _ in range(draw.randrange(5)))
    return draw.choice(STARTS) + path + draw.choice(TAILS)


@pytest.mark.scaled
def test_each_place_is_as_the_rfc_has_it() -> None:
    draw = random.Random(3986)
    for _ in range(scaled(20_000, 3_000)):
        base, location = draw.choice(BASES), reference(draw)
        assert resolved(base, location) == rfc3986.place(base, location), (base, location)


@pytest.mark.scaled
def test_two_references_are_one_place_where_the_rfc_says_so() -> None:
    draw = random.Random(622)
    same = 0
    for _ in range(scaled(20_000, 3_000)):
        base, one = draw.choice(BASES), reference(draw)
        other = respelled(draw, one) if draw.random() < 0.7 else reference(draw)
        expected = rfc3986.place(base, one) == rfc3986.place(base, other)
        assert equivalent(base, one, other) is expected, (base, one, other)
        same += expected
    assert same > 500


def respelled(draw: random.Random, text: str) -> str:
    """Somewhere written otherwise, mostly with the same meaning."""
    at = draw.randrange(len(text) + 1)
    kind = draw.choice(("code", "case", "dots", "again"))
    if kind == "code" and at < len(text) and text[at].isalpha():
        return f"{text[:at]}%{ord(text[at]):02x}{text[at + 1 :]}"
    if kind == "case":
        return text.replace("%c3", "%C3").replace("%2F", "%2f").replace("%2E", "%2e")
    if kind == "dots":
        return text.replace("/a", "/./a", 1) if draw.random() < 0.5 else text.replace("/a", "/x/../a", 1)
    return text


# --- chains, hop by hop --------------------------------------------------------------------------

EDGE, ORIGIN = "https://www.acme.example", "http://www.acme.example:8080"
PLACES = (
    *("/a", "/%61", "/b", "/x/../b", "/c?q", "/c?", "b", "./b", "https://www.acme.example/b"),
    *("http://www.acme.example:8080/b", "http://www.acme.example/b", "https://www.acme.example:443/a"),
    "https://cn.acme.example/b",
)


def chain(draw: random.Random, first: str, role: Role) -> list[tuple[int, str, str | None, Observation]]:
    """Status, URL, Location and observation of each reply; the last is no redirect."""
    made: list[tuple[int, str, str | None, Observation]] = []
    url = f"{first}/s"
    for left in range(draw.choice((0, 1, 1, 2, 2, 3)), -1, -1):
        status = draw.choice((301, 302, 302, 302)) if left else draw.choice((200, 404))
        location = draw.choice(PLACES) if left else None
        fields = () if location is None else (("location", location),)
        hop = Role.REDIRECT if made else role
        made.append((status, url, location, seen(hop, url=url, status=status, fields=fields)))
        url = url if location is None else rfc3986.place(url, location)
    return made


def leads(status: int, url: str, location: str | None, first: str) -> tuple[int, str]:
    """Status and place, the chain's own scheme and authority written as the edge's."""
    found = rfc3986.place(url, location or "")
    own = rfc3986.place(first, "/").removesuffix("/")
    inside = found == own or found.startswith((f"{own}/", f"{own}?"))
    return status, EDGE + found.removeprefix(own) if inside else found


@pytest.mark.scaled
def test_the_origins_chain_counts_as_far_as_it_is_the_edges_hop_by_hop() -> None:
    draw = random.Random(10)
    told = 0
    for _ in range(scaled(15_000, 2_000)):
        edge, origin = chain(draw, EDGE, Role.EDGE), chain(draw, ORIGIN, Role.ORIGIN)
        hops = edge[:-1]
        # A place of the origin's may be written as the origin's own or as the edge's: either is the same place.
        alike = [
            ours[0] == theirs[0]
            and theirs[2] is not None
            and leads(*ours[:3], EDGE)
            in (leads(*theirs[:3], ORIGIN), (theirs[0], rfc3986.place(*theirs[1:3])))
            for ours, theirs in zip(hops, origin, strict=False)
        ]
        expected = origin[len(hops)][3] if hops and len(origin) > len(hops) and all(alike) else None
        found = counterpart([reply[3] for reply in edge], [reply[3] for reply in origin])
        assert found is expected, (edge, origin)
        told += expected is not None
    assert told > 10
