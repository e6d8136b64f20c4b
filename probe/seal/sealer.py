"""Rule: sealing never holds up measuring, and trouble with one customer's stream never holds up another's.

Every hour (`segments.every`) what is new in each stream is sealed into files for pulling by file (docs/results.md).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from probe.core.config.results import SegmentsConfig
from probe.core.proof.manifest import Manifest
from probe.core.records.codec import CodecError
from probe.host.clock import Clock
from probe.seal.keys import Keys
from probe.seal.parquet import ParquetMissing, require
from probe.seal.segments import MOST_ROWS, SealRefused, Segments
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.sealing")

LOOK_S = 30.0  # the wall clock may be set meanwhile: it is looked at anew


class Sealer:
    """Runs beside the scheduler. Times by the wall clock: segments begin at whole multiples of `every` (UTC)."""

    def __init__(
        self,
        directory: Path,
        segments: SegmentsConfig,
        clock: Clock,
        *,
        most_rows: int = MOST_ROWS,
        open_reader: Callable[[Path], Reader] = Reader.open,
    ) -> None:
        self._directory = directory
        self._config = segments
        self._clock = clock
        self._most_rows = most_rows
        self._open_reader = open_reader
        self._segments: Segments | None = None
        self._stopping = threading.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; first at once, for what was left when the agent ended. Trouble is logged, and tried again."""
        sealed_in: int | None = None
        while not stop.is_set():
            period = self._clock.time_ns() // 1000 // self._config.every
            if period != sealed_in:
                sealed_in = period
                await self._round(stop)
            rest_us = self._config.every - self._clock.time_ns() // 1000 % self._config.every
            try:
                await asyncio.wait_for(stop.wait(), min(LOOK_S, rest_us / 1e6 + 0.001))
            except TimeoutError:
                continue

    async def _round(self, stop: asyncio.Event) -> None:
        """One sealing, ended early by `stop`."""
        work = asyncio.ensure_future(self.seal_now())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                self._stopping.set()
            await work
        except (OSError, StoreError) as error:
            log.error("seal.failed", extra=fields(error=str(error)))
        finally:
            stopped.cancel()
            self._stopping.clear()

    async def seal_now(self) -> list[Manifest]:
        """Seal what is new in every stream of this agent; the segments made. Raises OSError, StoreError."""
        return await asyncio.to_thread(self._seal)

    def _seal(self) -> list[Manifest]:
        segments = self._segments = self._segments or self._begin()
        segments.clear_aside()
        made: list[Manifest] = []
        with self._open_reader(self._directory) as reader:
            for customer in reader.heads():
                if self._stopping.is_set():
                    break
                made += self._seal_one(segments, reader, customer)
        return made

    def _seal_one(self, segments: Segments, reader: Reader, customer: str) -> list[Manifest]:
        try:
            made = segments.seal(reader, customer, self._stopping.is_set)
        except SealRefused as error:
            log.error("seal.refused", extra=fields(customer=customer, error=str(error)))
            return []
        except (OSError, StoreError, CodecError) as error:
            log.error("seal.failed", extra=fields(customer=customer, error=str(error)))
            return []
        for manifest in made:
            log.info(
                "seal.done", extra=fields(customer=customer, segment=manifest.stem, records=manifest.count)
            )
        return made

    def _begin(self) -> Segments:
        parquet = self._config.parquet
        if parquet:
            try:
                require()
            except ParquetMissing as error:
                log.error("seal.no_parquet", extra=fields(error=str(error)))
                parquet = False
        return Segments(
            self._directory,
            Keys.open(self._directory),
            self._clock,
            parquet=parquet,
            most_rows=self._most_rows,
        )
