"""nginx and varnish as real edges: staleness, propagation time, and an origin that goes away."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from probe.core.model.times import epoch_s
from probe.core.nodes.propagation import NodePropagation, propagation_report
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.rows import SlotRecord
from tests.support.agent_process import slots
from tests.system.caches import (
    CANONICAL,
    DOMAIN,
    LIFETIME_S,
    NGINX_EDGE,
    ORIGIN,
    VARNISH_EDGE,
    Sites,
    sites,
)
from tests.system.programs import nsd

pytestmark = pytest.mark.system

EDGES = {"nginx": NGINX_EDGE, "varnish": VARNISH_EDGE}
WITHIN_S = 60.0  # the machine may be loaded; conditions come true long before
# Clocks of one machine; what is uncertain is how long after serving nginx writes its log, to a millisecond.
LOG_S = 0.15


@dataclass(slots=True)
class Agent:
    """`cdn-probe run` beside the test."""

    directory: Path
    child: subprocess.Popen[bytes]

    def rows(self, path: str, since_s: float = 0.0) -> list[SlotRecord]:
        """Measured rows of an object whose slots began at or after a moment."""
        assert self.child.poll() is None, (self.directory / "run.log").read_text(errors="replace")[-3000:]
        return [
            row
            for row in slots(self.directory / "results")
            if row.path == path and row.started_at is not None and epoch_s(row.started_at) >= since_s
        ]

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for a condition of the rows."""
        until_s = time.monotonic() + WITHIN_S
        while not true():
            if time.monotonic() > until_s:
                told = [f"{row.path} {row.summary}" for row in slots(self.directory / "results")[-8:]]
                pytest.fail(f"never came true: {what}; {told}")
            time.sleep(0.2)


def edges_of(row: SlotRecord) -> dict[str, Observation]:
    """What each edge answered first."""
    return {o.address: o for o in row.observations if o.role is Role.EDGE}


def relations(row: SlotRecord) -> dict[str, Relation | None]:
    """Relation of each edge's content to the origin's."""
    return {a: None if o.comparison is None else o.comparison.relation for a, o in edges_of(row).items()}


def reasons(row: SlotRecord) -> set[str]:
    """What was found, notes too."""
    return {finding.reason for finding in row.findings}


def _write(directory: Path, made: Sites, dns_port: int, paths: list[str]) -> Path:
    agent = {
        "agent": "caches",
        "results": "results",
        "customers": "customers/",
        "vantage_points": [{"name": "here", "resolvers": [f"udp://127.0.0.1:{dns_port}"]}],
        "allow_addresses": ["127.0.0.0/8"],
    }
    domain = {
        "domain": DOMAIN,
        "scheme": "http",
        "port": made.edge_port,
        "cdn": {"suffixes": ["cdn.test"]},
        "origin": {
            "address": ORIGIN,
            "scheme": "http",
            "port": made.origin_port,
            "interval": "200ms",
            "requests_per_minute": 100_000,
        },
        "objects": [{"path": path} for path in paths],
    }
    customer = {"customer": "acme", "defaults": {"interval": "500ms", "timeout": "5s"}, "domains": [domain]}
    (directory / "customers").mkdir()
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    return directory / "agent.yaml"


@contextmanager
def running(directory: Path, made: Sites, dns_port: int, paths: list[str]) -> Iterator[Agent]:
    """The agent until the end of the block, once each object was seen to be the origin's on both edges."""
    directory.mkdir()
    config = _write(directory, made, dns_port, paths)
    with (directory / "run.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "probe", "run", "-c", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    agent = Agent(directory, child)
    both_equal = dict.fromkeys(EDGES.values(), Relation.EQUAL)
    try:
        for path in paths:
            agent.until(
                lambda path=path: any(relations(row) == both_equal for row in agent.rows(path)),  # type: ignore[misc]
                f"both edges have {path}",
            )
        yield agent
    finally:
        child.terminate()
        try:
            child.wait(30)
        finally:
            child.kill()
            child.wait()


@pytest.fixture(scope="module")
def dns_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    zones = {
        "acme.example": f"www 120 CNAME {CANONICAL}.\n",
        "cdn.test": "".join(f"{CANONICAL}. 30 A {address}\n" for address in EDGES.values()),
    }
    with nsd(tmp_path_factory.mktemp("nsd"), zones) as port:
        yield port


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Sites]:
    with sites(tmp_path / "sites") as found:
        yield found


def test_an_object_changes_at_the_origin(made: Sites, dns_port: int, tmp_path: Path) -> None:
    """Within its lifetime the old version is ok; past it, stale and the CDN's; the time it took is measured."""
    with running(tmp_path / "agent", made, dns_port, ["/fast.txt", "/kept.txt"]) as agent:
        before_s = time.time()
        made.publish("fast.txt", "fast.txt second, and longer\n")
        made.publish("kept.txt", "kept.txt second, and longer\n")
        after_s = time.time()
        agent.until(lambda: _new_on_both(agent.rows("/fast.txt", after_s)), "both edges have the new version")
        agent.until(
            lambda: _stale_on_both(agent.rows("/kept.txt", after_s)),
            "the edges that ignore the lifetime are stale",
        )
        fast, kept = agent.rows("/fast.txt"), agent.rows("/kept.txt")
    _fresh_all_the_time(fast, after_s)
    _stale_once_it_is_over(kept, after_s)
    _propagation_is_right(made, fast, before_s, after_s)
    for node in propagation_report(kept):
        assert (node.at_most_s, node.over_lifetime, node.allowed_s) == (None, True, LIFETIME_S)


