"""Further requests of checks: made in the open, beside the object's own, asked again when they are off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from probe.checks import CHECKS
from probe.core.content.check_kind import CheckKind, FollowUpRequest, Params, Symptom, SymptomKind
from probe.core.model.task import CheckSpec, Request, SecretRef, Task
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Evidence
from probe.core.verdict.symptoms import asked_observations
from probe.fetch.target import FetchTarget
from probe.measure.check_requests import follow_up_request
from tests.measure.test_pipeline import Bench, reply
from tests.support import build


class Nothing(Params):
    """No parameters."""


ASKS = (
    FollowUpRequest(name="foreign", fields=(("Referer", "https://elsewhere.example/"),)),
    FollowUpRequest(name="head", method="HEAD", edges="all", origin=True),
)


def _forbidden_elsewhere(params: Nothing, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    for ask in ASKS:
        for index, seen in asked_observations(evidence, f"made_up.{ask.name}"):
            if seen.response is not None and seen.response.status_code != 200:
                yield Symptom(
                    check="made_up", kind=SymptomKind.POLICY, reason="made_up.refused", observation=index
                )


MADE_UP = CheckKind(
    name="made_up",
    params=Nothing,
    examine=_forbidden_elsewhere,
    summary="",
    follow_ups=lambda params, task, number: ASKS,
)
KINDS = {**CHECKS, "made_up": MADE_UP}


class AskingBench(Bench):
    """A bench whose table has one kind more."""

    async def measure(self, task: Task | None = None) -> SlotRecord:
        self.pipeline._kinds = KINDS
        made = build.task(
            checks=(*build.checks(availability={}), CheckSpec(kind="made_up", params=Nothing()))
        )
        return await self.pipeline.measure(task or made, build.AT)


def roles(row: SlotRecord, ask: str) -> list[tuple[str, str]]:
    return [(o.role.value, o.address) for o in row.observations if o.ask == ask]


async def test_further_requests_are_observations_of_their_own() -> None:
    bench = AskingBench()
    row = await bench.measure()
    assert row.outcome == "ok"
    assert [role for role, _ in roles(row, "made_up.foreign")] == ["check"]
    assert roles(row, "made_up.head") == [
        ("check", build.EDGE),
        ("check", build.EDGE_2),
        ("control", build.ORIGIN),
    ]
    heads = [t for t in bench.fetcher.targets if t.request.method == "HEAD"]
    assert len(heads) == 3
    assert bench.roles()["edge"] == 2, "the object's own requests are made all the same"


async def test_one_edge_is_asked_in_turn() -> None:
    bench = AskingBench()
    bench.pipeline._kinds = KINDS
    task = build.task(checks=(CheckSpec(kind="made_up", params=Nothing()),))
    asked = set()
    for minute in range(2):
        row = await bench.pipeline.measure(task, f"2026-11-22T10:0{minute}:00.000000Z")
        asked |= {address for _, address in roles(row, "made_up.foreign")}
    assert asked == {build.EDGE, build.EDGE_2}


def refusing(statuses: dict[Role, int]) -> Bench:
    def answer(target: FetchTarget, count: int) -> Observation:
        referred = any(name == "Referer" for name, _ in target.request.fields)
        return reply(status=statuses.get(target.role, 200) if referred else 200)

    return AskingBench(answer)


async def test_what_is_off_is_asked_again_in_the_same_words() -> None:
    bench = refusing({Role.CHECK: 403, Role.CONFIRM: 403})
    row = await bench.measure()
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "made_up.refused")
    assert row.confirmed is True
    again = [o for o in row.observations if o.role is Role.CONFIRM]
    assert [(o.ask, row.observations[o.of or 0].role) for o in again] == [("made_up.foreign", Role.CHECK)]
    (target,) = [t for t in bench.fetcher.targets if t.role is Role.CONFIRM]
    assert ("Referer", "https://elsewhere.example/") in target.request.fields
    assert all(o.comparison is None for o in again), "it is not the object: nothing to compare it with"


async def test_what_is_well_the_second_time_stays_on_record_unconfirmed() -> None:
    row = await refusing({Role.CHECK: 403}).measure()
    assert (row.outcome, row.reason, row.confirmed) == ("failed", "made_up.refused", False)


async def test_the_origin_that_answers_the_same_has_the_fault() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        return reply(status=405 if target.request.method == "HEAD" else 200)

    row = await AskingBench(answer).measure()
    assert (row.outcome, row.fault, row.reason) == ("failed", "origin", "origin.same_status")


async def test_a_dead_edge_is_not_asked_further() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        dead = target.address == build.EDGE and target.role is not Role.ORIGIN
        return build.broken(FailureType.TCP_REFUSED, Phase.TCP) if dead else reply()

    row = await AskingBench(answer).measure()
    assert (row.fault, row.reason) == ("cdn", "tcp.refused")
    assert roles(row, "made_up.head") == [("check", build.EDGE_2), ("control", build.ORIGIN)]


async def test_further_requests_that_fail_are_failures_of_the_edge() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        if target.role is Role.CHECK:
            return build.broken(FailureType.TCP_RESET, Phase.HTTP)
        return reply()

    class Bad(Params):
        pass

    def examine(params: Bad, task: Task, evidence: Evidence) -> Iterator[Symptom]:
        for index, seen in asked_observations(evidence, "made_up.foreign"):
            if seen.failure is not None:
                yield Symptom(
                    check="made_up", kind=SymptomKind.POLICY, reason=seen.failure.type, observation=index
                )

    bench = AskingBench(answer)
    bench.pipeline._kinds = {**KINDS, "made_up": replace(MADE_UP, examine=examine)}
    task = build.task(checks=(CheckSpec(kind="made_up", params=Nothing()),))
    row = await bench.pipeline.measure(task, build.AT)
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "tcp.reset")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), {"X-One": "1", "Referer": "https://own.example/"}),
        ((("referer", None),), {"X-One": "1"}),
        ((("REFERER", "https://other.example/"),), {"X-One": "1", "REFERER": "https://other.example/"}),
        ((("Range", "bytes=0-0"),), {"X-One": "1", "Referer": "https://own.example/", "Range": "bytes=0-0"}),
    ],
    ids=["none", "taken away", "replaced", "added"],
)
def test_header_fields_of_a_further_request(
    fields: tuple[tuple[str, str | None], ...], expected: dict[str, str]
) -> None:
    own = Request(
        scheme="https",
        host="h.example",
        port=443,
        path="/a",
        fields=(("X-One", "1"), ("Referer", "https://own.example/")),
    )
    assert dict(follow_up_request(own, FollowUpRequest(name="x", fields=fields)).fields) == expected


def test_secrets_of_the_object_stay_references() -> None:
    own = Request(
        scheme="https", host="h", port=443, path="/a", fields=(("Cookie", SecretRef(scheme="env", name="C")),)
    )
    assert follow_up_request(own, FollowUpRequest(name="x", path="/b")).fields == own.fields
    assert follow_up_request(own, FollowUpRequest(name="x", path="/b")).path == "/b"
