"""Did all nodes fail, or some; who does not belong here; and that nothing is said of nodes from a dead line."""

from __future__ import annotations

from typing import Any

import pytest

from probe.core.model.task import CarrierPrefix, ProxySpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import AddressRecord
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.surroundings import NodeFacts, Reach
from probe.core.records.verdict import Evidence, Finding, Outcome, Severity
from probe.core.verdict.node_symptoms import NAMED_AT_MOST, told_of_nodes, trusted_reach
from probe.core.verdict.reach import reach, served
from tests.support import build

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def nodes(known: int = 3, *strangers: str, settled: bool = True) -> NodeFacts:
    return NodeFacts(known=known, settled=settled, strangers=strangers)


def asked(*observations: Observation, facts: NodeFacts | None = None, **changes: Any) -> Evidence:
    return build.evidence(*observations, nodes=facts or nodes(), **changes)


def well(address: str, role: Role = Role.EDGE, **changes: Any) -> Observation:
    return build.seen(role, address=address, **changes)


def dead(address: str, role: Role = Role.EDGE, **changes: Any) -> Observation:
    return build.refused(role, address=address, **changes)


ORIGIN = build.seen(Role.ORIGIN)


def notes(evidence: Evidence, task: Any = None) -> list[tuple[str, str | None]]:
    found = build.verdict(evidence, task).findings
    return [(f.reason, f.detail) for f in found if f.check == "nodes"]


def summary(evidence: Evidence, task: Any = None) -> str:
    return build.verdict(evidence, task).summary


# --- how many -------------------------------------------------------------------------------------


def test_one_of_three_fails_and_the_sweep_shows_the_others_well() -> None:
    evidence = asked(dead(A), ORIGIN, dead(A, Role.CONFIRM, of=0), well(B, Role.SWEEP), well(C, Role.SWEEP))
    assert reach(build.task(), evidence) == Reach(known=3, asked=3, answered=2, unanswered=(A,))
    assert notes(evidence) == [("nodes.some_unanswered", f"1 of 3: {A}")]
    assert build.triple(evidence) == ("failed", "cdn", "tcp.refused")
    assert summary(evidence) == (
        f"Edge {A} refused the connection; 1 of 3 known nodes gave no answer, the others did;"
        " the origin, asked directly, answered 200: the CDN's fault (tcp.refused, seen again on a second look)."
    )


def test_all_fail() -> None:
    evidence = asked(dead(A), ORIGIN, dead(A, Role.CONFIRM, of=0), dead(B, Role.SWEEP), dead(C, Role.SWEEP))
    assert reach(build.task(), evidence) == Reach(known=3, asked=3, answered=0, unanswered=(A, B, C))
    assert notes(evidence) == [("nodes.all_unanswered", f"3 of 3: {A}, {B}, {C}")]
    assert "; all 3 known nodes gave no answer; the origin" in summary(evidence)


def test_the_only_one_fails() -> None:
    evidence = asked(dead(A), ORIGIN, facts=nodes(1))
    assert notes(evidence) == [("nodes.all_unanswered", f"1 of 1: {A}")]
    assert "; the only known node gave no answer; " in summary(evidence)


def test_not_all_were_asked_so_not_all_are_said_to_have_failed() -> None:
    evidence = asked(dead(A), ORIGIN, dead(B, Role.SWEEP), facts=nodes(90))
    assert notes(evidence) == [("nodes.some_unanswered", f"2 of 2 asked (90 known): {A}, {B}")]
    assert "; all 2 nodes asked, of 90 known, gave no answer; " in summary(evidence)
    evidence = asked(dead(A), ORIGIN, well(B, Role.SWEEP), facts=nodes(90))
    assert "; 1 of 2 nodes asked, of 90 known, gave no answer, the other did; " in summary(evidence)


def test_a_node_that_answers_when_asked_again_answers() -> None:
    evidence = asked(dead(A), well(B), ORIGIN, well(A, Role.CONFIRM, of=0), facts=nodes(2))
    assert reach(build.task(), evidence) == Reach(known=2, asked=2, answered=2)
    assert notes(evidence) == []
    assert "known node" not in summary(evidence)


def test_a_5xx_is_no_good_answer_but_not_silence_either() -> None:
    evidence = asked(well(A, status=503), well(B), ORIGIN, facts=nodes(2))
    assert notes(evidence) == [("nodes.some_unanswered", f"1 of 2: {A}")]
    assert "; 1 of 2 known nodes failed, the other did not; " in summary(evidence)
    evidence = asked(well(A, status=503), dead(B), ORIGIN, facts=nodes(2))
    assert "; all 2 known nodes failed; " in summary(evidence)
    assert reach(build.task(), asked(well(A, status=404))) == Reach(known=3, asked=1, answered=1)


