"""negotiation: HEAD, ranges and conditional requests beside the same edge's reply to GET."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probe.checks.negotiation import KIND, NO_TAG, Negotiation
from probe.core.content.check_kind import FollowUpRequest, Symptom
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence
from probe.fetch.target import FetchTarget
from tests.measure.test_pipeline import Bench
from tests.support import build
from tests.support.build import broken, evidence, seen, task

DATE, LATER = "Sun, 22 Nov 2026 09:00:00 GMT", "Sun, 22 Nov 2026 09:30:00 GMT"
OWN = (
    ("content-type", "text/plain; charset=utf-8"),
    ("etag", '"v1"'),
    ("last-modified", DATE),
    ("content-length", "1000"),
)


def response(status: int, *fields: tuple[str, str], size: int = 0, complete: bool = True) -> Response:
    return Response(
        status_code=status, fields=fields, encoded_body_bytes=size, body_complete=complete, digest="0" * 64
    )


def own(*fields: tuple[str, str], status: int = 200, size: int = 1000, **changes: object) -> Observation:
    return replace(seen(**changes), response=response(status, *(fields or OWN), size=size))


def asked(name: str, status: int, *fields: tuple[str, str], size: int = 0, **changes: object) -> Observation:
    method = "HEAD" if name == "head" else "GET"
    made = replace(
        seen(Role.CHECK, ask=f"negotiation.{name}", method=method),
        response=response(status, *fields, size=size),
    )
    return replace(made, **changes)


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    return list(KIND.examine(Negotiation.model_validate(params), task(), of))


def told(*observations: Observation, **params: object) -> list[tuple[str, str, str | None]]:
    return [(s.kind.value, s.reason, s.detail) for s in symptoms(evidence(*observations), **params)]


def settled(edge: Observation, **params: object) -> list[FollowUpRequest]:
    asks = KIND.follow_ups(Negotiation.model_validate(params), task(), 1)
    made = [ask.settle(edge) for ask in asks if ask.settle is not None]
    return [ask for ask in made if ask is not None]


# --- what is asked --------------------------------------------------------------------------------


def test_each_request_is_made_of_the_edges_own_reply() -> None:
    found = [(a.name, a.method, a.fields, a.origin, a.origin_if_off) for a in settled(own())]
    assert found == [
        ("head", "HEAD", (), False, True),
        ("range", None, (("Range", "bytes=0-99"),), False, True),
        ("range_beyond", None, (("Range", f"bytes={1000 + (1 << 20)}-"),), False, True),
        ("if_none_match", None, (("If-None-Match", '"v1"'),), False, True),
        ("if_modified_since", None, (("If-Modified-Since", DATE),), False, True),
        ("unmatched", None, (("If-None-Match", NO_TAG),), False, True),
    ]
    assert all(ask.limit_bytes == 65536 for ask in settled(own()) if ask.name != "head")


@pytest.mark.parametrize(
    ("edge", "left"),
    [
        (own(("etag", 'W/"x"')), ["head", "range", "range_beyond", "if_none_match", "unmatched"]),
        (
            own(("etag", "unquoted"), ("last-modified", "soon")),
            ["head", "range", "range_beyond", "unmatched"],
        ),
        (own(("etag", '"[redacted]"'), ("x", "y")), ["head", "range", "range_beyond", "unmatched"]),
        (own(("etag", '"' + "x" * 5000 + '"')), ["head", "range", "range_beyond", "unmatched"]),
        (own(("x", "y"), size=0), ["head", "unmatched"]),
        (own(status=404), []),
        (own(status=206), []),
        (own(method="HEAD"), []),
        (replace(own(), failure=broken(FailureType.BODY_TRUNCATED, Phase.BODY).failure), []),
    ],
    ids=["weak tag", "garbage", "secret", "cut", "empty", "404", "206", "HEAD", "truncated"],
)
def test_what_the_reply_does_not_give_is_not_asked(edge: Observation, left: list[str]) -> None:
    assert [ask.name for ask in settled(edge)] == left


def test_a_small_object_is_asked_for_the_bytes_it_has() -> None:
    assert dict(settled(own(size=5), head=False, conditional="none")[0].fields) == {"Range": "bytes=0-4"}


def test_what_is_switched_off_is_not_asked() -> None:
    assert [a.name for a in settled(own(), ranges="none", conditional="none")] == ["head"]
    assert [a.name for a in settled(own(), head=False, ranges="none")] == [
        "if_none_match", "if_modified_since", "unmatched",
    ]  # fmt: skip


# --- HEAD -----------------------------------------------------------------------------------------

HEAD_WRONG, VERSION = ("policy", "negotiation.head_differs"), ("note", "negotiation.version_differs")


def changed(**values: str) -> list[tuple[str, str]]:
    return [(name, values.get(name.replace("-", "_"), value)) for name, value in OWN]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (asked("head", 200, *OWN), []),
        (asked("head", 200), []),
        (asked("head", 200, ("content-type", "Text/Plain;charset=UTF-8"), ("etag", '"v1"')), []),
        (asked("head", 405), [(*HEAD_WRONG, "negotiation.head: status 405, GET gave 200")]),
        (asked("head", 404, *OWN), [(*HEAD_WRONG, "negotiation.head: status 404, GET gave 200")]),
        (asked("head", 204), [(*HEAD_WRONG, "negotiation.head: status 204, GET gave 200")]),
        (asked("head", 200, *changed(content_type="text/html")),
         [(*HEAD_WRONG, "negotiation.head: content-type text/html, GET gave text/plain; charset=utf-8")]),
        (asked("head", 200, *changed(content_length="0")),
         [(*HEAD_WRONG, "negotiation.head: content-length 0, GET gave 1000")]),
        (asked("head", 200, *changed(etag='"v2"', content_length="7")),
         [(*VERSION, "negotiation.head: validators of another version than GET gave")]),
        (asked("head", 200, *changed(last_modified=LATER)),
         [(*VERSION, "negotiation.head: validators of another version than GET gave")]),
        (asked("head", 200, *changed(etag='W/"v1"')), []),
        (asked("head", 200, ("content-length", "0")),
         [(*VERSION, "negotiation.head: content-length 0, GET gave 1000")]),
        (asked("head", 200, ("content-type", "text/html")),
         [(*VERSION, "negotiation.head: content-type text/html, GET gave text/plain; charset=utf-8")]),
        (asked("head", 200, *changed(etag='"v2"', content_type="text/html")),
         [(*VERSION, "negotiation.head: validators of another version than GET gave")]),
        (asked("head", 200, *changed(content_length="99"), ("content-encoding", "gzip")), []),
        (asked("head", 200, *changed(content_length="9" * 30)), []),
        (asked("head", 503), [("policy", "http.error", "negotiation.head: status 503")]),
    ],
)  # fmt: skip
def test_head_equals_get(reply: Observation, expected: list[tuple[str, str, str]]) -> None:
    assert told(own(), reply) == expected


def test_a_body_after_the_head_is_wrong() -> None:
    surplus = broken(FailureType.HTTP_PROTOCOL_VIOLATION, Phase.BODY).failure
    wordy = replace(asked("head", 200, *OWN), failure=surplus)
    assert told(own(), wordy) == [(*HEAD_WRONG, "negotiation.head: a body where none may be")]
    late = replace(asked("if_none_match", 304), failure=surplus)
    assert told(own(), late) == [
        ("policy", "negotiation.conditional_wrong", "negotiation.if_none_match: a body where none may be")
    ]
    control = replace(wordy, role=Role.CONTROL)
    checked = build.task(checks=build.checks(negotiation={}))
    assert build.triple(evidence(own(), wordy, control), checked) == ("failed", "origin", "origin.same_reply")
    assert build.triple(evidence(own(), wordy), checked) == ("failed", "cdn", "negotiation.head_differs")


# --- ranges ---------------------------------------------------------------------------------------


def part(span: str, *fields: tuple[str, str], size: int = 100, **changes: object) -> Observation:
    return asked("range", 206, ("content-range", span), ("etag", '"v1"'), *fields, size=size, **changes)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (part("bytes 0-99/1000"), None),
        (part("bytes 0-99/*"), None),
        (asked("range", 200, *OWN, size=1000), None),
        (part("bytes 0-98/1000", size=99), "bytes 0-98 given, 0-99 asked for"),
        (part("bytes 1-100/1000"), "bytes 1-100 given, 0-99 asked for"),
        (part("bytes 0-999/1000", size=1000), "bytes 0-999 given, 0-99 asked for"),
        (part("bytes 0-99/1000", size=99), "99 bytes for 0-99"),
        (part("bytes 0-99/1000", size=1000), "1000 bytes for 0-99"),
        (part("bytes 0-99/2000"), "Content-Range says 2000 bytes, GET gave 1000"),
        (part("0-99/1000"), "206 without a Content-Range that can be read"),
        (part("bytes 0-99/1000", ("content-range", "bytes 0-99/1000")), "206 without a Content-Range that can be read"),
        (asked("range", 206, size=100), "206 without a Content-Range that can be read"),
        (part("bytes 0-99/1000", ("content-type", "multipart/byteranges; boundary=x")),
         "several parts where one range was asked for"),
        (asked("range", 416), "status 416, 206 or 200 was due"),
        (asked("range", 416, ("content-range", "bytes */1000")), "status 416, 206 or 200 was due"),
        (asked("range", 404), "status 404, 206 or 200 was due"),
        (asked("range", 200, *OWN, size=100), "200 with 100 of 1000 bytes"),
    ],
)  # fmt: skip
def test_the_first_hundred_bytes(reply: Observation, words: str | None) -> None:
    expected = [] if words is None else [("policy", "negotiation.range_wrong", f"negotiation.range: {words}")]
    assert told(own(), reply) == expected


def test_an_object_that_changed_meanwhile_accuses_nobody() -> None:
    assert (
        told(own(), asked("range", 206, ("content-range", "bytes 0-99/2000"), ("etag", '"v2"'), size=100))
        == []
    )
    assert (
        told(own(), asked("range", 206, ("content-range", "bytes 0-41/42"), ("etag", '"v2"'), size=42)) == []
    )
    assert told(own(), asked("range", 200, ("etag", '"v2"'), size=7)) == []


def test_an_object_that_is_taken_away_meanwhile_accuses_nobody() -> None:
    gone = [asked(name, 404) for name in ("head", "range", "range_beyond", "if_none_match", "unmatched")]
    assert {(kind, reason) for kind, reason, _ in told(own(), *gone)} == {VERSION}
    here = [*gone[:-1], asked("unmatched", 200, *OWN, size=1000)]
    assert {kind for kind, _, _ in told(own(), *here)} == {"policy"}


@dataclass(frozen=True)
class Version:
    """What a right server knows of one version of an object."""

    number: int
    size: int
    kind: str
    tagged: bool
    dated: bool

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        made = [("content-type", self.kind), ("content-length", str(self.size))]
        made += [("etag", f'"v{self.number}"')] if self.tagged else []
        made += [("last-modified", f"Sun, 22 Nov 2026 09:00:{self.number:02} GMT")] if self.dated else []
        return tuple(made)

    def answer(self, ask: FollowUpRequest, *, ranges: bool, conditional: bool) -> Response:
        """As RFC 9110 has it."""
        fields, wanted = self.fields, dict(ask.fields)
        tag, date = wanted.get("If-None-Match"), wanted.get("If-Modified-Since")
        known = tag == f'"v{self.number}"' or (date is not None and ("last-modified", date) in fields)
        if conditional and known:
            return response(304, *fields)
        if "Range" in wanted and ranges:
            first, _, last = (wanted["Range"] or "").removeprefix("bytes=").partition("-")
            if int(first) >= self.size:
                return response(416, ("content-range", f"bytes */{self.size}"))
            end = min(int(last or self.size), self.size - 1)
            place = ("content-range", f"bytes {first}-{end}/{self.size}")
            return response(206, place, *fields, size=end + 1 - int(first))
        return response(200, *fields, size=0 if ask.method == "HEAD" else self.size)


@given(st.data())
def test_no_right_server_is_accused_however_often_its_object_changes(data: st.DataObject) -> None:
    tagged, dated = data.draw(st.booleans()), data.draw(st.booleans())
    ranges, conditional = data.draw(st.booleans()), data.draw(st.booleans())
    size, kind = (
        st.sampled_from([0, 1, 99, 100, 101, 1000, 3 << 20]),
        st.sampled_from(["text/plain", "text/html"]),
    )

    def version(number: int) -> Version:
        return Version(number, data.draw(size), data.draw(kind), tagged, dated)

    number = 0
    now = version(number)
    edge = replace(seen(), response=response(200, *now.fields, size=now.size))
    replies = []
    for ask in settled(edge):
        if data.draw(st.booleans()):
            number += 1
            now = version(number)
        made = now.answer(ask, ranges=ranges, conditional=conditional)
        replies.append(asked(ask.name, 200, response=made))
    duties = {
        "ranges": "required" if ranges else "allowed",
        "conditional": "required" if conditional else "allowed",
    }
    assert [found for found in told(edge, *replies, **duties) if found[0] != "note"] == []


def test_a_whole_object_where_ranges_are_required_is_wrong() -> None:
    ignored = ("policy", "negotiation.range_wrong", "negotiation.range: 200: the range was ignored")
    assert told(own(), asked("range", 200, *OWN, size=1000), ranges="required") == [ignored]
    cut = response(200, *OWN, size=70_000, complete=False)
    long = asked("range", 200, response=cut, failure=broken(FailureType.BODY_TOO_LARGE, Phase.BODY).failure)
    assert told(own(size=10**9), long) == [], "no more of it was wanted: that is no failure"
    assert told(own(size=10**9), long, ranges="required") == [ignored]


def test_more_than_was_asked_for_is_wrong_however_it_is_framed() -> None:
    failure = broken(FailureType.BODY_TOO_LARGE, Phase.BODY).failure
    assert told(own(), part("bytes 0-99/1000", size=70_000, failure=failure)) == [
        ("policy", "negotiation.range_wrong", "negotiation.range: more than 65536 bytes with status 206")
    ]


BEYOND = 1000 + (1 << 20)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (asked("range_beyond", 416), None),
        (asked("range_beyond", 200, *OWN, size=1000), None),
        (
            asked("range_beyond", 206, ("content-range", f"bytes {BEYOND}-{BEYOND}/{BEYOND + 1}"), size=1),
            None,
        ),
        (
            asked("range_beyond", 206, ("content-range", "bytes 0-99/1000"), size=100),
            "status 206, 416 was due",
        ),
        (asked("range_beyond", 404), "status 404, 416 was due"),
    ],
)
def test_a_range_after_the_end(reply: Observation, words: str | None) -> None:
    expected = (
        [] if words is None else [("policy", "negotiation.range_wrong", f"negotiation.range_beyond: {words}")]
    )
    assert told(own(), reply) == expected


def test_a_range_after_the_end_where_ranges_are_required() -> None:
    assert [r for _, r, _ in told(own(), asked("range_beyond", 200), ranges="required")] == [
        "negotiation.range_wrong"
    ]
    assert told(own(), asked("range_beyond", 416), ranges="required") == []


# --- conditional requests -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (asked("if_none_match", 304), None, ""),
        (asked("if_none_match", 304, ("etag", '"v1"')), None, ""),
        (asked("if_none_match", 304, ("etag", 'W/"v1"')), None, ""),
        (asked("if_none_match", 200, ("etag", '"v2"'), size=9), None, ""),
        (asked("if_none_match", 304, ("etag", '"v2"')), "wrong", '304 for "v1" with the tag "v2"'),
        (asked("if_none_match", 412), "wrong", "status 412, 304 or 200 was due"),
        (asked("if_none_match", 200, *OWN), "ignored", "200 with the version that the condition named"),
        (asked("if_none_match", 200), "ignored", "200 with the version that the condition named"),
        (asked("if_modified_since", 304), None, ""),
        (asked("if_modified_since", 200, ("last-modified", LATER)), None, ""),
        (asked("if_modified_since", 200, *OWN), "ignored", "200 with the version that the condition named"),
        (asked("if_modified_since", 400), "wrong", "status 400, 304 or 200 was due"),
        (asked("unmatched", 200, *OWN), None, ""),
        (asked("unmatched", 304), "wrong", "304 for a tag that no version has"),
        (asked("unmatched", 412), "wrong", "status 412, 200 was due"),
    ],
)
def test_conditional_requests(reply: Observation, kind: str | None, words: str) -> None:
    told_words = f"{reply.ask}: {words}"
    expected = {
        None: [],
        "wrong": [("policy", "negotiation.conditional_wrong", told_words)],
        "ignored": [("note", "negotiation.conditional_ignored", told_words)],
    }[kind]
    assert told(own(), reply) == expected
    required = [("policy", "negotiation.conditional_wrong", told_words)] if kind else []
    assert told(own(), reply, conditional="required") == required


def test_nothing_asked_is_nothing_off() -> None:
    assert told(own()) == []
    lonely = replace(asked("head", 405), address=build.EDGE_2)
    assert told(own(), lonely) == [], "measured by the same edge's reply, or not at all"


def test_a_reply_that_did_not_come_is_the_edges_failure() -> None:
    lost = broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP, Role.CHECK, ask="negotiation.head")
    assert [(k, r) for k, r, _ in told(own(), lost)] == [("policy", "http.timed_out")]
    stalled = evidence(own(), lost, host=build.host(loop_lag_us=600_000))
    checked = build.task(checks=build.checks(negotiation={}))
    assert build.triple(stalled, checked) == ("inconclusive", "agent", "agent.stalled")


# --- whose fault ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edge", "reason"),
    [
        (asked("head", 405), "negotiation.head_differs"),
        (part("bytes 0-99/1000", size=99), "negotiation.range_wrong"),
        (asked("unmatched", 304), "negotiation.conditional_wrong"),
    ],
)
def test_the_origin_that_answers_as_wrongly_has_the_fault(edge: Observation, reason: str) -> None:
    checked = build.task(checks=build.checks(negotiation={}))
    same = replace(edge, role=Role.CONTROL)
    right = {"head": 200, "range": 200, "unmatched": 200}[(edge.ask or "").rpartition(".")[2]]
    better = replace(same, response=response(right, *OWN, size=1000))
    theirs = own(role=Role.ORIGIN, address=build.ORIGIN)
    assert build.triple(evidence(own(), theirs, edge, same), checked) == (
        "failed",
        "origin",
        "origin.same_reply",
    )
    assert build.triple(evidence(own(), theirs, edge, better), checked) == ("failed", "cdn", reason)
    assert build.triple(evidence(own(), theirs, edge), checked) == ("failed", "unknown", reason)


def test_the_origin_is_held_against_its_own_reply_and_not_against_the_edges() -> None:
    """The edge adds a charset: the origin's HEAD is not the edge's GET, and yet right beside its own."""
    checked = build.task(checks=build.checks(negotiation={}))
    bare = changed(content_type="text/plain")
    theirs = own(*bare, role=Role.ORIGIN, address=build.ORIGIN)
    edge, control = asked("head", 200, *changed(content_type="text/html")), asked("head", 200, *bare)
    control = replace(control, role=Role.CONTROL, address=build.ORIGIN)
    assert build.triple(evidence(own(), theirs, edge, control), checked) == (
        "failed",
        "cdn",
        "negotiation.head_differs",
    )
    as_wrong = replace(edge, role=Role.CONTROL, address=build.ORIGIN)
    assert build.triple(evidence(own(), theirs, edge, as_wrong), checked) == (
        "failed",
        "origin",
        "origin.same_reply",
    )


# --- the bytes of a range -------------------------------------------------------------------------

FIRST, ELSE = "1" * 64, "2" * 64
UNTAGGED = tuple(field for field in OWN if field[0] != "etag")
PLACE = ("content-range", "bytes 0-99/1000")
OTHER_BYTES = "negotiation.range: other bytes than GET gave in their place"


def begins(observation: Observation, digest: str = FIRST) -> Observation:
    """Its first hundred bytes are these."""
    assert observation.response is not None
    return replace(observation, response=replace(observation.response, first_bytes_digest=digest))


def bytes_of(*fields: tuple[str, str], digest: str = ELSE, **changes: object) -> Observation:
    made = asked("range", 206, PLACE, *fields, size=100, **changes)
    assert made.response is not None
    return replace(made, response=replace(made.response, digest=digest))


@pytest.mark.parametrize(
    ("edge", "reply", "last", "expected"),
    [
        (own(), bytes_of(*OWN[:3], digest=FIRST), None, None),
        (own(), bytes_of(*OWN[:3]), None, "policy"),
        (own(), bytes_of(("etag", '"v2"')), None, "note"),  # another version
        (own(), bytes_of(("etag", 'W/"v1"')), None, "note"),
        (own(*UNTAGGED), bytes_of(*UNTAGGED[:2]), None, "note"),
        (own(*UNTAGGED), bytes_of(*UNTAGGED[:2]), begins(asked("unmatched", 200, *UNTAGGED)), "policy"),
        (own(*UNTAGGED), bytes_of(*UNTAGGED[:2]), begins(asked("unmatched", 200, *UNTAGGED), ELSE), "note"),
        (own(("x", "y")), bytes_of(), begins(asked("unmatched", 200)), "note"),
        (own(), bytes_of(*OWN[:3], ("content-encoding", "gzip")), None, None),
    ],
)
def test_a_range_has_the_bytes_of_the_content(
    edge: Observation, reply: Observation, last: Observation | None, expected: str | None
) -> None:
    found = told(begins(edge), reply, *([] if last is None else [last]))
    reason = "negotiation.range_wrong" if expected == "policy" else "negotiation.version_differs"
    assert found == ([] if expected is None else [(expected, reason, OTHER_BYTES)])


def test_an_object_of_which_no_first_bytes_are_known_is_not_accused() -> None:
    assert told(own(), bytes_of(*OWN[:3])) == []


@pytest.mark.parametrize(("digest", "fault"), [(FIRST, "cdn"), (ELSE, "origin")])
def test_other_bytes_are_the_origins_where_its_own_range_is_not_of_its_own_content(
    digest: str, fault: str
) -> None:
    theirs = begins(own(role=Role.ORIGIN, address=build.ORIGIN))
    control = bytes_of(*OWN[:3], digest=digest, role=Role.CONTROL, address=build.ORIGIN)
    made = evidence(begins(own()), theirs, bytes_of(*OWN[:3]), control)
    assert build.triple(made, build.task(checks=build.checks(negotiation={})))[:2] == ("failed", fault)


def test_an_origin_whose_object_is_shorter_gives_what_there_is() -> None:
    short = own(*changed(etag='"v2"'), size=42, role=Role.ORIGIN, address=build.ORIGIN)
    control = asked("range", 206, ("content-range", "bytes 0-41/42"), ("etag", '"v2"'), size=42)
    control = replace(control, role=Role.CONTROL, address=build.ORIGIN)
    wrong = part("bytes 0-98/1000", size=99)
    made = evidence(own(), short, wrong, control)
    assert build.triple(made, build.task(checks=build.checks(negotiation={})))[:2] == ("failed", "cdn")


def test_a_second_look_is_of_the_answer() -> None:
    def again(reply: Observation) -> list[bool | None]:
        return [s.again for s in symptoms(evidence(own(), asked("head", 405), reply))]

    assert again(replace(asked("head", 200, *OWN), role=Role.CONFIRM, of=1)) == [False]
    assert again(replace(asked("head", 405), role=Role.CONFIRM, of=1)) == [True]


BODY = 1000


def serve(target: FetchTarget, *, broken_head: bool = False) -> Observation:
    """A right server over made I/O."""
    fields = dict(target.request.fields)
    made = own()
    if target.request.method == "HEAD":
        return replace(made, response=response(405 if broken_head else 200, *OWN))
    if (asked_range := fields.get("Range")) is not None:
        if not asked_range.startswith("bytes=0-"):
            return replace(made, response=response(416, ("content-range", f"bytes */{BODY}")))
        return replace(
            made, response=response(206, ("content-range", f"bytes 0-99/{BODY}"), ("etag", '"v1"'), size=100)
        )
    if fields.get("If-None-Match") == '"v1"' or "If-Modified-Since" in fields:
        return replace(made, response=response(304, ("etag", '"v1"')))
    return made


async def test_in_a_slot_a_right_server_has_no_findings_and_its_origin_is_left_in_peace() -> None:
    bench = Bench(lambda target, count: serve(target))
    strict = {"ranges": "required", "conditional": "required"}
    row = await bench.measure(build.task(checks=build.checks(availability={}, negotiation=strict)))
    assert (row.outcome, row.findings) == ("ok", ())
    assert bench.roles() == {"edge": 2, "origin": 1, "check": 6}


async def test_in_a_slot_a_wrong_answer_is_asked_again_and_of_the_origin() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        return serve(target, broken_head=target.role not in (Role.ORIGIN, Role.CONTROL))

    bench = Bench(answer)
    row = await bench.measure(build.task(checks=build.checks(availability={}, negotiation={})))
    assert (row.outcome, row.fault, row.reason, row.confirmed) == (
        "failed",
        "cdn",
        "negotiation.head_differs",
        True,
    )
    assert "answered HEAD otherwise than GET" in (row.summary or "")
    assert (bench.roles()["confirm"], bench.roles()["control"]) == (1, 1)
    bench = Bench(lambda target, count: serve(target, broken_head=True))
    row = await bench.measure(build.task(checks=build.checks(availability={}, negotiation={})))
    assert (row.outcome, row.fault, row.reason) == ("failed", "origin", "origin.same_reply")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"head": False, "ranges": "none", "conditional": "none"}, "nothing is left to check"),
        ({"ranges": "yes"}, "required"),
        ({"conditional": True}, "required"),
        ({"multipart": True}, "not permitted"),
    ],
)
def test_wrong_parameters_are_refused_with_words(params: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Negotiation.model_validate(params)
