"""Our own line as a suspect: loss, large packets that never arrive, a portal, and what another line saw."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.origin import OriginAsk, OriginStanding
from probe.core.records.surroundings import LineState, VantageHealth
from probe.core.records.transport import TcpInfo, Tls
from probe.core.records.verdict import Fault, Verdict
from probe.core.vantage.line_quality import (
    LOOKUPS_LOST,
    dead_beside_loss,
    line_quality,
    small_replies_untried,
)
from tests.core.verdict.test_judge_properties import observations
from tests.support.build import (
    AT,
    EDGE_2,
    GOOD,
    ORIGIN,
    broken,
    evidence,
    reference,
    refused,
    seen,
    silent,
    task,
    timing,
    triple,
    unresolved,
    verdict,
)
from tests.support.sizes import scaled

ANCHOR, ANCHOR_2 = "192.0.2.71", "192.0.2.72"
LOSS = TcpInfo(rtt_us=20_000, rtt_var_us=1_000, retransmits_total=2, mss_bytes=1460)
CLEAN = replace(LOSS, retransmits_total=0)
FAILED_CDN = "failed", "cdn"
LOSSY = "inconclusive", "vantage", "vantage.lossy"


def anchor(address: str = ANCHOR, **changes: object) -> Observation:
    return seen(Role.ANCHOR, digest=None, address=address, **{"tcp_info": CLEAN, **changes})


LOSSY_ANCHOR = anchor(tcp_info=LOSS)
SLOWLY_CONNECTED = anchor(
    tcp_info=None, timing=replace(timing(1_500_000, 1_600_000), connect_end_us=1_100_000)
)
LATE = [
    broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP),
    broken(FailureType.TLS_TIMED_OUT, Phase.TLS),
    broken(FailureType.BODY_TIMED_OUT, Phase.BODY),
    silent(),
    seen(timing=timing(900_000, 950_000)),
]


# --- loss -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [LOSSY_ANCHOR, SLOWLY_CONNECTED])
@pytest.mark.parametrize("edge", LATE)
def test_lateness_beside_an_anchor_that_lost_packets_is_the_lines(
    edge: Observation, sign: Observation
) -> None:
    found = evidence(edge, seen(Role.ORIGIN), sign, anchor(ANCHOR_2))
    assert triple(found) == LOSSY
    quality = line_quality(found.observations)
    assert quality is not None
    assert (quality.connections, quality.connections_resent) == (3, 1)


@pytest.mark.parametrize("edge", LATE)
def test_an_edge_that_alone_is_late_stays_the_cdns(edge: Observation) -> None:
    assert triple(evidence(edge, seen(Role.ORIGIN), anchor(), anchor(ANCHOR_2)))[1] == "cdn"


@pytest.mark.parametrize("edge", [refused(), seen(status=503), seen(digest="c" * 64)])
def test_loss_explains_no_refusal_no_status_and_no_other_bytes(edge: Observation) -> None:
    assert triple(evidence(edge, seen(Role.ORIGIN), LOSSY_ANCHOR))[:2] == FAILED_CDN


def test_an_anchor_that_is_dead_is_no_loss() -> None:
    found = evidence(silent(), seen(Role.ORIGIN), silent(Role.ANCHOR, address=ANCHOR), anchor(ANCHOR_2))
    assert triple(found) == (*FAILED_CDN, "tcp.timed_out")


def test_an_origin_that_loses_packets_on_its_own_way_is_no_loss_of_the_line() -> None:
    found = evidence(silent(), seen(Role.ORIGIN, tcp_info=LOSS), anchor(), anchor(ANCHOR_2))
    assert triple(found) == (*FAILED_CDN, "tcp.timed_out")


def test_an_edge_that_is_dead_beside_loss_is_found() -> None:
    """Its port took no connection in five looks, each with three first packets; of four bystanders' two lost one."""
    again = [silent(Role.CONFIRM, of=0) for _ in range(4)]
    bystanders = [LOSSY_ANCHOR, SLOWLY_CONNECTED, anchor(ANCHOR_2), seen(Role.ORIGIN)]
    assert triple(evidence(silent(), *again, *bystanders)) == (*FAILED_CDN, "tcp.timed_out")
    assert triple(evidence(silent(), again[0], *bystanders)) == LOSSY, "two looks are too few"
    well = seen(Role.CONFIRM, of=0)
    assert triple(evidence(silent(), *again, well, *bystanders)) == LOSSY