def test_an_incomplete_reply_is_no_answer() -> None:
    cut = replace(build.seen(), failure=build.broken(FailureType.BODY_TRUNCATED, Phase.BODY).failure)
    assert reach(build.task(), asked(cut)) == Reach(known=3, asked=1, answered=0, unanswered=(A,))


def test_a_healthy_slot_says_nothing_and_still_counts() -> None:
    evidence = asked(well(A), well(B), ORIGIN)
    assert reach(build.task(), evidence) == Reach(known=3, asked=2, answered=2)
    assert notes(evidence) == []
    assert build.verdict(evidence).outcome == "ok"


def test_what_was_never_asked_is_not_counted() -> None:
    ours = build.broken(FailureType.VANTAGE_PROXY_UNREACHABLE, Phase.HOST, address=A)
    blocked = build.broken(FailureType.TCP_ADDRESS_BLOCKED, Phase.TCP, address=B)
    assert reach(build.task(), asked(ours, blocked)) is None
    evidence = asked(ours, dead(B), ORIGIN, facts=nodes(2))
    assert reach(build.task(), evidence) == Reach(known=2, asked=1, answered=0, unanswered=(B,))
    assert notes(evidence) == [("nodes.some_unanswered", f"1 of 1 asked (2 known): {B}")]


def test_other_requests_and_other_lines_are_no_answers_of_a_node() -> None:
    evidence = asked(
        dead(A),
        well(A, Role.ELSEWHERE, of=0, vantage_point="sh-cu"),
        well(A, Role.CHECK, ask="hotlink.plain"),
        well(A, Role.CONFIRM, ask="hotlink.plain"),
        well("198.51.100.9", Role.ANCHOR),
        ORIGIN,
    )
    assert reach(build.task(), evidence) == Reach(known=3, asked=1, answered=0, unanswered=(A,))


def test_by_a_proxy_that_looks_names_up_nobody_knows_which_node_it_was() -> None:
    by_name = well("www.acme.example")
    looked_up = build.resolution("www.acme.example", flags=("resolved_by_proxy",))
    evidence = asked(by_name, ORIGIN, resolution=looked_up)
    assert (reach(build.task(), evidence), notes(evidence)) == (None, [])


def test_without_an_inventory_there_is_no_reach() -> None:
    assert reach(build.task(), build.evidence(dead(A))) is None
    assert reach(build.task(), asked()) is None


def test_new_addresses_of_the_answer_count_as_nodes() -> None:
    resolution = build.resolution(A, B)
    evidence = asked(dead(A), dead(B), ORIGIN, facts=nodes(0, A, B, settled=False), resolution=resolution)
    assert reach(build.task(), evidence) == Reach(known=2, asked=2, answered=0, unanswered=(A, B))
    assert notes(evidence) == [("nodes.all_unanswered", f"2 of 2: {A}, {B}")]


def test_what_is_no_node_of_the_cdn_neither_answers_nor_fails_for_it() -> None:
    """A portal that answers everything must not make all nodes down into some, nor a dead one the reverse."""
    portal = "203.0.113.66"
    task = build.task(cdn_prefixes=("192.0.2.0/24",))
    resolution = build.resolution(A, portal)
    evidence = asked(dead(A), well(portal), ORIGIN, facts=nodes(1, portal), resolution=resolution)
    assert reach(task, evidence) == Reach(known=1, asked=1, answered=0, unanswered=(A,))
    assert notes(evidence, task)[-1] == ("nodes.all_unanswered", f"1 of 1: {A}")
    past = build.resolution(portal, cname_chain=(), canonical_name="www.acme.example")
    evidence = asked(dead(portal), ORIGIN, facts=nodes(1, portal), resolution=past)
    assert reach(build.task(), evidence) is None
    rewritten = build.resolution(A, portal, flags=("nxdomain_rewritten",))
    evidence = asked(well(A), dead(portal), ORIGIN, facts=nodes(1, portal), resolution=rewritten)
    assert reach(build.task(), evidence) == Reach(known=1, asked=1, answered=1)


