"""Rule: a worker measures what it is ordered to and reports the outcome; it stores, schedules and decides nothing.

What runs in a process that `probe.workers.worker_pool` keeps (`probe.workers.process` is its main): a pipeline
of its own for its share of
the tasks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path

from probe.checks import CHECKS
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.origin import OriginStanding, OriginVersion
from probe.core.results.bundle import Bundle
from probe.fetch.exchange import load
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock
from probe.host.gc import settle
from probe.host.loop_lag import LoopLag
from probe.host.memory import given_back, keep_little
from probe.host.suspension import Suspensions, worst_delay
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.net.event_loop import run
from probe.net.netns import close_namespaces
from probe.resolver.resolver import Resolver
from probe.settings.secrets import reveal
from probe.store.base.packing import packed
from probe.telemetry.logs import fields, set_up
from probe.watch.host_dates import HostDates
from probe.workers import messages as m
from probe.workers.channel import Channel
from probe.workers.line_copies import LineCopies

log = logging.getLogger("probe.worker")

BATCH_S = 0.02  # rows that are ready within it go together: each message costs both sides as much as a row
BEAT_S = 1.0
LAG_OVER_NS = 60_000_000_000
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class Worker:
    """Carries out the orders that come over one socket until it ends."""

    def __init__(self) -> None:
        self._clock = clock = SystemClock()
        self._lag = LoopLag(clock)
        self._suspensions = Suspensions(clock)
        self._worst_lag_us = worst_delay(self._lag, self._suspensions)
        self._dates = HostDates(clock)
        self._fetcher = HttpFetcher(clock, reveal, seen=self._dates.note)
        self._resolver = Resolver(clock)
        self._lines = LineCopies(
            clock,
            self._worst_lag_us,
            lambda *saw: self._channel.send(m.RoundsSeen(*saw)),
            lambda *line: self._channel.send(m.AnchorCheckRequested(*line)),
        )
        self._settings: m.Settings | None = None
        self._pipeline: Pipeline | None = None
        self._tasks: dict[str, Task] = {}
        self._reader = m.TaskReader(CHECKS)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._bundles: dict[str, bytes] = {}
        self._ended = asyncio.Event()
        self._channel: Channel[m.AnyReport] = Channel(
            pack=m.reports_out, on_frame=self._on_frame, on_end=self._ended.set, batch_s=BATCH_S
        )

    async def work(self, end: socket.socket) -> None:
        """Until the other end of the socket is gone, or orders the end."""
        await self._lag.start()
        await asyncio.get_running_loop().create_connection(lambda: self._channel, sock=end)
        beating = asyncio.create_task(self._send_beats())
        try:
            await self._ended.wait()
        finally:
            beating.cancel()
            for measurement in self._running.values():
                measurement.cancel()
            await asyncio.gather(beating, *self._running.values(), return_exceptions=True)
            await self._fetcher.close()
            await self._lag.stop()
            close_namespaces()

    # --- orders ---------------------------------------------------------------------------------------

    def _on_frame(self, frame: bytes) -> None:
        self._suspensions.look()  # what begins from now on did not sleep
        for order in m.orders_in(frame):
            self._execute(order)

    def _execute(self, order: m.AnyOrder) -> None:
        match order:
            case m.Measure():
                self._begin(order.slot, order.task, order.scheduled_at)
            case m.Cancel():
                self._cancel(order.slot)
            case m.Settings():
                self._apply_settings(order)
            case m.Tasks():
                for gone in order.gone:
                    self._tasks.pop(gone, None)
                tasks = {task.id: self._reader.read(task) for task in order.tasks}
                load(frozenset().union(*(task.protocols for task in tasks.values())))
                self._tasks.update(tasks)
            case m.Seed():
                self._apply_seed(order)
            case m.Lines():
                self._lines.replace(order.histories)
            case m.RoundsMade():
                self._lines.add_rounds(order.vantage_point, order.ip_version, order.rounds)
            case m.Begin():
                self._channel.send(m.Ready())
            case m.Stop():
                changes = self._measuring.nodes.take_changes(final=True)
                self._channel.send(m.Learned(changes))
                self._channel.close()

    @property
    def _measuring(self) -> Pipeline:
        assert self._pipeline is not None, "the settings come first"
        return self._pipeline

    def _apply_settings(self, settings: m.Settings) -> None:
        self._settings = settings
        self._fetcher.allow(settings.allow)
        self._resolver.allow(settings.allow)
        if self._pipeline is None:
            set_up(settings.log_level)
            self._pipeline = self._make_pipeline(settings)
        else:
            logging.getLogger().setLevel(settings.log_level.upper())
            self._reader.forget()
            self._pipeline.adopt(settings.lines, settings.definitions)

    def _make_pipeline(self, settings: m.Settings) -> Pipeline:
        host = host_probe(settings.agent, "", self._lag)
        return Pipeline(
            kinds=CHECKS,
            resolver=self._resolver,
            fetcher=self._fetcher,
            clock=self._clock,
            host=replace(host, config_digest=self._digest, worst_lag_us=self._worst_lag_us),
            keep=self._keep_version,
            keep_standing=self._keep_standing,
            keep_bundle=self._keep_bundle,
            lines=settings.lines,
            line_health=self._lines,
            dates=self._dates.lately,
        )

    def _apply_seed(self, seed: m.Seed) -> None:
        pipeline = self._measuring
        pipeline.references.restore(
            (customer, key, version) for customer, key, versions in seed.histories for version in versions
        )
        pipeline.references.restore_standings(seed.standings)
        pipeline.nodes.restore(seed.nodes, seed.learning)
        for customer, spent_bytes in seed.spent:
            pipeline.budgets.forget(customer)
            pipeline.budgets.resume(customer, spent_bytes, self._clock.time_ns() / 1e9)

    # --- slots ----------------------------------------------------------------------------------------

    def _begin(self, number: int, task: str, scheduled_at: str) -> None:
        try:
            given = self._tasks[task]  # as it stands now: the next order may take it away, or say it anew
        except KeyError as error:
            self._failed(number, task, error)
            return
        measurement = asyncio.get_running_loop().create_task(self._measure(number, given, scheduled_at))
        self._running[number] = measurement
        measurement.add_done_callback(lambda _: self._running.pop(number, None))

    def _cancel(self, number: int) -> None:
        measurement = self._running.get(number)
        if measurement is not None:
            measurement.cancel()

    async def _measure(self, number: int, task: Task, scheduled_at: str) -> None:
        try:
            row = await self._measuring.measure(task, scheduled_at)
            line, changes = encode(row), self._measuring.nodes.take_changes()
        except Exception as error:
            self._failed(number, task.id, error)
            return
        bundle = None if row.evidence_id is None else self._bundles.pop(row.evidence_id, None)
        self._channel.send(m.Done(number, line, changes or None, bundle))

    def _failed(self, number: int, task: str, error: Exception) -> None:
        log.error("slot.error", exc_info=error, extra=fields(task=task))
        self._channel.send(m.Failed(number, f"{type(error).__name__}: {error}"))

    def _keep_version(self, customer: str, url: str, version: OriginVersion) -> None:
        self._channel.send(m.Version(customer, url, version))

    def _keep_standing(self, customer: str, origin: str, standing: OriginStanding) -> None:
        self._channel.send(m.Standing(customer, origin, standing))

    def _keep_bundle(self, bundle: Bundle) -> str:
        """It goes with its row; whether there is room for it is seen there."""
        self._bundles[bundle.id], digest = packed(bundle)
        return digest

    # --- this process -----------------------------------------------------------------------------------

    def _digest(self) -> str:
        return "" if self._settings is None else self._settings.config_digest

    async def _send_beats(self) -> None:
        while True:
            now_ns = self._clock.monotonic_ns()
            self._channel.send(m.Beat(self._lag.worst_us(now_ns - LAG_OVER_NS, now_ns), _rss_kb()))
            await asyncio.sleep(BEAT_S)


def _rss_kb() -> int:
    """Resident memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_KB


def work(descriptor: int) -> None:
    """Carry out the orders that come over this socket, until it ends."""
    settle()
    keep_little()
    run(_work(descriptor))


async def _work(descriptor: int) -> None:
    async with given_back():
        await Worker().work(socket.socket(fileno=descriptor))
