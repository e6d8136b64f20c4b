"""Rule: stamping never holds up measuring; what was not stamped is tried again, and told until it was.

Theory of operation. Every `timestamp.every` (by the wall clock, a moment after sealing) each stream of this agent gets
a stamp on its newest head, and each sealed head gets one of its own.

1. What is wanted is read from the files: heads of manifests without a stamp; where none is of this moment, the end of
   the stream as it is now, signed for this, unless nothing is new but witnesses of what was before. So a restart
   forgets nothing. The newest of every stream come first: their stamps cover all records before them. Of older ones
   only so many are wanted (`BACKLOG`): later stamps cover the rest.
2. The authority is asked, one request after the other. Its token is verified, written to the file of stamps, and then
   named in the stream by the event `head.stamped`, which proves that what follows was written later
   (`probe.core.proof.vouching`).
3. The first failure ends the round: the next one is soon, then after longer and longer pauses. Nothing but this job
   waits for the authority.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from probe.core.config.results import TimestampConfig
from probe.core.model.times import epoch_s, utc_text_us
from probe.core.proof.manifest import parse_manifest
from probe.core.proof.signed_head import SignedHead
from probe.core.proof.stamp import STAMPED, Stamp, stamped_text
from probe.core.results.live_state import StampState
from probe.core.results.witnessing import any_news
from probe.core.text.redaction import without_secret_query
from probe.host.clock import Clock, rfc3339
from probe.host.loop_lag import ClockState, clock_state
from probe.seal.keys import Keys
from probe.seal.position import manifests
from probe.seal.stamps import files
from probe.seal.stamps.authority import Asked, AuthorityError, HttpAuthority
from probe.seal.stamps.tokens import Authority, StampsMissing, TokenError, request_for
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.stamping")

AFTER_S = 10.0  # after the moment at which segments are sealed
RETRY_FIRST_S, RETRY_MOST_S = 30.0, 900.0
BACKLOG = 200  # sealed heads of one stream that wait for a stamp of their own
A_ROUND = 1_000  # requests
FRESH_S = 120.0  # a sealed head that is no older is the newest there is, as good as
LOOKED_AT = 16  # lines: more than these are news anyway


class RecordEvent(Protocol):
    """Puts an event on record in a customer's stream; stored when it returns."""

    async def __call__(
        self, event: str, detail: dict[str, str], customers: tuple[str, ...] | None = None
    ) -> None:
        """`customers`: whose streams."""
        ...


@dataclass(slots=True)
class _Stream:
    """What is known of a stream's stamps: the lines that have one, and the oldest of those looked at."""

    stamped: set[int] = field(default_factory=set)
    since: int = 0


def _any_news(reader: Reader, customer: str, last: int, end: int) -> bool:
    """Whether more than witnesses of what is stamped already came since: else a stream would grow by its stamps."""
    lines = reader.lines(customer, last, LOOKED_AT)
    return end - last > LOOKED_AT or any_news(line.text.encode() for line in lines)


