"""Sockets are made by the line or not at all; another namespace's thread hands over, in time, and leaks nothing."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from probe.core.model.task import VantagePoint
from probe.net import line, netns
from probe.net.failures import SocketLateError, SourceError
from probe.net.line import line_problem, open_socket
from probe.net.netns import close_namespaces, in_namespace
from probe.resolver.resolv_conf import resolv_conf_of

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def point(**line_of_it: Any) -> VantagePoint:
    return VantagePoint(name="here", **line_of_it)


@pytest.fixture(autouse=True)
def _end_threads() -> Iterator[None]:
    yield
    close_namespaces()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("netns ")]


# --- without a namespace ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TCP, UDP])
@pytest.mark.parametrize(("version", "source"), [(4, "127.0.9.9"), (6, "::1")])
async def test_bound_to_its_source_and_not_waiting(
    version: int, source: str, kind: socket.SocketKind
) -> None:
    with await open_socket(point(source_v4="127.0.9.9", source_v6="::1"), version, kind) as sock:
        assert sock.getsockname()[0] == source
        assert not sock.getblocking()
        assert not os.get_inheritable(sock.fileno())


@pytest.mark.parametrize("version", [4, 6])
async def test_a_source_of_the_other_version_binds_nothing(version: int) -> None:
    other = point(source_v6="::1") if version == 4 else point(source_v4="127.0.9.9")
    with await open_socket(other, version, UDP) as sock:
        assert sock.getsockname()[0] in ("0.0.0.0", "::")


async def test_a_source_that_is_not_assigned() -> None:
    for vantage in (point(source_v4="192.0.2.7"), point(source_v6="2001:db8::7")):
        version = 4 if vantage.source_v4 else 6
        with pytest.raises(SourceError) as told:
            await open_socket(vantage, version, TCP)
        source = vantage.source(version)
        assert str(told.value) == f"source {source}: it is not assigned; `ip address` shows those that are"
        assert await line_problem(vantage) == str(told.value)


async def test_an_interface_that_does_not_exist() -> None:
    with pytest.raises(SourceError) as told:
        await open_socket(point(interface="nosuch7"), 4, TCP)
    assert str(told.value) == "interface nosuch7: it does not exist; `ip link` shows those that do"
    assert await line_problem(point(interface="nosuch7")) == str(told.value)


@pytest.mark.parametrize(
    ("option", "vantage", "words"),
    [
        (socket.SO_BINDTODEVICE, point(interface="lo"), "interface lo: using it needs CAP_NET_RAW"),
        (socket.SO_MARK, point(mark=0x10), "mark 0x10: using it needs CAP_NET_ADMIN"),
    ],
)
async def test_a_right_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, option: int, vantage: VantagePoint, words: str
) -> None:
    _refuse(monkeypatch, option, errno.EPERM)
    with pytest.raises(SourceError) as told:
        await open_socket(vantage, 4, TCP)
    assert str(told.value) == words
    assert await line_problem(vantage) == words


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
async def test_what_this_host_lacks_is_no_fault_of_the_line(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    _refuse(monkeypatch, socket.SO_MARK, code)
    for call in (open_socket(point(mark=1), 4, TCP), line_problem(point(mark=1))):
        with pytest.raises(OSError) as told:
            await call
        assert told.value.errno == code


def _refuse(monkeypatch: pytest.MonkeyPatch, option: int, code: int) -> None:
    class Refusing(socket.socket):
        def setsockopt(self, *what: Any) -> None:
            if what[:2] == (socket.SOL_SOCKET, option):
                raise OSError(code, os.strerror(code))
            super().setsockopt(*what)

    monkeypatch.setattr(socket, "socket", Refusing)


async def test_the_whole_range_of_marks_is_set_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[int] = []

    class Noting(socket.socket):
        def setsockopt(self, *what: Any) -> None:
            if what[:2] == (socket.SOL_SOCKET, socket.SO_MARK):
                set_to.extend(struct.unpack("=I", what[2]))

    monkeypatch.setattr(socket, "socket", Noting)
    for mark in (1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        (await open_socket(point(mark=mark), 4, TCP)).close()
    assert set_to == [1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


async def test_no_descriptors_left_is_said_as_it_is() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_lowest_free(), hard))
    try:
        for vantage in (point(), point(netns="/proc/self/ns/net")):
            for call in (open_socket(vantage, 4, TCP), line_problem(vantage)):
                with pytest.raises(OSError) as told:
                    await call
                assert told.value.errno == errno.EMFILE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _lowest_free() -> int:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.close(descriptor)
    return descriptor


async def test_an_ip_version_that_the_host_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnlyV4(socket.socket):
        def __init__(self, family: int = -1, *rest: Any, **more: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *rest, **more)

    monkeypatch.setattr(socket, "socket", OnlyV4)
    with pytest.raises(OSError) as told:
        await open_socket(point(), 6, TCP)
    assert told.value.errno == errno.EAFNOSUPPORT
    assert await line_problem(point(ip_versions=(4,))) is None
    assert await line_problem(point(ip_versions=(4, 6))) == "IPv6: Address family not supported by protocol"


async def test_every_trouble_of_a_line_is_told_once() -> None:
    vantage = point(source_v4="192.0.2.7", source_v6="2001:db8::7", ip_versions=(4, 6))
    assert await line_problem(vantage) == (
        "source 192.0.2.7: it is not assigned; `ip address` shows those that are; "
        "source 2001:db8::7: it is not assigned; `ip address` shows those that are"
    )
    vantage = point(interface="nosuch7", source_v4="127.0.0.1", source_v6="::1", ip_versions=(4, 6))
    assert (
        await line_problem(vantage) == "interface nosuch7: it does not exist; `ip link` shows those that do"
    )


async def test_a_line_without_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await line_problem(point()) is None
    assert await line_problem(point(source_v4="127.0.9.9", source_v6="::1", ip_versions=(4, 6))) is None


async def test_where_any_address_can_be_bound_to_the_route_tells_whose_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With ip_nonlocal_bind the kernel lets everything pass: here a bind that does nothing stands for it."""
    (tmp_path / "yes").write_text("1\n")
    monkeypatch.setattr(line, "_NONLOCAL_BIND", dict.fromkeys((4, 6), tmp_path / "yes"))

    class Lax(socket.socket):
        def bind(self, address: Any) -> None:
            """Anything goes."""

    monkeypatch.setattr(socket, "socket", Lax)
    assert await line_problem(point(source_v4="127.0.9.9", source_v6="::1")) is None
    for vantage in (point(source_v4="192.0.2.7"), point(source_v6="2001:db8::7")):
        problem = await line_problem(vantage)
        assert problem is not None
        assert "it is not assigned" in problem


