"""Helpers of the look-up tests: a vantage point that asks a test's resolver over each transport."""

from __future__ import annotations

import itertools
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType
from probe.host.clock import SystemClock
from probe.resolver.resolver import Resolver
from tests.codes.provoking import saw
from tests.support.dns_server import DnsServer, Script

LOOPBACK = ("127.0.0.0/8",)
CLOCK = SystemClock()
EVERY_FACE = ("udp", "tcp", "tls", "https", "https1")
"""Transports; `https` speaks HTTP/2, `https1` HTTP/1.1."""


@dataclass(frozen=True)
class Authority:
    """Issues a certificate for 127.0.0.1 and dns.example; `file` holds the root."""

    leaf: trustme.LeafCert
    file: str

    def context(self, *alpn: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.leaf.configure_cert(context)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def make_authority(directory: Path) -> Authority:
    authority = trustme.CA()
    path = directory / "resolver-ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return Authority(authority.issue_cert("127.0.0.1", "dns.example"), str(path))


def face(script: Script, how: str, authority: Authority) -> DnsServer:
    """A resolver that speaks `how` and nothing else; UDP with TCP beside it."""
    if how == "udp":
        return DnsServer(script)
    if how == "tcp":
        return DnsServer(script, udp=False)
    alpn = {"tls": ("dot",), "https": ("h2", "http/1.1"), "https1": ("http/1.1",)}[how]
    return DnsServer(script, udp=False, tls=authority.context(*alpn), https=how.startswith("https"))


def face_spec(server: DnsServer, how: str, authority: Authority) -> ResolverSpec:
    transport = how.rstrip("1")
    secure = {"tls_ca": authority.file, "tls_name": "dns.example"} if transport in ("tls", "https") else {}
    path = "/dns-query" if transport == "https" else None
    return ResolverSpec(transport=transport, address=server.host, port=server.port, path=path, **secure)


def vantage(*specs: ResolverSpec, **more: str) -> VantagePoint:
    return VantagePoint(name="v", resolvers=specs, **more)  # type: ignore[arg-type]


async def look_up(
    *specs: ResolverSpec,
    qname: str = "www.a",
    qtype: str = "A",
    deadline_us: int = 3_000_000,
    resolver: Resolver | None = None,
    **more: str,
) -> Resolution:
    """By `resolver`, or by a new one."""
    asked = resolver or Resolver(CLOCK, LOOPBACK)
    return saw(
        await asked.resolve(
            qname, qtype, vantage(*specs, **more), slot_start_ns=CLOCK.monotonic_ns(), deadline_us=deadline_us
        )
    )


def kind(resolution: Resolution) -> FailureType | None:
    return resolution.failure.type if resolution.failure else None


def addresses(resolution: Resolution) -> list[str]:
    return [record.address for record in resolution.addresses]


def pairs(resolution: Resolution) -> list[tuple[str, str]]:
    return [(link.owner, link.target) for link in resolution.cname_chain]


@dataclass(frozen=True)
class Asking:
    """Calling it looks a name up at a resolver with that script, over one transport; or make the server yourself."""

    how: str
    authority: Authority

    def server(self, script: Script) -> DnsServer:
        return face(script, self.how, self.authority)

    def spec(self, server: DnsServer) -> ResolverSpec:
        return face_spec(server, self.how, self.authority)

    @property
    def transport(self) -> str:
        return self.how.rstrip("1")

    async def __call__(
        self,
        script: Script,
        qname: str = "www.a",
        qtype: str = "A",
        deadline_us: int = 3_000_000,
        **more: str,
    ) -> Resolution:
        async with self.server(script) as server:
            return await look_up(self.spec(server), qname=qname, qtype=qtype, deadline_us=deadline_us, **more)


def long_chain(links: int) -> dict[str, list[str]]:
    names = ["www.a", *(f"n{i}.b" for i in range(1, links + 1))]
    return {f"{a} CNAME": [b] for a, b in itertools.pairwise(names)} | {f"{names[-1]} A": ["127.0.0.1"]}
