"""Floods of requests beside a measuring agent: readers are bounded, and every due slot is one row."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.records.rows import SlotRecord
from probe.core.text.tokens import hash_token, make_token
from probe.lab.lab import Lab
from probe.settings.config_files import load_config
from tests.agent.test_agent import assert_every_due_slot_is_one_row, config_of
from tests.support.agent_process import BUSY, slots, until

RIGHT, WRONG = make_token(b"r" * 32), make_token(b"w" * 32)
EACH = 400  # requests of each kind
ASKED = {
    "no token": "GET /v1/results?customer=shop HTTP/1.1\r\nHost: x\r\n\r\n",
    "a wrong one": f"GET /v1/results?customer=shop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRONG}\r\n\r\n",
    "a right one": f"GET /v1/results?customer=shop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\n\r\n",
    "public": "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP": "\x16\x03\x01 nonsense\r\n\r\n",
    "nothing at all": "",
}


async def flood(address: str, request: str, seen: Counter[str]) -> None:
    """Ask again and again over new connections; what came back is counted."""
    host, port = address.rsplit(":", 1)
    for _ in range(EACH):
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            seen["refused"] += 1
            continue
        try:
            if request:
                writer.write(request.encode("latin-1"))
                async with asyncio.timeout(60):
                    line = await reader.readline()
                seen[line.split(b" ")[1].decode() if b" " in line else "ended"] += 1
            else:
                seen["held"] += 1
                await asyncio.sleep(0)
        except (OSError, TimeoutError):
            seen["ended"] += 1
        finally:
            writer.transport.abort()


@pytest.mark.long
async def test_measuring_goes_on_while_the_api_is_flooded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        agent = yaml.safe_load(file.read_text())
        token = {"name": "evaluator", "hash": hash_token(RIGHT), "customers": ["shop"], "may": ["results"]}
        agent["api"] = {"listen": "127.0.0.1:0", "tokens": [token], "requests_per_minute": 120}
        file.write_text(yaml.safe_dump(agent, sort_keys=False))
        config = load_config(file, CHECKS)
        stop, seen = asyncio.Event(), list[SlotRecord]()
        caplog.set_level(logging.INFO)
        running = asyncio.ensure_future(run_until(config, CHECKS, stop, on_row=seen.append, config_file=file))

        def listening() -> list[str]:
            return [
                record.fields["address"]
                for record in caplog.records
                if record.message == "api.listening"  # type: ignore[attr-defined]
            ]

        async def there() -> bool:
            return running.done() or bool(listening())

        answers: dict[str, Counter[str]] = {kind: Counter() for kind in ASKED}
        try:
            await until(there)
            before = len(seen)
            floods = [flood(listening()[0], request, answers[kind]) for kind, request in ASKED.items()]
            await asyncio.gather(*floods, *floods_again(listening()[0], answers))

            async def more() -> bool:
                return len(seen) > before + 12

            await until(more)
        finally:
            stop.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(running, 60)
    rows = slots(tmp_path / "results")
    assert_every_due_slot_is_one_row(config, rows)
    assert {row.missed_reason for row in rows if row.state != "measured"} <= {
        "agent.stopped",
        "agent.aborted",
    } | BUSY
    assert {row.fault for row in rows} == {None}, "nobody is accused of the load"
    assert answers["no token"].keys() <= {"401", "429", "503", "ended", "refused"}
    assert answers["a wrong one"].keys() <= {"401", "429", "503", "ended", "refused"}
    assert answers["a right one"]["200"] > 0, "readers come through"
    assert answers["a right one"]["200"] <= 2 * 240, "no more than they may"
    assert answers["no HTTP"].keys() <= {"400", "503", "ended", "refused"}
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == []


def floods_again(address: str, answers: dict[str, Counter[str]]) -> list[object]:
    """Each kind of request twice at a time."""
    return [flood(address, request, answers[kind]) for kind, request in ASKED.items()]
