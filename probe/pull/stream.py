"""Rule: a stream goes on from what is on the disk, page by page; the first thing that is wrong with it ends it, loudly.

One stream from one host into one directory. After a passing error (a cut transfer, a busy host, a full disk) the
request is repeated from the cursor that the files give. While a page is written, the one behind it is on its way; it is
kept only after the one before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from probe.pull.beside.ahead import Ahead, Transfer, transfer
from probe.pull.beside.stamps import AT_ONCE, StampsPull, read_page
from probe.pull.chain import LINE_MOST_BYTES, UNKNOWN, Cursor, Followed, TamperedError
from probe.pull.client import IDLE_S, Client, ConflictError, Offered, RefusedError, TransientError, back_off_s
from probe.pull.copy_dir import FILE_ROWS, Keys, StreamFiles
from probe.pull.evidence import EvidencePull
from probe.pull.heads import Key, WrongKeyError
from probe.pull.layout import CopyError
from probe.pull.page import Page, PageReader, PageTooLargeError, TruncatedError
from probe.pull.progress import State, StreamProgress

LINES_FIRST, LINES_LEAST, LINES_MOST = 500, 2, 10_000
PAGE_BYTES = 8 * 1024 * 1024
WAIT_S = 30

T = TypeVar("T")


def utc_now() -> str:
    """RFC 3339, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(slots=True, kw_only=True)
