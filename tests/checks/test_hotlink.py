"""hotlink: who is allowed gets the object's own status, who is denied is refused, each asked as itself."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from probe.checks.hotlink import KIND, Hotlink
from probe.core.config.plan import task_from_json, task_to_json
from probe.core.content.check_kind import AtOrigin, Symptom
from probe.core.model.value import replace
from probe.core.records.codec import encode_any
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence
from probe.fetch.target import FetchTarget
from tests.measure.test_pipeline import Bench, reply
from tests.support import build
from tests.support.build import broken, evidence, refused, seen, task

OURS, FOREIGN = "https://www.acme.example/", "https://elsewhere.example/"
SIGNED = {
    "allowed_path": "/a.js?auth_key=1-good",
    "expired_path": "/a.js?auth_key=0-old",
    "unsigned_path": "/a.js",
}


def asked(name: str, status: int = 200, *fields: tuple[str, str], **changes: object) -> Observation:
    return seen(Role.CHECK, status=status, fields=fields, ask=f"hotlink.{name}", **changes)


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    return list(KIND.examine(Hotlink.model_validate(params), task(), of))


def told(*observations: Observation, **params: object) -> list[tuple[str, str, str | None]]:
    return [(s.kind.value, s.reason, s.detail) for s in symptoms(evidence(*observations), **params)]


def test_what_is_asked() -> None:
    params = Hotlink.model_validate({"allowed": [OURS, ""], "denied": [FOREIGN], "signed": SIGNED})
    asks = list(KIND.follow_ups(params, task(), 7))
    assert [(a.name, a.path, a.fields, a.origin, a.origin_if_off) for a in asks] == [
        ("allowed_1", None, (("Referer", OURS),), False, True),
        ("allowed_2", None, (("Referer", None),), False, True),
        ("denied_1", None, (("Referer", FOREIGN),), False, False),
        ("signed", SIGNED["allowed_path"], (), False, True),
        ("expired", SIGNED["expired_path"], (), False, False),
        ("unsigned", SIGNED["unsigned_path"], (), False, False),
    ]


@pytest.mark.parametrize("nothing", ["", None])
def test_no_referer_is_empty_or_null(nothing: str | None) -> None:
    assert Hotlink.model_validate({"denied": [nothing]}).denied == ("",)
    assert Hotlink.model_validate_json(json.dumps({"denied": [nothing]}), strict=True).denied == ("",)


# --- allowed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "status", "reason"),
    [
        (200, 200, None),
        (200, 403, "hotlink.allowed_refused"),
        (200, 404, "hotlink.allowed_refused"),
        (200, 302, "hotlink.allowed_refused"),
        (200, 206, "hotlink.allowed_refused"),
        (200, 503, "http.error"),
        (403, 200, None),
        (403, 403, "hotlink.allowed_refused"),
        (404, 404, None),
        (404, 403, "hotlink.allowed_refused"),
        (503, 503, None),
        (503, 200, None),
        (503, 403, "hotlink.allowed_refused"),
    ],
)
def test_who_is_allowed_gets_the_objects_own_status(own: int, status: int, reason: str | None) -> None:
    found = told(seen(status=own), asked("allowed_1", status), allowed=[OURS])
    assert [(kind, why) for kind, why, _ in found] == ([] if reason is None else [("policy", reason)])


def test_the_detail_says_who_and_what() -> None:
    assert told(seen(), asked("allowed_1", 403), allowed=[OURS]) == [
        ("policy", "hotlink.allowed_refused", f"hotlink.allowed_1: Referer {OURS}: status 403")
    ]
    assert told(seen(), asked("denied_1"), denied=[""]) == [
        ("policy", "hotlink.denied_served", "hotlink.denied_1: no Referer: status 200")
    ]
    assert told(seen(), asked("unsigned"), signed=SIGNED) == [
        ("policy", "hotlink.denied_served", "hotlink.unsigned: signed form: status 200")
    ]


def test_an_allowed_request_that_gets_no_whole_reply_is_the_edges_failure() -> None:
    lost = replace(asked("allowed_1"), failure=broken(FailureType.BODY_TRUNCATED, Phase.BODY).failure)
    assert [(k, r) for k, r, _ in told(seen(), lost, allowed=[OURS])] == [("policy", "body.truncated")]


# --- denied ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, None),
        (200, "policy"),
        (206, "policy"),
        (304, "policy"),
        (404, "note"),
        (302, "note"),
        (401, "note"),
        (503, "note"),
    ],
)
def test_who_is_denied_is_refused(status: int, kind: str | None) -> None:
    reason = {"policy": "hotlink.denied_served", "note": "hotlink.refused_otherwise", None: ""}[kind]
    found = told(seen(), asked("denied_1", status), denied=[FOREIGN])
    assert [(k, r) for k, r, _ in found] == ([] if kind is None else [(kind, reason)])


@pytest.mark.parametrize(
    ("location", "right"),
    [(("location", "https://www.acme.example/denied.png"), True), (("location", "/a.js"), False), (("x", "y"), False)],
)  # fmt: skip
def test_a_refusal_by_redirect(location: tuple[str, str], right: bool) -> None:
    refusing = {"status": [403], "redirect_to": r"https://www\.acme\.example/denied.*"}
    found = told(seen(), asked("denied_1", 302, location), denied=[FOREIGN], refused=refusing)
    assert [r for _, r, _ in found] == ([] if right else ["hotlink.refused_otherwise"])


def test_two_locations_are_no_agreed_refusal() -> None:
    twice = asked("denied_1", 302, ("location", "/d"), ("location", "/d"))
    found = told(seen(), twice, denied=[FOREIGN], refused={"redirect_to": "/d"})
    assert [r for _, r, _ in found] == ["hotlink.refused_otherwise"]


def test_the_redirect_that_everybody_gets_is_no_refusal() -> None:
    to = ("location", "https://www.acme.example/new.js")
    own = seen(status=302, fields=(to,))
    assert [r for _, r, _ in told(own, asked("denied_1", 302, to), denied=[FOREIGN])] == [
        "hotlink.denied_served"
    ]
    assert told(own, asked("allowed_1", 302, to), allowed=[OURS]) == []


def test_a_closed_connection_is_a_refusal_otherwise_than_agreed() -> None:
    closed = broken(FailureType.TCP_CLOSED, Phase.HTTP, Role.CHECK, ask="hotlink.denied_1")
    assert told(seen(), closed, denied=[FOREIGN]) == [
        ("note", "hotlink.refused_otherwise", f"hotlink.denied_1: Referer {FOREIGN}: tcp.closed")
    ]


def test_our_own_trouble_is_no_refusal() -> None:
    ours = broken(FailureType.AGENT_DESCRIPTORS_EXHAUSTED, Phase.HOST, Role.CHECK, ask="hotlink.denied_1")
    checked = build.task(checks=build.checks(hotlink={"denied": [FOREIGN]}))
    assert ours.failure is not None
    assert build.triple(evidence(seen(), ours), checked) == ("inconclusive", "agent", ours.failure.type)


def test_nothing_asked_is_nothing_off() -> None:
    assert told(seen(), allowed=[OURS], denied=[FOREIGN], signed=SIGNED) == []
    assert told(refused(), allowed=[OURS]) == []


def test_each_edge_is_measured_by_its_own_reply() -> None:
    second = replace(seen(status=404), address=build.EDGE_2)
    on_second = replace(asked("allowed_1", 404), address=build.EDGE_2)
    assert told(seen(), second, on_second, allowed=[OURS]) == []


# --- whose fault ----------------------------------------------------------------------------------


def test_an_origin_that_turns_the_allowed_away_too_has_the_fault_but_excuses_no_serving() -> None:
    def judged(name: str, status: int, control: int) -> tuple[str, str | None, str | None]:
        params = {"allowed": [OURS], "denied": [FOREIGN]}
        checked = build.task(checks=build.checks(hotlink=params))
        origin = seen(Role.CONTROL, status=control, fields=(), ask=f"hotlink.{name}")
        return build.triple(evidence(seen(), asked(name, status), origin, seen(Role.ORIGIN)), checked)

    assert judged("allowed_1", 403, 200) == ("failed", "cdn", "hotlink.allowed_refused")
    assert judged("allowed_1", 403, 403) == ("failed", "origin", "origin.same_reply")
    assert judged("denied_1", 200, 200) == ("failed", "cdn", "hotlink.denied_served")


def test_a_second_look() -> None:
    def again(*others: Observation) -> list[bool | None]:
        return [s.again for s in symptoms(evidence(seen(), asked("denied_1"), *others), denied=[FOREIGN])]

    assert again() == [None]
    assert again(seen(Role.CONFIRM, status=403, of=1, ask="hotlink.denied_1")) == [False]
    assert again(seen(Role.CONFIRM, of=1, ask="hotlink.denied_1")) == [True]


def test_the_symptom_says_that_no_origin_is_concerned() -> None:
    (found,) = symptoms(evidence(seen(), asked("denied_1")), denied=[FOREIGN])
    assert (found.observation, found.at_origin) == (1, AtOrigin.NOT_THERE)


class Protected:
    """Edges that serve our own pages, and whoever `also`; an origin that serves everybody."""

    def __init__(self, also: str | None = "nobody") -> None:
        self.also = also

    def __call__(self, target: FetchTarget, count: int) -> Observation:
        referer = dict(target.request.fields).get("Referer")
        if target.role in (Role.ORIGIN, Role.CONTROL) or referer in (OURS, self.also):
            return reply()
        return replace(reply(), response=Response(status_code=403, body_complete=True))


async def measured(protected: Protected) -> tuple[Bench, list[tuple[str, str | None]]]:
    bench = Bench(protected)
    params = {"allowed": [OURS], "denied": [FOREIGN, ""]}
    own = replace(build.task().request, fields=(("Referer", OURS),))
    checked = build.task(request=own, checks=build.checks(availability={}, hotlink=params))
    row = await bench.measure(checked)
    return bench, [(f.reason, None if f.fault is None else f.fault.value) for f in row.findings]


async def test_in_a_slot_one_edge_is_asked_as_each_of_them() -> None:
    bench, findings = await measured(Protected())
    assert findings == []
    assert [dict(t.request.fields).get("Referer") for t in bench.fetcher.targets if t.role is Role.CHECK] == [
        OURS, FOREIGN, None,
    ]  # fmt: skip
    assert bench.roles()["control"] == 0, "the origin is asked only when something is off"


async def test_who_is_served_against_the_agreement_is_found_and_asked_again() -> None:
    bench, findings = await measured(Protected(FOREIGN))
    assert findings == [("hotlink.denied_served", "cdn")]
    assert (bench.roles()["confirm"], bench.roles()["control"]) == (1, 0)
    bench, findings = await measured(Protected(None))
    assert findings == [("hotlink.denied_served", "cdn")]


# --- parameters -----------------------------------------------------------------------------------


def test_signed_paths_are_sent_and_neither_stored_nor_shown() -> None:
    made = build.task(checks=build.checks(hotlink={"signed": SIGNED}))
    kept = encode_any(task_to_json(made)).decode()
    assert "1-good" not in kept
    assert "0-old" not in kept
    assert "/a.js?auth_key=[redacted]" in kept
    again = task_from_json(json.loads(kept), {"hotlink": KIND})
    assert again.checks[0].params.signed.unsigned_path == "/a.js"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "name at least one of allowed, denied, signed"),
        ({"allowed": [OURS], "denied": [OURS]}, "is both allowed and denied"),
        ({"allowed": [""], "denied": [None]}, "no Referer is both allowed and denied"),
        ({"allowed": ["https://a b/"]}, "without spaces"),
        ({"allowed": ["https://ä/"]}, "in ASCII"),
        ({"allowed": ["https://a/\r\nX: y"]}, "without spaces"),
        ({"allowed": [f"https://{n}/" for n in range(21)]}, "at most 20"),
        ({"denied": [""], "refused": {"status": [200]}}, "greater than or equal to 300"),
        ({"denied": [""], "refused": {"redirect_to": "("}}, "not a regular expression"),
        ({"signed": {}}, "give at least one of allowed_path"),
        ({"signed": {"allowed_path": "a.js"}}, "begins with /"),
        ({"denied": [""], "forbidden": []}, "not permitted"),
    ],
)
def test_wrong_parameters_are_refused_with_words(params: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Hotlink.model_validate(params)