def test_a_name_without_an_address_and_nodes_that_are_well() -> None:
    gone = build.unresolved(FailureType.DNS_DANGLING_ALIAS, "acme.cdn.example.net", "other_resolvers_failed")
    evidence = asked(ORIGIN, well(A, Role.SWEEP), well(B, Role.SWEEP), facts=nodes(2), resolution=gone)
    assert (build.verdict(evidence).outcome, notes(evidence)) == ("failed", [])
    assert "; all 2 known nodes, asked by address, did answer; " in summary(evidence)
    evidence = asked(ORIGIN, dead(A, Role.SWEEP), dead(B, Role.SWEEP), facts=nodes(2), resolution=gone)
    assert notes(evidence) == [("nodes.all_unanswered", f"2 of 2: {A}, {B}")]
    assert "; all 2 known nodes gave no answer; " in summary(evidence)


def test_many_dead_nodes_are_counted_and_some_named() -> None:
    many = [dead(f"192.0.2.{i}", Role.SWEEP) for i in range(40)]
    ((reason, detail),) = notes(asked(*many, ORIGIN, facts=nodes(40)))
    assert reason == "nodes.all_unanswered"
    assert detail is not None
    assert detail.startswith("40 of 40: 192.0.2.0, ")
    assert detail.endswith(f" and {40 - NAMED_AT_MOST} more")


# --- not from a dead line -------------------------------------------------------------------------


def test_offline_says_nothing_about_nodes() -> None:
    anchors = [build.silent(Role.ANCHOR, address=f"198.51.100.{i}") for i in (1, 2)]
    silent = [build.silent(address=a) for a in (A, B, C)]
    evidence = asked(*silent, build.silent(Role.ORIGIN), *anchors)
    assert reach(build.task(), evidence) == Reach(known=3, asked=3, answered=0, unanswered=(A, B, C))
    assert trusted_reach(build.task(), evidence) is None
    assert notes(evidence) == []
    assert build.triple(evidence) == ("inconclusive", "vantage", "vantage.offline")
    assert "node" not in summary(evidence)


def test_silence_without_any_witness_says_nothing_about_nodes() -> None:
    evidence = asked(*[build.silent(address=a) for a in (A, B, C)], build.silent(Role.ORIGIN))
    assert build.triple(evidence) == ("inconclusive", "unknown", "vantage.no_witness")
    assert (notes(evidence), "node" in summary(evidence)) == ([], False)
    proven = asked(*[build.silent(address=a) for a in (A, B, C)], ORIGIN)
    assert [reason for reason, _ in notes(proven)] == ["nodes.all_unanswered"]


def test_what_a_proxy_says_of_nodes_counts_once_somebody_answered_through_it() -> None:
    proxy = ProxySpec(scheme="socks5", host="192.0.2.80", port=1080)
    task = build.task(vantage_point=VantagePoint(name="bj-ct", proxy=proxy))
    refused = [dead(a, proxy=str(proxy)) for a in (A, B, C)]
    evidence = asked(*refused, build.refused(Role.ORIGIN, proxy=str(proxy)))
    assert (notes(evidence, task), told_of_nodes(task, evidence)) == ([], "")
    proven = asked(*refused, build.seen(Role.ORIGIN, proxy=str(proxy)))
    assert [reason for reason, _ in notes(proven, task)] == ["nodes.all_unanswered"]


def test_a_stalled_loop_says_nothing_about_nodes_that_timed_out() -> None:
    stalled = build.host(loop_lag_us=2_000_000)
    evidence = asked(*[build.silent(address=a) for a in (A, B, C)], ORIGIN, host=stalled)
    assert build.triple(evidence) == ("inconclusive", "agent", "agent.stalled")
    assert (notes(evidence), told_of_nodes(build.task(), evidence)) == ([], "")
    refused = asked(*[dead(a) for a in (A, B, C)], ORIGIN, host=stalled)
    assert [reason for reason, _ in notes(refused)] == ["nodes.all_unanswered"]


# --- who does not belong here ---------------------------------------------------------------------

TELECOM, UNICOM = "China Telecom", "China Unicom"
LABELS = (
    CarrierPrefix(prefix="192.0.2.0/25", carrier=f" {TELECOM.upper()} "),
    CarrierPrefix(prefix="192.0.2.128/25", carrier=UNICOM),
    CarrierPrefix(prefix="2001:db8::/32", carrier=UNICOM),
)


def from_carrier(carrier: str | None, **changes: Any) -> Any:
    point = VantagePoint(name="bj-ct", carrier=carrier)
    prefixes = tuple(label.prefix for label in LABELS)
    return build.task(
        vantage_point=point, **{"cdn_prefixes": prefixes, "carrier_prefixes": LABELS, **changes}
    )


def strangers(task: Any, *addresses: str, facts: NodeFacts | None = None) -> list[tuple[str, str | None]]:
    seen = [well(a) for a in addresses]
    evidence = asked(*seen, ORIGIN, facts=facts, resolution=build.resolution(*addresses))
    assert build.verdict(evidence, task).outcome == "ok", "a note changed the outcome"
    found = build.verdict(evidence, task).findings
    assert [f.address for f in found if f.check == "nodes"] == [
        (f.detail or "").split()[0] for f in found if f.check == "nodes"
    ]
    return notes(evidence, task)