# --- namespaces that cannot be entered ------------------------------------------------------------------


async def refused(vantage: VantagePoint) -> str:
    with pytest.raises(SourceError) as told:
        await open_socket(vantage, 4, TCP)
    assert await line_problem(vantage) == str(told.value)
    return str(told.value)


async def test_a_namespace_that_does_not_exist(tmp_path: Path) -> None:
    words = "it does not exist; `ip netns list` shows those that do"
    assert await refused(point(netns="cp-nosuch")) == f"network namespace cp-nosuch: {words}"
    assert await refused(point(netns=f"{tmp_path}/ns")) == f"network namespace {tmp_path}/ns: {words}"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EPERM, "entering it (setns) needs CAP_SYS_ADMIN"),
        (errno.EINVAL, "the file is no network namespace, or one of another mount namespace"),
        (errno.ENOSYS, "Function not implemented"),
    ],
)
async def test_a_namespace_that_may_not_be_entered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, words: str
) -> None:
    (tmp_path / "ns").touch()
    monkeypatch.setattr(netns, "_setns", lambda descriptor: code)
    assert await refused(point(netns=f"{tmp_path}/ns")) == f"network namespace {tmp_path}/ns: {words}"


async def test_what_is_no_file_of_a_namespace_holds_nobody_up(tmp_path: Path) -> None:
    """Who opens a pipe that nobody writes to waits for ever, which would be this test's time-out."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(SourceError, match="network namespace"):
            await open_socket(point(netns=str(path)), 4, TCP)
    (tmp_path / "loop").symlink_to("loop")
    assert (await refused(point(netns=f"{tmp_path}/loop"))).endswith(
        "cannot be opened: Too many levels of symbolic links"
    )


async def test_memory_that_setns_lacks_is_this_hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ns").touch()
    monkeypatch.setattr(netns, "_setns", lambda descriptor: errno.ENOMEM)
    with pytest.raises(OSError) as told:
        await open_socket(point(netns=f"{tmp_path}/ns"), 4, TCP)
    assert told.value.errno == errno.ENOMEM


async def test_a_thread_that_cannot_be_started_is_this_hosts_lack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError) as told:
        await open_socket(point(netns=f"{tmp_path}/ns"), 4, TCP)
    assert told.value.errno == errno.ENOMEM


# --- the hand-over ------------------------------------------------------------------------------------


@pytest.fixture
def open_door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A namespace that everybody may enter, and that is no other one."""
    monkeypatch.setattr(netns, "_setns", lambda descriptor: 0)
    (tmp_path / "ns").touch()
    return str(tmp_path / "ns")


