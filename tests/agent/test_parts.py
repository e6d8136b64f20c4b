"""An agent is put together from its configuration, and nothing has begun by that."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import yaml

from probe.agent.agent import Agent
from probe.agent.parts import Parts, build
from probe.checks import CHECKS
from probe.core.config.load import Config
from probe.core.config.plan import make_plan
from probe.core.model.value import replace
from probe.core.records.surroundings import LineState
from probe.settings.config_files import load_config
from probe.store.store import Store
from tests.seal.made import SetClock

AGENT = {
    "agent": "bj-mon-01",
    "results": "results",
    "customers": "customers",
    "allow_addresses": ["127.0.0.0/8"],
    "vantage_points": [{"name": "bj-ct", "anchors": ["tcp://127.0.0.1:9"]}],
}
CUSTOMER = {
    "customer": "acme",
    "domains": [
        {"domain": "www.acme.example", "objects": [{"path": "/a.js"}], "origin": {"address": "127.0.0.1"}}
    ],
}


def config_of(directory: Path, **agent: object) -> Config:
    (directory / "customers").mkdir()
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(CUSTOMER))
    (directory / "agent.yaml").write_text(yaml.safe_dump({**AGENT, **agent}))
    return load_config(directory / "agent.yaml", CHECKS)


def descriptors() -> set[str]:
    return {os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.lexists(entry.path)}


def test_putting_together_opens_and_starts_nothing(tmp_path: Path) -> None:
    """No event loop runs here: what needs one to begin could not."""
    config = config_of(tmp_path)
    before = descriptors(), threading.enumerate()
    parts = build(config, CHECKS)
    assert (descriptors(), threading.enumerate()) == before
    assert not (tmp_path / "results").exists()
    assert parts.in_force.plan == make_plan(config)
    assert (parts.store, parts.rows, parts.pool, parts.in_force.scheduler) == (None, None, None, None)
    assert parts.jobs.states() == ()
    (task,) = parts.in_force.plan.tasks
    assert parts.watches.anchors.health(task.vantage_point, 4, 0) is None
    with pytest.raises(AssertionError, match="keeps its results"):
        Agent(parts)


async def with_store(config: Config, directory: Path) -> tuple[Parts, Store]:
    store = Store.open(directory / "results", "bj-mon-01", SetClock())
    return build(config, CHECKS, store=store, clock=SetClock()), store


async def test_with_a_store_its_parts_are_connected_and_none_runs(tmp_path: Path) -> None:
    config = config_of(tmp_path, limits={"workers": 2})
    parts, store = await with_store(config, tmp_path)
    try:
        assert parts.pool is not None
        assert [worker.pid for worker in parts.pool.states()] == [None, None]
        agent = Agent(parts, config_file=tmp_path / "agent.yaml")
        assert (agent.config, agent.plan) == (config, make_plan(config))
        assert not agent.begun.is_set()
        assert agent.parts.in_force.complete_up_to("acme") is None
        parts.watches._on_event("vantage.online", {"state": LineState.ONLINE}, ("acme",))
        await parts.events.drain()
        assert store.health.written == 1, (
            "what happens to a line is an event in the stream of whom it concerns"
        )
    finally:
        await store.close()


def test_the_parts_see_what_a_reload_exchanges(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    parts = build(config, CHECKS)
    (task,) = parts.in_force.plan.tasks
    assert (
        parts.pipeline.missed(task, "2026-11-22T10:00:00.000000Z", "agent.stopped").host.config_digest
        == config.digest
    )
    parts.in_force.config = replace(config, digest="ab" * 32)
    row = parts.pipeline.missed(task, "2026-11-22T10:00:00.000000Z", "agent.stopped")
    assert row.host.config_digest == "ab" * 32