def _new_on_both(rows: list[SlotRecord]) -> bool:
    """Each edge was seen with the old version, and both have the new one."""
    both_equal = dict.fromkeys(EDGES.values(), Relation.EQUAL)
    return (
        any(Relation.OLDER in relations(row).values() for row in rows) and relations(rows[-1]) == both_equal
    )


def _stale_on_both(rows: list[SlotRecord]) -> bool:
    return bool(rows) and _late(rows[-1]) == set(EDGES.values())


def _late(row: SlotRecord) -> set[str | None]:
    return {finding.address for finding in row.findings if finding.reason == "content.overlong_cache"}


def _fresh_all_the_time(rows: list[SlotRecord], after_s: float) -> None:
    """Whatever moment a slot fell into, nobody was accused, and the old version within its lifetime was noted."""
    assert {(row.outcome, row.fault) for row in rows} == {("ok", None)}
    older = [row for row in rows if Relation.OLDER in relations(row).values()]
    assert {
        addr for row in older for addr, found in relations(row).items() if found is Relation.OLDER
    } == set(EDGES.values())
    for row in older:
        assert "stale_fresh" in reasons(row)
        for observation in edges_of(row).values():
            found = observation.comparison
            if found is not None and found.relation is Relation.OLDER:
                told = found.within_lifetime, found.freshness_lifetime_s, found.freshness_source
                assert told == (True, LIFETIME_S, "max-age")


def _stale_once_it_is_over(rows: list[SlotRecord], after_s: float) -> None:
    late = [row for row in rows if _late(row)]
    assert {(row.outcome, row.fault, row.reason) for row in late} == {
        ("stale", "cdn", "content.overlong_cache")
    }
    assert all(epoch_s(row.started_at or "") >= after_s + LIFETIME_S for row in late)
    assert {row.outcome for row in rows if row not in late} == {"ok"}


def _propagation_is_right(made: Sites, rows: list[SlotRecord], before_s: float, after_s: float) -> None:
    """The interval holds the time that the origin's own log shows, and the live word is the report's."""
    report = {node.address: node for node in propagation_report(rows)}
    assert set(report) == set(EDGES.values())
    for name, address in EDGES.items():
        node, fetched_s = report[address], made.fetched(name, "/fast.txt", before_s)
        assert fetched_s is not None
        assert node.at_most_s is not None
        assert node.at_least_s - LOG_S <= fetched_s - after_s
        assert fetched_s - before_s <= node.at_most_s + LOG_S
        assert node.over_lifetime is not True
        assert epoch_s(node.changed_after) <= after_s
        assert before_s <= epoch_s(node.changed_before)
        assert _live(rows, address) == [(node.at_least_s, node.at_most_s)]
        _narrow(node)


def _live(rows: list[SlotRecord], address: str) -> list[tuple[float | None, float | None]]:
    told = [
        (o.comparison.propagated_after_s_at_least, o.comparison.propagated_after_s_at_most)
        for row in rows
        for o in row.observations
        if o.address == address and o.comparison is not None
    ]
    return [(least, most) for least, most in told if most is not None]


def _narrow(node: NodePropagation) -> None:
    """An interval, not a guess: no wider than some slots."""
    assert node.at_most_s is not None
    assert 0 <= node.at_least_s <= node.at_most_s <= node.at_least_s + 10


def test_the_origin_goes_away(made: Sites, dns_port: int, tmp_path: Path) -> None:
    """Fresh hits stay ok, unverified; what the edges must ask for fails, and that is the origin's."""
    with running(tmp_path / "agent", made, dns_port, ["/hour.txt", "/none.txt"]) as agent:
        made.stop_origin()
        stopped_s = time.time()
        agent.until(lambda: len(agent.rows("/hour.txt", stopped_s)) >= 3, "hits without an origin")
        agent.until(lambda: len(agent.rows("/none.txt", stopped_s)) >= 3, "misses without an origin")
        everything = agent.rows("/hour.txt") + agent.rows("/none.txt")
        hits, misses = agent.rows("/hour.txt", stopped_s), agent.rows("/none.txt", stopped_s)
    assert {(row.outcome, row.fault) for row in hits} == {("ok", None)}
    both_equal = dict.fromkeys(EDGES.values(), Relation.EQUAL)
    for row in hits:
        assert relations(row) == both_equal
        unverified = {f.address for f in row.findings if f.reason == "integrity.unverified"}
        assert unverified == set(EDGES.values())
    assert {(row.outcome, row.fault, row.reason) for row in misses} == {
        ("failed", "origin", "origin.tcp.refused")
    }
    for row in misses:
        found = {address: o.response.status_code for address, o in edges_of(row).items() if o.response}
        assert found == {NGINX_EDGE: 502, VARNISH_EDGE: 503}
    assert {row.fault for row in everything} <= {None, "origin"}
