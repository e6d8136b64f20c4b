"""A night: an edge is down, three of four who are called are broken, and the agent is killed while all of it lasts."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from probe.lab.lab import Lab
from probe.lab.pki import Pki
from tests.agent.test_agent import config_of
from tests.calls.listening import Heard, listening
from tests.support.agent_process import cdn_probe, edit, ended, start, until, until_measuring
from tests.system.programs import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

WITHIN_S = 90.0
SAID = {
    "down": "it was not reached: Connect call failed",
    "slow": "it did not answer in time",
    "foreign": "its TLS certificate is not trusted by this host",
}


def steps(heard: Heard) -> dict[str, list[tuple[int, str]]]:
    """Incident -> what was told of it, in order; what came twice as the same delivery is one."""
    seen, found = set[str](), defaultdict[str, list[tuple[int, str]]](list)
    for _, body in heard.requests:
        message = json.loads(body)
        if message["delivery"] not in seen:
            seen.add(message["delivery"])
            incident = message["incident"]
            found[incident["id"]].append((incident["revision"], message["event"].removeprefix("incident.")))
    return found


async def told(heard: Heard, stage: str) -> None:
    async def there() -> bool:
        return any(stage in [name for _, name in one] for one in steps(heard).values())

    await until(there, WITHIN_S)


async def test_who_can_be_called_is_called_once_of_each_step(tmp_path: Path) -> None:
    tls = Pki(tmp_path / "pki").server_context("x", ["desk.example"])
    silent: list[asyncio.StreamWriter] = []
    hanging = await asyncio.start_server(lambda _, writer: silent.append(writer), "127.0.0.1", 0)
    async with hanging, Lab() as lab, listening() as desk, listening(ssl_context=tls) as foreign:
        await lab.warm()
        file = config_of(lab, tmp_path / "a", "1s")
        calls = [
            {"name": "slow", "alertmanager": f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}"},
            {"name": "down", "alertmanager": f"http://127.0.0.1:{free_port()}"},
            {"name": "foreign", "alertmanager": foreign.url.replace("http:", "https:")},
            {"name": "desk", "webhook": desk.url},
        ]
        rules = {"calm": "2s", "outcomes": ["failed"]}
        edit(file, lambda content: content.update({"incidents": rules, "calls": calls}))
        agent = await start("run", "-c", file)
        try:
            await until_measuring(tmp_path / "a" / "results", 10, WITHIN_S)
            async with lab.fault("edge_down"):
                await told(desk, "opened")

                async def all_are_named() -> bool:
                    status = (await cdn_probe("status", "-c", file)).out
                    return all(f"{name}: 0 delivered" in status for name in SAID) and all(
                        words in status for words in SAID.values()
                    )

                await until(all_are_named, WITHIN_S)
                shown = await cdn_probe("incidents", "-c", file)
                assert (shown.code, shown.err) == (1, "")
                assert "tcp.refused" in shown.out
                assert max(map(len, shown.out.splitlines())) <= 80
                agent.kill()
                await agent.wait()
                shown = await cdn_probe("incidents", "-c", file)
                assert (shown.code, shown.out.startswith("open")) == (1, True)
                assert shown.err == "no agent runs here: what is open was open when it looked last\n"
                agent = await start("run", "-c", file)
                await until_measuring(tmp_path / "a" / "results", 30, WITHIN_S)
            await told(desk, "closed")
        finally:
            agent.send_signal(signal.SIGTERM)
            made = await ended(agent)
            for writer in silent:
                writer.close()
    assert made.code == 0
    for story in steps(desk).values():
        assert [revision for revision, _ in story] == sorted({revision for revision, _ in story})
        names = [name for _, name in story]
        assert names.count("opened") == 1
        assert names[0] == "opened"
    assert not foreign.requests
