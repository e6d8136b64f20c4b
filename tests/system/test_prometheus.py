"""Debian's Prometheus scrapes a running agent through its API; promtool reads metrics, rules and their tests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe.lab.lab import Lab
from tests.agent.test_agent import config_of
from tests.agent.test_live import running
from tests.support.agent_process import until
from tests.system.programs import find, free_port, need, process, wait_for_tcp

pytestmark = pytest.mark.system

MONITORING = Path(__file__).parent.parent.parent / "docs" / "monitoring"
HOST = "127.0.0.1"


def promtool(*arguments: str | Path, text: str | None = None) -> str:
    """Run it; fails with its own words."""
    need("promtool")
    command = [str(find("promtool")), *map(str, arguments)]
    made = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout + made.stderr


def test_the_rules_are_rules_and_do_what_their_tests_say() -> None:
    assert "SUCCESS" in promtool("check", "rules", MONITORING / "alerts.yml")
    assert "SUCCESS" in promtool("test", "rules", MONITORING / "alerts_test.yml")


def test_promtool_can_fail(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups: [{name: a, rules: [{alert: A, expr: 'sum by ('}]}]")
    with pytest.raises(AssertionError, match="could not parse expression"):
        promtool("check", "rules", tmp_path / "rules.yml")


@asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[str]:
    """One that scrapes the target each second, with the example rules; gives its address."""
    need("prometheus")
    directory.mkdir()
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "alerts.yml")],
        "scrape_configs": [{"job_name": "cdn-probe", "static_configs": [{"targets": [target]}]}],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    port, log = free_port(HOST), directory / "out.log"
    arguments = [
        str(find("prometheus")),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    with process(arguments, log) as child:
        await asyncio.to_thread(wait_for_tcp, HOST, port, child, log)
        await until(partial(asyncio.to_thread, ready, f"{HOST}:{port}"))
        yield f"{HOST}:{port}"


def ready(address: str) -> bool:
    """Whether it answers questions: it listens before it has read its own files."""
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=10) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return False


async def get(address: str, path: str, **query: str) -> Any:
    """`data` of an answer of Prometheus' own API."""
    url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}"

    def fetch() -> Any:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return json.load(reply)

    answer = await asyncio.to_thread(fetch)
    assert answer["status"] == "success", answer
    return answer["data"]


async def value(address: str, query: str) -> float | None:
    """The one value of an instant query; None: it has none yet."""
    result = (await get(address, "query", query=query))["result"]
    return float(result[0]["value"][1]) if result else None


async def test_a_running_agent_is_scraped(tmp_path: Path) -> None:
    need("prometheus", "promtool")
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path / "config")
        content = yaml.safe_load(file.read_text())
        target = f"{HOST}:{free_port(HOST)}"
        file.write_text(yaml.safe_dump({**content, "api": {"listen": target, "open_metrics": True}}))
        async with running(file, 4), prometheus(tmp_path / "prometheus", target) as address:

            async def scraped() -> bool:
                answers = await value(address, 'cdn_probe_api_agent_answers{job="cdn-probe"}')
                slots = await value(address, 'increase(cdn_probe_slots_due_total{job="cdn-probe"}[10s])')
                # The last scrape may be older than the rows.
                rows = await value(address, "sum(cdn_probe_slots_total)")
                return answers == 1 and (slots or 0) > 0 and (rows or 0) >= 4

            await until(scraped, 60)
            assert await value(address, 'up{job="cdn-probe"}') == 1
            assert await value(address, "cdn_probe_ready") == 1
            query = "histogram_quantile(0.5, sum by (le) (cdn_probe_phase_duration_seconds_bucket{phase='processing'}))"
            assert 0 < (await value(address, query) or 0) < 10
            (seen,) = (await get(address, "targets"))["activeTargets"]
            assert seen["health"] == "up", seen["lastError"]

            async def evaluated() -> bool:
                groups = (await get(address, "rules"))["groups"]
                return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

            await until(evaluated)
            groups = (await get(address, "rules"))["groups"]
            assert sum(len(group["rules"]) for group in groups) >= 20
            text = await asyncio.to_thread(
                lambda: urllib.request.urlopen(f"http://{target}/metrics", timeout=10).read()
            )
            assert b"cdn_probe_phase_duration_seconds_bucket" in text
            await asyncio.to_thread(promtool, "check", "metrics", text=text.decode())