@pytest.mark.parametrize(
    ("kind", "phase"), [(FailureType.HTTP_TIMED_OUT, Phase.HTTP), (FailureType.TLS_TIMED_OUT, Phase.TLS)]
)
def test_an_edge_that_hangs_beside_loss_is_found_by_as_many_looks(kind: FailureType, phase: Phase) -> None:
    hangs = broken(kind, phase)
    again = [replace(hangs, role=Role.CONFIRM, of=0) for _ in range(4)]
    bystanders = [LOSSY_ANCHOR, SLOWLY_CONNECTED, anchor(ANCHOR_2), seen(Role.ORIGIN)]
    assert triple(evidence(hangs, *again, *bystanders)) == (*FAILED_CDN, kind)
    assert triple(evidence(hangs, *again[:1], *bystanders)) == LOSSY
    slow_body = broken(FailureType.BODY_TIMED_OUT, Phase.BODY)
    looks = [replace(slow_body, role=Role.CONFIRM, of=0) for _ in range(4)]
    assert triple(evidence(slow_body, *looks, *bystanders)) == LOSSY, "loss slows a body down without end"


def test_an_edge_that_is_dead_beside_loss_is_found_though_a_round_of_anchors_was_late() -> None:
    """On a lossy line every anchor may be late at once, as on one that only comes back."""
    again = [silent(Role.CONFIRM, of=0) for _ in range(4)]
    late = [SLOWLY_CONNECTED, replace(SLOWLY_CONNECTED, address=ANCHOR_2)]
    prompt = [anchor(f"192.0.2.{n}", url=f"http://192.0.2.{n}/") for n in (73, 74, 75)]
    away = VantageHealth(state=LineState.ONLINE, offline_meanwhile=True)
    found = evidence(silent(), *again, *late, *prompt, seen(Role.ORIGIN), vantage_health=away)
    assert triple(found) == (*FAILED_CDN, "tcp.timed_out")
    few = evidence(silent(), again[0], *late, vantage_health=away)
    assert triple(few) == ("inconclusive", "vantage", "vantage.offline")


def test_the_chance_of_loss_alone_is_worked_out() -> None:
    quality = line_quality(evidence(silent(), LOSSY_ANCHOR, anchor(ANCHOR_2)).observations)
    assert quality is not None
    assert not dead_beside_loss(quality, 3, 5_000_000)  # too few looks
    assert dead_beside_loss(quality, 4, 5_000_000)  # two of six sent again: three in eight, twelve times
    assert not dead_beside_loss(quality, 4, 900_000)  # one packet each
    heavy = replace(quality, connections=3, connections_resent=3, retransmits=30)  # five in six are lost
    assert not dead_beside_loss(heavy, 5, 4_000_000)
    third = replace(
        quality, connections=3, connections_resent=3, retransmits=6
    )  # half, with 30 % lost each way
    assert dead_beside_loss(third, 5, 4_000_000)


def test_loss_on_the_edges_own_connection_with_few_bystanders_accuses_nobody_by_name() -> None:
    slow = seen(timing=timing(900_000, 950_000), tcp_info=LOSS)
    assert triple(evidence(slow, seen(Role.ORIGIN), anchor())) == ("slow", "unknown", "timing.over_limit")
    many = [anchor(f"192.0.2.{n}") for n in range(71, 77)]
    assert triple(evidence(slow, seen(Role.ORIGIN), *many)) == ("slow", "cdn", "timing.over_limit")


@pytest.mark.parametrize("kind", sorted(LOOKUPS_LOST))
def test_a_look_up_that_was_lost_on_a_lossy_line_accuses_no_zone(kind: FailureType) -> None:
    """Though the resolver was alive, others failed alike, and the zone's own servers were not heard either."""
    flags = "resolver_alive", "other_resolvers_failed", "authority_fails"
    failed = unresolved(kind, "www.acme.example", *flags)
    assert triple(evidence(LOSSY_ANCHOR, anchor(ANCHOR_2), seen(Role.ORIGIN), resolution=failed)) == LOSSY
    clean = evidence(anchor(), anchor(ANCHOR_2), seen(Role.ORIGIN), resolution=failed)
    assert triple(clean) == ("failed", "customer", kind)
    gone = unresolved(FailureType.DNS_NAME_NOT_RESOLVED, "www.acme.example", *flags)
    assert triple(evidence(LOSSY_ANCHOR, resolution=gone))[:2] == ("failed", "customer"), "an answer came"


