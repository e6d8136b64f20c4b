"""Rule: a lab starts as a whole or not at all, and leaves nothing behind: no port, no task, no file.

A whole small CDN on loopback, without root: resolvers, edges, origins, anchors and a bystander, with faults on
demand. Written for `cdn-probe demo` and for tests.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from probe.lab import config_files
from probe.lab.faults import FAULTS, LabFault
from probe.lab.pki import Pki
from probe.lab.servers import anchor
from probe.lab.servers.dns import DnsServer
from probe.lab.servers.edge import Edge
from probe.lab.servers.listener import LabError, free_port
from probe.lab.servers.origin import Origin
from probe.lab.servers.server import HttpServer
from probe.lab.servers.upstream import Upstream
from probe.lab.servers.world import (
    ANCHORS,
    DEFAULT_LIFETIME_S,
    DOMAINS,
    EDGES,
    HTTP3,
    OTHER_ADDRESS,
    VANTAGES,
    Domain,
)
from probe.lab.servers.zones import Zones

if TYPE_CHECKING:
    from probe.lab.http3 import Http3Listener

__all__ = ["Lab", "LabError"]


class Lab:
    """`async with Lab() as lab`: everything listens on ports chosen free. Raises LabError if it cannot.

    Attributes once started: `http_port`, `https_port`, `dns_port` (the same on all addresses), `edges` by name,
    `http3` by edge (empty without the extra), `origins` by domain, `resolvers` by address, `anchors`, `bystander`,
    `zones`, `ca_pem`.
    """

    def __init__(self, *, lifetime_s: int = DEFAULT_LIFETIME_S) -> None:
        """`lifetime_s`: the max-age that origins declare."""
        self.zones = Zones()
        self.ca_pem = b""
        self.http_port = self.https_port = self.dns_port = 0
        self.edges: dict[str, Edge] = {}
        self.http3: dict[str, Http3Listener] = {}
        self.origins: dict[str, Origin] = {}
        self.resolvers: dict[str, DnsServer] = {}
        self.anchors: dict[str, HttpServer] = {}
        self.bystander: HttpServer | None = None
        self.portal_tls: ssl.SSLContext | None = None
        self.active: set[str] = set()
        self._lifetime_s = lifetime_s
        self._exit = AsyncExitStack()

    # --- up and down ----------------------------------------------------------------------------------

    async def __aenter__(self) -> Lab:
        origins = [domain.origin for domain in DOMAINS]
        hosts = (*EDGES.values(), *origins, *ANCHORS, OTHER_ADDRESS)
        self.http_port = free_port(hosts)
        self.https_port = free_port(hosts, udp=HTTP3)
        self.dns_port = free_port([r for v in VANTAGES for r in v.resolvers], udp=True)
        with tempfile.TemporaryDirectory(prefix="cdn-probe-lab-") as directory:
            self._build(Pki(Path(directory)))
        async with AsyncExitStack() as stack:
            for server in self.http_servers():
                stack.push_async_callback(server.close)
                server.open()
            for resolver in self.resolvers.values():
                stack.push_async_callback(resolver.close)
                await resolver.open()
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exit.aclose()

    def _build(self, pki: Pki) -> None:
        self.ca_pem = pki.ca_file.read_bytes()
        names = [domain.name for domain in DOMAINS]
        self._build_origins(pki, names)
        self._build_edges(pki, names)
        for address in ANCHORS:
            self.anchors[address] = anchor.anchor(address, self.http_port)
        self.bystander = anchor.bystander(OTHER_ADDRESS, self.http_port)
        self.portal_tls = pki.server_context("portal", [anchor.PORTAL])
        for vantage in VANTAGES:
            chasing = vantage is VANTAGES[0]
            for address in vantage.resolvers:
                self.resolvers[address] = DnsServer(
                    address, self.dns_port, self.zones, vantage, chasing=chasing
                )

    def _build_origins(self, pki: Pki, names: list[str]) -> None:
        tls = pki.server_context("origin", names)
        for domain in DOMAINS:
            self.origins[domain.name] = Origin(
                domain.origin, self.http_port, self.https_port, tls, lifetime_s=self._lifetime_s
            )

    def _build_edges(self, pki: Pki, names: list[str]) -> None:
        expired, trusting = pki.server_context("expired", names, expired=True), pki.client_context()
        for name, address in EDGES.items():
            upstreams = {
                domain.name: Upstream(
                    host=domain.name,
                    address=domain.origin,
                    port=self.port_of(domain),
                    source=address,
                    tls=trusting if domain.scheme == "https" else None,
                )
                for domain in DOMAINS
            }
            self.edges[name] = Edge(
                name,
                address,
                self.http_port,
                self.https_port,
                upstreams=upstreams,
                tls=pki.server_context(name, names),
                expired_tls=expired,
            )
            if HTTP3:
                self._listen_over_udp(self.edges[name], name, pki.leaf(f"{name}-udp", names))

    def _listen_over_udp(self, edge: Edge, name: str, leaf: Path) -> None:
        from probe.lab.http3 import Http3Listener, configuration

        listener = Http3Listener(
            edge.server.address, self.https_port, edge.server.answer, configuration(leaf)
        )
        edge.server.join(listener)
        self.http3[name] = listener

    # --- what there is --------------------------------------------------------------------------------

    def port_of(self, domain: Domain) -> int:
        """The port by which a domain is served, at the edges and at its origin."""
        return self.https_port if domain.scheme == "https" else self.http_port

    def http_servers(self) -> Iterator[HttpServer]:
        """Every HTTP server of the lab."""
        for edge in self.edges.values():
            yield edge.server
        for origin in self.origins.values():
            yield origin.server
        yield from self.anchors.values()
        if self.bystander is not None:
            yield self.bystander

    def expire(self, domain: Domain) -> None:
        """Everything that edges have stored for a domain becomes stale now."""
        for edge in self.edges.values():
            edge.expire(domain.name)

    async def warm(self) -> None:
        """Let every edge store every object, so that the first measurement meets warm caches."""
        for edge in self.edges.values():
            for domain in DOMAINS:
                for path in domain.paths:
                    await edge.warm(domain.name, path)

    def write_config(
        self,
        directory: Path,
        *,
        interval: str = "1s",
        timeout: str = "2s",
        results: str = "results",
        sealed: str | None = None,
        api: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write agent.yaml, customers/*.yaml and the lab's CA into `directory`; the path of agent.yaml.

        `interval` and `timeout` as in the configuration; `results` is relative to agent.yaml. `sealed`: how often
        results are sealed and signed; None: never. `api`: as in agent.yaml; None: nothing listens.
        """
        return config_files.write(
            self, directory, interval=interval, timeout=timeout, results=results, sealed=sealed, api=api
        )

    # --- faults ---------------------------------------------------------------------------------------

    async def apply(self, name: str) -> LabFault:
        """Inject the fault. Raises ValueError for an unknown fault or one in force already."""
        fault = _known(name)
        if name in self.active:
            raise ValueError(f"{name} is in force already; lift it first")
        self.active.add(name)
        await fault.apply(self)
        return fault

    async def lift(self, name: str) -> None:
        """Undo the fault. Raises ValueError for one that is not in force."""
        fault = _known(name)
        if name not in self.active:
            raise ValueError(f"{name} is not in force")
        await fault.lift(self)
        self.active.discard(name)

    @asynccontextmanager
    async def fault(self, name: str) -> AsyncIterator[LabFault]:
        """`async with lab.fault("edge_down") as fault`: applied within, lifted after, also when cancelled."""
        fault = await self.apply(name)
        try:
            yield fault
        finally:
            await asyncio.shield(self.lift(name))


def _known(name: str) -> LabFault:
    if name not in FAULTS:
        raise ValueError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
    return FAULTS[name]
