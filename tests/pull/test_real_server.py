"""The puller against the agent's own API."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from probe.api.server import Options
from probe.core.model.value import replace
from probe.host.clock import SystemClock
from probe.pull import Copy, Source, State, pull_all
from probe.pull.progress import Board
from probe.seal.keys import PUBLIC, Keys, Signer
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.api.served import TOKENS, Served, fill, rows, served
from tests.pull.test_pull import pull_options, texts
from tests.support.agent_process import cdn_probe
from tests.support.rows import HOST, slot


def signed(tmp_path: Path) -> Options:
    return Options(signer=Signer(Keys.open(tmp_path / "r"), SystemClock()))


async def pulled(api: Served, into: Path, token: str = "both", **more: Any) -> Board:
    key = api.directory / PUBLIC
    source = Source(
        url=api.url, token=lambda: TOKENS[token], key_pem=key.read_bytes() if key.exists() else None
    )
    return await pull_all([source], into, options=pull_options(**more))


def stored(directory: Path, customer: str = "acme", agent: str = "a1") -> list[str]:
    with Reader.open(directory, agent) as reader:
        return [line.text for line in reader.lines(customer, 0, 1_000_000)]


async def test_all_streams_that_the_token_may_see(tmp_path: Path) -> None:
    for customer, count in (("acme", 1500), ("zeta", 3), ("other", 5)):
        await fill(tmp_path / "r", rows(count, customer))
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, tmp_path / "c", ack=True)
        acks = (await api.ask("/v1/acks", "both")).json["acks"]
    assert board.complete
    assert {ack["customer"]: ack["seq"] for ack in acks} == {"acme": 1500, "zeta": 3}
    for customer in ("acme", "zeta"):
        assert texts(tmp_path / "c", customer) == stored(tmp_path / "r", customer)
    assert [(v.ok, v.witnessed_up_to) for v in Copy(tmp_path / "c").verify()] == [(True, 1500), (True, 3)]


async def test_streams_of_an_agent_that_had_another_name(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "r", "a0", SystemClock())
    await store.append([slot(n, host=replace(HOST, agent="a0")) for n in range(7)])
    await store.close(within_s=10)
    await fill(tmp_path / "r", rows(4))
    async with served(tmp_path, options=signed(tmp_path)) as api:
        assert (await pulled(api, tmp_path / "c", "acme")).complete
    for agent, count in (("a0", 7), ("a1", 4)):
        assert texts(tmp_path / "c", agent=agent) == stored(tmp_path / "r", agent=agent)
        assert len(texts(tmp_path / "c", agent=agent)) == count


async def test_an_agent_put_back_from_a_backup_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(20))
    Keys.open(tmp_path / "r")
    shutil.copytree(tmp_path / "r", tmp_path / "backup")
    await fill(tmp_path / "r", rows(30, first=20))
    async with served(tmp_path, options=signed(tmp_path)) as api:
        assert (await pulled(api, tmp_path / "c", "acme")).complete
    had = texts(tmp_path / "c")
    shutil.rmtree(tmp_path / "r")
    shutil.copytree(tmp_path / "backup", tmp_path / "r")
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, tmp_path / "c", "acme")
        assert (board.streams[0].state, "409" in str(board.streams[0].note)) == (State.REFUSED, True)
    await fill(tmp_path / "r", rows(60, first=500))
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, tmp_path / "c", "acme")
        assert (board.streams[0].state, "409" in str(board.streams[0].note)) == (State.REFUSED, True)
    assert texts(tmp_path / "c") == had


async def test_a_token_that_may_not_confirm_is_told(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(5))
    async with served(tmp_path) as api:
        board = await pulled(api, tmp_path / "c", "results-only", ack=True)
    assert (board.streams[0].state, "403" in str(board.streams[0].note)) == (State.REFUSED, True)
    assert texts(tmp_path / "c") == stored(tmp_path / "r")


async def test_a_busy_token_is_slowed_down_and_comes_through(tmp_path: Path) -> None:
    for customer in ("acme", "zeta"):
        await fill(tmp_path / "r", rows(100, customer))
    waits: list[float | None] = []

    def back_off(failures: int, after_s: float | None) -> float:
        waits.append(after_s)
        return 0.05

    patient = pull_options(tries=200, lines=5, page_bytes=5000)
    patient.back_off = back_off
    async with served(tmp_path, requests_per_minute=1200) as api:
        source = Source(url=api.url, token=lambda: TOKENS["both"])
        board = await pull_all([source], tmp_path / "c", options=patient)
    assert board.complete
    assert all(wait is None or wait >= 1 for wait in waits)


async def test_following_gets_a_row_soon_after_it_is_stored(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    try:
        await store.append(rows(3))
        async with served(tmp_path, options=signed(tmp_path)) as api:
            following = pull_options(follow=True, pace_s=0.0)
            source = Source(url=api.url, token=lambda: TOKENS["acme"])
            running = asyncio.create_task(pull_all([source], tmp_path / "c", options=following))
            for count in (3, 4, 10):
                await store.append(rows(count, first=100 * count))
                async with asyncio.timeout(60):
                    while not (tmp_path / "c/a1/acme").is_dir() or texts(tmp_path / "c") != stored(
                        tmp_path / "r"
                    ):
                        await asyncio.sleep(0.02)
            following.stop.set()
            assert (await running).complete
    finally:
        await store.close(within_s=10)
    heads = (tmp_path / "c/a1/acme/heads.ndjson").read_text().splitlines()
    assert json.loads(heads[-1])["seq"] == 20


async def test_the_key_that_the_agent_gives_at_first_is_kept(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(5))
    pem = Keys.open(tmp_path / "r").public.pem()
    options = signed(tmp_path)
    options.public_key = pem.decode()
    async with served(tmp_path, options=options) as api:
        source = Source(url=api.url, token=lambda: TOKENS["acme"])
        board = await pull_all([source], tmp_path / "c", options=pull_options())
    assert (board.complete, board.streams[0].proved) == (True, True)
    assert (tmp_path / "c/a1/agent.pub").read_bytes() == pem
    checked = await cdn_probe("results", "verify", tmp_path / "c")
    assert checked.code == 0, checked.out + checked.err