class Thing:
    """A result that has to be ended by somebody."""

    made: list[Thing]

    def __init__(self) -> None:
        self.ended = 0
        Thing.made.append(self)

    def end(self) -> None:
        self.ended += 1


@pytest.fixture(autouse=True)
def _no_things() -> None:
    Thing.made = []


async def test_one_thread_for_a_namespace_and_none_of_it_is_the_loops(open_door: str) -> None:
    seen = {await in_namespace(open_door, threading.current_thread, lambda _: None) for _ in range(20)}
    assert len(seen) == 1
    (thread,) = seen
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert thread.name == f"netns {open_door}"


async def test_many_at_once_each_get_their_own(open_door: str) -> None:
    vantage = point(netns=open_door, source_v4="127.0.9.9")
    socks = await asyncio.gather(*(open_socket(vantage, 4, UDP) for _ in range(200)))
    assert len({sock.fileno() for sock in socks}) == 200
    for sock in socks:
        sock.close()


async def test_what_the_work_raises_is_raised_to_whoever_asked(open_door: str) -> None:
    def fail() -> Thing:
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        await in_namespace(open_door, fail, Thing.end)
    assert isinstance(await in_namespace(open_door, Thing, Thing.end), Thing), "the thread goes on"


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


async def test_a_result_that_comes_after_a_cancellation_is_ended(open_door: str) -> None:
    """In every place in which the cancellation may meet it: before, during and after the work, and in hand."""
    gate, begun = threading.Event(), threading.Event()

    def work() -> Thing:
        begun.set()
        assert gate.wait(20)
        return Thing()

    first = asyncio.create_task(in_namespace(open_door, work, Thing.end))
    second = asyncio.create_task(in_namespace(open_door, Thing, Thing.end))
    await asyncio.sleep(0)
    until(begun.is_set)
    first.cancel()
    second.cancel()
    for task in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await task
    gate.set()
    await in_namespace(open_door, lambda: None, lambda _: None)  # a third one, so that both before are done
    await asyncio.sleep(0)
    assert [thing.ended for thing in Thing.made] == [1], "the second was not even begun"


async def test_a_result_in_hand_when_the_cancellation_comes_is_ended(open_door: str) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(in_namespace(open_door, Thing, Thing.end))
    await asyncio.sleep(0)
    until(lambda: len(Thing.made) == 1)
    time.sleep(0.01)  # the loop stands still until the thread has handed over
    loop.call_soon(task.cancel)  # after the delivery, before the task goes on
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [thing.ended for thing in Thing.made] == [1]