# --- large packets --------------------------------------------------------------------------------

SMALL = replace(anchor(), response=replace(anchor().response, encoded_body_bytes=40))
STALLS = FailureType.TLS_TIMED_OUT, Phase.TLS


def test_handshakes_that_stall_everywhere_while_small_replies_pass_are_the_lines() -> None:
    found = evidence(broken(*STALLS), broken(*STALLS, address=EDGE_2), broken(*STALLS, Role.ORIGIN), SMALL)
    assert triple(found) == ("inconclusive", "vantage", "vantage.path_mtu")
    quality = line_quality(found.observations)
    assert quality is not None
    assert (quality.stalled_alike, quality.largest_passed_bytes) == (True, 40)


def test_one_edge_that_stalls_is_the_cdns() -> None:
    assert triple(evidence(broken(*STALLS), seen(address=EDGE_2), seen(Role.ORIGIN), SMALL))[:2] == FAILED_CDN
    alone = evidence(broken(*STALLS), seen(address=EDGE_2), broken(*STALLS, Role.ORIGIN), SMALL)
    assert triple(alone)[:2] == FAILED_CDN


def test_large_replies_that_pass_prove_the_path() -> None:
    large = replace(SMALL, response=replace(SMALL.response, encoded_body_bytes=90_000))
    assert triple(evidence(broken(*STALLS), broken(*STALLS, Role.ORIGIN), large))[:2] == FAILED_CDN


def test_an_origin_that_hangs_and_the_edge_that_waits_for_it_are_the_origins() -> None:
    waits = FailureType.HTTP_TIMED_OUT, Phase.HTTP
    assert triple(evidence(broken(*waits), broken(*waits, Role.ORIGIN), SMALL))[:2] == ("failed", "origin")


def test_an_origin_that_hangs_amid_its_body_and_the_edge_that_waits_are_no_lost_packets() -> None:
    """More of the body came than one packet holds."""
    half = replace(seen().response, encoded_body_bytes=30_000, body_complete=False)  # type: ignore[type-var]
    stuck = FailureType.BODY_TIMED_OUT, Phase.BODY
    edge, origin = broken(*stuck, response=half), broken(*stuck, Role.ORIGIN, response=half)
    assert triple(evidence(edge, origin, SMALL))[:2] == ("failed", "origin")
    little = replace(half, encoded_body_bytes=300)
    lost = evidence(replace(edge, response=little), replace(origin, response=little), SMALL)
    assert triple(lost) == ("inconclusive", "vantage", "vantage.path_mtu")


def test_a_chain_of_certificates_that_came_proves_the_path() -> None:
    chain = Tls(version="TLSv1.3", chain_sha256=("0" * 64, "1" * 64))
    stuck = FailureType.BODY_TIMED_OUT, Phase.BODY
    found = evidence(broken(*stuck, tls=chain), broken(*stuck, Role.ORIGIN, tls=chain), SMALL)
    assert triple(found)[:2] == ("failed", "origin")


# --- a portal -------------------------------------------------------------------------------------


def led_to(host: str, role: Role = Role.EDGE, **changes: object) -> Observation:
    return seen(role, status=302, fields=(("location", f"http://{host}/login"),), **changes)


PORTAL = "inconclusive", "vantage", "vantage.captive_portal"


def test_a_portal_that_answers_for_edges_and_anchors_is_the_lines() -> None:
    found = evidence(
        led_to("portal.example"), led_to("portal.example", Role.ORIGIN), led_to("portal.example", Role.ANCHOR)
    )
    assert triple(found) == PORTAL
    status = evidence(seen(status=511), seen(Role.ANCHOR, status=511))
    assert triple(status) == PORTAL


def test_a_redirect_of_the_edges_alone_is_not() -> None:
    assert triple(evidence(led_to("portal.example"), seen(Role.ORIGIN), anchor()))[:2] == FAILED_CDN
    some = evidence(led_to("portal.example"), seen(address=EDGE_2), led_to("portal.example", Role.ANCHOR))
    assert triple(some)[:2] != PORTAL[:2]