def test_an_address_outside_the_inventory_is_found_once_it_is_settled() -> None:
    assert strangers(build.task(), A, C, facts=nodes(1, C)) == [
        ("node.unknown", f"{C} was not among the nodes known so far")
    ]
    assert strangers(build.task(), A, C, facts=nodes(1, C, settled=False)) == []
    assert strangers(build.task(), A, facts=nodes(1)) == []


def test_an_address_outside_the_declared_prefixes_is_found_from_the_first_slot() -> None:
    task = build.task(cdn_prefixes=("198.51.100.0/24",))
    told = ("node.outside_prefixes", f"{A} lies in none of the prefixes that the CDN declared")
    assert strangers(task, A, facts=nodes(0, A, settled=False)) == [told]
    assert strangers(task, A, facts=nodes(1, A, settled=True)) == [told], "one finding for one address"


def test_an_address_that_we_will_not_connect_to_is_named_too() -> None:
    refused = AddressRecord(address="10.0.0.1", ttl_s=1, refused="private")
    resolution = replace(build.resolution(A), addresses=(AddressRecord(address=A, ttl_s=1), refused))
    evidence = asked(well(A), ORIGIN, resolution=resolution)
    task = build.task(cdn_prefixes=("192.0.2.0/24",))
    assert notes(evidence, task) == [
        ("node.outside_prefixes", "10.0.0.1 lies in none of the prefixes that the CDN declared")
    ]


@pytest.mark.parametrize(
    ("carrier", "address", "found"),
    [
        (TELECOM, "192.0.2.200", True),
        ("china telecom ", "192.0.2.200", True),
        (TELECOM, "192.0.2.1", False),
        (UNICOM, "192.0.2.1", True),
        ("China Mobile", "192.0.2.1", False),  # has no nodes of its own: any will do
        (None, "192.0.2.1", False),
        (TELECOM, "2001:db8::1", False),  # Telecom has no node over IPv6
    ],
)
def test_a_carriers_user_at_another_carriers_node(carrier: str | None, address: str, found: bool) -> None:
    told = [reason for reason, _ in strangers(from_carrier(carrier), address)]
    assert told == (["node.other_carrier"] if found else [])


def test_the_words_name_both_carriers_and_a_new_one_is_told_once() -> None:
    (note,) = strangers(from_carrier(TELECOM), "192.0.2.200", facts=nodes(1, "192.0.2.200"))
    assert note == (
        "node.other_carrier",
        "192.0.2.200 is a node for China Unicom, we look from China Telecom, and was not seen before",
    )


def test_the_narrowest_label_counts_and_an_unlabelled_node_is_anybodys() -> None:
    inner = CarrierPrefix(prefix="192.0.2.64/26", carrier=UNICOM)
    task = from_carrier(TELECOM, carrier_prefixes=(*LABELS, inner))
    assert [r for r, _ in strangers(task, "192.0.2.1", "192.0.2.65")] == ["node.other_carrier"]
    task = from_carrier(TELECOM, cdn_prefixes=("192.0.0.0/8",), carrier_prefixes=LABELS)
    assert strangers(task, "192.9.9.9") == []


# --- who served -----------------------------------------------------------------------------------


def test_served_are_those_that_nothing_speaks_against() -> None:
    evidence = asked(well(A), dead(B), well(C), ORIGIN)
    finding = Finding(
        check="availability",
        reason="http.error",
        severity=Severity.ERROR,
        outcome=Outcome.FAILED,
        fault=None,
        address=C,
    )
    assert served(evidence, (finding,)) == (A,)
    assert served(evidence, ()) == (A, C)
    assert served(evidence, (replace(finding, outcome=Outcome.SLOW),)) == (A, C)


@pytest.mark.parametrize(
    ("relation", "vouches"),
    [
        (Relation.EQUAL, True),
        (Relation.OLDER, True),
        (Relation.ORIGIN_CHANGING, True),
        (Relation.UNVERIFIED, True),
        (Relation.UNKNOWN_VERSION, False),
        (Relation.UNSEEN_VERSION, False),
    ],
)
def test_content_that_the_origin_never_served_vouches_for_nobody(relation: Relation, vouches: bool) -> None:
    compared = well(A, comparison=Comparison(mode="exact", relation=relation))
    assert served(asked(compared), ()) == ((A,) if vouches else ())
