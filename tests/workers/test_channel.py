"""What crosses the socket between the process that keeps and its workers, and what of it is refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.checks import CHECKS
from probe.core.config.plan import define
from probe.core.model.task import SecretRef
from probe.core.model.value import replace
from probe.core.nodes.values import Changes, Learning, Sighting
from probe.core.records.codec import encode
from probe.core.vantage.health import AnchorRound, LineHistory
from probe.workers import messages as m
from probe.workers.channel import HEAD, Channel
from tests.support import build
from tests.telemetry.test_metrics import row

ROUND = AnchorRound(
    started_ns=1, ended_ns=2, witnessed_ns=2, started_at=build.AT, ended_at=build.AT, asked=2, reached=1
)
SEEN = Sighting(
    customer="acme", domain="www.acme.example", ip_version=4, address="192.0.2.1", vantage_point="bj",
    suffix="", first_seen=build.AT, last_seen=build.AT,
)  # fmt: skip
LEARNED = Learning(
    customer="acme", domain="www.acme.example", ip_version=4, vantage_point="bj", since=build.AT, last=build.AT,
    resolutions=3,
)  # fmt: skip


def test_reports_come_out_as_they_went_in() -> None:
    reports: list[m.AnyReport] = [
        m.Ready(),
        m.Done(7, encode(row()), Changes(nodes=(SEEN,), learning=(LEARNED,)), b"\x00\xff"),
        m.Done(8, encode(row())),
        m.Failed(9, "ValueError: no"),
        m.Version("acme", "192.0.2.9 http://x/", build.version()),
        m.Learned(Changes()),
        m.AnchorCheckRequested("bj", 6),
        m.RoundsSeen("bj", 4, (ROUND, ROUND)),
        m.Beat(12, 70_000),
    ]
    assert m.reports_in(m.reports_out(reports)) == reports
    assert m.row_in(encode(row())) == row()


def test_text_that_is_no_unicode_is_written_as_the_store_writes_it() -> None:
    done = m.Done(1, b"{\xff}", None, b"\xfe")
    assert m.reports_in(m.reports_out([m.Failed(2, "file \udc80"), done])) == [
        m.Failed(2, "file \\udc80"),
        done,
    ]


@given(st.binary(max_size=200))
def test_nothing_that_a_worker_sends_is_run_or_stops_us(noise: bytes) -> None:
    with suppress(*m.MALFORMED):
        m.reports_in(noise)


def test_what_is_no_row_is_refused() -> None:
    with pytest.raises(m.MALFORMED):
        m.row_in(b'{"kind":"slot"}')


def test_orders_carry_tasks_whole_and_secrets_as_references() -> None:
    task = build.task()
    secret = replace(task.request, fields=(("Authorization", SecretRef(scheme="env", name="TOKEN")),))
    orders: list[m.AnyOrder] = [
        m.Tasks(tasks=(replace(task, request=secret),), gone=("t2",)),
        m.Measure(1, "t1", build.AT),
        m.Cancel(1),
        m.Lines(histories=(("bj", 4, LineHistory().with_round(ROUND)),)),
        m.Seed(nodes=(SEEN,), learning=(LEARNED,), spent=(("acme", 5),)),
    ]
    told = m.orders_in(m.orders_out(orders))
    assert told[1:] == orders[1:]
    assert isinstance(told[0], m.Tasks)
    reader = m.TaskReader(CHECKS)
    read = [reader.read(task) for task in (*told[0].tasks, *told[0].tasks)]
    assert read[0] == replace(task, request=secret)
    assert read[0].vantage_point is read[1].vantage_point
    assert read[0].checks[0] is read[1].checks[0]
    assert define(read[0]) == define(replace(task, request=secret))


class End:
    """One end of a socket pair, and what came out of it."""

    def __init__(self, **options: float) -> None:
        self.frames: list[bytes] = []
        self.ended = asyncio.Event()
        self.channel: Channel[bytes] = Channel(
            pack=b",".join, on_frame=self.frames.append, on_end=self.ended.set, **options
        )

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(60):
            while len(self.frames) < count:
                await asyncio.sleep(0.001)
        return self.frames


@asynccontextmanager
async def pair(**options: float) -> AsyncIterator[tuple[End, End]]:
    one, other = End(**options), End()
    for end, sock in zip((one, other), socket.socketpair(), strict=True):
        await asyncio.get_running_loop().create_connection(lambda end=end: end.channel, sock=sock)  # type: ignore[misc]
    try:
        yield one, other
    finally:
        one.channel.abort()
        other.channel.abort()
        async with asyncio.timeout(60):
            await one.ended.wait()
            await other.ended.wait()


async def test_what_is_said_at_once_is_one_frame_and_order_is_kept() -> None:
    async with pair() as (one, other):
        for word in (b"a", b"b", b"c"):
            one.channel.send(word)
        one.channel.flush()
        one.channel.send_packed(b"packed")
        one.channel.send(b"d")
        assert await other.until(3) == [b"a,b,c", b"packed", b"d"]


async def test_what_is_said_within_the_moment_waits_for_it() -> None:
    async with pair(batch_s=0.05) as (one, other):
        one.channel.send(b"a")
        await asyncio.sleep(0.01)
        assert other.frames == []
        one.channel.send(b"b")
        assert await other.until(1) == [b"a,b"]


async def test_large_frames_and_small_ones_arrive_whole_whatever_the_pieces() -> None:
    async with pair() as (one, other):
        large = bytes(range(256)) * 20_000
        frames = [b"x", large, b"", b"y" * 70_000, b"z"]
        for frame in frames:
            one.channel.send_packed(frame)
        assert await other.until(5) == frames


async def test_the_end_is_told_once_after_all_that_was_said() -> None:
    async with pair() as (one, other):
        one.channel.send(b"last")
        one.channel.close()
        async with asyncio.timeout(60):
            await other.ended.wait()
        assert other.frames == [b"last"]
        other.channel.send(b"to nobody")
        other.channel.flush()


async def test_a_length_that_is_none_ends_the_connection() -> None:
    async with pair() as (one, other):
        assert one.channel._transport is not None
        one.channel._transport.write(HEAD.pack(0xFFFFFFFF) + b"rest")
        async with asyncio.timeout(60):
            await other.ended.wait()
            await one.ended.wait()
        assert other.frames == []


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 50))
def test_every_cutting_gives_the_same_frames(frames: list[bytes], step: int) -> None:
    found: list[bytes] = []
    channel: Channel[bytes] = Channel(pack=b"".join, on_frame=found.append, on_end=lambda: None)
    data = b"".join(HEAD.pack(len(frame)) + frame for frame in frames)
    for start in range(0, len(data), step):
        channel.data_received(data[start : start + step])
    assert found == frames