class Stamper:
    """Has the heads of one agent's streams stamped. `run` is to be called `delay_s` seconds after it ended."""

    def __init__(
        self,
        directory: Path,
        agent: str,
        config: TimestampConfig,
        clock: Clock,
        record_event: RecordEvent,
        *,
        asked: Asked | None = None,
        state: Callable[[], ClockState] = clock_state,
    ) -> None:
        """Nothing is read or sent before `run`. `asked`: the authority; default: at `config.url`."""
        self._directory = directory
        self._agent = agent
        self._config = config
        self._clock = clock
        self._record_event = record_event
        self._shown_url = without_secret_query(config.url)
        self._asked = asked or HttpAuthority(config.url)
        self._clock_state = state
        self._streams: dict[str, _Stream] = {}
        self._round: int | None = None
        self._failures = 0
        self._count = self._failed = 0
        self._waiting = 0
        self._last_at: str | None = None
        self._problem: str | None = None

    def delay_s(self) -> float:
        """Seconds until the next round: at its time, and after a failure sooner."""
        now_us, every_us = self._clock.time_ns() // 1000 - round(AFTER_S * 1e6), self._config.every
        due_s = 0.0 if now_us // every_us != self._round else (every_us - now_us % every_us) / 1e6 + 0.001
        if not self._failures:
            return due_s if self._round is not None else AFTER_S
        retry_s: float = min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** min(self._failures - 1, 20))
        return min(retry_s, max(due_s, RETRY_FIRST_S))

    def state(self) -> StampState:
        """As it is now."""
        return StampState(
            url=self._shown_url,
            stamped=self._count,
            failed=self._failed,
            waiting=self._waiting,
            last_at=self._last_at,
            problem=self._problem,
        )

    async def run(self) -> str | None:
        """One round; what did not work, in words. Trouble is logged, and tried again soon."""
        self._round = (self._clock.time_ns() // 1000 - round(AFTER_S * 1e6)) // self._config.every
        try:
            await self.round()
        except (AuthorityError, TokenError, StampsMissing, OSError, StoreError) as error:
            self._failures += 1
            self._failed += 1
            self._problem = str(error)
            log.error("stamp.failed", extra=fields(error=str(error), waiting=self._waiting))
            return self._problem
        self._failures, self._problem = 0, None
        return None

    async def round(self) -> None:
        """Have stamped what has none. Raises AuthorityError, TokenError, StampsMissing, StoreError, OSError."""
        wanted = await asyncio.to_thread(self._wanted)
        self._waiting = len(wanted)
        if not wanted:
            return
        authority = await asyncio.to_thread(Authority.read, Path(self._config.ca), self._config.policy)
        for head in wanted[:A_ROUND]:
            await self._stamp(authority, head)
            self._waiting -= 1

    async def _stamp(self, authority: Authority, head: SignedHead) -> None:
        text = stamped_text(head)
        request, nonce = request_for(text)
        try:
            response = await self._asked.ask(request)
        except AuthorityError as error:
            raise AuthorityError(f"{self._shown_url}: {error}") from None
        try:
            given = await asyncio.to_thread(authority.check_response, response, text, nonce)
        except TokenError as error:
            raise TokenError(f"{self._shown_url}: what it answered for record {head.seq} {error}") from None
        stamp = Stamp(head=head, nonce=f"{nonce:x}", response=response)
        file = files.stamps_file(self._directory, head.agent, head.customer)
        await asyncio.to_thread(files.append, file, stamp)
        self._streams[head.customer].stamped.add(head.seq)
        self._count += 1
        self._last_at = rfc3339(self._clock.time_ns())
        detail = {
            "seq": str(head.seq),
            "digest": head.digest,
            "given_at": utc_text_us(given.given_us),
            "sha256": stamp.sha256,
        }
        await self._record_event(STAMPED, detail, (head.customer,))

    # --- in a thread ----------------------------------------------------------------------------------

    def _wanted(self) -> list[SignedHead]:
        """The newest head of each stream without a stamp, then older sealed ones, the newest first."""
        keys = Keys.open(self._directory)
        first: list[SignedHead] = []
        older: list[SignedHead] = []
        with Reader.open(self._directory, self._agent) as reader:
            for customer in reader.heads():
                if customer not in self._streams:
                    self._streams[customer] = self._read(customer)
                known = self._streams[customer]
                sealed = list(self._sealed(customer, known))
                if not sealed or self._now_s() - epoch_s(sealed[0].at) >= FRESH_S:
                    last = max((*known.stamped, *(head.seq for head in sealed)), default=0)
                    head = reader.head(customer)
                    if head.seq > last and _any_news(reader, customer, last, head.seq):
                        now = rfc3339(self._clock.time_ns())
                        first.append(keys.sign_head(head, now, self._clock_state()))
                first += sealed[:1]
                older += sealed[1:]
        older.sort(key=lambda head: head.at, reverse=True)
        return first + older

    def _now_s(self) -> float:
        return self._clock.time_ns() / 1e9

    def _read(self, customer: str) -> _Stream:
        kept = files.newest(files.stamps_file(self._directory, self._agent, customer))
        stamped = {stamp.head.seq for stamp in kept}
        return _Stream(stamped, 0 if len(kept) < BACKLOG else min(stamped))

    def _sealed(self, customer: str, known: _Stream) -> Iterable[SignedHead]:
        """Heads of manifests that have no stamp, the newest first; of a damaged one none."""
        found = sorted(manifests(self._directory / customer, self._agent), key=lambda each: -each[1])
        for _, last, path in found[:BACKLOG]:
            if last in known.stamped or last < known.since:
                continue
            try:
                yield parse_manifest(path.read_bytes()).head
            except (ValueError, FileNotFoundError) as error:
                log.error("stamp.manifest_unreadable", extra=fields(file=str(path), error=str(error)))
