"""Rule: the peer is asked as its scraper would ask it, and only its own processor time counts.

prometheus-blackbox-exporter resolves the same host name at the same name server, where a mount namespace with a
resolv.conf of its own can be had (root); else it is given the address and the name as Host and SNI.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.measure import WrongResultError
from benchmarks.programs import Servers, find, free_port, running, wait_for
from benchmarks.server import EDGE, NAME, ORIGIN

PROGRAM = "prometheus-blackbox-exporter"
_MODULE = """modules:
  probe:
    prober: http
    timeout: 10s
    http:
      preferred_ip_protocol: ip4
      ip_protocol_fallback: false
      {headers}
      tls_config: {{ca_file: "{ca}"{server_name}}}
  look:
    prober: dns
    timeout: 5s
    dns: {{query_name: "{name}", query_type: A, preferred_ip_protocol: ip4, transport_protocol: udp}}
"""
_HEAD_END = b"\r\n\r\n"
_SUCCESS = re.compile(rb"^probe_success 1$", re.M)


@dataclass(slots=True, kw_only=True)
class Blackbox:
    """The running exporter. `by_name`: it resolves the host name itself."""

    port: int
    pid: int
    by_name: bool
    servers: Servers

    def cpu_ns(self) -> int:
        """Processor time of the exporter so far, all its threads (clock_getcpuclockid(3))."""
        return time.clock_gettime_ns((~self.pid << 3) | 2)

    def target(self, scheme: str, size: int) -> str:
        """The URL that it is to probe."""
        host = NAME if self.by_name else EDGE
        return f"{scheme}://{host}:{self.servers.ports.of(scheme)}/{size}"

    async def probe(
        self, operations: int, target: str, *, module: str = "probe", in_flight: int = 1
    ) -> list[bytes]:
        """So many probes, `in_flight` at once; the metrics of each. Raises WrongResultError for one that failed."""
        left = iter(range(operations))
        pages: list[bytes] = []
        path = _path(module, target)

        async def scrape() -> None:
            reader, writer = await asyncio.open_connection(ORIGIN, self.port)
            try:
                for _ in left:
                    pages.append(await self.page(reader, writer, path))
            finally:
                writer.close()

        await asyncio.gather(*(scrape() for _ in range(in_flight)))
        return pages

    async def paced(self, per_s: float, seconds: float, target: str) -> float:
        """Processor time of a probe, in microseconds, where they come one after the other, so many a second."""
        path = _path("probe", target)
        spare: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def scrape() -> None:
            pair = spare.pop() if spare else await asyncio.open_connection(ORIGIN, self.port)
            await self.page(*pair, path)
            spare.append(pair)

        await scrape()
        number, before_ns, began_s = round(per_s * seconds), self.cpu_ns(), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for due in range(number):
                await asyncio.sleep(began_s + due / per_s - time.monotonic())
                group.create_task(scrape())
        for _, writer in spare:
            writer.close()
        return (self.cpu_ns() - before_ns) / number / 1000

    async def page(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
        """One scrape on a kept connection."""
        fields = "Host: localhost\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\n{fields}".encode())
        head = await reader.readuntil(_HEAD_END)
        length = re.search(rb"(?i)^content-length: (\d+)", head, re.M)
        body = await (reader.readexactly(int(length[1])) if length else _chunks(reader))
        if not _SUCCESS.search(body):
            raise WrongResultError(f"the peer's probe failed: {path}")
        return body


def _path(module: str, target: str) -> str:
    return f"/probe?module={module}&target={quote(target, safe='')}"


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


@contextmanager
def blackbox(directory: Path, servers: Servers) -> Iterator[Blackbox]:
    """The exporter on loopback. Raises RuntimeError if it does not start."""
    directory.mkdir(parents=True, exist_ok=True)
    by_name = servers.resolver53 is not None and os.geteuid() == 0 and find("unshare") is not None
    headers, server_name = ("", "") if by_name else (f"headers: {{Host: {NAME}}}", f", server_name: {NAME}")
    config, log, port = directory / "blackbox.yml", directory / "out.log", free_port(ORIGIN)
    text = _MODULE.format(headers=headers, ca=servers.ports.ca, server_name=server_name, name=NAME)
    config.write_text(text, encoding="utf-8")
    command = [str(find(PROGRAM)), f"--config.file={config}", f"--web.listen-address={ORIGIN}:{port}"]
    if by_name:
        resolv = directory / "resolv.conf"
        resolv.write_text(f"nameserver {servers.resolver53}\n", encoding="utf-8")
        script = f'mount --bind "{resolv}" /etc/resolv.conf && exec "$@"'
        command = [str(find("unshare")), "-m", "sh", "-c", script, "sh", *command]
    with running(command, log) as child:
        wait_for(ORIGIN, port, child, log)
        yield Blackbox(port=port, pid=child.pid, by_name=by_name, servers=servers)
