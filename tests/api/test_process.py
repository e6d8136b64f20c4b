"""The API's process: started, watched, started again, ended; it never outlives its parent."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from probe.api.process import ApiProcess
from tests.api.served import TOKENS, fill, rows, write_agent
from tests.support.agent_process import cdn_probe, ended, start, until
from tests.system.programs import free_port

WITHIN_S = 60


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    await fill(tmp_path / "r", rows(3))
    file = tmp_path / "agent.yaml"
    write_agent(file, listen=f"127.0.0.1:{free_port()}")
    return file


@asynccontextmanager
async def running(process: ApiProcess) -> AsyncIterator[ApiProcess]:
    process.start()
    try:
        yield process
    finally:
        await process.stop()


async def pulled(address: str | None) -> int:
    """How many rows a reader gets."""
    headers = {"Authorization": f"Bearer {TOKENS['acme']}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/v1/results?customer=acme", headers=headers) as response,
    ):
        assert response.status == 200
        return (await response.text()).count("\n") - 1


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.long
async def test_it_is_started_again_when_it_is_killed_and_ended_with_its_owner(config: Path) -> None:
    async with running(ApiProcess(config, first_wait_s=0.1)) as process:
        await asyncio.wait_for(process.listening.wait(), WITHIN_S)
        first = process.pid
        assert first is not None
        assert await pulled(process.address) == 3
        os.kill(first, signal.SIGKILL)
        await until(_is_another(process, first), WITHIN_S)
        await asyncio.wait_for(process.listening.wait(), WITHIN_S)
        assert await pulled(process.address) == 3
        second = process.pid
        assert second not in (None, first)
        assert process.starts == 2
        await process.restart()
        await asyncio.wait_for(process.listening.wait(), WITHIN_S)
        third = process.pid
    assert process.address is None
    assert second is not None
    assert third is not None
    assert not alive(second)
    assert not alive(third)


def _is_another(process: ApiProcess, first: int):  # type: ignore[no-untyped-def]
    async def true() -> bool:
        return process.pid not in (None, first)

    return true


async def test_what_cannot_listen_is_told_and_tried_again_later(
    config: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    write_agent(config, listen="192.0.2.1:1")
    with caplog.at_level(logging.INFO):
        async with running(ApiProcess(config, first_wait_s=60)) as process:

            async def ended_once() -> bool:
                return "api.ended" in caplog.text

            await until(ended_once, WITHIN_S)
            assert process.address is None
    assert [r.fields["code"] for r in caplog.records if r.message == "api.ended"] == [2]
    assert "in the clear: give api.tls" in capfd.readouterr().err


async def test_waits_longer_each_time(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    command = (sys.executable, "-c", "raise SystemExit(3)")
    async with running(ApiProcess(config, command=command, first_wait_s=0.05)) as process:

        async def four() -> bool:
            return process.starts >= 4

        await until(four, WITHIN_S)
    waits = [r.fields["again_in_s"] for r in caplog.records if r.message == "api.ended"]
    assert waits[:3] == [0.05, 0.1, 0.2]


async def test_a_program_that_is_not_there_is_told(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(ApiProcess(config, command=("/nonexistent/cdn-probe",), first_wait_s=60)):

        async def told() -> bool:
            return "not started" in str([getattr(r, "fields", "") for r in caplog.records])

        await until(told, WITHIN_S)


PARENT = """
import asyncio, sys
from pathlib import Path
from probe.api.process import ApiProcess

async def main():
    process = ApiProcess(Path(sys.argv[1]))
    process.start()
    await process.listening.wait()
    print(process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_it_ends_when_its_parent_is_killed(config: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(config), stdout=asyncio.subprocess.PIPE
    )
    child = 0
    try:
        assert parent.stdout is not None
        child = int(await asyncio.wait_for(parent.stdout.readline(), WITHIN_S))
        parent.kill()
        await parent.wait()

        async def gone() -> bool:
            return not alive(child)

        await until(gone, WITHIN_S)
        child = 0
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()
        if child:
            os.kill(child, signal.SIGKILL)


async def test_sigterm_ends_it_and_exit_code_is_zero(config: Path) -> None:
    process = await start("serve", "-c", config)
    assert process.stdout is not None
    try:
        address = (await asyncio.wait_for(process.stdout.readline(), WITHIN_S)).decode().strip()
        assert await pulled(address) == 3
        process.terminate()
    finally:
        made = await ended(process)
    assert made.code == 0


async def test_without_api_it_says_so(config: Path) -> None:
    text = config.read_text()
    config.write_text(text[: text.index("api:")])
    made = await cdn_probe("serve", "-c", config)
    assert made.code == 2
    assert "there is no `api`" in made.err
