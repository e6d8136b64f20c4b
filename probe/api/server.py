"""Wires the server: opens its parts in order and closes them in reverse order.

Runs until `stop` is set; then no connection is accepted, long polls are answered, and transfers have a moment to
complete.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from probe.api.app import App
from probe.api.http.counters import Counters
from probe.api.http.listener import Bounds, Listener, listening
from probe.api.http.protocol import HEAD_S, HttpServer
from probe.api.http.rate_limit import Buckets
from probe.api.http.tls import TlsFiles
from probe.api.page.app import PageApp
from probe.api.page.feed import LiveFeed
from probe.api.request.auth import Gate
from probe.api.request.calls import Deadlines, MakeDispute, Services
from probe.api.request.known import Known
from probe.api.request.ports import AgentLink, HeadSigner, NoAgent, Unsigned, Whole
from probe.api.request.reading import Readers
from probe.api.request.settings import LiveSettings
from probe.api.request.waiting import HeadWatch
from probe.core.config.load import AgentConfig
from probe.core.config.results import ApiConfig
from probe.core.syntax.values import split_host_port
from probe.host.clock import Clock, SystemClock, rfc3339
from probe.store.acks import ApiDb

PAGE_THREADS, SUM_THREADS = 3, 1
DRAIN_S = 5.0


@dataclass(slots=True, kw_only=True)
class Options:
    """What tests decide, and the command wires."""

    link: AgentLink = field(default_factory=NoAgent)
    signer: HeadSigner = field(default_factory=Unsigned)
    public_key: str | None = None
    dispute: MakeDispute | None = None
    whole: Whole = lambda: None
    clock: Clock = field(default_factory=SystemClock)
    now: Callable[[], float] = time.monotonic
    deadlines: Deadlines = field(default_factory=Deadlines)
    bounds: Bounds = field(default_factory=Bounds)
    head_s: float = HEAD_S
    port: int | None = None


def address_of(api: ApiConfig) -> tuple[str, int]:
    """Where to listen. Raises OSError where that would send tokens and results in the clear."""
    host, _, number = api.listen.rpartition(":")
    host, port = (host.strip("[]"), 0) if number == "0" else split_host_port(api.listen, None)
    if api.tls is None and not ip_address(host).is_loopback:
        raise OSError(
            f"api.listen: {api.listen} is not loopback, and without api.tls tokens and results would cross the network"
            " in the clear: give api.tls, or listen on 127.0.0.1 behind a proxy that speaks TLS"
        )
    return host, port


@asynccontextmanager
async def serving(file: Path, agent: AgentConfig, options: Options) -> AsyncIterator[tuple[str, int]]:
    """Serve within; gives address and port. Raises OSError where it cannot."""
    api = agent.api
    if api is None:
        raise OSError(f"{file}: there is no `api`: nothing to serve")
    host, port = address_of(api)
    tls = None if api.tls is None else TlsFiles(api.tls)
    directory = Path(agent.results)
    db = await ApiDb.open(directory, rfc3339(options.clock.time_ns()))
    try:
        pages = Readers(directory, agent.agent, PAGE_THREADS)
        sums = Readers(directory, agent.agent, SUM_THREADS)
        watch = HeadWatch(lambda: pages.run(lambda reader: reader.heads()))
        services = Services(
            agent=agent.agent,
            directory=directory,
            pages=pages,
            sums=sums,
            watch=watch,
            link=options.link,
            signer=options.signer,
            public_key=options.public_key,
            dispute=options.dispute,
            known=Known(options.whole, options.now),
            db=db,
            clock=options.clock,
            counters=Counters(),
            deadlines=options.deadlines,
        )
        gate = Gate(options.now)
        feed = LiveFeed(directory, agent.agent, options.clock.time_ns)
        page = PageApp(services, gate, feed, options.now)
        app = App(services, LiveSettings(file, agent), gate, Buckets(options.now), page)
        if api.page is not None:
            feed.begin()
        server = HttpServer(app.handle, head_s=options.head_s)
        sock = listening(host, port if options.port is None else options.port)
        listener = Listener(
            sock,
            server,
            services.counters,
            context=None if tls is None else tls.context,
            bounds=options.bounds,
        )
        listener.start()
        try:
            yield sock.getsockname()[:2]
        finally:
            await listener.close()
            await watch.close()
            server.pre_shutdown()
            await server.shutdown(DRAIN_S)
            await listener.all_gone(1.0)
            await asyncio.gather(pages.close(), sums.close(), feed.close())
    finally:
        await db.close()
