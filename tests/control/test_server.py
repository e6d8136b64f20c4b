"""The control socket: who may ask, what is answered, and what is left behind by the dead."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from probe.control import server as control
from probe.control.client import ask, ask_async
from probe.control.server import ControlServer
from probe.control.socket_place import SOCKET, ControlError, NotRunning


async def _live() -> dict[str, Any]:
    return {"agent": "bj-mon-01", "n": 1}


@asynccontextmanager
async def served(
    directory: Path, **handlers: Callable[[], Awaitable[dict[str, Any]]]
) -> AsyncIterator[ControlServer]:
    server = ControlServer(directory, {"live": _live, **handlers})
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def raw(directory: Path, data: bytes) -> dict[str, Any]:
    """What a peer that sends just these bytes is answered."""
    reader, writer = await asyncio.open_unix_connection(str(directory / SOCKET))
    try:
        writer.write(data)
        writer.write_eof()
        answer: dict[str, Any] = json.loads(await reader.readline())
        assert await reader.read() == b"", "one answer, then the end"
        return answer
    finally:
        writer.close()


async def test_one_question_one_answer(tmp_path: Path) -> None:
    async with served(tmp_path):
        assert await ask_async(tmp_path, {"ask": "live"}) == {"agent": "bj-mon-01", "n": 1}
        assert await asyncio.to_thread(ask, tmp_path, {"ask": "live"}) == {"agent": "bj-mon-01", "n": 1}
        assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


async def test_the_mode_does_not_hang_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with served(tmp_path):
            assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600
    finally:
        os.umask(before)


async def test_a_path_longer_than_an_address_of_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    async with served(deep):
        assert (await ask_async(deep, {"ask": "live"}))["n"] == 1
        assert (await asyncio.to_thread(ask, deep, {"ask": "live"}))["n"] == 1


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b'{"ask":"nothing"}\n', 'a question is {"ask": ...} with one of: live'),
        (b'{"ask":["live"]}\n', "with one of: live"),
        (b'["live"]\n', "with one of: live"),
        (b"", "with one of: live"),
        (b"\xff\xfe\n", "with one of: live"),
        (b"GET / HTTP/1.1\r\n\r\n", "with one of: live"),
        (b"[" * 4000 + b"\n", "with one of: live"),
        (b'{"ask":"live", "x":"' + b"x" * 10_000 + b'"}\n', "one line of at most 4096 bytes"),
    ],
)
async def test_what_is_no_question_is_told_so(tmp_path: Path, sent: bytes, words: str) -> None:
    async with served(tmp_path):
        assert words in (await raw(tmp_path, sent))["problem"]
        assert (await ask_async(tmp_path, {"ask": "live"}))["n"] == 1, "and it goes on"


async def test_who_asks_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "QUESTION_S", 0.05)
    async with served(tmp_path):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET))
        assert "no question within 0.05 s" in json.loads(await reader.readline())["problem"]
        writer.close()


async def test_no_more_at_once_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "AT_ONCE", 2)
    async with served(tmp_path):
        idle = [await asyncio.open_unix_connection(str(tmp_path / SOCKET)) for _ in range(2)]
        with pytest.raises(ControlError, match="more than 2 questions at once"):
            await ask_async(tmp_path, {"ask": "live"})
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()


async def test_a_defect_of_a_handler_is_told_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> dict[str, Any]:
        raise RuntimeError("secret inner words")

    async def unwritable() -> dict[str, Any]:
        return {"x": object()}

    async with served(tmp_path, broken=broken, unwritable=unwritable):
        for question in ("broken", "unwritable"):
            with pytest.raises(
                ControlError, match=f"refused: {question}: this failed by our own fault"
            ) as caught:
                await ask_async(tmp_path, {"ask": question})
            assert "secret inner words" not in str(caught.value)
    assert [record.message for record in caplog.records] == ["control.failed"] * 2


async def test_other_users_are_refused_though_they_reach_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path):
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
        assert (await ask_async(tmp_path, {"ask": "live"}))["n"] == 1, "root may"
        if os.getuid() != 0:
            pytest.fail("this test changes user: run it as root")
        os.chmod(tmp_path / SOCKET, 0o666)
        for parent in (tmp_path, *tmp_path.parents):
            if parent.name.startswith(("pytest", "popen", "test")):
                parent.chmod(0o755)
        code = (
            "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "peer = socket.socket(socket.AF_UNIX); peer.connect(sys.argv[1])\n"
            'peer.sendall(b\'{"ask":"live"}\\n\'); print(peer.makefile().readline())'
        )
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(tmp_path / SOCKET), stdout=subprocess.PIPE, cwd="/"
        )
        out, _ = await asyncio.wait_for(made.communicate(), 60)
        assert json.loads(out) == {
            "problem": "the agent answers its own user (4242) and root, and this is user 65534"
        }


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no agent runs here"):
        ask(tmp_path, {"ask": "live"})
    with pytest.raises(NotRunning, match="no agent runs here"):
        ask(tmp_path / "nowhere", {"ask": "live"})


def _stale(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / SOCKET))
        dead.listen(1)


async def test_the_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    _stale(tmp_path)
    with pytest.raises(NotRunning):
        await ask_async(tmp_path, {"ask": "live"})
    (tmp_path / f"{SOCKET}.{os.getpid()}").touch()  # what a crash between making and renaming left
    async with served(tmp_path):
        assert (await ask_async(tmp_path, {"ask": "live"}))["n"] == 1
        assert [entry.name for entry in tmp_path.iterdir()] == [SOCKET]


async def test_a_living_agent_is_not_displaced(tmp_path: Path) -> None:
    async with served(tmp_path):
        with pytest.raises(ControlError, match="another process answers there"):
            await ControlServer(tmp_path, {"live": _live}).start()
        assert (await ask_async(tmp_path, {"ask": "live"}))["n"] == 1


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("/etc/passwd")])
async def test_what_is_not_ours_is_not_taken_away(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / SOCKET)
    with pytest.raises(ControlError, match="no socket, and none of ours"):
        await ControlServer(tmp_path, {"live": _live}).start()
    assert os.path.lexists(tmp_path / SOCKET)


async def test_a_socket_put_in_our_place_stays_when_we_go(tmp_path: Path) -> None:
    async with served(tmp_path):
        (tmp_path / SOCKET).unlink()
        _stale(tmp_path)
    assert (tmp_path / SOCKET).exists()


async def test_no_directory_no_socket(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no control socket can be made here"):
        await ControlServer(tmp_path / "nowhere", {}).start()


async def test_stopping_lets_go_whoever_is_being_answered(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def never() -> dict[str, Any]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async with served(tmp_path, never=never) as server:
        asking = asyncio.ensure_future(ask_async(tmp_path, {"ask": "never"}, 30))
        await begun.wait()
        await server.stop()
        await server.stop()
        with pytest.raises(ControlError, match="ended while it was asked"):
            await asking


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"", "ended while it was asked"), (b"nonsense\n", "is not our agent"), (b"[1]\n", "is not our agent")],
)
async def test_a_peer_that_is_no_agent(tmp_path: Path, said: bytes, words: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    server = await asyncio.start_unix_server(talk, tmp_path / SOCKET)
    async with server:
        with pytest.raises(ControlError, match=words):
            await ask_async(tmp_path, {"ask": "live"})
        with pytest.raises(ControlError, match=words):
            await asyncio.to_thread(ask, tmp_path, {"ask": "live"})


async def test_a_silent_agent_is_not_waited_for_longer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / SOCKET))
        silent.listen(5)
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 s"):
            await ask_async(tmp_path, {"ask": "live"}, 0.1)
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 s"):
            await asyncio.to_thread(ask, tmp_path, {"ask": "live"}, 0.1)


async def test_run_ends_when_told(tmp_path: Path) -> None:
    stop = asyncio.Event()
    running = asyncio.ensure_future(ControlServer(tmp_path, {"live": _live}).run(stop))
    while not (tmp_path / SOCKET).exists():
        await asyncio.sleep(0)
    assert (await ask_async(tmp_path, {"ask": "live"}))["n"] == 1
    stop.set()
    await asyncio.wait_for(running, 60)
    assert not (tmp_path / SOCKET).exists()
