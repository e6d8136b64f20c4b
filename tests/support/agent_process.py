"""The command as its users start it, beside a lab that lives in the test's own event loop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from probe.core.model.times import epoch_s
from probe.core.records.rows import EventRecord, Record, SlotRecord
from probe.schedule.pump import HEARTBEAT_S
from probe.store.read.reader import Reader
from probe.store.store import StoreError
from tests.codes.provoking import saw
from tests.support.with_parent import WITH_PARENT

WITHIN_S = 60.0
POLL_S = 0.05
BUSY = {"agent.stalled", "agent.overlap", "agent.overloaded"}
"""Why a slot may be missed since the machine of the test was busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


async def start(*arguments: str | Path, env: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    """`python -m probe ...` in a session of its own; the caller ends it, else the end of this process does."""
    return await asyncio.create_subprocess_exec(
        *(*WITH_PARENT, sys.executable, "-m", "probe", *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )


async def ended(process: asyncio.subprocess.Process, within_s: float = WITHIN_S) -> Ended:
    """Wait for the end; kill it if that takes too long."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), within_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    made = Ended(code=process.returncode, out=out.decode(), err=err.decode())
    assert "Traceback" not in made.out + made.err, made.err
    return made


async def cdn_probe(*arguments: str | Path, env: dict[str, str] | None = None) -> Ended:
    """Run a command to its end; it never prints a traceback."""
    return await ended(await start(*arguments, env=env))


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Replace a YAML file, whole, as configuration management does."""
    content = yaml.safe_load(file.read_text())
    change(content)
    made = file.with_name(f".{file.name}.new")
    made.write_text(yaml.safe_dump(content))
    made.replace(file)


def workers_of(pid: int) -> list[int]:
    """The worker processes of an agent (proc(5))."""
    return [
        int(child)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if b"probe.workers.process" in _cmdline(child)
    ]


def _cmdline(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


async def until(true: Callable[[], Awaitable[bool]], within_s: float = WITHIN_S) -> None:
    """Ask again and again; TimeoutError if it does not come true."""
    async with asyncio.timeout(within_s):
        while not await true():
            await asyncio.sleep(POLL_S)


def missed_reasons(rows: list[SlotRecord]) -> set[str | None]:
    """Why slots were missed; None stands for those that were measured.

    A slot that falls due between the schedule's last beat and the stop is `agent.stopped`, on a busy host now and then:
    left out, if it was due within a beat of the newest slot.
    """
    ended_s = max(epoch_s(row.scheduled_at) for row in rows)
    return {
        row.missed_reason
        for row in rows
        if row.missed_reason != "agent.stopped" or epoch_s(row.scheduled_at) < ended_s - HEARTBEAT_S
    }


def records(directory: Path) -> list[Record]:
    """All records in a results directory; none if there is no store yet."""
    try:
        with Reader.open(directory) as reader:
            return list(reader.follow({}))
    except StoreError:
        return []


def slots(directory: Path) -> list[SlotRecord]:
    """Only the slots."""
    return saw([record for record in records(directory) if isinstance(record, SlotRecord)])


def events(directory: Path) -> list[EventRecord]:
    """Only the events."""
    return [record for record in records(directory) if isinstance(record, EventRecord)]


async def until_measuring(directory: Path, rows: int = 1, within_s: float = WITHIN_S) -> None:
    """Until so many measured slots are stored."""

    async def there() -> bool:
        return sum(slot.state == "measured" for slot in slots(directory)) >= rows

    await until(there, within_s)


async def listens(port: int) -> bool:
    """Whether anybody answers on this port of loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
