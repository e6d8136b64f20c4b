"""The results' disk is full, turns read-only, or stands still, for real and under a running agent.

Measuring goes on, the trouble is told, nothing that was on the disk is lost, and what waited is written when it can be.
What a call that fails does in any place of the store is tests/system/test_store_faults.py. `mount -o remount,ro` cannot
happen under an agent: the kernel refuses it, for the store's files are open. An error of the file system can.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe.core.model.times import epoch_s
from tests.support.agent_process import BUSY, until
from tests.support.dns_server import DnsServer, zone
from tests.support.http_server import Server, response, serve
from tests.support.with_parent import WITH_PARENT
from tests.system.own_disk import Disk, ext4_image, own_disk

OBJECTS = 4
WORDS = "results cannot be written"
LINES = """
import sys
from pathlib import Path
from probe.store.read.reader import Reader
with Reader.open(Path(sys.argv[1]), "disk") as reader:
    after = 0
    while page := reader.lines("acme", after, 1000):
        for line in page:
            print(line.text)
        after = page[-1].seq
"""

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(200)]


@dataclass
class Agent:
    """One that measures four objects each second and keeps what it finds on that disk."""

    disk: Disk
    server: Server
    file: Path
    running: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> asyncio.subprocess.Process:
        with (self.file.parent / "log").open("ab") as log:
            words = [
                *WITH_PARENT,
                *self.disk.inside,
                sys.executable,
                "-m",
                "probe",
                "run",
                "-c",
                str(self.file),
            ]
            self.running.append(await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log))
        return self.running[-1]

    async def measured(self, more: int) -> None:
        """So many requests more have come."""
        wanted = len(self.server.requests) + more

        async def there() -> bool:
            assert self.running[-1].returncode is None, self.log()
            return len(self.server.requests) >= wanted

        await until(there, 60)

    async def said(self, words: str, *, told: bool) -> None:
        """`cdn-probe status` says it, or no longer; the exit code says that something is to be acted on."""

        async def so() -> bool:
            asked = await asyncio.to_thread(
                self.disk.do, sys.executable, "-m", "probe", "status", "-c", self.file
            )
            assert "Traceback" not in asked.stderr
            found = words in asked.stdout
            assert not found or asked.returncode == 1
            return found is told

        await until(so, 60)

    async def lines(self) -> list[dict[str, Any]]:
        """All that is stored."""
        found = await asyncio.to_thread(self.disk.must, sys.executable, "-c", LINES, self.disk.place)
        return [json.loads(line) for line in found.splitlines()]

    def log(self) -> str:
        return (self.file.parent / "log").read_text()

    async def end(self) -> None:
        self.running[-1].terminate()
        assert await asyncio.wait_for(self.running[-1].wait(), 60) == 0, self.log()


@asynccontextmanager
async def agent_on(disk: Disk, directory: Path) -> AsyncIterator[Agent]:
    """Measuring, with its endpoints."""
    names = zone({"www.disk.example A": ["127.0.0.1"]})
    async with DnsServer(names) as dns, serve(response(b"x" * 1000)) as server:
        point = {
            "name": "here",
            "resolvers": [f"udp://127.0.0.1:{dns.port}"],
            "anchors": [f"tcp://127.0.0.1:{server.port}"],
        }
        config = {
            "agent": "disk",
            "results": str(disk.place),
            "customers": "customers/",
            "allow_addresses": ["127.0.0.0/8"],
            "vantage_points": [point],
        }
        domain = {
            "domain": "www.disk.example",
            "scheme": "http",
            "port": server.port,
            "objects": [{"path": f"/{i}"} for i in range(OBJECTS)],
        }
        customer = {"customer": "acme", "defaults": {"interval": "1s", "timeout": "1s"}, "domains": [domain]}
        (directory / "customers").mkdir()
        (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer))
        (directory / "agent.yaml").write_text(yaml.safe_dump(config))
        agent = Agent(disk, server, directory / "agent.yaml")
        await agent.start()
        try:
            await agent.measured(4 * OBJECTS)
            yield agent
        finally:
            for child in agent.running:
                if child.returncode is None:
                    child.kill()
                    await child.wait()


async def assert_whole(
    agent: Agent, before: list[dict[str, Any]], *, absent: frozenset[str] = frozenset()
) -> None:
    """What was there is there, each due time has one row, and the chain verifies; `absent`: further reasons to miss."""
    lines = await agent.lines()
    assert lines[: len(before)] == before
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    slots = [line for line in lines if line["kind"] == "slot"]
    due = Counter((line["task"], epoch_s(line["scheduled_at"])) for line in slots)
    assert set(due.values()) == {1}, "each due time once"
    for task in {line["task"] for line in slots}:
        times = sorted(at_s for name, at_s in due if name == task)
        assert {b - a for a, b in pairwise(times)} == {1.0}, "none left out"
    reasons = {line["missed_reason"] for line in slots if line["state"] == "missed"}
    assert reasons <= BUSY | absent | {"agent.stopped"}
    agent.disk.must(sys.executable, "-m", "probe", "results", "-d", agent.disk.place, "verify")


async def test_a_full_disk_that_gets_room_again_loses_nothing(tmp_path: Path) -> None:
    with own_disk(tmp_path / "results", "-t", "tmpfs", "-o", "size=24m,mode=755", "none") as disk:
        async with agent_on(disk, tmp_path) as agent:
            before = await agent.lines()
            ballast = disk.place / "ballast"
            assert "No space left" in disk.do("dd", "if=/dev/zero", f"of={ballast}", "bs=64k").stderr
            await agent.said(WORDS, told=True)
            await agent.measured(4 * OBJECTS)
            disk.must("rm", ballast)
            await agent.said(WORDS, told=False)
            await agent.measured(OBJECTS)
            await agent.end()
            assert "store.recovered" in agent.log()
            await assert_whole(agent, before)


async def test_a_file_system_that_turns_read_only_loses_what_was_not_written_yet_and_says_so(
    tmp_path: Path,
) -> None:
    image = ext4_image(tmp_path / "image", 64)
    options = "-o", "loop,errors=remount-ro", image
    with own_disk(tmp_path / "results", *options) as disk:
        async with agent_on(disk, tmp_path) as agent:
            before = await agent.lines()
            assert before
            refused = disk.do("mount", "-o", "remount,ro", disk.place)
            assert "busy" in refused.stderr, "by an operator's hand it cannot happen"
            device = Path(disk.must("findmnt", "-no", "SOURCE", disk.place).strip()).name
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
            await agent.said(WORDS, told=True)
            await agent.measured(4 * OBJECTS)
            agent.running[-1].kill()
            await agent.running[-1].wait()
            refused_start = await agent.start()
            assert await asyncio.wait_for(refused_start.wait(), 60) == 2
            assert "cannot be used for results: Read-only file system" in agent.log()
            disk.must("umount", disk.place)
            subprocess.run(["fsck.ext4", "-fy", image], capture_output=True, timeout=60, check=False)
            disk.mount(*options)
            await agent.start()
            await agent.measured(2 * OBJECTS)
            await agent.end()
            await assert_whole(agent, before, absent=frozenset({"agent.crashed"}))
            missed = [line for line in await agent.lines() if line.get("missed_reason") == "agent.crashed"]
            assert len(missed) >= 4 * OBJECTS, "what was measured and not written is on record as missed"


async def test_a_disk_that_does_not_answer_holds_up_nothing_but_rows(tmp_path: Path) -> None:
    """A frozen file system stands for a cloud's or a network's disk that hangs: a call that was begun does not end."""
    image = ext4_image(tmp_path / "image", 64)
    with own_disk(tmp_path / "results", "-o", "loop", image) as disk:
        async with agent_on(disk, tmp_path) as agent:
            before = await agent.lines()
            disk.must("fsfreeze", "--freeze", disk.place)
            try:
                await agent.measured(18 * OBJECTS)
                await agent.said(f"{WORDS}: the disk has not answered for", told=True)
            finally:
                disk.must("fsfreeze", "--unfreeze", disk.place)
            await agent.said(WORDS, told=False)
            await agent.end()
            assert "the disk has not answered for" in agent.log()
            await assert_whole(agent, before)
