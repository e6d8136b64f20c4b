"""What a running agent tells of itself: over its socket, as metrics, and while it starts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from probe.agent.daemon import run_until
from probe.api.agent_link import ControlLink
from probe.checks import CHECKS
from probe.control.client import ask_async
from probe.control.socket_place import SOCKET
from probe.core.records.rows import SlotRecord
from probe.core.results.concerns import concerns
from probe.core.results.live_state import LiveState, from_json
from probe.lab.lab import Lab
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader
from tests.agent.test_agent import config_of
from tests.support.agent_process import until
from tests.support.rows import newest_part


@asynccontextmanager
async def running(file: Path, rows: int = 2) -> AsyncIterator[Path]:
    """The agent in this process, once it has stored some rows; gives its results directory."""
    stop, seen = asyncio.Event(), list[SlotRecord]()
    config = load_config(file, CHECKS)
    agent = asyncio.ensure_future(run_until(config, CHECKS, stop, on_row=seen.append, config_file=file))
    directory = Path(config.agent.results)

    async def there() -> bool:
        return agent.done() or (len(seen) >= rows and (directory / SOCKET).exists())

    try:
        await until(there)
        yield directory
    finally:
        stop.set()
        await asyncio.wait_for(agent, 60)


async def live(directory: Path) -> LiveState:
    return from_json(await ask_async(directory, {"ask": "live"}))


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """(name, labels) -> value."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_running_agent_tells_of_itself(tmp_path: Path) -> None:
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        async with running(file, 6) as directory:
            state = await live(directory)
            assert state.ready
            assert not state.stopping
            assert state.trouble is None
            assert state.slots.tasks == sum(customer.tasks for customer in state.customers) > 0
            assert state.slots.due == state.slots.started + state.slots.waiting + sum(
                state.slots.missed.values()
            )
            assert state.lateness.slots >= 6
            assert (
                0
                <= (state.lateness.p50_us or 0)
                <= (state.lateness.p99_us or 0)
                <= (state.lateness.worst_us or 0)
            )
            assert state.queue.written >= 6
            assert state.disk.store_bytes is not None
            assert state.disk.store_bytes > 10_000
            assert (state.disk.free_bytes or 0) > 0
            assert {customer.name for customer in state.customers} == {"shop", "media"}
            assert set(state.complete_up_to) == {"shop", "media"}
            assert sum(sum(customer.outcomes.values()) for customer in state.customers) >= 6
            assert all(customer.last_at is not None for customer in state.customers)
            assert state.vantage_points
            assert not any(point.problem for point in state.vantage_points)

            found = samples((await ask_async(directory, {"ask": "metrics"}))["text"])
            assert found["cdn_probe_ready", ()] == 1
            assert found["cdn_probe_store_writable", ()] == 1
            phases = {
                dict(labels)["phase"]
                for name, labels in found
                if name == "cdn_probe_phase_duration_seconds_count"
            }
            assert phases == {"resolve", "connect", "tls", "processing", "transfer"}
            measured = sum(v for (name, _), v in found.items() if name == "cdn_probe_slots_total")
            assert measured >= 6
            assert found["cdn_probe_slot_lateness_seconds_count", ()] == measured
            assert "process_resident_memory_bytes" in {name for name, _ in found}
        assert not (directory / SOCKET).exists()


async def test_it_is_asked_to_reload_and_tells_what_it_refused(tmp_path: Path) -> None:
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        content = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({**content, "watch_files": False}))
        async with running(file) as directory:
            assert await ask_async(directory, {"ask": "reload"}, 30) == {"ok": True, "problems": []}
            (file.parent / "customers" / "shop.yaml").write_text("customer: [\n")
            answer = await ask_async(directory, {"ask": "reload"}, 30)
            assert answer["ok"] is False
            (problem,) = answer["problems"]
            assert "shop.yaml:2:1: a value is missing before this place" in problem
            state = await live(directory)
            assert state.config_problems == (problem,)
            assert {customer.name for customer in state.customers} == {"shop", "media"}, (
                "it is measured as before"
            )
            (file.parent / "customers" / "shop.yaml").unlink()
            assert (await ask_async(directory, {"ask": "reload"}, 30))["ok"] is True
            state = await live(directory)
            assert {customer.name for customer in state.customers} == {"media"}
            assert state.config_problems == ()

            async def forgotten() -> bool:
                text = (await ask_async(directory, {"ask": "metrics"}))["text"]
                return 'customer="shop"' not in text and 'customer="media"' in text

            await until(forgotten)


async def test_a_part_that_is_taken_away_is_trouble_until_the_next_start(tmp_path: Path) -> None:
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        async with running(file) as directory:
            newest_part(directory).unlink()

            async def known() -> bool:
                return (await live(directory)).trouble is not None

            await until(known)
            state = await live(directory)
            assert "was deleted or moved" in (state.trouble or "")
            assert state.queue.trouble is None, "rows are written all the same"
            assert any("Find out who did it" in one.words for one in concerns(state))
            assert (await ControlLink(directory).view()).trouble == state.trouble  # type: ignore[union-attr]

            async def on_record() -> bool:
                with Reader.open(directory) as reader:
                    return any('"store.damaged"' in line.text for line in reader.events("shop", 0, 100))

            await until(on_record)
        with Reader.open(directory) as reader:
            lines = reader.lines("shop", 0, 10_000)
        assert [line.seq for line in lines] == list(range(1, len(lines) + 1)), "all was put back"
        async with running(file) as directory:
            assert (await live(directory)).trouble is None
