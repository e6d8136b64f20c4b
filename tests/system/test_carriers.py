"""Three carriers, one host: each vantage point sees the CDN as its carrier's users do, and its faults stay its own.

Namespaces and lines by Debian's iproute2, answers by client subnet and by who asks from gdnsd, content from nginx;
what the servers logged is held against what the rows say.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from probe.core.codec import encode
from probe.core.records import SlotRecord
from tests.system.carriers import (
    ANCHORS,
    CANONICAL,
    CARRIERS,
    HOME,
    NODE,
    RESOLVER,
    SOURCE,
    World,
    until,
    world,
)
from tests.system.carriers_agent import (
    DECLARED,
    NAME,
    Daemon,
    once,
    running,
    write_config,
)

pytestmark = [pytest.mark.system, pytest.mark.slow]

Seen = Counter[tuple[str, str]]
AGENTS_PATH = "/app.js?agent"  # its own, so that its requests can be told from those of `once`
EDGE_ROLES = ("edge", "confirm", "sweep")
ALL_NODES = set(NODE.values())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("carriers")) as it:
        yield it


@pytest.fixture(scope="module")
def agent(made: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One agent for all tests that cut and stop things while it runs; each begins when all is well."""
    with running(made, tmp_path_factory.mktemp("agent"), AGENTS_PATH) as daemon:
        yield daemon


def node_log(made: World) -> Seen:
    """(client:port, node) of every request that a node answered: each connection by itself."""
    return Counter((client, own) for site in made.nodes.values() for client, own, _ in site.requests())


def origin_log(made: World) -> Seen:
    return Counter((client, own) for client, own, _ in made.origin.requests())


def told(rows: list[dict[str, Any]], *roles: str) -> Seen:
    """(source:port, address) of the rows' answered observations in these roles."""
    return Counter(
        (o["source"], o["address"])
        for row in rows
        for o in row["observations"]
        if o["role"] in roles and o["response"] is not None
    )


def asked(rows: list[dict[str, Any]], carrier: str) -> Counter[tuple[str, str, str | None, int | None]]:
    """(name, type, subnet, scope) of every question that this vantage point's rows tell."""
    return Counter(
        (q["qname"], q["qtype"], q["ecs_source"], q["ecs_scope"])
        for row in rows
        if row["vantage_point"] == NAME[carrier]
        for q in row["resolution"]["queries"]
    )


def answered(made: World, carrier: str) -> Counter[tuple[str, str, str | None, int | None]]:
    """The same as gdnsd's wire tells it: its answers to this source at the address that is this carrier's."""
    return Counter(
        (p.qname, p.qtype, p.subnet, p.scope)
        for p in made.dns()
        if p.response and p.source == SOURCE[carrier] and p.server == RESOLVER[carrier]
    )


def host(client: str) -> str:
    return client.rpartition(":")[0]


def as_told(rows: list[SlotRecord]) -> list[dict[str, Any]]:
    """Rows as everybody else gets them."""
    return [json.loads(encode(row)) for row in rows]


def nobody_came_from_home(made: World) -> None:
    """No packet of a vantage point left by the host's own line."""
    sites = (*made.nodes.values(), made.origin, made.anchors)
    clients = {host(client) for site in sites for client, _, _ in site.requests()}
    clients |= {p.source for p in made.dns()}
    assert HOME not in clients
    assert clients <= {*SOURCE.values(), RESOLVER["cu"]}


def declared_right(row: dict[str, Any], carrier: str) -> None:
    expected = DECLARED[carrier]
    assert (row["region"], row["carrier"], row["asn"]) == tuple(
        expected[k] for k in ("region", "carrier", "asn")
    )


def its_own_node(row: dict[str, Any], carrier: str) -> None:
    """The answer is that of this carrier's users; both addresses were asked from this carrier's address."""
    resolution = row["resolution"]
    assert {a["address"] for a in resolution["addresses"]} == {NODE[carrier], NODE["shared"]}
    assert resolution["canonical_name"] == CANONICAL
    subnet, scope = ("10.91.1.0/24", 24) if carrier == "ct" else (None, None)
    assert (resolution["ecs_source"], resolution["ecs_scope"]) == (subnet, scope)
    assert resolution["resolver"] == f"udp://{RESOLVER[carrier]}:53"
    edges = {(host(o["source"]), o["address"]) for o in row["observations"] if o["role"] == "edge"}
    assert edges == {(SOURCE[carrier], NODE[carrier]), (SOURCE[carrier], NODE["shared"])}


# --- all is well ------------------------------------------------------------------------------------


