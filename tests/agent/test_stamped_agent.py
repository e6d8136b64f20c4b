"""A running agent has its heads stamped as agent.yaml says, tells of it, and puts on record what readers received."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
import yaml

from probe.agent import background
from probe.agent.beside import first_pulls
from probe.control.client import ask_async
from probe.core.results.concerns import concerns
from probe.core.text.tokens import hash_token, make_token
from probe.lab.lab import Lab
from probe.seal.keys import PUBLIC
from probe.seal.stamps import stamper
from probe.seal.stamps.files import stamps_file
from probe.services.status import look
from probe.services.verification import verify
from tests.agent.test_agent import config_of
from tests.agent.test_live import live, running, samples
from tests.support.agent_process import events, until
from tests.support.authority import authority, make_pki
from tests.system.programs import free_port


def with_timestamp(file: Path, **keys: str) -> Path:
    told = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**told, "timestamp": keys}))
    return file


async def test_its_heads_are_stamped_and_it_tells_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamper, "AFTER_S", 0.2)
    pki = make_pki(tmp_path / "tsa")
    async with Lab() as lab, authority(pki) as tsa:
        await lab.warm()
        file = with_timestamp(config_of(lab, tmp_path), url=tsa.url, ca="tsa/root.pem")
        async with running(file, 4) as directory:

            async def stamped() -> bool:
                stamps = (await live(directory)).stamps
                return stamps is not None and stamps.stamped > 0 and not stamps.waiting

            await until(stamped)
            state = await live(directory)
            assert state.stamps is not None
            assert (state.stamps.url, state.stamps.failed, state.stamps.problem) == (tsa.url, 0, None)
            assert "stamping" in {job.name for job in state.jobs}
            metrics = samples((await ask_async(directory, {"ask": "metrics"}))["text"])
            assert metrics["cdn_probe_stamps_total", ()] == state.stamps.stamped
            assert metrics["cdn_probe_stamps_waiting", ()] == 0
            assert metrics["cdn_probe_last_stamp_timestamp_seconds", ()] > 0
        customers = {event.customer for event in events(directory) if event.event == "head.stamped"}
        assert customers
        found = verify(directory, [directory / PUBLIC], stamp_ca=pki.ca)
    assert found.good, found
    for report in found.streams:
        if report.customer in customers:
            assert report.stamps >= 1
            assert stamps_file(directory, report.agent, report.customer).exists()
            assert report.vouched[0].not_later is not None
            assert report.vouched[-1].not_earlier is not None


async def test_an_authority_that_is_down_is_told_and_slots_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamper, "AFTER_S", 0.2)
    pki = make_pki(tmp_path / "tsa")
    async with Lab() as lab, authority(pki) as tsa:
        await lab.warm()
        tsa.mode = "down"
        file = with_timestamp(config_of(lab, tmp_path), url=tsa.url, ca="tsa/root.pem")
        async with running(file, 4) as directory:

            async def failed() -> bool:
                stamps = (await live(directory)).stamps
                return stamps is not None and stamps.failed > 0

            await until(failed)
            before = await live(directory)
            finished = before.slots.finished

            async def went_on() -> bool:
                return (await live(directory)).slots.finished >= finished + 3

            await until(went_on)
            state = await live(directory)
            assert state.ready
            assert state.stamps is not None
            assert "HTTP 503" in str(state.stamps.problem)
            (said,) = [one.words for one in concerns(state) if "stamping" in one.words]
            assert f"{tsa.url}: HTTP 503" in said
            status = await asyncio.to_thread(look, directory, state.agent)
            assert any(
                "stamping did not do all its work when it ran last" in words for words in status.problems
            )


async def test_what_a_reader_received_is_put_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "PULLS_S", 0.2)
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        token = make_token(b"r" * 32)
        told = yaml.safe_load(file.read_text())
        entry = {"name": "auditor", "hash": hash_token(token), "customers": ["*"]}
        place = f"127.0.0.1:{free_port()}"
        told["api"] = {"listen": place, "tokens": [entry]}
        file.write_text(yaml.safe_dump(told))
        async with running(file, 4) as directory, aiohttp.ClientSession() as session:
            seen = [event.customer for event in events(directory)]
            fields = {"Authorization": f"Bearer {token}"}

            async def received() -> bool:
                try:
                    url = f"http://{place}/v1/results?customer={seen[0]}"
                    async with session.get(url, headers=fields) as answer:
                        return answer.status == 200 and bool(await answer.read())
                except aiohttp.ClientConnectorError:  # the API's process is starting
                    return False

            await until(received)

            async def on_record() -> bool:
                return any(event.event == first_pulls.FIRST_PULLED for event in events(directory))

            await until(on_record)
            (event,) = [event for event in events(directory) if event.event == first_pulls.FIRST_PULLED]
            assert (event.customer, event.detail["reader"], event.detail["first_seq"]) == (
                seen[0],
                "auditor",
                "1",
            )
