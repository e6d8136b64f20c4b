"""The configuration that the lab writes is one that the agent reads, and it describes this lab."""

from __future__ import annotations

from pathlib import Path

from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.lab.lab import Lab
from probe.lab.servers.world import all_keys
from probe.settings.config_files import load_config


async def test_it_loads_and_plans_every_row(lab: Lab, tmp_path: Path) -> None:
    file = lab.write_config(tmp_path / "made", interval="2s", timeout="3s", results="../kept")
    config = load_config(file, CHECKS)
    tasks = make_plan(config).tasks
    assert {(t.domain, t.request.path, t.vantage_point.name) for t in tasks} == set(all_keys())
    assert {(t.period_us, t.deadlines.total_us) for t in tasks} == {(2_000_000, 3_000_000)}
    assert [customer.customer for customer in config.customers] == ["media", "shop"]
    assert Path(config.agent.results).resolve() == (tmp_path / "kept").resolve()
    assert (tmp_path / "made" / "lab-ca.pem").read_bytes() == lab.ca_pem


async def test_it_points_at_this_lab(lab: Lab, tmp_path: Path) -> None:
    tasks = make_plan(load_config(lab.write_config(tmp_path), CHECKS)).tasks
    for task in tasks:
        port = {"http": lab.http_port, "https": lab.https_port}[task.request.scheme]
        assert task.origin is not None
        assert (task.request.port, task.origin.request.port) == (port, port)
        assert task.origin.address == lab.origins[task.domain].server.address
        assert {spec.port for spec in task.vantage_point.resolvers} == {lab.dns_port}
        assert {spec.address for spec in task.vantage_point.resolvers} <= set(lab.resolvers)
        assert {spec.host for spec in task.vantage_point.anchors} == set(lab.anchors)
        assert {spec.kind for spec in task.checks} == {"availability", "response_time", "alias", "integrity"}


async def test_it_can_be_written_again(lab: Lab, tmp_path: Path) -> None:
    assert lab.write_config(tmp_path).read_text() == lab.write_config(tmp_path).read_text()
