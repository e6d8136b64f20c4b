"""Rule: a worker measures what it is told to and says what came of it; it keeps, schedules and decides nothing else.

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
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock
from probe.host.gc import settle
from probe.host.loop_lag import LoopLag
from probe.host.suspension import Suspensions, worst_delay
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.net.event_loop import run
from probe.net.netns import close_namespaces
from probe.resolver.resolver import Resolver
from probe.settings.secrets import reveal
from probe.store.write.bundles import pack
from probe.telemetry.logs import fields, set_up
from probe.watch.host_dates import HostDates
from probe.workers import messages as m
from probe.workers.channel import Wire
from probe.workers.line_copies import LineCopies

log = logging.getLogger("probe.worker")

GATHER_S = 0.02  # rows that are ready within it go together: each message costs both sides as much as a row
BEAT_S = 1.0
LAG_OVER_NS = 60_000_000_000
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class Worker:
    """Obeys the orders that come over one socket until it ends."""

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
            lambda *saw: self._wire.say(m.Saw(*saw)),
            lambda *line: self._wire.say(m.Worried(*line)),
        )
        self._settings: m.Settings | None = None
        self._pipeline: Pipeline | None = None
        self._tasks: dict[str, Task] = {}
        self._reader = m.TaskReader(CHECKS)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._bundles: dict[str, bytes] = {}
        self._ended = asyncio.Event()
        self._wire: Wire[m.AnyReport] = Wire(
            packed=m.reports_out, take=self._take, ended=self._ended.set, gather_s=GATHER_S
        )

    async def work(self, end: socket.socket) -> None:
        """Until the other end of the socket is gone, or says so."""
        await self._lag.start()
        await asyncio.get_running_loop().create_connection(lambda: self._wire, sock=end)
        beating = asyncio.create_task(self._beat())
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

    def _take(self, frame: bytes) -> None:
        self._suspensions.look()  # what begins from now on did not sleep
        for order in m.orders_in(frame):
            self._obey(order)

    def _obey(self, order: m.AnyOrder) -> None:
        match order:
            case m.Measure():
                self._begin(order.slot, order.task, order.scheduled_at)
            case m.Cut():
                self._cut(order.slot)
            case m.Settings():
                self._settle(order)
            case m.Tasks():
                for gone in order.gone:
                    self._tasks.pop(gone, None)
                self._tasks.update((task.id, self._reader.read(task)) for task in order.tasks)
            case m.Seed():
                self._learn(order)
            case m.Lines():
                self._lines.take(order.histories)
            case m.Heard():
                self._lines.hear(order.vantage_point, order.ip_version, order.rounds)
            case m.Begin():
                self._wire.say(m.Ready())
            case m.Stop():
                changes = self._measuring.nodes.take_changes(final=True)
                self._wire.say(m.Learned(changes))
                self._wire.close()

    @property
    def _measuring(self) -> Pipeline:
        assert self._pipeline is not None, "the settings come first"
        return self._pipeline

    def _settle(self, settings: m.Settings) -> None:
        self._settings = settings
        self._fetcher.allow(settings.allow)
        self._resolver.allow(settings.allow)
        if self._pipeline is None:
            set_up(settings.log_level)
            self._pipeline = self._made(settings)
        else:
            logging.getLogger().setLevel(settings.log_level.upper())
            self._reader.forget()
            self._pipeline.adopt(settings.lines, settings.definitions)

    def _made(self, settings: m.Settings) -> Pipeline:
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

    def _learn(self, seed: m.Seed) -> None:
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

    def _cut(self, number: int) -> None:
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
        self._wire.say(m.Done(number, line, changes or None, bundle))

    def _failed(self, number: int, task: str, error: Exception) -> None:
        log.error("slot.error", exc_info=error, extra=fields(task=task))
        self._wire.say(m.Failed(number, f"{type(error).__name__}: {error}"))

    def _keep_version(self, customer: str, url: str, version: OriginVersion) -> None:
        self._wire.say(m.Version(customer, url, version))

    def _keep_standing(self, customer: str, origin: str, standing: OriginStanding) -> None:
        self._wire.say(m.Standing(customer, origin, standing))

    def _keep_bundle(self, bundle: Bundle) -> bool:
        """It goes with its row; whether there is room for it is seen there."""
        self._bundles[bundle.id] = pack(bundle)
        return True

    # --- this process -----------------------------------------------------------------------------------

    def _digest(self) -> str:
        return "" if self._settings is None else self._settings.config_digest

    async def _beat(self) -> None:
        while True:
            now_ns = self._clock.monotonic_ns()
            self._wire.say(m.Beat(self._lag.worst_us(now_ns - LAG_OVER_NS, now_ns), _rss_kb()))
            await asyncio.sleep(BEAT_S)


def _rss_kb() -> int:
    """Resident memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_KB


def work(descriptor: int) -> None:
    """Obey whoever is at the other end of this socket, until it ends."""
    settle()
    run(_work(descriptor))


async def _work(descriptor: int) -> None:
    await Worker().work(socket.socket(fileno=descriptor))
