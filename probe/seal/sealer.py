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


class Sealer:
    """Seals the streams of one agent. By the wall clock: segments begin at whole multiples of `every` (UTC).

    `run` is to be called `delay_s` seconds after it ended, and when the wall clock was set.
    """

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
        self._sealed_in: int | None = None
        self._problems: list[str] = []

    def delay_s(self) -> float:
        """Seconds until there is something to seal: none at first, for what was left when the agent ended."""
        now_us = self._clock.time_ns() // 1000
        if now_us // self._config.every != self._sealed_in:
            return 0.0
        return (self._config.every - now_us % self._config.every) / 1e6 + 0.001

    async def run(self) -> str | None:
        """Seal what is new; what could not be sealed, in words. Trouble is logged, and tried again the next time."""
        self._sealed_in = self._clock.time_ns() // 1000 // self._config.every
        self._problems = []
        try:
            await self.seal_now()
        except (OSError, StoreError) as error:
            log.error("seal.failed", extra=fields(error=str(error)))
            self._problems.append(str(error))
        return "; ".join(self._problems) or None

    def end_run(self) -> None:
        """Whatever is being sealed ends soon, with a whole segment."""
        self._stopping.set()

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
            self._problems.append(f"{customer}: {error}")
            return []
        except (OSError, StoreError, CodecError) as error:
            log.error("seal.failed", extra=fields(customer=customer, error=str(error)))
            self._problems.append(f"{customer}: {error}")
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
