"""What the service manager hears, over real sockets: by path and by abstract name."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.host.systemd import LONGEST_STATUS, Notifier


class Manager:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.setblocking(False)

    def heard(self) -> list[dict[str, str]]:
        """Every datagram since the last look."""
        found: list[dict[str, str]] = []
        while True:
            try:
                text = self.socket.recv(65536).decode()
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in text.split("\n")))


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@cdn-probe-test-{os.getpid()}"
    made = Manager(address)
    yield made
    made.socket.close()


def from_environment(manager: Manager, **more: str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": manager.address, **more})


def test_a_life_as_the_manager_hears_it(manager: Manager) -> None:
    notifier = from_environment(manager)
    notifier.ready()
    notifier.alive("12 tasks")
    notifier.stopping()
    assert manager.heard() == [
        {"READY": "1", "STATUS": "measuring"},
        {"WATCHDOG": "1", "STATUS": "12 tasks"},
        {"STOPPING": "1", "STATUS": "draining"},
    ]


def test_ready_and_stopping_are_told_once_and_in_order(manager: Manager) -> None:
    notifier = from_environment(manager)
    for _ in range(2):
        notifier.ready()
    for _ in range(2):
        notifier.stopping()
    notifier.ready()
    assert [next(iter(heard)) for heard in manager.heard()] == ["READY", "STOPPING"]


def test_a_reload_is_told_with_its_time_and_its_end(manager: Manager) -> None:
    notifier = from_environment(manager)
    notifier.ready()
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    with notifier.reloading():
        (_, begun) = manager.heard()
        assert begun["RELOADING"] == "1"
        assert before_us <= int(begun["MONOTONIC_USEC"]) <= before_us + 60_000_000
    assert manager.heard() == [{"READY": "1", "STATUS": "measuring"}]


def test_a_reload_that_fails_ends_too(manager: Manager) -> None:
    notifier = from_environment(manager)
    notifier.ready()
    with pytest.raises(RuntimeError), notifier.reloading():
        raise RuntimeError
    assert manager.heard()[-1] == {"READY": "1", "STATUS": "measuring"}


@pytest.mark.parametrize("phase", ["starting", "stopping"])
def test_a_reload_while_starting_or_draining_does_not_say_ready(manager: Manager, phase: str) -> None:
    notifier = from_environment(manager)
    if phase == "stopping":
        notifier.ready()
        notifier.stopping()
        manager.heard()
    with notifier.reloading():
        pass
    assert manager.heard() == []


def test_draining_that_begins_during_a_reload_is_the_last_word(manager: Manager) -> None:
    notifier = from_environment(manager)
    notifier.ready()
    with notifier.reloading():
        notifier.stopping()
    assert "STOPPING" in manager.heard()[-1]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),  # meant for another process
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
        ({}, None),
    ],
)
def test_how_often_the_watchdog_wants_to_hear(
    manager: Manager, variables: dict[str, str], expected: float | None
) -> None:
    assert from_environment(manager, **variables).watchdog_s == expected


def test_children_do_not_inherit_the_variables() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    Notifier.from_environment(environment)
    assert environment == {"PATH": "/bin"}


def test_a_line_break_in_a_status_makes_no_variable(manager: Manager) -> None:
    from_environment(manager).status("disk is full\nMAINPID=1\n\tMORE=2")
    assert manager.heard() == [{"STATUS": "disk is full MAINPID=1 MORE=2"}]


def test_a_status_is_cut(manager: Manager) -> None:
    from_environment(manager).status("x" * 5000)
    assert manager.heard() == [{"STATUS": "x" * LONGEST_STATUS}]


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier.from_environment({"WATCHDOG_USEC": "30000000"})
    assert notifier.watchdog_s is None
    notifier.ready()
    with notifier.reloading():
        notifier.alive("")
    notifier.stopping()


@pytest.mark.parametrize("address", ["vsock:2:1", "relative", ""])
def test_an_address_of_another_kind_is_told_and_left(address: str, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.ready()
    assert [record.getMessage() for record in caplog.records] == ["notify.unknown_socket"]


def test_what_the_socket_refuses_is_told_once_and_sent_with_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = str(tmp_path / "notify")
    notifier = Notifier(address, watchdog_s=1)
    notifier.ready()
    notifier.alive("one")
    assert [record.getMessage() for record in caplog.records] == ["notify.refused"]
    manager = Manager(address)
    notifier.alive("two")
    assert manager.heard() == [{"READY": "1", "STATUS": "two", "WATCHDOG": "1"}]
    manager.socket.close()


def test_a_full_socket_does_not_hold_us_up(manager: Manager) -> None:
    """Who waited for room would wait for ever: nobody reads until all is sent."""
    notifier = from_environment(manager)
    for _ in range(5000):  # far beyond what a datagram socket holds
        notifier.alive("x")
    heard = manager.heard()
    assert 0 < len(heard) < 5000
    notifier.stopping()
    assert manager.heard() == [{"WATCHDOG": "1", "STATUS": "draining", "STOPPING": "1"}]


def test_a_reload_whose_beginning_was_refused_is_not_told_after_its_end(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    first = Manager(address)
    notifier = Notifier(address)
    notifier.ready()
    first.socket.close()
    os.unlink(address)
    with notifier.reloading():
        pass
    second = Manager(address)
    notifier.alive("two")
    assert second.heard() == [{"STATUS": "two", "READY": "1", "WATCHDOG": "1"}]
    second.socket.close()


def test_a_path_that_no_socket_can_have(caplog: pytest.LogCaptureFixture) -> None:
    Notifier("/" + "x" * 300).ready()
    Notifier("/a\0b").ready()
    assert [record.getMessage() for record in caplog.records] == ["notify.refused"] * 2
