"""Through a proxy: what it says of a target is its report alone until somebody really answered through it."""

from __future__ import annotations

from typing import Any

import pytest

from probe.core.model.task import ProxySpec, Task, VantagePoint
from probe.core.model.value import replace
from probe.core.nodes.eligibility import BY_PROXY
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import NodeFacts
from probe.core.records.transport import Tls
from probe.core.records.verdict import Evidence
from probe.core.verdict.node_symptoms import trusted_reach
from tests.support.build import (
    EDGE,
    ORIGIN,
    broken,
    evidence,
    refused,
    resolution,
    seen,
    silent,
    task,
    triple,
)

PROXY = ProxySpec(scheme="socks5", host="192.0.2.80", port=1080)
NO_WITNESS = "inconclusive", "unknown", "vantage.no_witness"
LOST = "inconclusive", "vantage", "vantage.proxy_unreachable"
PROXY_REPORTS = [
    (FailureType.TCP_REFUSED, Phase.TCP),
    (FailureType.TCP_FAILED, Phase.TCP),
    (FailureType.TCP_TIMED_OUT, Phase.TCP),
    (FailureType.TCP_ADDRESS_UNREACHABLE, Phase.TCP),
    (FailureType.TCP_RESET, Phase.HTTP),
    (FailureType.TCP_CLOSED, Phase.HTTP),
    (FailureType.TLS_CLOSED, Phase.TLS),
    (FailureType.TLS_TIMED_OUT, Phase.TLS),
    (FailureType.HTTP_TIMED_OUT, Phase.HTTP),
]


def proxied(resolve: str = "here", **changes: Any) -> Task:
    spec = replace(PROXY, resolve=resolve)
    return task(vantage_point=VantagePoint(name="bj-ct", proxy=spec), **changes)


def through(*observations: Observation, **changes: Any) -> Evidence:
    return evidence(*(replace(o, proxy=str(PROXY)) for o in observations), **changes)


def lost(role: Role) -> Observation:
    return broken(FailureType.VANTAGE_PROXY_UNREACHABLE, Phase.HOST, role)


@pytest.mark.parametrize(("kind", "phase"), PROXY_REPORTS)
def test_nobody_answered_through_the_proxy_and_nobody_is_accused(kind: FailureType, phase: Phase) -> None:
    assert triple(through(broken(kind, phase)), proxied()) == NO_WITNESS
    both = through(broken(kind, phase), broken(kind, phase, Role.ORIGIN))
    assert triple(both, proxied()) == NO_WITNESS


@pytest.mark.parametrize(("kind", "phase"), PROXY_REPORTS)
def test_with_a_real_reply_through_the_same_proxy_it_is_the_cdns(kind: FailureType, phase: Phase) -> None:
    for witness in (seen(Role.ORIGIN), seen(Role.ANCHOR), seen(Role.SWEEP, address="192.0.2.9")):
        assert triple(through(broken(kind, phase), witness), proxied()) == ("failed", "cdn", kind.value)


def test_a_connection_that_an_anchor_accepted_is_a_reply() -> None:
    anchor = replace(seen(Role.ANCHOR), response=None)
    assert triple(through(refused(), anchor), proxied()) == ("failed", "cdn", "tcp.refused")


def test_a_certificate_is_proof_whatever_is_wrong_with_it() -> None:
    shown = broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS, tls=Tls(chain_sha256=("a" * 64,)))
    assert triple(through(shown), proxied()) == ("failed", "cdn", "tls.cert.date_invalid")
    assert triple(through(refused(), replace(shown, role=Role.ORIGIN)), proxied())[1] == "cdn"
    nothing_shown = replace(shown, role=Role.SWEEP, tls=Tls())
    assert triple(through(refused(), nothing_shown), proxied()) == NO_WITNESS


def test_a_reply_by_another_way_proves_nothing_of_this_proxy() -> None:
    direct = seen(Role.ORIGIN)
    assert triple(evidence(replace(refused(), proxy=str(PROXY)), direct), proxied()) == NO_WITNESS
    elsewhere = seen(Role.ELSEWHERE, vantage_point="bj-cu", of=0)
    assert triple(through(refused(), elsewhere), proxied()) == NO_WITNESS


def test_the_same_without_a_proxy_needs_no_proof() -> None:
    assert triple(evidence(refused())) == ("failed", "cdn", "tcp.refused")
    assert triple(evidence(broken(FailureType.TLS_CLOSED, Phase.TLS))) == ("failed", "cdn", "tls.closed")


def test_an_edge_that_answered_wrongly_is_judged_as_ever() -> None:
    assert triple(through(seen(status=503), seen(Role.ORIGIN)), proxied()) == ("failed", "cdn", "http.error")
    assert triple(through(seen(), seen(Role.ORIGIN)), proxied()) == ("ok", None, None)