def test_each_vantage_point_gets_its_carriers_node_from_its_own_address(made: World, tmp_path: Path) -> None:
    nodes_before, origin_before = node_log(made), origin_log(made)
    dns_before = {carrier: answered(made, carrier) for carrier in CARRIERS}
    code, found = once(made, write_config(made, tmp_path))
    rows = list(found.values())
    assert [(row["outcome"], row["fault"]) for row in rows] == [("ok", None)] * 3, rows
    assert code == 0
    for carrier in CARRIERS:
        declared_right(found[NAME[carrier]], carrier)
        its_own_node(found[NAME[carrier]], carrier)
        assert [f["reason"] for f in found[NAME[carrier]]["findings"]] == []
    assert node_log(made) - nodes_before == told(rows, *EDGE_ROLES)
    assert sum(told(rows, *EDGE_ROLES).values()) == 6
    assert origin_log(made) - origin_before == told(rows, "origin")
    for carrier in ("ct", "cm"):  # these ask gdnsd itself
        ours = asked(rows, carrier)
        until(lambda c=carrier, o=ours: answered(made, c) - dns_before[c] == o, f"{carrier}: {ours}", 5)
        assert ours
    nobody_came_from_home(made)


def test_a_vantage_point_without_subnet_is_answered_for_its_resolver(made: World, tmp_path: Path) -> None:
    """gdnsd never hears of this vantage point itself: only its carrier's recursive resolver asks."""
    before = len(made.dns())
    code, found = once(made, write_config(made, tmp_path), "--vantage", NAME["cu"])
    assert (code, list(found)) == (0, [NAME["cu"]])
    its_own_node(found[NAME["cu"]], "cu")
    seen = made.dns()[before:]
    assert all((p.source, p.subnet) == (RESOLVER["cu"], None) for p in seen), seen
    nobody_came_from_home(made)


def test_a_user_sent_to_another_carriers_node_is_a_finding(made: World, tmp_path: Path) -> None:
    """Asked for another carrier's subnet, gdnsd gives that carrier's node; the shared one has no label."""
    config = write_config(made, tmp_path, ct={"client_subnet": f"{SOURCE['cm']}/32"})
    code, found = once(made, config)
    row = found[NAME["ct"]]
    assert {a["address"] for a in row["resolution"]["addresses"]} == {NODE["cm"], NODE["shared"]}
    assert (row["resolution"]["ecs_source"], row["resolution"]["ecs_scope"]) == (f"{SOURCE['cm']}/32", 32)
    others = [(f["reason"], f["address"]) for f in row["findings"]]
    assert others == [("node.other_carrier", NODE["cm"])]
    assert (row["outcome"], code) == ("ok", 0)
    for carrier in ("cu", "cm"):
        assert found[NAME[carrier]]["findings"] == []
    assert SOURCE["ct"] in {host(client) for client, _, _ in made.nodes["cm"].requests()}


def test_the_daemon_measures_the_same_and_its_rows_are_the_servers_logs(made: World, tmp_path: Path) -> None:
    nodes_before, origin_before = node_log(made), origin_log(made)
    dns_before = {carrier: answered(made, carrier) for carrier in CARRIERS}
    with running(made, tmp_path) as daemon:
        daemon.each_measured(0, 2)
        assert daemon.stop() == 0, daemon.log.read_text()
    rows = as_told([row for row in daemon.rows if row.state == "measured"])
    assert {(row["outcome"], row["fault"]) for row in rows} == {("ok", None)}, daemon.told()
    for row in rows:
        (carrier,) = [c for c in CARRIERS if NAME[c] == row["vantage_point"]]
        declared_right(row, carrier)
        its_own_node(row, carrier)
        assert row["reach"] in (None, {**row["reach"], "answered": row["reach"]["asked"], "unanswered": []})
    assert node_log(made) - nodes_before == told(rows, *EDGE_ROLES)
    assert origin_log(made) - origin_before == told(rows, "origin")
    for carrier in ("ct", "cm"):
        ours = asked(rows, carrier)
        until(lambda c=carrier, o=ours: answered(made, c) - dns_before[c] == o, f"{carrier}: {ours}", 5)
    for carrier in CARRIERS:  # its anchors were asked on their own schedule, from its own line only
        own = {host(client) for client, address, _ in made.anchors.requests() if address in ANCHORS[carrier]}
        assert own == {SOURCE[carrier]}
    nobody_came_from_home(made)


# --- a line is cut ----------------------------------------------------------------------------------


def cut(made: World, carrier: str, how: str) -> AbstractContextManager[None]:
    return {
        "link_down": lambda: made.link_down(carrier),
        "black_hole": lambda: made.black_hole(f'iifname "{carrier}"', f'oifname "{carrier}"'),
        "deleted": lambda: made.deleted(carrier),
    }[how]()


def accusers(rows: list[SlotRecord]) -> list[str | None]:
    """Rows that put anything on the CDN, be it in one finding."""
    return [r.summary for r in rows if r.fault == "cdn" or any(f.fault == "cdn" for f in r.findings)]


