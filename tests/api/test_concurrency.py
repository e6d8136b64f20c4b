"""Pullers at different speeds, and one that never reads, while the agent writes: nobody waits for another."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from probe.api.request.calls import Deadlines
from probe.api.server import Options
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.api.handlers.test_results import stored
from tests.api.served import TOKENS, Served, served
from tests.support.rows import slot

BATCHES, EACH = 40, 50
TOTAL = BATCHES * EACH


async def _pull(api: Served, token: str, limit: int, pause_s: float) -> list[str]:
    got: list[str] = []
    after = 0
    while after < TOTAL:
        answer = await api.ask(f"/v1/results?customer=acme&after={after}&limit={limit}&wait=10", token)
        assert answer.status == 200
        lines = answer.lines[:-1]
        seqs = [json.loads(line)["seq"] for line in lines]
        assert seqs == list(range(after + 1, after + 1 + len(lines)))  # no gap at the cursor
        got += lines
        after = answer.page["next"]
        await asyncio.sleep(pause_s)
    return got


async def _never_reads(api: Served) -> asyncio.StreamWriter:
    """Asks for more than the sockets hold, and takes the head of the answer only."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
    path = "/v1/results?customer=acme&limit=10000"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['all']}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return writer


@pytest.mark.long
async def test_two_speeds_and_one_that_never_reads_beside_the_writer(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    writer: asyncio.StreamWriter | None = None
    try:
        async with served(tmp_path, options=Options(deadlines=Deadlines(write=60))) as api:
            fast = asyncio.create_task(_pull(api, "acme", 1000, 0))
            slow = asyncio.create_task(_pull(api, "both", 97, 0.02))
            for batch in range(BATCHES):
                first = batch * EACH
                records = [slot(first + n, summary="s" * 3500) for n in range(EACH)]
                await store.append(records)  # waiting for the one that never reads it would not end
                if batch == BATCHES // 3:
                    writer = await _never_reads(api)
                await asyncio.sleep(0)
            got = await asyncio.wait_for(asyncio.gather(fast, slow), 60)
            assert writer is not None
            text = (await api.ask("/metrics", "prometheus")).body.decode()
            assert "cdn_probe_api_cut_total{" not in text  # the silent one still holds its place
    finally:
        if writer is not None:
            writer.transport.abort()
        await store.close(within_s=10)
    lines = stored(tmp_path / "r")
    assert len(lines) == TOTAL
    assert got == [lines, lines]


async def test_a_puller_that_is_cut_again_and_again_has_everything_once(tmp_path: Path) -> None:
    """Cut anywhere in a transfer: whole lines are kept, and the cursor goes on behind the last of them."""
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    for batch in range(20):
        await store.append([slot(batch * 100 + n, summary="s" * 500) for n in range(100)])
    await store.close()
    got: list[str] = []
    async with served(tmp_path) as api:
        for attempt in range(400):
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            head = f"GET /v1/results?customer=acme&after={len(got)}&limit=500 HTTP/1.0\r\nAuthorization: Bearer {TOKENS['acme']}\r\n\r\n"  # noqa: E501
            writer.write(head.encode())
            await reader.readuntil(b"\r\n\r\n")
            data = b""
            bound = (attempt * 7919) % 150_000
            while len(data) < bound and (piece := await reader.read(8192)):
                data += piece
            writer.transport.abort()
            whole = data.decode().split("\n")[:-1]
            ended = bool(whole) and '"kind":"page"' in whole[-1][:20]
            got += whole[:-1] if ended else whole
            if len(got) == 2000:
                break
    assert got == stored(tmp_path / "r")