@pytest.mark.parametrize(
    "kind", [FailureType.VANTAGE_PROXY_UNREACHABLE, FailureType.VANTAGE_PROXY_REFUSED], ids=str
)
def test_the_proxys_own_failures_are_the_vantage_points(kind: FailureType) -> None:
    found = through(broken(kind, Phase.HOST), seen(Role.ORIGIN))
    assert triple(found, proxied()) == ("inconclusive", "vantage", kind.value)


@pytest.mark.parametrize(
    ("kind", "phase"),
    [*PROXY_REPORTS, (FailureType.BODY_TRUNCATED, Phase.BODY), (FailureType.TCP_RESET, Phase.BODY)],
)
def test_a_proxy_that_went_away_meanwhile_explains_what_it_cut(kind: FailureType, phase: Phase) -> None:
    cut = broken(kind, phase, response=seen().response if phase is Phase.BODY else None)
    for witness in (seen(Role.ORIGIN), seen(Role.ANCHOR)):
        found = through(cut, witness, lost(Role.CONFIRM))
        assert triple(found, proxied()) == LOST


def test_a_proxy_that_went_away_does_not_explain_a_reply() -> None:
    found = through(seen(status=503), seen(Role.ORIGIN), lost(Role.CONFIRM))
    assert triple(found, proxied()) == ("failed", "cdn", "http.error")


def test_a_proxy_that_will_not_connect_to_one_target_is_not_lost() -> None:
    forbidden = broken(FailureType.VANTAGE_PROXY_REFUSED, Phase.HOST, Role.ORIGIN)
    found = through(refused(), forbidden, seen(Role.ANCHOR))
    assert triple(found, proxied()) == ("failed", "cdn", "tcp.refused")


def test_an_origin_that_fails_likewise_does_not_excuse_the_edges_port() -> None:
    found = through(refused(), refused(Role.ORIGIN), seen(Role.ANCHOR))
    assert triple(found, proxied()) == ("failed", "cdn", "tcp.refused")


def test_nodes_are_not_counted_as_down_on_a_proxys_report() -> None:
    facts = NodeFacts(known=2, settled=True)
    reported = through(refused(), refused(Role.SWEEP, address="192.0.2.9"), nodes=facts)
    assert trusted_reach(proxied(), reported) is None
    proven = through(refused(), refused(Role.SWEEP, address="192.0.2.9"), seen(Role.ORIGIN), nodes=facts)
    reach = trusted_reach(proxied(), proven)
    assert reach is not None
    assert (reach.asked, reach.answered) == (2, 0)


# --- names that the proxy looks up ----------------------------------------------------------------


def named(*observations: Observation) -> Evidence:
    looked_up = resolution(
        addresses=(),
        cname_chain=(),
        canonical_name="www.acme.example",
        flags=(BY_PROXY,),
        resolver=str(PROXY),
    )
    edges = (replace(o, address="www.acme.example") if o.role is Role.EDGE else o for o in observations)
    return through(*edges, resolution=looked_up)


BY_NAME = {"address": "origin.acme.example"}


def test_a_well_served_name_is_ok_and_its_alias_unverified() -> None:
    found = named(seen(), seen(Role.ORIGIN))
    assert triple(found, proxied("proxy")) == ("ok", None, None)


@pytest.mark.parametrize(
    "kind", [FailureType.TCP_FAILED, FailureType.TCP_ADDRESS_UNREACHABLE, FailureType.TCP_TIMED_OUT], ids=str
)
def test_what_may_be_the_names_fault_accuses_nobody_by_name(kind: FailureType) -> None:
    edge = broken(kind, Phase.TCP)
    assert triple(named(edge), proxied("proxy")) == NO_WITNESS
    by_address = seen(Role.ORIGIN, address=ORIGIN)
    assert triple(named(edge, by_address), proxied("proxy")) == NO_WITNESS, "its look-up is unproven"
    found = named(edge, seen(Role.ORIGIN, **BY_NAME))
    assert triple(found, proxied("proxy")) == ("failed", "unknown", kind.value)


def test_a_refusal_shows_that_the_name_was_found() -> None:
    found = named(refused(), seen(Role.ANCHOR, **BY_NAME))
    assert triple(found, proxied("proxy")) == ("failed", "cdn", "tcp.refused")


def test_with_the_look_up_here_it_is_never_the_name() -> None:
    assert triple(through(silent(address=EDGE), seen(Role.ORIGIN)), proxied()) == (
        "failed", "cdn", "tcp.timed_out",
    )  # fmt: skip
