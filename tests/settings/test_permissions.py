"""Files and directories that others on this host could read or replace: refused, with what to do."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.syntax.problem import ConfigError
from probe.settings.config_files import load_config, reload_config
from probe.settings.permissions import exposed_key, not_our_own, open_to_additions, replaceable
from probe.store.store import StoreError
from tests.settings.test_config_files import AGENT, customer

NOBODY = 65534


@pytest.fixture
def agent_file(tmp_path: Path) -> Path:
    """A configuration that can be loaded."""
    (tmp_path / "customers").mkdir()
    (tmp_path / "customers" / "acme.yaml").write_text(customer("acme"))
    file = tmp_path / "agent.yaml"
    file.write_text(AGENT)
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(file, CHECKS)
    return [str(problem) for problem in caught.value.problems]


def test_a_directory_where_anybody_may_replace_files(tmp_path: Path) -> None:
    assert replaceable(tmp_path) is None
    tmp_path.chmod(0o777)
    assert replaceable(tmp_path) == (
        f"everybody on this host may replace what lies in {tmp_path}: chmod o-w {tmp_path}"
    )
    tmp_path.chmod(0o1777)
    assert replaceable(tmp_path) is None, "as /tmp"
    assert open_to_additions(tmp_path) is not None
    tmp_path.chmod(0o700)
    assert replaceable(tmp_path / "nowhere") is None


def test_nothing_can_be_replaced_on_a_read_only_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ConfigMap of Kubernetes is one, of mode 0777."""
    tmp_path.chmod(0o777)
    assert open_to_additions(tmp_path) is not None
    mounted = os.statvfs(tmp_path)
    read_only = os.statvfs_result((*mounted[:8], mounted.f_flag | os.ST_RDONLY, mounted.f_namemax))
    monkeypatch.setattr(os, "statvfs", lambda path: read_only)
    assert replaceable(tmp_path) is None
    assert open_to_additions(tmp_path) is None


def test_a_customers_directory_that_anybody_may_add_to_is_refused(agent_file: Path) -> None:
    """Whoever adds a customer has the agent send its secrets to a server of theirs."""
    before = load_config(agent_file, CHECKS)
    customers = agent_file.parent / "customers"
    customers.chmod(0o1777)
    (problem,) = problems(agent_file)
    assert f"customers: everybody on this host may put files into {customers}: chmod o-w" in problem
    (customers / "evil.yaml").write_text(customer("evil"))
    config, told = reload_config(before, agent_file, CHECKS)
    assert [c.customer for c in config.customers] == ["acme"], (
        "what was in force stays so, and nothing comes to it"
    )
    assert len(told) == 1
    customers.chmod(0o770)
    assert [c.customer for c in load_config(agent_file, CHECKS).customers] == ["acme", "evil"]


def test_an_agent_file_that_anybody_may_replace_is_refused(agent_file: Path) -> None:
    agent_file.parent.chmod(0o777)
    assert any(
        "everybody on this host may replace what lies in" in problem for problem in problems(agent_file)
    )
    agent_file.parent.chmod(0o700)
    agent_file.chmod(0o646)
    assert any("everybody on this host may change it" in problem for problem in problems(agent_file))


def test_a_file_with_a_secret_in_a_url_is_for_its_readers_alone(agent_file: Path) -> None:
    file = agent_file.parent / "customers" / "acme.yaml"
    file.write_text(customer("acme", path='"/?token=s3cr3t"'))
    file.chmod(0o644)
    (problem,) = problems(agent_file)
    assert "a URL in it holds a secret, and everybody on this host may read it: chmod o-r" in problem
    assert "s3cr3t" not in problem
    file.chmod(0o640)
    load_config(agent_file, CHECKS)


def test_a_private_key(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    assert exposed_key(key) is None, "whoever opens it says that it is not there"
    key.touch()
    for mode, is_exposed in ((0o600, False), (0o640, False), (0o644, True), (0o602, True)):
        key.chmod(mode)
        assert (exposed_key(key) is not None) is is_exposed


def test_results_of_another_user(tmp_path: Path) -> None:
    assert not_our_own(tmp_path) is None
    assert not_our_own(tmp_path / "nowhere") is None
    if os.geteuid() != 0:
        pytest.skip("another user's directory is made as root")
    os.chown(tmp_path, NOBODY, NOBODY)
    assert not_our_own(tmp_path) == (
        f"{tmp_path} belongs to the user nobody and this runs as root: run as nobody"
        " (sudo -u nobody cdn-probe ...), or give the agent a directory of its own"
    )
    os.chown(tmp_path, 4_242_424, 0)
    assert "belongs to the user 4242424 and" in (not_our_own(tmp_path) or "")


def test_results_where_anybody_may_write(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    results.chmod(0o1777)
    assert "everybody on this host may put files into" in (not_our_own(results) or "")
    results.chmod(0o755)
    assert not_our_own(results) is None
    tmp_path.chmod(0o777)
    assert "everybody on this host may replace" in (not_our_own(results) or "")


async def test_an_agent_does_not_start_there(agent_file: Path) -> None:
    config = load_config(agent_file, CHECKS)
    results = Path(config.agent.results)
    results.mkdir()
    results.chmod(0o777)
    with pytest.raises(StoreError, match="everybody on this host may put files into"):
        await run_until(config, CHECKS, asyncio.Event())
    assert list(results.iterdir()) == []