@pytest.mark.parametrize(("carrier", "how"), [("ct", "link_down"), ("cu", "black_hole"), ("cm", "deleted")])
def test_a_cut_line_is_the_vantage_points_and_nobody_elses(
    made: World, agent: Daemon, carrier: str, how: str
) -> None:
    before_s = agent.all_well()
    with cut(made, carrier, how):
        cut_s = time.time()
        rows = agent.each_measured(cut_s, 2)
        mended_s = time.time()
    well_s = agent.all_well()
    mine = [row for row in rows if row.vantage_point == NAME[carrier]]
    assert {(row.outcome, row.fault) for row in mine} == {("inconclusive", "vantage")}, agent.told()
    others = [row for row in rows if row.vantage_point != NAME[carrier]]
    assert {(row.outcome, row.fault) for row in others} == {("ok", None)}, agent.told()
    assert accusers(agent.measured(before_s)) == []  # nor the slots in the moments of cutting and mending
    assert mended_s < well_s
    nobody_came_from_home(made)


# --- a node is down ---------------------------------------------------------------------------------


def node_fault(row: SlotRecord, node: str, reason: str) -> None:
    """This node alone is accused, twice seen; the sweep found all the others well."""
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", reason, True), row.summary
    assert {f.address for f in row.findings if f.severity == "error"} == {NODE[node]}
    edges = {o.address: o.failure is None for o in row.observations if o.role == "edge"}
    assert edges == {NODE[node]: False, NODE["shared"]: True}
    swept = {
        o.address: o.response is not None and o.response.status_code
        for o in row.observations
        if o.role == "sweep"
    }
    assert swept == dict.fromkeys(ALL_NODES - set(edges), 200)
    assert row.reach is not None
    assert (row.reach.known, row.reach.asked, row.reach.answered) == (4, 4, 3)
    assert row.reach.unanswered == (NODE[node],)
    assert "nodes.all_unanswered" not in {f.reason for f in row.findings}


def only_it_failed(agent: Daemon, rows: list[SlotRecord], carrier: str, reason: str) -> None:
    for row in rows:
        if row.vantage_point == NAME[carrier]:
            node_fault(row, carrier, reason)
        else:
            assert (row.outcome, row.fault) == ("ok", None), agent.told()


def test_with_one_node_stopped_only_it_fails(made: World, agent: Daemon) -> None:
    agent.all_well()
    with made.stopped("ct"):
        rows = agent.each_measured(time.time())
    only_it_failed(agent, rows, "ct", "tcp.refused")


def test_with_one_node_behind_a_black_hole_only_it_fails(made: World, agent: Daemon) -> None:
    agent.all_well()
    with made.black_hole(f"ip daddr {NODE['cm']}"):
        rows = agent.each_measured(time.time())
    only_it_failed(agent, rows, "cm", "tcp.timed_out")


def test_with_all_nodes_down_the_sweep_and_the_verdict_say_so(made: World, agent: Daemon) -> None:
    """Two are stopped, two are silent: each vantage point alone knows that no known node answered."""
    agent.all_well()
    with made.stopped("ct", "cm"), made.black_hole(*(f"ip daddr {NODE[one]}" for one in ("cu", "shared"))):
        rows = agent.each_measured(time.time())
    for row in rows:
        assert (row.outcome, row.fault, row.confirmed) == ("failed", "cdn", True), agent.told()
        assert row.reach is not None
        assert (row.reach.known, row.reach.asked, row.reach.answered) == (4, 4, 0)
        assert set(row.reach.unanswered) == ALL_NODES
        swept = [o for o in row.observations if o.role == "sweep"]
        assert {o.address for o in swept} == ALL_NODES - {
            o.address for o in row.observations if o.role == "edge"
        }
        assert all(o.failure is not None for o in swept)
        (finding,) = [f for f in row.findings if f.reason == "nodes.all_unanswered"]
        assert finding.fault == "cdn"
    agent.all_well()


# --- what is known afterwards -----------------------------------------------------------------------


def test_the_whole_run_is_in_the_servers_logs(made: World, agent: Daemon) -> None:
    """Every answered observation is a request that a server logged, and nothing was asked beside."""
    agent.all_well()
    assert agent.stop() == 0, agent.log.read_text(errors="replace")
    rows = as_told(agent.rows)
    attempts = Counter(o["address"] for row in rows for o in row["observations"] if o["role"] in EDGE_ROLES)
    logged = Counter(
        (client, own)
        for site in made.nodes.values()
        for client, own, path in site.requests()
        if path == AGENTS_PATH
    )
    assert told(rows, *EDGE_ROLES) <= logged
    by_node = Counter(address for _, address in logged.elements())
    assert by_node <= attempts
    nobody_came_from_home(made)
