"""Rule: who may read follows agent.yaml at once: a token taken out of it is refused from the next request on.

The file is checked at every request and read when it has changed. A file that cannot be used leaves the former settings
in force, which is logged once for each state of the file.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from probe.core.config.load import AgentConfig, ConfigError, parse_agent
from probe.core.config.results import ApiConfig, PageConfig, TokenConfig
from probe.settings.agent_file import directory_of, read_agent_text
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

SETTLED_NS = 100_000_000  # a file younger than this may change again within one tick of its clock
_Signature = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Settings:
    """What of `api` may change while the server runs."""

    tokens: tuple[TokenConfig, ...]
    requests_per_minute: int
    open_metrics: bool
    page: PageConfig | None = None


def read_agent(file: Path) -> AgentConfig:
    """agent.yaml alone, without customers' files. Raises ConfigError or OSError."""
    return parse_agent(read_agent_text(file), str(file), base=directory_of(file))


def settings_of(api: ApiConfig | None) -> Settings:
    """Without `api` nobody may read any more."""
    if api is None:
        return Settings((), 1, False)
    return Settings(api.tokens, api.requests_per_minute, api.open_metrics, api.page)


class LiveSettings:
    """The settings in force. For the event loop's thread."""

    def __init__(self, file: Path, first: AgentConfig) -> None:
        self._file = file
        self._settings = settings_of(first.api)
        self._seen: _Signature | None = None  # the first look reads again: the file may have changed since
        self._reading = asyncio.Lock()

    async def now(self) -> Settings:
        """What holds for a request that came just now."""
        if self._signature() != self._seen or self._seen is None:
            async with self._reading:
                await self._read()
        return self._settings

    def _signature(self) -> _Signature | None:
        try:
            status = os.stat(self._file)
        except OSError:
            return (0, 0, 0, 0, 0)
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    async def _read(self) -> None:
        signature = self._signature()
        if signature is None or signature == self._seen:
            return
        try:
            agent = await asyncio.to_thread(read_agent, self._file)
        except (ConfigError, OSError) as error:
            words = str(error).splitlines()[0]
            log.error("api.config_not_used", extra=fields(file=str(self._file), problem=words))
        else:
            if self._settings != (made := settings_of(agent.api)):
                log.info("api.tokens_read", extra=fields(tokens=[token.name for token in made.tokens]))
            self._settings = made
        settled = time.time_ns() - max(signature[3], signature[4]) > SETTLED_NS
        self._seen = signature if settled else None