def test_one_certificate_for_everybody_is_a_portals() -> None:
    shown = Tls(chain_sha256=("f" * 64,), verify_error="self-signed certificate")
    foreign = FailureType.TLS_CERT_SELF_SIGNED, Phase.TLS
    edge, other = broken(*foreign, tls=shown), broken(*foreign, Role.ANCHOR, address=ANCHOR, tls=shown)
    assert triple(evidence(edge, other)) == PORTAL
    own = broken(*foreign, tls=replace(shown, chain_sha256=("e" * 64,)))
    assert triple(evidence(own, other, anchor(ANCHOR_2)))[:2] == FAILED_CDN


LED = [led_to("portal.example", Role.ANCHOR, address=a, tcp_info=CLEAN) for a in (ANCHOR, ANCHOR_2)]
HTTP_LED = [replace(o, url=f"http://{name}.example/") for o, name in zip(LED, ("one", "two"), strict=True)]


@pytest.mark.parametrize(
    ("kind", "phase"),
    [
        (FailureType.TCP_REFUSED, Phase.TCP),
        (FailureType.TCP_TIMED_OUT, Phase.TCP),
        (FailureType.TLS_CLOSED, Phase.TLS),
        (FailureType.TLS_PROTOCOL_ERROR, Phase.TLS),
    ],
)
def test_a_portal_cuts_off_whom_it_cannot_lead_to_its_page(kind: FailureType, phase: Phase) -> None:
    edge = broken(kind, phase)
    assert triple(evidence(edge, replace(edge, address=EDGE_2), *HTTP_LED)) == PORTAL
    assert triple(evidence(edge, HTTP_LED[0], anchor(ANCHOR_2)))[:2] == FAILED_CDN, (
        "one anchor was left alone"
    )
    assert triple(evidence(edge, seen(address=EDGE_2), *HTTP_LED))[:2] == FAILED_CDN, "one edge was"
    assert triple(evidence(edge, HTTP_LED[0]))[1] == "cdn", "one anchor alone may redirect by itself"


def at(observation: Observation, begun_us: int) -> Observation:
    return replace(observation, timing=replace(observation.timing, connect_start_us=begun_us))


CUT = FailureType.TLS_CERT_NAME_INVALID, Phase.TLS
CAME_UP = (
    at(seen(), 1_000),
    at(broken(*CUT, address=EDGE_2), 2_000),
    at(seen(Role.ORIGIN, status=304), 3_000),
    at(broken(*CUT, Role.CONFIRM, address=EDGE_2, of=1), 9_000),
    *HTTP_LED,
    at(broken(*CUT, Role.ORIGIN), 12_000),
)


def test_a_portal_that_comes_up_during_the_slot_left_alone_whom_it_found_connected() -> None:
    assert triple(evidence(*CAME_UP)) == PORTAL


@pytest.mark.parametrize(
    ("index", "instead"),
    [
        (6, None),  # the origin was not seen to change
        (2, None),
        (6, at(seen(Role.ORIGIN), 12_000)),
        (6, at(broken(*CUT, Role.ORIGIN), 2_500)),  # it changed the other way round
        (5, anchor(ANCHOR_2, url="http://two.example/")),  # one anchor was left alone
        (0, at(seen(), 4_000)),  # one edge was, after another had been cut off
    ],
)
def test_without_each_of_its_signs_an_edge_with_a_foreign_certificate_is_accused(
    index: int, instead: Observation | None
) -> None:
    given = [instead if i == index else o for i, o in enumerate(CAME_UP)]
    found = triple(evidence(*(o for o in given if o is not None)))
    assert found != PORTAL
    assert found[:2] == FAILED_CDN or found[1] == "origin", found


def page(role: Role = Role.EDGE, size_bytes: int = 4_000, **changes: object) -> Observation:
    made = seen(role, digest="9" * 64, url="http://www.acme.example/a.js", **changes)
    return replace(made, response=replace(made.response, encoded_body_bytes=size_bytes))  # type: ignore[type-var]


def test_one_page_for_edges_and_anchors_alike_is_a_portals() -> None:
    anchors = [page(Role.ANCHOR, address=ANCHOR), page(Role.ANCHOR, address=ANCHOR_2)]
    edges = [page(), page(address=EDGE_2)]
    assert triple(evidence(*edges, *anchors)) == PORTAL
    assert triple(evidence(*edges, anchors[0], anchor(ANCHOR_2)))[:2] == FAILED_CDN
    assert triple(evidence(page(), seen(digest="c" * 64, address=EDGE_2), *anchors))[:2] == FAILED_CDN
    little = [page(Role.ANCHOR, 2, address=ANCHOR), page(Role.ANCHOR, 2, address=ANCHOR_2)]
    assert triple(evidence(page(size_bytes=2), *little))[:2] == FAILED_CDN, "anchors may well say the same"


