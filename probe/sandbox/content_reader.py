"""Rule: no content can stop the agent: parsers run in a child process, which is started again when it dies.

29 KB of HTML can make a correct parser use gigabytes, and 500 KB minutes. The process is started on first use; it has
neither our secrets nor our files. Content over a bound in nodes or steps is reported as `too_costly`. Where the
process itself ends, by its limits or otherwise, the content was not read (`not_read`): that is our own lack and no
property of the content. Neither is a fault of anybody.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from probe.core.content.reading import Reading, read_content
from probe.core.content.unreadable import NOT_READ, TOO_COSTLY
from probe.core.records.response import ContentFacts
from probe.sandbox.content_worker import ANSWER, QUESTION

log = logging.getLogger("probe.content")

WALL_S = 20.0  # waiting for others' content included
END_S = 2.0
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL")


class ContentReader:
    """Reads content by declared rules; `close` ends its process."""

    def __init__(self, *, wall_s: float = WALL_S) -> None:
        self._wall_s = wall_s
        self._turn = asyncio.Lock()
        self._child: Process | None = None
        self.starts = 0

    async def read(
        self, reading: Reading, body: bytes | None, fields: Iterable[tuple[str, str]] = ()
    ) -> ContentFacts:
        """As `core.content.reading.read_content`, for any content; raises nothing but CancelledError."""
        if body is None or not reading.needs_parser:
            return read_content(reading, body, fields)
        try:
            async with asyncio.timeout(self._wall_s), self._turn:
                facts = await self._exchange(reading, body)
        except (TimeoutError, OSError, EOFError, msgspec.DecodeError) as error:
            log.error("content.not_read", exc_info=error, extra={"fields": {"bytes": len(body)}})
            return ContentFacts(rules=reading.rules, flags=(NOT_READ,))
        if TOO_COSTLY in facts.flags:
            log.warning("content.too_costly", extra={"fields": {"bytes": len(body)}})
        elif NOT_READ in facts.flags:
            log.error("content.not_read", extra={"fields": {"bytes": len(body)}})
        return facts

    async def close(self) -> None:
        """End the process. Safe to call twice, and if there never was one."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await child.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _exchange(self, reading: Reading, body: bytes) -> ContentFacts:
        child = await self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            rules = msgspec.json.encode(reading)
            child.stdin.write(QUESTION.pack(len(rules), len(body)) + rules)
            child.stdin.write(body)
            await child.stdin.drain()
            (size,) = ANSWER.unpack(await child.stdout.readexactly(ANSWER.size))
            return msgspec.json.decode(await child.stdout.readexactly(size), type=ContentFacts)
        except BaseException:  # whatever is left in its pipes belongs to this question
            await asyncio.shield(self._kill(child))
            raise

    async def _running(self) -> Process:
        if self._child is not None and self._child.returncode is not None:
            await self.close()
        if self._child is None:
            self.starts += 1
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "probe.sandbox.content_worker"),
                stdin=PIPE,
                stdout=PIPE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )
        return self._child

    async def _kill(self, child: Process) -> None:
        if self._child is child:
            self._child = None
        assert child.stdout is not None
        try:
            if child.stdout.at_eof():  # it dies by itself; to signal it now would take its end from asyncio
                async with asyncio.timeout(END_S):
                    await child.wait()
        except TimeoutError:
            pass
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
        await child.wait()