class PullOptions:
    """How to pull.

    `tries`: failures one after another before it gives up (`follow` never does). `pace_s`: least time between two
    questions where one waits for new rows. `idle_s`: a transfer in which nothing comes for so long is cut. `lines`:
    how many lines are asked for first; then as many as make a page of about `page_bytes`.
    `file_rows`: most lines a file. `evidence_bytes`: room for each stream's evidence; None: it is not asked for.
    """

    follow: bool = False
    ack: bool = False
    tries: int = 8
    pace_s: float = 1.0
    wait_s: int = WAIT_S
    idle_s: float = IDLE_S
    lines: int = LINES_FIRST
    page_bytes: int = PAGE_BYTES
    file_rows: int = FILE_ROWS
    evidence_bytes: int | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    back_off: Callable[[int, float | None], float] = back_off_s
    now_s: Callable[[], float] = time.monotonic
    now_text: Callable[[], str] = utc_now

    async def pause(self, seconds: float) -> None:
        """So long, or until it shall stop.

        Not by `asyncio.wait_for`: until Python 3.12 that swallows a cancellation which comes together with the event.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()


class _NoProgressError(TransientError):
    """The host sent a page without lines although its stream goes on."""


class StreamPull:
    """`run` raises nothing but cancellation: how it ended stands in `progress`."""

    def __init__(
        self,
        client: Client,
        offered: Offered,
        directory: Path,
        keys: Keys,
        options: PullOptions,
        progress: StreamProgress,
    ) -> None:
        self._client = client
        self._offered = offered
        self._directory = directory
        self._keys = keys
        self._options = options
        self._progress = progress
        self._files: StreamFiles | None = None
        self._lines = options.lines
        self._ahead = Ahead()
        self._target: int | None = None
        self._acknowledged = 0
        self._failures = 0
        self._idle = 0
        self._stamps = StampsPull(directory, offered.stream)
        self._evidence = None if options.evidence_bytes is None else EvidencePull(directory, offered.stream)

    async def run(self) -> None:
        """Until it is complete, refused, given up, or stopped."""
        self._progress.begun_s = self._options.now_s()
        try:
            while not self._options.stop.is_set() and self._progress.state in (State.PULLING, State.WAITING):
                await self._guarded(self._turn)
        finally:
            await self._ahead.drop()
            if self._progress.state in (State.PULLING, State.WAITING):
                well = self._options.follow and not self._failures
                self._end(State.COMPLETE if well else State.INCOMPLETE, self._progress.note or "stopped")
            self._progress.ended_s = self._options.now_s()
            self._close()

    async def _guarded(self, turn: Callable[[], Awaitable[None]]) -> None:
        """One turn; an error in it is reported and, where it may pass, waited out."""
        try:
            try:
                await turn()
            except Exception:
                await self._ahead.drop()  # what it begins behind may not be on the disk
                raise
        except (TamperedError, ConflictError, WrongKeyError, CopyError) as error:
            self._end(State.REFUSED, self._words(error))
        except RefusedError as error:
            self._end(State.REFUSED if error.status in (401, 403, 404) else State.INCOMPLETE, str(error))
        except OSError as error:
            await self._disk(error)
        except TruncatedError as error:
            await self._again(str(error), None)
        except TransientError as error:
            await self._again(str(error), error.after_s)

    async def _disk(self, error: OSError) -> None:
        """Nothing is written until somebody has helped: one pull ends, a following one asks again."""
        self._close()
        why = f"{self._directory}: {error.strerror or error}; everything up to {self._progress.seq} is kept"
        if self._options.follow:
            await self._again(f"{why}, and tried again", None)
        else:
            self._end(State.INCOMPLETE, f"{why}; pull again when that is mended")

    def _words(self, error: Exception) -> str:
        if isinstance(error, ConflictError):
            return f"{error}. Nothing of the copy was changed"
        return str(error)

    async def _again(self, why: str, after_s: float | None) -> None:
        self._failures += 1
        self._progress.note = why
        if not self._options.follow and self._failures >= self._options.tries:
            self._end(State.INCOMPLETE, f"given up after {self._failures} tries: {why}")
            return
        self._progress.state = State.WAITING
        await self._options.pause(self._options.back_off(self._failures, after_s))

    def _end(self, state: State, note: str | None = None) -> None:
        self._progress.state = state
        self._progress.note = note or self._progress.note

    # --- one turn ---------------------------------------------------------------------------------

    async def _turn(self) -> None:
        files = await self._opened()
        self._target = self._offered.seq if self._target is None else self._target
        begun_s, before = self._options.now_s(), files.cursor.seq
        at_end = self._options.follow and before >= self._progress.head and self._progress.proved is not None
        self._progress.state = State.WAITING if at_end else State.PULLING
        page = await self._page(files, wait_s=self._options.wait_s if at_end else 0)
        self._look_ahead(files, page)
        await whole(self._keep, files, page)
        self._told(files, page.lines)
        self._progress.head = page.head.seq
        self._progress.proved = page.head.proved
        self._progress.complete_up_to = page.complete_up_to or page.head.complete_up_to
        if files.cursor.seq == before < page.head.seq:
            raise _NoProgressError(
                f"the host gives nothing after {before}, and its stream goes on to {page.head.seq}"
            )
        self._failures, self._progress.note = 0, None
        await self._acknowledge(files)
        await self._fetch_stamps(page)
        altered = await self._fetch_evidence(files, page, before) or self._stamps.refused
        if not self._options.follow and files.cursor.seq >= self._target:
            self._end(State.COMPLETE if altered is None else State.REFUSED, altered)
        elif at_end:
            await self._options.pause(self._pace(self._options.now_s() - begun_s, bool(page.lines)))

    def _pace(self, took_s: float, grew: bool) -> float:
        """How long to wait before the next question, in seconds.

        A host that answers at once that there is nothing does not know how to wait: it is asked ever less often.
        """
        self._idle = 0 if grew or took_s > 0.5 * self._options.wait_s else min(self._idle + 1, 10)
        longer = min(float(self._options.wait_s), self._options.pace_s * 2.0 ** max(0, self._idle - 1))
        return max(0.0, max(self._options.pace_s, longer) - took_s)

    async def _opened(self) -> StreamFiles:
        return await whole(self._open) if self._files is None else self._files

    def _open(self) -> StreamFiles:
        """In a thread; kept at once, so that it is closed also where we are cancelled meanwhile."""
        files = StreamFiles.open(self._directory, self._offered.stream, file_rows=self._options.file_rows)
        self._files, self._progress.seq = files, files.cursor.seq
        return files

    def _look_ahead(self, files: StreamFiles, page: Page) -> None:
        """Ask for the page behind this one before this one is written: the host works while our disk does.

        Not while following, where streams are pulled side by side, nor before the agent's key is known.
        """
        assert self._target is not None
        more = page.lines and page.cursor.seq < self._target
        if more and not self._options.follow and self._keys.known(self._offered.stream.agent) is not None:
            self._ahead.begin(self._begin(files, page.cursor, 0))

    def _begin(self, files: StreamFiles, cursor: Cursor, wait_s: int) -> Transfer:
        key = self._keys.known(self._offered.stream.agent)
        most_bytes = max(4 * self._options.page_bytes, (LINES_LEAST + 1) * LINE_MOST_BYTES)
        reader = PageReader(
            self._offered.stream, cursor, key, files.witnessed, most_bytes, most_lines=self._lines
        )
        return transfer(reader, self._receive(reader, cursor, self._lines, wait_s))

    async def _receive(self, reader: PageReader, cursor: Cursor, lines: int, wait_s: int) -> None:
        async with self._client.page(self._offered, cursor, limit=lines, wait_s=wait_s) as pieces:
            async for piece in pieces:
                reader.feed(piece)

    async def _page(self, files: StreamFiles, wait_s: int) -> Page:
        coming = self._ahead.take() or self._begin(files, files.cursor, wait_s)
        reader = coming.reader
        try:
            await coming.received
            page = reader.finish()
        except (TruncatedError, TransientError) as error:
            if isinstance(error, PageTooLargeError):
                self._lines = max(LINES_LEAST, self._lines // 4)
            if kept := reader.vouched():
                await whole(files.append, kept)
                self._told(files, kept)
                self._stamps.due(kept)
                self._failures = 0
            raise
        except TamperedError as problem:
            self._end(State.REFUSED, problem.reason)  # also where we are stopped while it is kept
            where = await whole(files.set_aside, problem, reader.text(), self._options.now_text())
            kept_at = "" if where is None else f"; what came is kept in {where}"
            raise TamperedError(problem.seq, f"{problem.reason}{kept_at}") from None
        self._fit(reader)
        return page

    def _fit(self, reader: PageReader) -> None:
        """As many lines a page as make a page of moderate size."""
        if reader.rows:
            fitting = self._options.page_bytes * reader.rows // max(1, reader.held_bytes)
            self._lines = max(LINES_LEAST, min(LINES_MOST, fitting, 4 * self._lines))

    def _keep(self, files: StreamFiles, page: Page) -> None:
        """On the disk when it returns: the lines, then the head that counts them. Runs in a thread."""
        if page.head.key is not None:
            self._keys.use(self._offered.stream.agent, Key(page.head.key))
        files.append(page.lines)
        files.keep_head(page, self._options.now_text())

    def _told(self, files: StreamFiles, lines: Sequence[Followed]) -> None:
        gone = [line for line in lines if line.kind == "dropped"]
        self._progress.rows += len(lines) - len(gone)
        self._progress.dropped += sum(line.cursor.seq - line.first_seq + 1 for line in gone)
        self._progress.bytes += sum(len(line.text) + 1 for line in lines)
        self._progress.seq = files.cursor.seq
        self._progress.complete_up_to = files.cursor.complete_up_to or self._progress.complete_up_to

    async def _acknowledge(self, files: StreamFiles) -> None:
        cursor = files.cursor
        if self._options.ack and cursor.seq > self._acknowledged and cursor.digest != UNKNOWN:
            await self._client.acknowledge(self._offered, cursor)
            self._acknowledged = cursor.seq

    async def _fetch_stamps(self, page: Page) -> None:
        """Bring over the time stamps that the lines name, and those that earlier pulls did not."""
        stamps, anew = self._stamps, False
        if not stamps.due(page.lines):
            return
        await whole(stamps.open)
        while stamps.refused is None:
            try:
                data = await self._client.stamps(self._offered, stamps.had, stamps.digest, AT_ONCE)
            except ConflictError:
                if anew:
                    raise
                anew = True
                stamps.begin_anew()
                continue
            if data is None:
                stamps.done()  # an agent of an earlier version
                return
            lines, end = read_page(data)
            key = self._keys.known(self._offered.stream.agent)
            self._progress.stamps += await whole(stamps.keep, lines, key)
            if not lines or end.next >= end.count:
                stamps.done()
                return
        self._progress.note = stamps.refused

    async def _fetch_evidence(self, files: StreamFiles, page: Page, before: int) -> str | None:
        """Bring the bundles of what is on the disk over; what is wrong with one of them, in words."""
        evidence, most_bytes = self._evidence, self._options.evidence_bytes
        if evidence is None or most_bytes is None:
            return None
        for named in await whole(evidence.wanted, page.lines, before):
            text = wrong = None
            try:
                text = await self._client.evidence(named.identifier)
            except RefusedError as error:
                if error.status != 500:
                    raise
                wrong = str(error)
            self._progress.bundles += await whole(evidence.keep, named, text, wrong, most_bytes)
        await whole(evidence.asked_up_to, files.cursor.seq)
        if evidence.altered is not None:
            self._progress.note = evidence.altered
        return evidence.altered

    def _close(self) -> None:
        if self._files is not None:
            self._files.close()
            self._files = None


async def whole(function: Callable[..., T], *arguments: Any) -> T:
    """In a thread, to its end also where we are cancelled meanwhile: files are never closed under it."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