# --- another line ---------------------------------------------------------------------------------


def elsewhere(of: int, relation: Relation = Relation.EQUAL) -> Observation:
    made = seen(Role.ELSEWHERE, of=of, vantage_point="bj-cu", digest=GOOD)
    return replace(made, comparison=Comparison(mode="exact", relation=relation))


def test_every_edge_right_over_another_line_acquits() -> None:
    late = broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP)
    both = evidence(late, replace(late, address=EDGE_2), elsewhere(0), elsewhere(1), anchor())
    assert triple(both) == ("inconclusive", "vantage", "vantage.well_by_another_line")
    one = evidence(late, replace(late, address=EDGE_2), elsewhere(0), anchor())
    assert triple(one)[:2] == FAILED_CDN


WELL_ELSEWHERE = "inconclusive", "vantage", "vantage.well_by_another_line"


def test_a_reply_over_another_line_is_no_witness_for_this_one() -> None:
    """Nothing here answered: that somebody answers elsewhere does not show that this line carries anything."""
    unreachable = broken(FailureType.TCP_ADDRESS_UNREACHABLE, Phase.TCP)
    both = unreachable, replace(unreachable, address=EDGE_2)
    assert triple(evidence(*both, elsewhere(0))) == ("inconclusive", "unknown", "vantage.no_witness")
    assert triple(evidence(*both, elsewhere(0), anchor()))[:2] == FAILED_CDN
    assert triple(evidence(*both, elsewhere(0), elsewhere(1), anchor())) == WELL_ELSEWHERE


@pytest.mark.parametrize("status", [301, 404, 503])
def test_who_answers_for_the_edge_may_answer_for_the_origin_too(status: int) -> None:
    """An interceptor gives edges and the origin one status; over another line the edge gave the right content."""
    edge, origin = seen(status=status), seen(Role.ORIGIN, status=status)
    assert triple(evidence(edge, origin, anchor())) == ("failed", "origin", "origin.same_status")
    assert triple(evidence(edge, elsewhere(0), origin, anchor())) == WELL_ELSEWHERE
    other = elsewhere(0, Relation.UNKNOWN_VERSION)
    other = replace(other, response=replace(other.response, digest="c" * 64, content_digest="c" * 64))
    assert triple(evidence(edge, other, origin, anchor()))[:2] == ("failed", "origin")


def test_an_origin_that_spoke_over_verified_tls_is_beyond_doubt() -> None:
    verified = Tls(version="TLSv1.3", chain_sha256=("0" * 64,))
    edge, origin = seen(status=503), seen(Role.ORIGIN, status=503, tls=verified)
    found = evidence(edge, elsewhere(0), origin, anchor())
    assert triple(found) == ("failed", "origin", "origin.same_status")


def test_an_edge_that_is_slow_by_another_line_too_is_slow() -> None:
    slow = seen(timing=timing(900_000, 950_000))
    assert triple(evidence(slow, elsewhere(0), seen(Role.ORIGIN), anchor())) == WELL_ELSEWHERE
    there = replace(elsewhere(0), timing=timing(700_000, 750_000))
    found = evidence(slow, there, seen(Role.ORIGIN), anchor())
    assert triple(found) == ("slow", "cdn", "timing.over_limit")


# --- properties -----------------------------------------------------------------------------------

ACCUSED = ("cdn", "origin", "customer")
LATE_KINDS = st.sampled_from(
    [
        (FailureType.TCP_TIMED_OUT, Phase.TCP),
        (FailureType.TLS_TIMED_OUT, Phase.TLS),
        (FailureType.HTTP_TIMED_OUT, Phase.HTTP),
        (FailureType.BODY_TIMED_OUT, Phase.BODY),
    ]
)


@given(LATE_KINDS, st.lists(observations(Role.ANCHOR), max_size=3), st.integers(1, 9))
def test_lateness_on_a_line_found_lossy_accuses_nobody(
    kind: tuple[FailureType, Phase], others: list[Observation], retransmits: int
) -> None:
    lossy = anchor(tcp_info=replace(LOSS, retransmits_total=retransmits))
    found = evidence(broken(*kind), seen(Role.ORIGIN), lossy, *others)
    assert triple(found)[1] not in ACCUSED


