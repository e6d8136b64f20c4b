"""What a verdict rests on: what showed it, what looked again, and the witnesses, and nothing that has no part in it."""

from __future__ import annotations

from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.core.records.observation import Role
from probe.core.records.verdict import Evidence
from probe.core.verdict.basis import basis_of
from tests.support import build
from tests.support.build import EDGE_2, OTHER


def rests_on(found: Evidence) -> list[str]:
    chosen = basis_of(build.verdict(found), found)
    assert list(chosen) == sorted(set(chosen))
    return [f"{found.observations[i].role} {found.observations[i].address}" for i in chosen]


ORIGIN = f"origin {build.ORIGIN}"


def test_a_slot_that_is_well_rests_on_its_edges_and_the_origin() -> None:
    found = build.evidence(build.seen(), build.seen(address=EDGE_2), build.seen(Role.ORIGIN))
    assert rests_on(found) == [f"edge {build.EDGE}", f"edge {EDGE_2}", ORIGIN]


def test_a_failure_rests_on_what_showed_it_what_looked_again_and_the_witnesses() -> None:
    found = build.evidence(
        build.seen(address=EDGE_2),
        build.refused(),
        build.refused(Role.CONFIRM, of=1),
        build.seen(Role.CONFIRM, of=0, address=EDGE_2),
        build.seen(Role.SWEEP, address="192.0.2.3"),
        build.seen(Role.ANCHOR, address="192.0.2.77"),
        build.seen(Role.ORIGIN),
    )
    assert rests_on(found) == [
        f"edge {build.EDGE}",
        f"confirm {build.EDGE}",
        "sweep 192.0.2.3",
        "anchor 192.0.2.77",
        ORIGIN,
    ]


def test_wrong_content_rests_on_the_looks_by_another_way_too() -> None:
    known = ("etag", '"v1"')
    wrong = build.seen(digest=OTHER, fields=(known,))
    found = build.evidence(
        wrong,
        replace(wrong, role=Role.CONFIRM, of=0),
        build.seen(Role.ELSEWHERE, of=0, vantage_point="bj-cu"),
        build.seen(Role.ORIGIN),
    )
    assert build.triple(found) == ("failed", "path", "content.hijacked")
    assert [line.split()[0] for line in rests_on(found)] == ["edge", "confirm", "elsewhere", "origin"]


def test_other_findings_of_the_slot_have_no_part_in_it() -> None:
    slow = build.seen(address=EDGE_2, timing=build.timing(900_000, 5_000_000))
    found = build.evidence(build.refused(), slow, build.seen(Role.ORIGIN))
    assert rests_on(found) == [f"edge {build.EDGE}", ORIGIN]


def test_a_name_that_fails_rests_on_the_witnesses_alone() -> None:
    gone = build.unresolved(FailureType.DNS_NAME_NOT_RESOLVED, "acme.cdn.example.net")
    found = build.evidence(build.seen(Role.ORIGIN), resolution=gone)
    assert rests_on(found) == [ORIGIN]
