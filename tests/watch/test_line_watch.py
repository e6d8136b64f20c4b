"""A line's trouble is told once when it comes, once when it changes, once when it is gone; nothing ends the watch."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable

import pytest

from probe.core.model.task import VantagePoint
from probe.host.clock import SystemClock
from probe.net.failures import SocketLateError
from probe.schedule.jobs import Jobs
from probe.watch import line_watch
from probe.watch.line_watch import LineWatch
from tests.support.jobs import running_jobs
from tests.support.virtual import VirtualTime, run

GONE = "source 192.0.2.1: it is not assigned"


class Lines:
    """What `line_problem` says of each vantage point, as a test has it, and how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.say: dict[str, str | OSError | None] = {}
        self.takes_s = 0.0
        self.asked: list[tuple[float, str]] = []
        monkeypatch.setattr(line_watch, "line_problem", self._problem)

    async def _problem(self, vantage: VantagePoint) -> str | None:
        self.asked.append((asyncio.get_running_loop().time(), vantage.name))
        await asyncio.sleep(self.takes_s)
        said = self.say.get(vantage.name)
        if isinstance(said, OSError):
            raise said
        return said


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    return Lines(monkeypatch)


Told = list[tuple[str, str | None]]


def watch(jobs: Jobs, clock: VirtualTime, told: Told, *names: str) -> LineWatch:
    points = [VantagePoint(name=name) for name in names]
    return LineWatch(jobs, clock, points, lambda vantage, problem: told.append((vantage.name, problem)))


def test_told_exactly_when_it_changes(lines: Lines) -> None:
    clock, told = VirtualTime(), Told()

    async def script() -> None:
        async with running_jobs(clock) as jobs:
            watching = watch(jobs, clock, told, "ct", "cu")
            assert (watching.problem("ct"), watching.since("ct")) == (None, None)
            await watching.start()
            assert told == [], "a line that is well is not news"
            assert (watching.problem("ct"), watching.since("ct")) == (None, "2023-11-14T22:13:20.000333Z")
            lines.say["ct"] = GONE
            await asyncio.sleep(5.1)
            assert told == [("ct", GONE)]
            assert (watching.problem("ct"), watching.problem("cu")) == (GONE, None)
            assert watching.since("ct") == "2023-11-14T22:13:25.000333Z"
            await asyncio.sleep(60)
            assert told == [("ct", GONE)]
            lines.say["ct"] = "interface eth1: it is down"
            await asyncio.sleep(5)
            assert told[1:] == [("ct", "interface eth1: it is down")], "other words are other news"
            lines.say["ct"] = None
            await asyncio.sleep(5)
            assert told[2:] == [("ct", None)]
            assert watching.problem("ct") is None
            await asyncio.sleep(60)
            assert len(told) == 3
            await watching.stop()

    run(clock, script())


def test_a_line_that_is_not_there_at_the_start_is_told_before_start_is_over(lines: Lines) -> None:
    clock, told = VirtualTime(), Told()
    lines.say = {"ct": GONE, "cu": None}

    async def script() -> None:
        async with running_jobs(clock) as jobs:
            watching = watch(jobs, clock, told, "ct", "cu")
            await watching.start()
            assert told == [("ct", GONE)]
            await watching.stop()

    run(clock, script())


def test_regularly_and_all_at_once(lines: Lines) -> None:
    clock = VirtualTime()
    lines.takes_s = 0.5

    async def script() -> None:
        async with running_jobs(clock) as jobs:
            watching = LineWatch(
                jobs, clock, [VantagePoint(name=f"p{i}") for i in range(20)], lambda *_: None, interval_s=2
            )
            await watching.start()
            await asyncio.sleep(5.1)  # at 0, and 2 s after each end: 2.5, 5.0
            await watching.stop()
            assert len(lines.asked) == 60
            assert sorted({round(at, 2) for at, _ in lines.asked}) == [0.0, 2.5, 5.0]
            await asyncio.sleep(30)
            assert len(lines.asked) == 60, "it was stopped"

    run(clock, script())


def test_stopping_twice_and_before_the_start_and_starting_twice(lines: Lines) -> None:
    clock, told = VirtualTime(), Told()

    async def script() -> None:
        async with running_jobs(clock) as jobs:
            watching = watch(jobs, clock, told, "ct")
            await watching.stop()
            await watching.start()
            await watching.start()
            lines.asked.clear()
            await asyncio.sleep(5.1)
            assert len(lines.asked) == 1, "one watch, however often it is started"
            await watching.stop()
            await watching.stop()
            assert jobs.states() == ()

    run(clock, script())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        SocketLateError("network namespace ct: not entered within 1 s"),
    ],
)
def test_what_this_host_lacks_says_nothing_of_the_line(
    lines: Lines, error: OSError, caplog: pytest.LogCaptureFixture
) -> None:
    clock, told = VirtualTime(), Told()

    async def script() -> None:
        async with running_jobs(clock) as jobs:
            watching = watch(jobs, clock, told, "ct", "cu")
            lines.say = {"ct": GONE, "cu": None}
            await watching.start()
            lines.say = dict.fromkeys(("ct", "cu"), error)
            with caplog.at_level(logging.WARNING):
                await asyncio.sleep(5.1)
            assert told == [("ct", GONE)]
            assert (watching.problem("ct"), watching.problem("cu")) == (GONE, None)
            assert [r.getMessage() for r in caplog.records] == ["line.unknown"] * 2
            lines.say = {"ct": None, "cu": GONE}
            await asyncio.sleep(5)
            assert told[1:] == [("ct", None), ("cu", GONE)]
            await watching.stop()

    run(clock, script())


def test_whoever_is_told_cannot_end_the_watch(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    clock, told = VirtualTime(), Told()

    def fail(vantage: VantagePoint, problem: str | None) -> None:
        told.append((vantage.name, problem))
        raise KeyError("own")

    async def script() -> None:
        async with running_jobs(clock) as jobs:
            watching = LineWatch(jobs, clock, [VantagePoint(name="ct"), VantagePoint(name="cu")], fail)
            lines.say = {"ct": GONE, "cu": GONE}
            await watching.start()
            lines.say = {}
            await asyncio.sleep(5.1)
            assert told == [("ct", GONE), ("cu", GONE), ("ct", None), ("cu", None)]
            await watching.stop()

    run(clock, script())
    assert {record.getMessage() for record in caplog.records} == {"line.not_told"}


async def test_with_the_real_lines_of_this_host() -> None:
    told: Told = []

    def tell() -> Callable[[VantagePoint, str | None], None]:
        return lambda vantage, problem: told.append((vantage.name, problem))

    points = [
        VantagePoint(name="well", source_v4="127.0.9.9", source_v6="::1", ip_versions=(4, 6)),
        VantagePoint(name="gone", source_v4="192.0.2.1"),
        VantagePoint(name="away", netns="cp-nosuch"),
    ]
    async with running_jobs() as jobs:
        watching = LineWatch(jobs, SystemClock(), points, tell())
        await watching.start()
        await watching.stop()
    assert sorted(told, key=str) == [
        ("away", "network namespace cp-nosuch: it does not exist; `ip netns list` shows those that do"),
        ("gone", "source 192.0.2.1: it is not assigned; `ip address` shows those that are"),
    ]
