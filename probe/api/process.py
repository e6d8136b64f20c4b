"""Rule: pulling never disturbs measuring: the API is a process of its own, and the agent only keeps it running.

`ApiProcess` starts it, starts it again when it ends (waiting longer each time), and ends it. `serve_until` is the
main of that process. It ends when its parent does: its standard input is a pipe that nobody else holds open.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from probe.api.agent_link import ControlLink
from probe.api.request.calls import MakeDispute
from probe.api.request.ports import Whole
from probe.api.request.settings import read_agent
from probe.api.server import Options, serving
from probe.host.clock import SystemClock
from probe.seal.keys import Keys, Signer
from probe.telemetry.logs import fields

log = logging.getLogger("probe.serving")

FIRST_WAIT_S, MOST_WAIT_S = 1.0, 60.0
STEADY_S = 60.0  # a process that ran so long is healthy: the next pause is the shortest again
END_S = 10.0
NICE = 5  # measuring has priority


class ApiProcess:
    """The API's process. `address`: where it listens, once it does (`host:port`); None: not at this moment."""

    def __init__(
        self,
        config_file: Path,
        *,
        command: tuple[str, ...] = (sys.executable, "-m", "probe"),
        first_wait_s: float = FIRST_WAIT_S,
        steady_s: float = STEADY_S,
    ) -> None:
        self._arguments = (*command, "serve", "-c", str(config_file), "--while-stdin-open")
        self._first_wait_s = first_wait_s
        self._steady_s = steady_s
        self._child: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.address: str | None = None
        self.starts = 0
        self.listening = asyncio.Event()

    def start(self) -> None:
        """Start it; returns at once. Failures are logged and tried again."""
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it; transfers have a moment to complete. Safe to call twice, and if it was never started."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    async def restart(self) -> None:
        """End it and start it anew: for a changed address, certificate file, results directory or name."""
        await self.stop()
        self.start()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._child is None else self._child.pid

    async def _keep(self) -> None:
        loop, wait_s = asyncio.get_running_loop(), self._first_wait_s
        while True:
            begun = loop.time()
            code = await self._once()
            wait_s = self._first_wait_s if loop.time() - begun > self._steady_s else wait_s
            log.error("api.ended", extra=fields(code=code, again_in_s=wait_s))
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, MOST_WAIT_S)

    async def _once(self) -> int | str:
        """Run it to its end; how it ended."""
        self.starts += 1
        try:
            self._child = child = await asyncio.create_subprocess_exec(
                *self._arguments, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        except OSError as error:
            return f"not started: {error.strerror}"
        try:
            assert child.stdout is not None
            line = (await child.stdout.readline()).decode().strip()
            if line:
                self.address = line
                self.listening.set()
                log.info("api.listening", extra=fields(address=line))
            return await child.wait()
        finally:
            self.address = None
            self.listening.clear()
            await _end(child)
            self._child = None


async def _end(child: Process) -> None:
    """Closing its standard input ends it; killing, if that does not."""
    assert child.stdin is not None
    child.stdin.close()
    if child.returncode is None:
        try:
            async with asyncio.timeout(END_S):
                await child.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


# --- the process itself -----------------------------------------------------------------------------


async def serve_until(
    stop: asyncio.Event,
    config_file: Path,
    whole: Whole,
    say: Callable[[str], None],
    dispute: Callable[[Path], MakeDispute] | None = None,
) -> None:
    """Serve until `stop`. `say` is called with the address once it listens. Raises ConfigError, OSError.

    `dispute`: given the results directory, who makes dispute files of it.
    """
    agent = read_agent(config_file)  # nothing else runs yet that could be held up
    directory, clock = Path(agent.results), SystemClock()
    keys = _keys(directory)
    options = Options(
        link=ControlLink(directory),
        signer=Signer(keys, clock),
        public_key=keys.public.pem().decode(),
        whole=whole,
        dispute=None if dispute is None else dispute(directory),
        clock=clock,
    )
    async with serving(config_file, agent, options) as (host, port):
        say(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await stop.wait()


def _keys(directory: Path) -> Keys:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Keys.open(directory)


def stop_with_stdin(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends, and end the process where that does not suffice."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        with suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stop.set)
        threading.Event().wait(END_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    with suppress(OSError):
        os.nice(NICE)