SEVERAL_EDGES = st.lists(observations(Role.EDGE), min_size=1, max_size=3)
OTHERS = st.lists(observations(Role.CONFIRM, Role.ORIGIN, Role.ANCHOR), max_size=4)


@settings(max_examples=scaled(2_000))
@given(SEVERAL_EDGES, OTHERS)
def test_a_healthy_look_by_another_line_worsens_nothing_for_cdn_origin_and_customer(
    edges: list[Observation], others: list[Observation]
) -> None:
    before = triple(evidence(*edges, *others))
    after = triple(evidence(*edges, *others, *(elsewhere(i) for i in range(len(edges)))))
    assert after[1] not in ACCUSED or after[1] == before[1]


@settings(max_examples=scaled(2_000))
@given(SEVERAL_EDGES, OTHERS, st.data())
def test_a_healthy_look_by_another_line_at_some_edges_adds_no_accusation(
    edges: list[Observation], others: list[Observation], data: st.DataObject
) -> None:
    """Finding by finding: who is accused with it was accused of the same without it."""
    looked_at = data.draw(st.sets(st.integers(0, len(edges) - 1)))
    without = verdict(evidence(*edges, *others))
    with_it = verdict(evidence(*edges, *others, *map(elsewhere, sorted(looked_at))))
    assert _accused(with_it) <= _accused(without)


def _accused(made: Verdict) -> set[tuple[int | None, str, Fault]]:
    return {(f.observation, f.reason, f.fault) for f in made.findings if f.fault in ACCUSED}


def test_nothing_is_said_through_a_proxy_or_where_nothing_speaks_against_the_line() -> None:
    assert line_quality(evidence(silent(), anchor(), seen(Role.ORIGIN)).observations) is None
    assert (
        line_quality([replace(o, proxy="socks5://192.0.2.9:1080") for o in (silent(), LOSSY_ANCHOR)]) is None
    )


# --- a line that is slow --------------------------------------------------------------------------

SLOW_LINE = "inconclusive", "vantage", "vantage.slow"


def far(
    role: Role = Role.EDGE, ttfb_us: int = 800_000, connect_us: int = 400_000, **changes: object
) -> Observation:
    when = replace(timing(ttfb_us, ttfb_us + 50_000), connect_end_us=1_000 + connect_us)
    return seen(role, timing=when, **changes)


def anchors_at(ttfb_us: int, connect_us: int = 400_000) -> list[Observation]:
    return [far(Role.ANCHOR, ttfb_us, connect_us, digest=None, address=one) for one in (ANCHOR, ANCHOR_2)]


def test_a_line_on_which_nobody_is_near_is_slow() -> None:
    assert triple(evidence(far(), far(Role.ORIGIN), *anchors_at(850_000))) == SLOW_LINE
    quality = line_quality(evidence(far(), *anchors_at(850_000)).observations)
    assert quality is not None
    assert quality.quickest_connect_us == 400_000


def test_an_edge_that_alone_is_slow_on_a_slow_line_is_found() -> None:
    assert triple(evidence(far(ttfb_us=1_800_000), seen(Role.ORIGIN), *anchors_at(850_000)))[:2] == (
        "slow",
        "cdn",
    )


def test_anchors_that_are_far_away_themselves_excuse_nobody_where_somebody_is_near() -> None:
    near = seen(Role.ORIGIN)
    assert triple(evidence(far(), near, *anchors_at(850_000)))[:2] == ("slow", "cdn")
    assert triple(evidence(far(), far(Role.ORIGIN, 100_000, 50_000), anchors_at(850_000)[0]))[:2] == (
        "slow",
        "cdn",
    )


# --- small replies ----------------------------------------------------------------------------------

WAITS = FailureType.HTTP_TIMED_OUT, Phase.HTTP


def little(role: Role, **changes: object) -> Observation:
    return seen(role, digest=None, ask="line.small", method="HEAD", **changes)


def test_small_replies_are_wanted_where_all_stalled_alike_and_nothing_tells_why() -> None:
    stalled = [broken(*WAITS), broken(*WAITS, address=EDGE_2), broken(*WAITS, Role.ORIGIN)]
    assert small_replies_untried([*stalled, SMALL])
    assert not small_replies_untried([*stalled, SMALL, little(Role.CHECK)]), "asked already"
    assert not small_replies_untried([broken(*STALLS), broken(*STALLS, Role.ORIGIN), SMALL]), (
        "handshakes tell it"
    )
    assert not small_replies_untried([broken(*WAITS), seen(Role.ORIGIN), SMALL]), "the origin is well"


