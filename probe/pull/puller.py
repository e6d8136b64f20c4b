"""Rule: hosts are pulled side by side; what one of them does wrong stops that one.

Several hosts into one directory. The `Board` has the state of each stream, also after an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

from probe.pull.chain import StreamName
from probe.pull.client import Client, Offered, RefusedError, Source, TransientError
from probe.pull.copy_dir import Keys, Lock, given
from probe.pull.heads import WrongKeyError
from probe.pull.layout import CopyError
from probe.pull.progress import Board, State, StreamProgress
from probe.pull.stream import PullOptions, StreamPull, whole

AT_ONCE = 2  # streams of one host where nothing is waited for
LOOK_AGAIN_S = 60.0  # for streams that are new
STREAMS_MOST = 10_000  # of one host: each costs memory, and following it a connection


async def pull_all(
    sources: Sequence[Source],
    directory: Path,
    *,
    customers: Collection[str] = (),
    options: PullOptions | None = None,
    board: Board | None = None,
) -> Board:
    """Pull until all is complete, or, following, until `options.stop` is set.

    Raises CopyError where another pull is writing there, OSError where the directory cannot be used, and RefusedError
    and WrongKeyError for an address or a key that cannot be used at all.
    """
    options, board = options or PullOptions(), board or Board()
    clients = [Client(source, idle_s=options.idle_s) for source in sources]
    for source in sources:
        given(source.key_pem)
    with Lock.take(directory):
        shared = _Shared(directory, options, board, frozenset(customers))
        hosts = [_Host(source, client, shared) for source, client in zip(sources, clients, strict=True)]
        tasks = [asyncio.create_task(host.run()) for host in hosts]
        stopper = asyncio.create_task(_cancel_on(options.stop, tasks))
        try:
            await asyncio.wait(tasks)
        finally:
            stopper.cancel()
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        _close(board)
        for end in ends:
            if isinstance(end, Exception):
                raise end
    return board


def _close(board: Board) -> None:
    """What never came to its turn did not end well."""
    for item in board.streams:
        if item.state in (State.PULLING, State.WAITING):
            item.state, item.note = State.INCOMPLETE, item.note or "stopped"


async def _cancel_on(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    await stop.wait()
    for task in tasks:
        task.cancel()


class _Shared:
    """What all hosts of one pull share."""

    def __init__(
        self, directory: Path, options: PullOptions, board: Board, customers: frozenset[str]
    ) -> None:
        self.directory = directory
        self.options = options
        self.board = board
        self.customers = customers
        self.keys = Keys(directory)
        self._owners: dict[str, str] = {}

    def claim(self, agent: str, url: str) -> None:
        """Raises CopyError where another host of this pull is the same agent."""
        if self._owners.setdefault(agent, url) != url:
            raise CopyError(
                f"{url} says that it is {agent}, and so does {self._owners[agent]}:"
                " an agent is pulled from one address"
            )


class _Host:
    """One address with all of its streams."""

    def __init__(self, source: Source, client: Client, shared: _Shared) -> None:
        self._source = source
        self._client = client
        self._shared = shared
        self._options = shared.options
        self._seen: set[StreamName] = set()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._whole = StreamProgress(url=source.url, stream=None, begun_s=shared.options.now_s())

    async def run(self) -> None:
        """Until all streams ended; following: until it is stopped."""
        tasks: list[asyncio.Task[None]] = []
        try:
            async with self._client, asyncio.TaskGroup() as group:
                while (fresh := await self._look()) is not None:
                    tasks += [group.create_task(self._pull(offered)) for offered in fresh]
                    if not self._options.follow or (tasks and all(task.done() for task in tasks)):
                        break
                    self._pace(len(tasks))
                    await asyncio.wait(
                        tasks or [group.create_task(asyncio.sleep(LOOK_AGAIN_S))], timeout=LOOK_AGAIN_S
                    )
        finally:
            self._whole.ended_s = self._options.now_s()

    def _pace(self, streams: int) -> None:
        """Many streams of one host share what one token may ask."""
        self._options.pace_s = max(self._options.pace_s, 0.2 * streams)

    async def _look(self) -> list[Offered] | None:
        """Streams that are wanted and new, asked for until the host answers. None: of no use, or stopped."""
        failures = 0
        while not self._options.stop.is_set():
            try:
                offered, pem = await self._client.streams()
                return await whole(self._choose, offered, pem)
            except (RefusedError, WrongKeyError, CopyError) as error:
                self._say(State.REFUSED, str(error))
                return None
            except OSError as error:
                self._say(State.INCOMPLETE, f"{self._shared.directory}: {error.strerror or error}")
                return None
            except TransientError as error:
                failures += 1
                if not self._options.follow and failures >= self._options.tries:
                    self._say(State.INCOMPLETE, f"given up after {failures} tries: {error}")
                    return None
                self._say(State.WAITING, str(error))
                await self._options.pause(self._options.back_off(failures, error.after_s))
        return None

    def _choose(self, offered: list[Offered], pem: bytes | None) -> list[Offered]:
        """In a thread: keys are read and kept."""
        wanted = self._shared.customers
        found = [item for item in offered if not wanted or item.stream.customer in wanted]
        if len(found) > STREAMS_MOST:
            raise RefusedError(
                200,
                f"it lists {len(found)} streams; at most {STREAMS_MOST} are pulled at once: name customers",
            )
        for agent in dict.fromkeys(item.stream.agent for item in found):
            self._shared.claim(agent, self._source.url)
            key = given(self._source.key_pem) or given(pem)
            if key is not None:
                self._shared.keys.use(agent, key)
        missing = sorted(wanted - {item.stream.customer for item in found})
        if missing:
            self._say(State.INCOMPLETE, f"no customer {', '.join(missing)} that this token may see")
        elif not found:
            self._say(State.INCOMPLETE, "this token may see no customer here")
        elif self._whole in self._shared.board.streams:
            self._shared.board.streams.remove(self._whole)
        fresh = [item for item in found if item.stream not in self._seen]
        self._seen.update(item.stream for item in fresh)
        return fresh

    def _say(self, state: State, note: str) -> None:
        self._whole.state, self._whole.note = state, note
        if self._whole not in self._shared.board.streams:
            self._shared.board.streams.append(self._whole)

    async def _pull(self, offered: Offered) -> None:
        progress = StreamProgress(url=self._source.url, stream=offered.stream, head=offered.seq)
        self._shared.board.streams.append(progress)
        pull = StreamPull(
            self._client, offered, self._shared.directory, self._shared.keys, self._options, progress
        )
        if self._options.follow:
            await pull.run()
        else:
            async with self._gate:
                await pull.run()
