"""Two chains of redirects, hop by hop: what of the origin's counts for the end of the edge's."""

from __future__ import annotations

import pytest

from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.redirects.chain import along, chain_of, counterpart
from tests.support.build import seen

EDGE, ORIGIN = "https://www.acme.example", "http://www.acme.example:8080"


def chain(base: str, *replies: tuple[int, str | None], role: Role = Role.EDGE) -> tuple[Observation, ...]:
    """Replies with status and Location; each hop stands where the one before sent it."""
    made: list[Observation] = []
    url = f"{base}/a.js"
    for status, place in replies:
        fields = () if place is None else (("location", place),)
        made.append(
            seen(
                Role.REDIRECT if made else role, url=url, status=status, fields=fields, of=0 if made else None
            )
        )
        url = f"{base}{place}" if place is not None and place.startswith("/") else url
    return tuple(made)


def theirs(*replies: tuple[int, str | None]) -> tuple[Observation, ...]:
    return chain(ORIGIN, *replies, role=Role.ORIGIN)


@pytest.mark.parametrize(
    "place",
    [
        "/b.js",
        "/x/../b.js",
        "/%62.js",
        f"{ORIGIN}/b.js",
        f"{EDGE}/b.js",
        "HTTPS://WWW.acme.example:443/b.js",
        "b.js",
    ],
)
def test_the_same_place_however_the_origin_writes_it(place: str) -> None:
    edge = chain(EDGE, (302, "/b.js"), (404, None))
    origin = theirs((302, place), (404, None))
    assert counterpart(edge, origin) is origin[1]


@pytest.mark.parametrize(
    ("edge", "origin"),
    [
        (((302, "/b"), (404, None)), ((301, "/b"), (404, None))),
        (((302, "/b"), (404, None)), ((302, "/c"), (404, None))),
        (((302, "/b"), (404, None)), ((302, "https://www.acme.example:8443/b"), (404, None))),
        (((302, "/b"), (404, None)), ((404, None),)),
        (((302, "/b"), (302, "/c"), (404, None)), ((302, "/b"), (302, "/d"), (404, None))),
        (((404, None),), ((404, None),)),
    ],
)
def test_chains_that_part(
    edge: tuple[tuple[int, str | None], ...], origin: tuple[tuple[int, str | None], ...]
) -> None:
    assert counterpart(chain(EDGE, *edge), theirs(*origin)) is None


def test_where_the_origin_goes_on_its_reply_at_that_place_counts() -> None:
    origin = theirs((302, "/b"), (302, "/c"), (200, None))
    assert counterpart(chain(EDGE, (302, "/b"), (404, None)), origin) is origin[1]


def test_each_look_is_replaced_by_its_own_counterpart() -> None:
    edge = chain(EDGE, (302, "/b"), (404, None))
    first, hop = theirs((302, "/b"), (404, None))
    other = seen(Role.ORIGIN, url=f"{ORIGIN}/a.js", status=200)
    slot = (*edge, first, replace(hop, of=2), other)
    found = along(slot, 0)
    assert found is not None
    assert [o.response.status_code for o in found if o.role is Role.ORIGIN and o.response] == [404, 200]
    assert chain_of(slot, 2) == slot[2:4]
    assert along(slot, 4) is None
    assert along(slot, None) is None