def test_small_replies_of_edges_and_origin_that_pass_show_that_large_ones_are_lost() -> None:
    stalled = [broken(*WAITS), broken(*WAITS, Role.ORIGIN), SMALL]
    both = evidence(*stalled, little(Role.CHECK), little(Role.CONTROL, address=stalled[1].address))
    assert triple(both) == ("inconclusive", "vantage", "vantage.path_mtu")
    hangs = broken(*WAITS, Role.CONTROL, address=stalled[1].address, ask="line.small")
    assert triple(evidence(*stalled, little(Role.CHECK), hangs))[:2] == ("failed", "origin")
    assert triple(evidence(*stalled, broken(*WAITS, Role.CHECK, ask="line.small"), hangs))[:2] == (
        "failed",
        "origin",
    )


def test_without_an_origin_an_anchor_that_stalls_alike_tells() -> None:
    """Over plain HTTP: the edges' small replies passed, so did another anchor's, and this one waits for no origin."""
    large = broken(*WAITS, Role.ANCHOR, address=ANCHOR_2)
    alone = task(origin=None)
    stalled = broken(*WAITS), broken(*WAITS, address=EDGE_2)
    none = replace(reference(), versions=(), configured=False)
    found = evidence(*stalled, SMALL, large, little(Role.CHECK), reference=none)
    assert triple(found, alone) == ("inconclusive", "vantage", "vantage.path_mtu")
    hangs = broken(*WAITS, Role.CHECK, ask="line.small")
    assert triple(evidence(*stalled, SMALL, large, hangs, reference=none), alone)[:2] == FAILED_CDN
    assert triple(evidence(*stalled, SMALL, little(Role.CHECK), reference=none), alone)[:2] == FAILED_CDN


@pytest.mark.parametrize("small_passes", [True, False])
def test_an_origin_that_gives_small_replies_alone_from_the_first_row_on_is_no_firewalled_one(
    small_passes: bool,
) -> None:
    """Its standing says that it never answered: its large replies were lost like the edges'."""
    mute = OriginStanding(asks=(OriginAsk(at=AT, address=ORIGIN, answered=False, failure="http.timed_out"),))
    never = replace(reference(), versions=(), verified_at=None, standing=mute)
    stalled = broken(*WAITS), broken(*WAITS, Role.ORIGIN), SMALL
    hangs = broken(*WAITS, Role.CONTROL, address=ORIGIN, ask="line.small")
    control = little(Role.CONTROL, address=ORIGIN) if small_passes else hangs
    found = evidence(*stalled, little(Role.CHECK), control, reference=never)
    assert triple(found) == (
        ("inconclusive", "vantage", "vantage.path_mtu") if small_passes else (*FAILED_CDN, "http.timed_out")
    )


def test_an_anchor_that_stalls_as_the_edges_do_stands_for_an_origin() -> None:
    stalled = broken(*STALLS, Role.ANCHOR, address=ANCHOR_2)
    assert triple(evidence(broken(*STALLS), stalled, SMALL)) == (
        "inconclusive",
        "vantage",
        "vantage.path_mtu",
    )
    assert triple(evidence(broken(*STALLS), seen(address=EDGE_2), stalled, SMALL))[:2] == FAILED_CDN


def test_a_portal_has_a_certificate_for_edges_and_a_redirect_for_anchors() -> None:
    shown = Tls(chain_sha256=("f" * 64,), verify_error="unknown authority")
    edge = broken(FailureType.TLS_CERT_AUTHORITY_INVALID, Phase.TLS, tls=shown)
    led = [led_to("portal.example", Role.ANCHOR, address=one) for one in (ANCHOR, ANCHOR_2)]
    assert triple(evidence(edge, *led)) == PORTAL
    assert triple(evidence(edge, led[0]))[:2] == FAILED_CDN, "one anchor's redirect may be its own"
    assert triple(evidence(edge, led[0], anchor(ANCHOR_2)))[:2] == FAILED_CDN, "one is left alone"
    others = led_to("elsewhere.example", Role.ANCHOR, address=ANCHOR_2)
    assert triple(evidence(edge, led[0], others))[:2] == FAILED_CDN, "two are led to different places"
