"""Three carriers, one host: each vantage point sees the CDN as its carrier's users do, and its faults stay its own.

Namespaces and lines by Debian's iproute2, answers by client subnet and by who asks from gdnsd, content from nginx;
what the servers logged is held against what the rows say.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probe.core.model.times import epoch_s
from probe.core.records.rows import SlotRecord
from tests.system.agent import json_lines
from tests.system.carriers import (
    ANCHORS,
    CANONICAL,
    CARRIERS,
    DOMAIN,
    NODE,
    RESOLVER,
    SOURCE,
    World,
    world,
)
from tests.system.carriers_agent import (
    DECLARED,
    INTERVAL_S,
    NAME,
    Daemon,
    cdn_probe,
    once,
    running,
    vantage_check,
    write_config,
)
from tests.system.carriers_logs import (
    EDGE_ROLES,
    accusers,
    answered,
    as_told,
    health,
    host,
    nobody_came_from_home,
    node_log,
    origin_log,
    questions_are_the_servers,
    told,
)
from tests.system.sites import until

pytestmark = [pytest.mark.system, pytest.mark.long]

AGENTS_PATH = "/app.js?agent"  # its own, so that its requests can be told from those of `once`
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
    questions_are_the_servers(made, rows, dns_before)
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
        assert row["reach"]["asked"] == row["reach"]["answered"] == 2
        assert row["reach"]["known"] in (2, 3, 4)  # as the other vantage points taught it
    assert node_log(made) - nodes_before == told(rows, *EDGE_ROLES)
    assert origin_log(made) - origin_before == told(rows, "origin")
    questions_are_the_servers(made, rows, dns_before)
    for carrier in CARRIERS:  # its anchors were asked on their own schedule, from its own line only
        own = {host(client) for client, address, _ in made.anchors.requests() if address in ANCHORS[carrier]}
        assert own == {SOURCE[carrier]}
    nobody_came_from_home(made)


# --- a line is cut ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "how", "reason"),
    [
        ("ct", "link_down", "vantage.network_down"),
        ("cu", "black_hole", "vantage.offline"),
        ("cm", "deleted", "vantage.source_unavailable"),
    ],
)
def test_a_cut_line_is_the_vantage_points_and_nobody_elses(
    made: World, agent: Daemon, carrier: str, how: str, reason: str
) -> None:
    before_s = agent.all_well()
    with made.cut(carrier, how):
        cut_s = time.time()
        rows = agent.each_measured(cut_s, 2)
        if how == "deleted":
            until(lambda: not made.has_line(carrier), "the agent keeps no namespace alive")
    agent.all_well()
    told_of = [("vantage.offline", NAME[carrier]), ("vantage.online", NAME[carrier])]
    until(lambda: agent.lines_told(before_s) == told_of, f"{told_of}: {agent.lines_told(before_s)}")
    mine = [row for row in rows if row.vantage_point == NAME[carrier]]
    assert {(row.outcome, row.fault, row.reason) for row in mine} == {("inconclusive", "vantage", reason)}, (
        agent.told()
    )
    missed = [r for r in agent.rows if r.state == "missed" and epoch_s(r.scheduled_at) >= cut_s]
    first_s = min(epoch_s(row.scheduled_at) for row in mine)
    assert missed or first_s - cut_s < INTERVAL_S + 0.1, "not within one interval"
    others = [row for row in rows if row.vantage_point != NAME[carrier]]
    assert {(row.outcome, row.fault) for row in others} == {("ok", None)}, agent.told()
    assert {health(row) for row in mine} == {("offline", True, 2, 0)}
    assert {health(row) for row in others} == {("online", False, 2, 2)}
    assert accusers(agent.measured(before_s)) == []  # nor the slots in the moments of cutting and mending
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


def test_a_dead_line_and_a_dead_node_do_not_hide_each_other(made: World, agent: Daemon) -> None:
    agent.all_well()
    with made.stopped("ct"), made.carrier_lost("cu"):
        rows = agent.each_measured(time.time())
    agent.all_well()
    for row in rows:
        if row.vantage_point == NAME["ct"]:
            node_fault(row, "ct", "tcp.refused")
        else:
            expected = ("inconclusive", "vantage") if row.vantage_point == NAME["cu"] else ("ok", None)
            assert (row.outcome, row.fault) == expected, agent.told()


def test_a_resolver_that_falls_silent_is_the_vantage_points(made: World, agent: Daemon) -> None:
    """The line works, as the anchors say; only this resolver does not answer, and the others do."""
    before_s = agent.all_well()
    with made.black_hole(f"ip daddr {RESOLVER['ct']}"):
        rows = agent.each_measured(time.time())
    agent.all_well()
    for row in rows:
        expected = ("inconclusive", "vantage") if row.vantage_point == NAME["ct"] else ("ok", None)
        assert (row.outcome, row.fault) == expected, agent.told()
    assert accusers(agent.measured(before_s)) == []


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
        assert "nodes.all_unanswered" in {f.reason for f in row.findings}
        assert row.summary is not None
        assert "all 4 known nodes gave no answer" in row.summary
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


def test_nodes_lists_who_was_given_which(made: World, agent: Daemon) -> None:
    """Of the agent that ran above: its inventory outlives it."""
    agent.stop()
    done = cdn_probe(made, "nodes", DOMAIN, "-c", str(agent.directory / "agent.yaml"), "--json")
    assert done.returncode == 0, done.stderr
    listed = {node["address"]: node for node in json_lines(done.stdout)}
    assert set(listed) == ALL_NODES
    for label, address in NODE.items():
        node = listed[address]
        seen_by = {given["vantage_point"] for given in node["vantage_points"]}
        assert seen_by == (set(NAME.values()) if label == "shared" else {NAME[label]})
        assert node["carrier"] == (None if label == "shared" else DECLARED[label]["carrier"])
        assert (node["swept"], node["on_trial"]) == (True, False)
    unknown = cdn_probe(made, "nodes", "www.other.example", "-c", str(agent.directory / "agent.yaml"))
    assert (unknown.returncode, unknown.stdout) == (1, "")


def test_vantage_check_names_the_line_that_is_cut(made: World, tmp_path: Path) -> None:
    config = write_config(made, tmp_path)
    code, looks = vantage_check(made, config)
    assert (code, {name: look["well"] for name, look in looks.items()}) == (
        0,
        dict.fromkeys(NAME.values(), True),
    )
    for carrier in CARRIERS:
        (line,) = looks[NAME[carrier]]["lines"]
        assert (line["local"], line["state"], line["reached"]) == (SOURCE[carrier], "online", 2)
    with made.link_down("cm"):
        code, looks = vantage_check(made, config)
        words = cdn_probe(made, "vantage", "check", "-c", str(config))
    assert (code, words.returncode) == (1, 1)
    assert {name for name, look in looks.items() if not look["well"]} == {NAME["cm"]}
    assert "it is down" in looks[NAME["cm"]]["line_problem"]
    assert NAME["cm"] in words.stdout
    assert "2 of 3 vantage points" in words.stdout
    nobody_came_from_home(made)
