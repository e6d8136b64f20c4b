"""Rule: a handler is given all that it may use, as a `Call`, and imports no service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from probe.api.http.counters import Counters
from probe.api.http.problem import Refused, not_found
from probe.api.request.auth import Caller
from probe.api.request.known import Known
from probe.api.request.params import Param
from probe.api.request.ports import AgentLink, HeadSigner
from probe.api.request.reading import Readers
from probe.api.request.waiting import HeadWatch
from probe.core.config.results import Verb
from probe.host.clock import Clock, rfc3339
from probe.store.acks import ApiDb

MakeDispute = Callable[[str, str, int, Path], None]
"""Writes the dispute file of one row: agent, customer, seq, where to. Raises OSError, ValueError."""


@dataclass(slots=True, kw_only=True)
class Deadlines:
    """Seconds. `write`: for each piece that a reader must take; `body`: for the whole body of a request."""

    write: float = 30.0
    body: float = 10.0
    page: float = 900.0


@dataclass(slots=True, kw_only=True)
class Services:
    """The services that handlers use. `pages` and `sums` have threads of their own, so that sums never delay pages.

    `directory`: of the results. `public_key`: PEM, for whoever verifies what `signer` signed.
    """

    agent: str
    directory: Path
    pages: Readers
    sums: Readers
    watch: HeadWatch
    link: AgentLink
    signer: HeadSigner
    known: Known
    db: ApiDb
    clock: Clock
    counters: Counters
    public_key: str | None = None
    dispute: MakeDispute | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)

    def now(self) -> str:
        """RFC 3339 UTC."""
        return rfc3339(self.clock.time_ns())

    async def require_stream(self, caller: Caller | None, customer: str) -> None:
        """Raises Refused (404) unless the caller may see the customer and there is one of that name.

        A reader whose token names its customers is answered from the token alone, so that it learns nothing
        about other customers. One that may see all gets 404 for names that do not exist.
        """
        assert caller is not None
        caller.require(customer)
        if caller.sees_all and customer not in caller.token.customers:
            streams = await self.pages.run(lambda reader: reader.streams())
            if all(name != customer for _, name, _ in streams):
                raise not_found()


@dataclass(slots=True)
class Call:
    """One request that was admitted. `caller` None: the path is open to all. `values`: its parameters."""

    request: web.BaseRequest
    services: Services
    caller: Caller | None
    values: dict[str, Any]
    tail: str = ""  # what stands in the place of {id}

    @property
    def who(self) -> Caller:
        """The caller of a path that is not open."""
        assert self.caller is not None
        return self.caller

    async def body(self, most: int) -> bytes:
        """The request's body. Raises Refused (408, 413, 415)."""
        if self.request.headers.get("Content-Encoding", "identity") != "identity":
            raise Refused(415, "the body is sent without a content coding")
        try:
            async with asyncio.timeout(self.services.deadlines.body):
                data = bytearray()
                async for piece in self.request.content.iter_any():
                    data += piece
                    if len(data) > most:
                        raise Refused(413, f"the body is larger than {most} bytes")
        except TimeoutError:
            raise Refused(408, "the body did not come in time") from None
        return bytes(data)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path with one method. `path` may end in `{id}`. `answers`: what the OpenAPI document says of a 200."""

    method: str
    path: str
    verb: Verb | None
    handler: Handler
    summary: str
    answers: dict[str, Any]
    params: tuple[Param, ...] = ()
    body: dict[str, Any] | None = None
    statuses: tuple[int, ...] = ()