async def test_a_thread_that_is_stuck_is_not_waited_for(
    open_door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netns, "HANDED_OVER_WITHIN_S", 0.05)
    monkeypatch.setattr(netns, "_WAITING_AT_MOST", 3)
    gate = threading.Event()

    def work() -> Thing:
        assert gate.wait(20)
        return Thing()

    try:
        with pytest.raises(SocketLateError, match=r"not entered within 0\.05 s"):
            await in_namespace(open_door, work, Thing.end)
        for _ in range(3):
            with pytest.raises(SocketLateError, match=r"not entered within 0\.05 s"):
                await in_namespace(open_door, Thing, Thing.end)
        with pytest.raises(SocketLateError, match="its thread is stuck"):
            await in_namespace(open_door, Thing, Thing.end)
    finally:
        gate.set()
    monkeypatch.setattr(netns, "HANDED_OVER_WITHIN_S", 20.0)
    until(lambda: len(Thing.made) == 1)
    await in_namespace(open_door, lambda: None, lambda _: None)
    await asyncio.sleep(0)
    assert [thing.ended for thing in Thing.made] == [1], (
        "what nobody waited for was ended, the rest not begun"
    )


def test_a_result_for_a_loop_that_is_closed_is_ended(open_door: str) -> None:
    gate, begun = threading.Event(), threading.Event()

    def work() -> Thing:
        begun.set()
        assert gate.wait(20)
        return Thing()

    async def leave() -> None:
        task = asyncio.create_task(in_namespace(open_door, work, Thing.end))
        await asyncio.sleep(0)
        until(begun.is_set)
        task.cancel()

    asyncio.run(leave())
    gate.set()
    close_namespaces()
    assert [thing.ended for thing in Thing.made] == [1]


async def test_closing_twice_and_going_on_afterwards(open_door: str) -> None:
    first = await in_namespace(open_door, threading.current_thread, lambda _: None)
    close_namespaces()
    assert not first.is_alive()
    close_namespaces()
    second = await in_namespace(open_door, threading.current_thread, lambda _: None)
    assert second is not first


async def test_a_thread_that_cannot_go_home_does_nothing_more(
    open_door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        monkeypatch.setattr(netns, "_setns", lambda descriptor: errno.EPERM)

    with pytest.raises(SourceError, match="cannot go back"):
        await in_namespace(open_door, work, lambda _: None)
    threads[0].join(20)
    assert not threads[0].is_alive()
    monkeypatch.setattr(netns, "_setns", lambda descriptor: 0)
    assert await in_namespace(open_door, threading.current_thread, lambda _: None) is not threads[0]


async def test_no_descriptor_stays_open(open_door: str) -> None:
    await in_namespace(open_door, lambda: None, lambda _: None)
    gc.collect()
    before = os.listdir("/proc/self/fd")
    for _ in range(50):
        (await open_socket(point(netns=open_door), 4, TCP)).close()
        with pytest.raises(SourceError):
            await open_socket(point(netns=open_door, source_v4="192.0.2.7"), 4, TCP)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_process_ends_although_nobody_ended_the_threads(tmp_path: Path) -> None:
    (tmp_path / "ns").touch()
    script = (
        "import asyncio, sys\n"
        "from probe.net import netns\n"
        "netns._setns = lambda descriptor: 0\n"
        "asyncio.run(netns.in_namespace(sys.argv[1], int, print))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "ns")], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# --- resolv.conf --------------------------------------------------------------------------------------


def test_a_named_namespace_has_its_own_resolv_conf(tmp_path: Path) -> None:
    hosts = tmp_path / "resolv.conf"
    (tmp_path / "ct").mkdir()
    own = tmp_path / "ct" / "resolv.conf"
    own.write_text("nameserver 192.0.2.53\n")
    (tmp_path / "cu").mkdir()  # without the file

    def path(name: str | None) -> Path:
        return resolv_conf_of(point(netns=name), hosts, tmp_path)

    assert path("ct") == path("/run/netns/ct") == own
    assert path(None) == path("cu") == path("cm") == path("/proc/1/ns/net") == path("/var/ct") == hosts
