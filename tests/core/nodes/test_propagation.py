"""How long nodes served the old version: the interval holds the true time, whatever was looked at and when."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.checks import CHECKS
from probe.core.content.history import with_reply
from probe.core.model.times import epoch_s, utc_text
from probe.core.model.value import replace
from probe.core.nodes.propagation import (
    Change,
    NodePropagation,
    Sighting,
    changes_of,
    propagation,
    propagation_report,
    sighting_of,
)
from probe.core.nodes.propagation_tracker import PropagationTracker
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.origin import OriginVersion
from probe.core.records.response import ContentFacts, Freshness, Response
from probe.core.records.rows import SlotRecord
from probe.core.records.transport import ResourceTiming
from probe.core.results.rows import measured_row
from tests.support.build import AT, EDGE, EDGE_2, checks, evidence, reference, refused, seen, task, version
from tests.support.sizes import scaled
from tests.support.work import linear

ZERO_S = epoch_s(AT)


def look(
    at_s: float, digest: str, until_s: float | None = None, address: str = EDGE, **changes: object
) -> Sighting:
    made = Sighting(
        vantage_point="vp",
        address=address,
        at_s=at_s,
        until_s=at_s + 0.5 if until_s is None else until_s,
        digest=digest,
    )
    return replace(made, **changes)


def change(digest: str, had_old_s: float, had_new_s: float, allowed_s: float | None = None) -> Change:
    return Change(digest=digest, had_old_s=had_old_s, had_new_s=had_new_s, allowed_s=allowed_s)


B = change("b", 100, 110)


def told(*looks: Sighting, changes: tuple[Change, ...] = (B,)) -> list[NodePropagation]:
    return list(propagation("acme", "u", "a", changes, looks))


def bounds(*looks: Sighting, changes: tuple[Change, ...] = (B,)) -> list[tuple[float, float | None]]:
    return [(found.at_least_s, found.at_most_s) for found in told(*looks, changes=changes)]


# --- one change -------------------------------------------------------------------------------------


def test_the_interval_and_its_moments() -> None:
    (found,) = told(look(90, "a"), look(130, "a"), look(150, "b"), look(170, "b"))
    assert (found.at_least_s, found.at_most_s) == (20, 50.5)
    assert (found.customer, found.url, found.vantage_point, found.address) == ("acme", "u", "vp", EDGE)
    assert (found.changed_after, found.changed_before) == (utc_text(100), utc_text(110))
    assert (found.last_old_at, found.first_new_at) == (utc_text(130), utc_text(150.5))
    assert (found.digest, found.allowed_s, found.over_lifetime) == ("b", None, None)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ((look(130, "a"),), [(20, None)]),  # it serves the old one still
        ((look(130, "b"),), [(0, 30.5)]),  # never seen with the old one
        ((look(105, "a"), look(130, "b")), [(0, 30.5)]),  # old before we knew of the new one
        ((look(90, "a"),), []),  # not looked at since
        ((), []),
        # it goes back and forth: the last old one counts
        ((look(120, "b"), look(130, "a"), look(140, "b")), [(20, 40.5)]),
        ((look(120, "b"), look(130, "a")), [(20, None)]),
        # what may be anything never narrows the interval
        ((look(120, "b"), look(130, "?"), look(140, "b")), [(0, 40.5)]),
        ((look(120, "?"), look(130, "?")), [(0, None)]),
        # looks that overlap: which was served first nobody knows
        ((look(120, "a", 150), look(130, "b", 131), look(160, "b", 161)), [(10, 61)]),
    ],
)
def test_one_change(looks: tuple[Sighting, ...], expected: list[tuple[float, float | None]]) -> None:
    assert bounds(*looks) == expected
    assert bounds(*reversed(looks)) == expected


def test_nodes_are_told_apart_by_vantage_point_and_address() -> None:
    found = told(
        look(120, "a"), look(130, "b", address=EDGE_2), look(140, "b", vantage_point="other"), look(150, "b")
    )
    assert sorted((n.vantage_point, n.address, n.at_most_s) for n in found) == [
        ("other", EDGE, 40.5),
        ("vp", EDGE, 50.5),
        ("vp", EDGE_2, 30.5),
    ]


@pytest.mark.parametrize(
    ("origin_s", "edge_s", "over"),
    [
        (None, None, None),
        (10, None, True),
        (None, 10, True),
        (10, 18, None),  # the more generous word; 20 s are within its second or two
        (51, None, False),
        (30, None, None),
    ],
)
def test_over_its_lifetime(origin_s: float | None, edge_s: float | None, over: bool | None) -> None:
    changes = (replace(B, allowed_s=origin_s),)
    (found,) = told(look(130, "a", allowed_s=edge_s), look(150, "b"), changes=changes)
    assert found.over_lifetime is over


# --- several ----------------------------------------------------------------------------------------

C = change("c", 200, 210)


def test_a_version_that_a_node_never_showed_was_there_when_a_newer_one_is() -> None:
    assert bounds(look(130, "a"), look(230, "c"), changes=(B, C)) == [(20, 130.5), (0, 30.5)]


def test_two_versions_behind() -> None:
    assert bounds(look(230, "a"), look(250, "c"), changes=(B, C)) == [(120, 150.5), (20, 50.5)]


def test_a_version_that_returns_tells_nothing_and_spoils_nothing() -> None:
    back = change("a", 200, 210)
    found = told(look(130, "a"), look(150, "b"), look(220, "b"), look(230, "a"), changes=(B, back))
    # the later "a" may be the old one as well as the new one, so nothing is settled for b
    assert [(n.digest, n.at_least_s, n.at_most_s) for n in found] == [("b", 0, None)]


# --- what the origin had ----------------------------------------------------------------------------


def test_changes_are_counted_from_the_start_of_the_request_that_last_showed_the_old_one() -> None:
    said = Freshness(lifetime_s=60, source="max-age", explicit=True, stale_while_revalidate_s=5)
    old = version("a", last_asked="2026-11-22T09:59:58Z", last_seen=AT, declared=said)
    new = version("b", first_seen="2026-11-22T10:00:07Z")
    assert changes_of((old, new)) == (change("b", ZERO_S - 2, ZERO_S + 7, 65),)
    assert changes_of((replace(old, last_asked=None), new)) == (change("b", ZERO_S, ZERO_S + 7, 65),)
    assert changes_of((replace(old, declared=replace(said, must_revalidate=True)), new))[0].allowed_s == 60
    assert changes_of((replace(old, declared=replace(said, explicit=False)), new))[0].allowed_s is None
    assert changes_of((old,)) == ()


def test_what_is_a_sighting() -> None:
    found = sighting_of(seen(digest="a"), ZERO_S, "vp")
    assert found == look(ZERO_S + 0.003, "a", ZERO_S + 0.031)
    comparison = Comparison(
        mode="exact", relation=Relation.OLDER, within_lifetime=True, freshness_lifetime_s=9.0
    )
    older = sighting_of(seen(digest="a", comparison=comparison, vantage_point="far"), ZERO_S, "vp")
    assert older is not None
    assert (older.allowed_s, older.vantage_point) == (9, "far")
    nothing = seen(comparison=replace(comparison, within_lifetime=None))
    assert (sighting_of(nothing, ZERO_S, "vp") or found).allowed_s is None


@pytest.mark.parametrize(
    "observation",
    [
        refused(),
        seen(Role.ORIGIN),
        seen(Role.CONTROL),
        seen(status=404),
        seen(digest=None),
        seen(ask="negotiation.range"),
        seen(timing=ResourceTiming()),
    ],
)
def test_what_is_none(observation: Observation) -> None:
    assert sighting_of(observation, ZERO_S, "vp") is None


# --- the true time lies within ----------------------------------------------------------------------


def _history(dice: random.Random, changed: list[float]) -> tuple[OriginVersion, ...]:
    """An origin that has version n from changed[n] on, looked at now and then."""
    versions: tuple[OriginVersion, ...] = ()
    now_s = 0.0
    while now_s < changed[-1] + 100:
        now_s += dice.choice((0.01, dice.uniform(1, 40)))
        served_s = now_s + dice.uniform(0, 2)
        until_s = served_s + dice.uniform(0, 2)
        response = Response(
            status_code=200, content_digest=_version_at(changed, served_s), body_complete=True
        )
        asked, told = utc_text(ZERO_S + now_s), utc_text(ZERO_S + until_s)
        versions = with_reply(versions, response, asked=asked, seen=told) or versions
        now_s = until_s
    return versions


def _version_at(changed: list[float], at_s: float) -> str:
    return f"v{max(n for n, moment in enumerate(changed) if moment <= at_s)}"


@settings(max_examples=scaled(300), deadline=None)
@given(st.integers(min_value=0, max_value=2**48))
def test_the_true_time_lies_within_the_interval(seed: int) -> None:
    dice = random.Random(seed)
    count = dice.randint(1, 12)
    changed = [0.0, *sorted(dice.uniform(50, 1000) for _ in range(count))]
    node = [0.0]
    for moment in changed[1:]:
        node.append(max(node[-1], moment + dice.choice((0.0, dice.uniform(0, 5), dice.uniform(0, 200)))))
    versions = _history(dice, changed)
    looks = []
    for _ in range(dice.randint(0, 80)):
        near_s = dice.choice(node) + dice.uniform(-2, 2)
        at_s = max(0.0, dice.choice((near_s, dice.uniform(0, 1400))))
        until_s = at_s + dice.choice((0.01, dice.uniform(0, 8)))
        digest = _version_at(node, dice.uniform(at_s, until_s))
        looks.append(look(ZERO_S + at_s, digest, ZERO_S + until_s))
    first = versions[0].content_digest
    for found in propagation("acme", "u", first, changes_of(versions), looks):
        number = int(found.digest.removeprefix("v"))
        true_s = node[number] - changed[number]
        assert found.at_least_s <= true_s + 1e-5
        assert found.at_most_s is None or true_s <= found.at_most_s + 1e-5


# --- rows -------------------------------------------------------------------------------------------

PLAIN = task(checks=checks(integrity={}))


def row(second: float, digest: str, *versions: OriginVersion, **changes: object) -> SlotRecord:
    observation = seen(digest=digest, url=str(changes.pop("url", "https://www.acme.example/a.js")))
    response = observation.response
    if response is not None and "content" in changes:
        observation = replace(observation, response=replace(response, content=changes.pop("content")))
    made = evidence(
        observation,
        started_at=utc_text(ZERO_S + second),
        reference=reference(*versions, **changes),
    )
    return measured_row(PLAIN, made, CHECKS, finished_at=AT)


def known(digest: str, first: float, last: float, **changes: object) -> OriginVersion:
    return version(
        digest,
        first_seen=utc_text(ZERO_S + first),
        last_seen=utc_text(ZERO_S + last),
        last_asked=utc_text(ZERO_S + last - 1),
        **changes,
    )


def test_the_report_joins_what_all_rows_know() -> None:
    """No row knows all versions, and an old row knows less of when the old one was last seen."""
    rows = [
        row(5, "a", known("a", 0, 1)),
        row(60, "a", known("a", 0, 50), known("b", 55, 56)),
        row(80, "b", known("a", 0, 50), known("b", 55, 76)),
        row(100, "b", known("b", 55, 76), known("c", 90, 91)),
    ]
    for given_rows in (rows, rows[::-1]):
        found = {n.digest: n for n in propagation_report(given_rows)}
        assert set(found) == {"b", "c"}
        assert (round(found["b"].at_least_s, 3), round(found["b"].at_most_s or 0, 3)) == (5.003, 31.031)
        assert (round(found["c"].at_least_s, 3), found["c"].at_most_s) == (10.003, None)


def test_objects_are_told_apart_and_rows_without_a_look_tell_nothing() -> None:
    versions = known("a", 0, 50), known("b", 55, 56)
    rows = [
        row(60, "a", *versions),
        row(80, "b", *versions, url="https://www.acme.example/b.js"),
        row(90, "b", *versions, self_comparison=True),
        replace(row(90, "b", *versions), started_at=None),
        replace(row(90, "b", *versions), reference=None),
    ]
    assert [(n.url[-4:], n.at_most_s is None) for n in propagation_report(rows)] == [
        ("a.js", True),
        ("b.js", False),
    ]


def test_content_read_by_rules_is_known_by_what_is_left_of_it() -> None:
    def facts(digest: str) -> ContentFacts:
        return ContentFacts(rules="r", normalised_digest=digest)

    versions = known("1", 0, 50, content=facts("a")), known("2", 55, 56, content=facts("b"))
    rows = [
        row(60, "3", *versions, content=facts("a")),
        row(80, "4", *versions, content=facts("b")),
        row(70, "1", known("1", 0, 50), known("2", 55, 56)),
    ]
    assert [(n.digest, n.first_new_at is None) for n in propagation_report(rows)] == [
        ("b", False),
        ("2", True),
    ]


def test_nothing_is_no_report() -> None:
    assert propagation_report(()) == ()
    assert propagation_report([row(5, "a", known("a", 0, 1))]) == ()


def test_many_rows_are_no_burden() -> None:
    versions = tuple(known(f"v{n}", 100 * n, 100 * n + 50) for n in range(16))
    rows = [row(10.0 * n, f"v{n // 10}", *versions) for n in range(160)]
    changes = changes_of(versions)
    looks = [look(ZERO_S + n / 100, f"v{n // 10_000}") for n in range(100_000)]
    linear(lambda: propagation("acme", "u", "v0", changes, looks), len(looks), each=21)
    linear(lambda: propagation_report(rows), len(rows), each=300)


# --- live -------------------------------------------------------------------------------------------


def follow(tracker: PropagationTracker, second: float, digest: str, *versions: OriginVersion) -> Comparison:
    made = row(second, digest, *versions)
    observation = replace(made.observations[0], comparison=Comparison(mode="exact", relation=Relation.EQUAL))
    at = evidence(observation, started_at=utc_text(ZERO_S + second), reference=reference(*versions))
    (found,) = tracker.placed(PLAIN, at)
    assert found.comparison is not None
    assert replace(found, comparison=observation.comparison) == observation
    return found.comparison


def interval(found: Comparison) -> tuple[float | None, float | None]:
    least, most = found.propagated_after_s_at_least, found.propagated_after_s_at_most
    return (None if least is None else round(least, 3)), (None if most is None else round(most, 3))


A_, B_, C_ = known("a", 0, 50), known("b", 55, 76), known("c", 90, 95)


def test_the_first_look_with_the_new_version_carries_the_interval_and_no_other() -> None:
    tracker = PropagationTracker()
    assert interval(follow(tracker, 5, "a", A_)) == (None, None)
    assert interval(follow(tracker, 60, "a", A_, B_)) == (None, None)
    assert interval(follow(tracker, 80, "b", A_, B_)) == (5.003, 31.031)
    assert interval(follow(tracker, 82, "b", A_, B_)) == (None, None)
    assert interval(follow(tracker, 96, "c", A_, B_, C_)) == (0.0, 21.031)


def test_a_version_skipped_and_a_version_behind() -> None:
    tracker = PropagationTracker()
    follow(tracker, 100, "a", A_, B_, C_)
    assert interval(follow(tracker, 110, "b", A_, B_, C_)) == (45.003, 61.031)
    assert interval(follow(tracker, 120, "c", A_, B_, C_)) == (20.003, 45.031)


def test_who_goes_back_is_told_of_again() -> None:
    tracker = PropagationTracker()
    follow(tracker, 60, "a", A_, B_)
    follow(tracker, 70, "b", A_, B_)
    assert interval(follow(tracker, 75, "a", A_, B_)) == (None, None)
    assert interval(follow(tracker, 80, "b", A_, B_)) == (20.003, 31.031)


def test_which_nodes_served_the_present_version_before() -> None:
    tracker = PropagationTracker()
    follow(tracker, 70, "b", A_, B_)
    both = reference(A_, B_)
    found = tracker.with_served(PLAIN, both, [EDGE, EDGE_2])
    ((node, at),) = found.served_by
    assert node == EDGE
    assert 70 <= epoch_s(at) - ZERO_S < 71
    assert tracker.with_served(PLAIN, reference(A_, B_, C_), [EDGE]).served_by == ()
    assert tracker.with_served(PLAIN, both, [EDGE_2]) is both


def test_what_tells_nothing() -> None:
    tracker = PropagationTracker()
    assert interval(follow(tracker, 80, "b", A_, B_)) == (None, None)  # a node never seen before
    follow(tracker, 85, "?", A_, B_)  # unknown bytes are passed over
    back = known("b", 90, 95)
    assert interval(follow(tracker, 96, "b", known("c", 82, 88), back)) == (
        None,
        None,
    )  # the same bytes again


def test_looks_that_overlap_tell_nothing_until_the_next() -> None:
    tracker = PropagationTracker()
    follow(tracker, 60, "a", A_, B_)
    assert interval(follow(tracker, 60.01, "b", A_, B_)) == (None, None)
    assert interval(follow(tracker, 61, "b", A_, B_)) == (5.003, 12.031)


def test_without_a_reference_or_with_the_cdn_as_its_own_nothing_is_said() -> None:
    tracker = PropagationTracker()
    for known_to_be in (replace(reference(), versions=()), reference(self_comparison=True)):
        made = evidence(seen(), refused(), reference=known_to_be)
        assert tracker.placed(PLAIN, made) == made.observations


def test_memory_is_bounded_and_the_least_recent_is_forgotten() -> None:
    tracker = PropagationTracker(kept=2)
    for address in (EDGE, EDGE_2, "192.0.2.3"):
        comparison = Comparison(mode="exact", relation=Relation.EQUAL)
        made = seen(digest="a", address=address, comparison=comparison)
        tracker.placed(PLAIN, evidence(made, started_at=utc_text(ZERO_S + 60), reference=reference(A_, B_)))
    assert interval(follow(tracker, 80, "b", A_, B_)) == (None, None)
    assert len(tracker._last) == 2
