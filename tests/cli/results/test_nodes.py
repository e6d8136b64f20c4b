"""`nodes DOMAIN` as it is typed: beside a running agent, on what a stopped one left, and for domains nobody knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from probe.agent.agent import Agent
from probe.agent.parts import build
from probe.checks import CHECKS
from probe.cli.main import cli
from probe.core.nodes.values import TRIAL_S, UNSEEN_S, Changes, Sighting
from probe.host.clock import SystemClock, rfc3339
from probe.lab.lab import Lab
from probe.settings.config_files import load_config
from probe.store.store import Store
from tests.support.agent_process import cdn_probe, ended, start, until_measuring
from tests.support.rows import slot

WWW = "www.acme.example"
NOW_S = SystemClock().time_ns() // 1_000_000_000


def ago(seconds: int) -> str:
    return rfc3339((NOW_S - seconds) * 1_000_000_000)


def sighting(address: str, first: int, last: int, by: str = "bj-ct", **changes: Any) -> Sighting:
    given: dict[str, Any] = {
        "customer": "acme",
        "domain": WWW,
        "ip_version": 6 if ":" in address else 4,
        "suffix": "cdn.example.net",
        "on_trial": False,
    } | changes
    return Sighting(address=address, vantage_point=by, first_seen=ago(first), last_seen=ago(last), **given)


KEPT = (
    sighting("192.0.2.10", 9_000, 60),
    sighting("192.0.2.9", 5_000, 120),
    sighting("192.0.2.9", 8_000, 10, by="sh-cu"),
    sighting("2001:db8::1", 700, 60),
    sighting("192.0.2.200", 50 * 86_400, UNSEEN_S + 600),
    sighting("198.51.100.1", 600, 60),
    sighting("192.0.2.77", 600, 60, on_trial=True),
    sighting("192.0.2.78", TRIAL_S + 60, 60, on_trial=True),
    sighting("192.0.2.1", 600, 60, domain="gone.example"),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(
        yaml.safe_dump(
            {"agent": "a1", "results": "r", "customers": "c/", "vantage_points": [{"name": "bj-ct"}]}
        )
    )
    (tmp_path / "c").mkdir()
    cdn = {
        "suffixes": ["cdn.example.net"],
        "prefixes": [{"prefix": "192.0.2.0/28", "carrier": "China Telecom"}, "192.0.2.0/24", "2001:db8::/32"],
    }
    domains = [
        {"domain": WWW, "scheme": "http", "cdn": cdn, "objects": [{"path": "/"}]},
        {"domain": "new.example", "scheme": "http", "objects": [{"path": "/"}]},
    ]
    (tmp_path / "c" / "acme.yaml").write_text(yaml.safe_dump({"customer": "acme", "domains": domains}))
    return tmp_path / "agent.yaml"


@pytest.fixture
async def typed(config: Path) -> Callable[..., Result]:
    store = Store.open(config.parent / "r", "a1", SystemClock())
    store.put_nodes(Changes(nodes=KEPT))
    await store.append([slot(0)])
    await store.close()
    return lambda *arguments: CliRunner().invoke(cli, ["nodes", *arguments, "-c", str(config)])


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_nodes_in_use_in_the_order_of_their_addresses(typed: Callable[..., Result]) -> None:
    found = rows(typed(WWW, "--json"))
    assert [(r["address"], r["ip_version"]) for r in found] == [
        ("192.0.2.9", 4),
        ("192.0.2.10", 4),
        ("192.0.2.78", 4),
        ("2001:db8::1", 6),
    ]
    assert all(r["swept"] for r in found)
    assert found[0] == {
        "customer": "acme",
        "domain": WWW,
        "ip_version": 4,
        "address": "192.0.2.9",
        "first_seen": ago(8_000),
        "last_seen": ago(10),
        "vantage_points": [
            {"vantage_point": "bj-ct", "first_seen": ago(5_000), "last_seen": ago(120)},
            {"vantage_point": "sh-cu", "first_seen": ago(8_000), "last_seen": ago(10)},
        ],
        "carrier": "China Telecom",
        "prefix": "192.0.2.0/28",
        "swept": True,
        "on_trial": False,
    }
    assert [(r["carrier"], r["prefix"]) for r in found[2:]] == [
        (None, "192.0.2.0/24"),
        (None, "2001:db8::/32"),
    ]


def test_all_shows_what_is_no_longer_asked_too(typed: Callable[..., Result]) -> None:
    found = {r["address"]: (r["swept"], r["on_trial"]) for r in rows(typed(WWW, "--json", "--all"))}
    assert found == {
        "192.0.2.9": (True, False),
        "192.0.2.10": (True, False),
        "192.0.2.77": (False, True),
        "192.0.2.78": (True, False),
        "192.0.2.200": (False, False),
        "198.51.100.1": (False, False),
        "2001:db8::1": (True, False),
    }


def test_the_table_says_the_same(typed: Callable[..., Result]) -> None:
    made = typed("WWW.acme.example.")
    assert made.exit_code == 0, made.output
    (line,) = [line for line in made.stdout.splitlines() if line.startswith("192.0.2.9 ")]
    assert "bj-ct, sh-cu" in line
    assert ago(8_000)[:19].replace("T", " ") + "Z" in line
    assert "China Telecom" in line
    assert "192.0.2.77" not in made.stdout
    assert (
        made.stdout.splitlines()[-1] == f"{WWW}: 4 nodes in use; 3 more no longer in use or on trial: --all"
    )
    shown = typed(WWW, "--all").stdout
    assert "192.0.2.77" in shown
    assert "on trial" in shown
    assert shown.splitlines()[-1] == f"{WWW}: 4 nodes in use"


def test_a_domain_that_is_measured_no_longer_is_shown_and_not_in_use(typed: Callable[..., Result]) -> None:
    made = typed("gone.example")
    assert (made.exit_code, made.stdout) == (
        0,
        "gone.example: 0 nodes in use; 1 more no longer in use or on trial: --all\n",
    )


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("nobody.example", "no nodes of nobody.example are known, and it is not measured"),
        ("new.example", "no nodes of new.example are known yet; it is measured"),
    ],
)
def test_a_domain_nothing_is_known_of_is_told_with_those_that_there_are(
    typed: Callable[..., Result], domain: str, words: str
) -> None:
    made = typed(domain)
    assert (made.exit_code, made.stdout) == (1, "")
    assert words in made.stderr
    assert f"nodes are known of: gone.example, {WWW}" in made.stderr


async def test_where_no_agent_ever_ran_that_is_told(config: Path) -> None:
    made = await cdn_probe("nodes", WWW, "-c", config)
    assert (made.code, made.out) == (2, "")
    assert "has the agent run yet?" in made.err


async def test_an_agent_starts_with_what_an_earlier_one_learned(config: Path) -> None:
    store = Store.open(config.parent / "r", "a1", SystemClock())
    store.put_nodes(Changes(nodes=KEPT))
    try:
        await store.append([slot(0)])
        agent = Agent(build(load_config(config, CHECKS), CHECKS, store=store))
        stop = asyncio.Event()
        stop.set()
        await agent.run(stop, drain_s=0)
    finally:
        await store.close()
    (task,) = [t for t in agent.plan.tasks if t.domain == WWW]
    known = agent.parts.pipeline.nodes.known(task, NOW_S)
    assert set(known) == {"192.0.2.9", "192.0.2.10", "192.0.2.78"}
    assert known[-1] == "192.0.2.9", "the one seen last stands last"


async def test_beside_a_running_agent_and_after_it(tmp_path: Path) -> None:
    async with Lab() as lab:
        await lab.warm()
        config = lab.write_config(tmp_path, interval="1s")
        agent = await start("run", "-c", config)
        try:
            await until_measuring(tmp_path / "results")
            beside = await _nodes(config)
        finally:
            agent.terminate()
            await ended(agent)
        after = await _nodes(config)
    assert set(beside) <= set(after)
    assert {len(by) for by in after.values()} <= {1, 2}
    assert {name for by in after.values() for name in by} == {"bj-ct", "sh-cu"}


async def _nodes(config: Path) -> dict[str, list[str]]:
    for _ in range(100):
        made = await cdn_probe("nodes", "www.shop.example", "-c", config, "--json")
        found = [json.loads(line) for line in made.out.splitlines()]
        if {seen["vantage_point"] for row in found for seen in row["vantage_points"]} == {"bj-ct", "sh-cu"}:
            break
        await asyncio.sleep(0.2)
    assert made.code == 0, made.err
    assert all(row["swept"] for row in found)
    return {row["address"]: [seen["vantage_point"] for seen in row["vantage_points"]] for row in found}
