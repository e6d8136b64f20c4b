"""A page that comes while the one before is written: kept behind it, or not at all."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from probe.pull import State
from probe.pull.chain import Followed
from probe.pull.copy_dir import StreamFiles
from tests.pull.server import FakeAgent, make_lines, serving
from tests.pull.test_pull import pulled, texts

LINES = make_lines(40)
AT_ONCE = 10  # lines a page
KEPT = AT_ONCE - 1  # of the first one: its last line has no witness yet


def behind(path: str) -> int | None:
    """Which line a page was asked for after."""
    return int(path.split("after=")[1].split("&")[0]) if "after=" in path else None


def asked(agent: FakeAgent) -> list[int]:
    return [after for path in agent.asked if (after := behind(path)) is not None]


async def test_the_next_page_is_asked_for_while_this_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, seen = StreamFiles.append, threading.Event()

    class Watched(FakeAgent):
        async def results(self, request: web.Request) -> web.StreamResponse:
            if request.query["after"] == str(KEPT):
                seen.set()
            return await super().results(request)

    def slow(files: StreamFiles, lines: Sequence[Followed]) -> None:
        if files.cursor.seq == 0:
            assert seen.wait(20), "the second page was not asked for before the first was on the disk"
        append(files, lines)

    monkeypatch.setattr(StreamFiles, "append", slow)
    async with serving(Watched(streams={"acme": LINES})) as agent:
        assert (await pulled(agent, tmp_path, lines=AT_ONCE)).complete
    assert texts(tmp_path) == LINES


async def test_nothing_behind_a_page_that_could_not_be_written_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = StreamFiles.append

    def full(files: StreamFiles, lines: Sequence[Followed]) -> None:
        if lines[0].first_seq > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(files, lines)

    async with serving(FakeAgent(streams={"acme": LINES})) as agent:
        with monkeypatch.context() as patched:
            patched.setattr(StreamFiles, "append", full)
            board = await pulled(agent, tmp_path, lines=AT_ONCE)
        assert board.streams[0].state is State.INCOMPLETE
        assert texts(tmp_path) == LINES[:KEPT]
        assert (await pulled(agent, tmp_path)).complete
    assert texts(tmp_path) == LINES


async def test_what_is_wrong_with_the_page_ahead_ends_the_stream_behind_the_one_before(
    tmp_path: Path,
) -> None:
    def spoil(page: list[str]) -> list[str]:
        return [line.replace('"slot"', '"Slot"') if '"seq":15,' in line else line for line in page]

    async with serving(FakeAgent(streams={"acme": LINES}, spoil=spoil)) as agent:
        board = await pulled(agent, tmp_path, lines=AT_ONCE)
    assert board.streams[0].state is State.REFUSED
    assert "15" in str(board.streams[0].note)
    assert texts(tmp_path) == LINES[:KEPT]
    assert list(tmp_path.glob("a1/acme/rejected/*.json"))


async def test_a_page_ahead_that_is_cut_goes_on_where_it_ended(tmp_path: Path) -> None:
    many = FakeAgent(streams={"acme": LINES}, cut_after=[1_000_000, 1200])
    async with serving(many) as agent:
        assert (await pulled(agent, tmp_path, lines=AT_ONCE)).complete
        assert asked(agent)[1] == KEPT  # the one that was cut
        assert KEPT < asked(agent)[2] < 2 * KEPT  # goes on behind what was vouched for
    assert texts(tmp_path) == LINES


async def test_pulls_that_end_leave_no_request_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, coming = StreamFiles.append, asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(files: StreamFiles, lines: Sequence[Followed]) -> None:
        append(files, lines)
        loop.call_soon_threadsafe(coming.set)

    monkeypatch.setattr(StreamFiles, "append", told)
    async with serving(FakeAgent(streams={"acme": LINES})) as agent:
        running = asyncio.create_task(pulled(agent, tmp_path, lines=AT_ONCE))
        await coming.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        rest = [task for task in asyncio.all_tasks() if "_receive" in repr(task)]
    assert rest == []
    kept = texts(tmp_path)
    assert kept == LINES[: len(kept)]
    assert kept
