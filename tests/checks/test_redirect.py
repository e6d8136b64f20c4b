"""redirect: the agreed status to the agreed place, as the edge itself answers, and what following leads to."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.redirect import KIND, Redirect
from probe.core.content.check_kind import AtOrigin, Symptom, SymptomKind
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Evidence
from probe.core.redirects.target import resolved
from tests.support import build
from tests.support.build import broken, evidence, refused, seen, task

THERE = "https://www.acme.example/new"


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    wanted = params if "location_pattern" in params else {"location": THERE, **params}
    return list(KIND.examine(Redirect.model_validate(wanted), task(), of))


def to(*locations: str, status: int = 301, role: Role = Role.EDGE, **changes: object) -> Observation:
    fields = tuple(("location", location) for location in locations)
    return seen(role, status=status, fields=fields, **changes)


def off(
    detail: str,
    observation: int = 0,
    *,
    at_origin: AtOrigin = AtOrigin.UNSEEN,
    reason: str = "http.redirect_unexpected",
) -> Symptom:
    return Symptom(
        check="redirect",
        kind=SymptomKind.POLICY,
        reason=reason,
        observation=observation,
        detail=detail,
        at_origin=at_origin,
    )


def test_agreed_status_and_place_is_no_symptom() -> None:
    assert symptoms(evidence(to(THERE))) == []
    assert symptoms(evidence(to(THERE, status=308)), status=308) == []


def test_another_status_is_told() -> None:
    assert symptoms(evidence(to(THERE, status=302))) == [off(f"302 to {THERE}, expected 301 to {THERE}")]


@pytest.mark.parametrize(
    "place",
    [
        THERE + "/",
        "https://www.acme.example/NEW",
        "/new/",
        "new?x=1",
        "http://www.acme.example/new",
        "//www.acme.example:8443/new",
        "https://www.acme.example@elsewhere.example/new",
        "https://[::1/new",
        "javascript:alert(1)",
        "",
    ],
)
def test_another_place_is_told(place: str) -> None:
    assert symptoms(evidence(to(place))) == [
        off(f"301 to {place or 'nowhere'}, expected 301 to {THERE}"),
    ]


@pytest.mark.parametrize(
    "place",
    ["/new", "new", "//www.acme.example/new", "HTTPS://WWW.ACME.EXAMPLE/new", "https://www.acme.example:443/new",
     "./x/../new"],
)  # fmt: skip
def test_the_same_place_written_otherwise_is_the_same_place(place: str) -> None:
    assert symptoms(evidence(to(place))) == []
    assert symptoms(evidence(to(THERE)), location=place or "/new") == []


def test_secret_query_values_are_not_compared_since_no_record_holds_them() -> None:
    there = "https://www.acme.example/new?token=abcdefgh&a=1"
    sent = "https://www.acme.example/new?token=[redacted]&a=1"
    assert symptoms(evidence(to(sent)), location=there) == []
    assert len(symptoms(evidence(to(sent.replace("a=1", "a=2"))), location=there)) == 1


@pytest.mark.parametrize(
    ("pattern", "place", "right"),
    [
        (r"https://www\.acme\.example/(de|en)/", "/de/", True),
        (r"/(de|en)/", "/de/", True),
        (r"https://www\.acme\.example/(de|en)/", "/fr/", False),
        (r"https://www\.acme\.example/", "https://www.acme.example/more", False),
        (r".*", "https://elsewhere.example/", True),
    ],
)
def test_a_pattern_matches_the_whole_place_resolved_or_as_sent(pattern: str, place: str, right: bool) -> None:
    found = symptoms(evidence(to(place)), location_pattern=pattern)
    assert [s.reason for s in found] == ([] if right else ["http.redirect_unexpected"])


def test_a_pattern_over_long_text_is_told_and_over_too_long_text_accuses_nobody() -> None:
    found = symptoms(evidence(to("https://h/" + "a" * 3000)), location_pattern=r".*(a+)+b")
    assert [symptom.reason for symptom in found] == ["http.redirect_unexpected"]
    assert symptoms(evidence(to("https://h/" + "a" * 3000 + "b")), location_pattern=r".*(a+)+b") == []
    assert symptoms(evidence(to("https://h/" + "a" * 5000)), location_pattern=r".*(a+)+b") == []


def test_no_redirect_at_all_goes_nowhere() -> None:
    assert symptoms(evidence(seen())) == [off(f"200 to nowhere, expected 301 to {THERE}")]


@pytest.mark.parametrize("second", ["/x", THERE])
def test_two_locations_are_not_the_agreed_one(second: str) -> None:
    expected = off(f"301 to {THERE}, {second}, expected 301 to {THERE}")
    assert symptoms(evidence(to(THERE, second))) == [expected]


def test_the_edges_own_reply_counts_not_the_followed_one() -> None:
    assert symptoms(evidence(to(THERE), seen(Role.REDIRECT, status=500, of=0))) == []
    assert symptoms(evidence(to("/x"), to(THERE, role=Role.REDIRECT, of=0))) == [
        off(f"301 to /x, expected 301 to {THERE}")
    ]


def test_each_edge_under_its_own_index_and_no_reply_is_not_this_checks_matter() -> None:
    found = evidence(refused(), to(THERE), to("/x"), seen(Role.ORIGIN))
    assert symptoms(found) == [
        off(f"301 to /x, expected 301 to {THERE}", observation=2, at_origin=AtOrigin.NOT_THERE)
    ]


def test_a_second_look_is_of_the_redirect_not_of_the_reply() -> None:
    again = to(THERE, role=Role.CONFIRM, of=0)
    assert [s.again for s in symptoms(evidence(to("/x"), again))] == [False]
    assert [s.again for s in symptoms(evidence(to("/x"), to("/y", role=Role.CONFIRM, of=0)))] == [True]
    assert [s.again for s in symptoms(evidence(to("/x"), refused(Role.CONFIRM, of=0)))] == [True]


# --- whose fault ----------------------------------------------------------------------------------


def judged(*observations: Observation, **params: object) -> tuple[str, str | None, str | None]:
    checked = build.task(checks=build.checks(redirect={"location": THERE, **params}))
    return build.triple(evidence(*observations), checked)


def test_an_edge_that_sends_elsewhere_than_the_origin_is_the_cdns_fault() -> None:
    assert judged(to("/x"), to(THERE, role=Role.ORIGIN)) == ("failed", "cdn", "http.redirect_unexpected")


def test_an_origin_that_sends_there_too_has_the_fault() -> None:
    assert judged(to("/x"), to("/x", role=Role.ORIGIN)) == ("failed", "origin", "origin.same_reply")
    assert judged(seen(), seen(Role.ORIGIN)) == ("failed", "origin", "origin.same_reply")


def test_raw_bytes_in_a_location_are_the_agreed_place_and_are_shown_as_text() -> None:
    raw = to("/caf\xc3\xa9 x")
    assert symptoms(evidence(raw), location="/caf%C3%A9%20x") == []
    assert symptoms(evidence(raw)) == [off(f"301 to /caf\u00e9 x, expected 301 to {THERE}")]


def test_an_origin_that_writes_the_same_place_otherwise_has_the_fault() -> None:
    assert symptoms(evidence(to("/%e4/../x"), to("/x", role=Role.ORIGIN))) == [
        off(f"301 to /%e4/../x, expected 301 to {THERE}", at_origin=AtOrigin.SAME)
    ]


def test_beside_an_origin_that_fails_nobody_knows_but_for_a_5xx() -> None:
    assert judged(to("/x"), refused(Role.ORIGIN)) == ("failed", "unknown", "http.redirect_unexpected")
    assert judged(seen(status=502), refused(Role.ORIGIN)) == ("failed", "origin", "origin.tcp.refused")


def test_a_wrong_redirect_whose_followed_hop_gets_no_reply_is_judged_all_the_same() -> None:
    hop = refused(Role.REDIRECT, of=0)
    assert judged(to("/x"), hop, to(THERE, role=Role.ORIGIN))[0] == "failed"


# --- chain ----------------------------------------------------------------------------------------

CHAIN = {"hops": [{"status": 302, "location": "/latest/"}], "url": "https://www.acme.example/latest/"}


def hop(url: str, *locations: str, status: int = 200) -> Observation:
    return to(*locations, status=status, role=Role.REDIRECT, of=0, url=url)


FIRST = to(THERE)
SECOND = hop(THERE, "/latest/", status=302)
END = hop("https://www.acme.example/latest/")


def test_the_agreed_chain_is_no_symptom() -> None:
    assert symptoms(evidence(FIRST, SECOND, END), chain=CHAIN) == []
    assert symptoms(evidence(FIRST, SECOND, END), chain={"url_pattern": ".*/latest/"}) == []
    assert symptoms(evidence(FIRST, SECOND, END), chain={}) == []


@pytest.mark.parametrize(
    ("observations", "words"),
    [
        ((FIRST, END), "0 redirects after the first one, expected 1"),
        ((FIRST, SECOND, SECOND, END), "2 redirects after the first one, expected 1"),
        ((FIRST, hop(THERE, "/latest/", status=301), END), f"at {THERE}: 301 to /latest/, expected 302 to /latest/"),
        ((FIRST, hop(THERE, "/old/", status=302), END), f"at {THERE}: 302 to /old/, expected 302 to /latest/"),
        ((FIRST, SECOND, hop(END.url, status=404)), f"status 404 at {END.url}, expected 200"),
        ((FIRST, SECOND, hop("https://h.example/")), f"ends at https://h.example/, expected {END.url}"),
    ],
    ids=["hop missing", "hop more", "status of a hop", "place of a hop", "status of the end", "place of the end"],
)  # fmt: skip
def test_another_chain_is_told(observations: tuple[Observation, ...], words: str) -> None:
    found = symptoms(evidence(*observations), chain=CHAIN)
    assert found == [off(words, at_origin=AtOrigin.NOT_THERE, reason="http.redirect_chain_unexpected")]


def test_a_chain_that_was_not_followed_is_a_note() -> None:
    assert [(s.kind, s.reason) for s in symptoms(evidence(FIRST), chain=CHAIN)] == [
        (SymptomKind.NOTE, "redirect.not_followed")
    ]


def test_a_hop_without_a_reply_is_seen_without_this_check() -> None:
    lost = broken(FailureType.TCP_TIMED_OUT, Phase.TCP, Role.REDIRECT, of=0)
    assert symptoms(evidence(FIRST, SECOND, lost), chain=CHAIN) == []


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "place", "words"),
    [
        ({}, (), "location is missing"),
        ({"location": THERE, "location_pattern": "x"}, (), "not both"),
        ({"location": "/a b"}, ("location",), "without spaces"),
        ({"location": "https:///x"}, ("location",), "has a host too"),
        ({"location": "https://[::1/"}, ("location",), "not a URL"),
        ({"location": "/" + "x" * 5000}, ("location",), "at most"),
        ({"location_pattern": "("}, ("location_pattern",), "not a regular expression"),
        ({"location_pattern": ""}, ("location_pattern",), "at least"),
        ({"location_pattern": "x" * 501}, ("location_pattern",), "at most"),
        ({"location": THERE, "status": 200}, ("status",), "Input should be"),
        ({"location": THERE, "status": 300}, ("status",), "Input should be"),
        ({"location": THERE, "code": 301}, ("code",), "not permitted"),
        ({"location": THERE, "chain": {"url": "/a", "url_pattern": "b"}}, ("chain",), "not both"),
        ({"location": THERE, "chain": {"hops": [{"status": 302}]}}, ("chain", "hops", 0), "location is missing"),
        ({"location": THERE, "chain": {"status": []}}, ("chain", "status"), "at least"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_errors_at_their_place(
    params: dict[str, object], place: tuple[object, ...], words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as error:
        Redirect.model_validate(params)
    assert [problem["loc"] for problem in error.value.errors()] == [place]


@pytest.mark.parametrize(
    ("location", "whole"),
    [
        ("/a", "https://h.example/a"),
        ("?b", "https://h.example/x/y?b"),
        ("../z", "https://h.example/z"),
        ("//other.example", "https://other.example/"),
        ("http://OTHER.example:80/A#f", "http://other.example/A#f"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
        ("https://other.example:99999/", "https://other.example:99999/"),
        ("mailto:a@b", "mailto:a@b"),
    ],
)
def test_resolving(location: str, whole: str) -> None:
    assert resolved("https://h.example/x/y?q", location) == whole
