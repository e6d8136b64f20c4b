"""HTTP/2 of servers that no one here wrote, beside curl: the same status, version and digest of each object."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.core.model.task import Deadlines, Limits, Request, TlsPolicy, VantagePoint
from probe.core.records.observation import Observation, Role
from probe.fetch.fetcher import FetchTarget, HttpFetcher
from probe.host.clock import SystemClock
from tests.system.agent import COMMAND
from tests.system.http2_servers import ADDRESS, HAPROXY_AGREES_ON, HOST, OBJECTS, SERVERS, Running, running
from tests.system.programs import find, free_port, need, process, wait_for_tcp

pytestmark = [pytest.mark.system, pytest.mark.long]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    need("curl", *SERVERS)
    with running(tmp_path_factory.mktemp("h2")) as started:
        yield started


async def ask(
    servers: Running,
    server: str,
    path: str,
    *,
    protocol: str = "h2",
    method: str = "GET",
    coding: str = "identity",
) -> Observation:
    clock = SystemClock()
    fetcher = HttpFetcher(clock, str, ("127.0.0.0/8",))
    try:
        return await fetcher.fetch(
            FetchTarget(
                role=Role.EDGE,
                address=ADDRESS,
                request=Request(
                    scheme="https",
                    host=HOST,
                    port=servers.ports[server],
                    path=path,
                    method=method,
                    accept_encoding=coding,
                    protocol=protocol,
                ),
                tls=TlsPolicy(ca=str(servers.ca)),
                deadlines=Deadlines(total_us=30_000_000),
                limits=Limits(),
                vantage=VantagePoint(name="here"),
                slot_start_ns=clock.monotonic_ns(),
            )
        )
    finally:
        await fetcher.close()


async def asked_of_curl(servers: Running, server: str, path: str, *options: str) -> tuple[int, str, str]:
    """Status, version and digest of the content."""
    place = f"{HOST}:{servers.ports[server]}"
    child = await asyncio.create_subprocess_exec(
        "curl", "-s", "--http2", "--cacert", str(servers.ca), "--resolve", f"{place}:{ADDRESS}", "--max-time", "30",
        "-w", "%{stderr}%{http_code} %{http_version}", *options, f"https://{place}{path}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    content, said = await child.communicate()
    code, version = said.decode().split()[-2:]
    return int(code), version, hashlib.sha256(content).hexdigest()


PATHS = [*(f"/{name}" for name in OBJECTS), "/none", "/old", "/fails"]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("path", PATHS)
async def test_as_curl(servers: Running, server: str, path: str) -> None:
    seen = await ask(servers, server, path)
    assert seen.failure is None, seen.failure
    assert seen.response is not None
    assert seen.tls is not None
    ours = (seen.response.status_code, seen.tls.alpn, seen.response.next_hop_protocol, seen.response.digest)
    code, version, digest = await asked_of_curl(servers, server, path)
    assert (version, ours) == ("2", (code, "h2", "h2", digest))
    assert seen.response.flags == ()
    if path[1:] in OBJECTS:
        assert (code, digest) == (200, hashlib.sha256(OBJECTS[path[1:]]).hexdigest())
    times = seen.timing
    order = [
        times.connect_start_us, times.secure_connection_start_us, times.connect_end_us, times.request_start_us,
        times.response_start_us, times.response_end_us,
    ]  # fmt: skip
    assert None not in order
    assert order == sorted(order, key=lambda at: at or 0)


@pytest.mark.parametrize("server", SERVERS)
async def test_compressed_content_and_heads_alone(servers: Running, server: str) -> None:
    seen = await ask(servers, server, "/app.js", coding="gzip")
    assert seen.response is not None
    assert seen.response.content_codings == ("gzip",)
    assert seen.response.content_digest == hashlib.sha256(OBJECTS["app.js"]).hexdigest()
    seen = await ask(servers, server, "/1m.bin", method="HEAD")
    assert seen.failure is None
    assert seen.response is not None
    assert (seen.response.status_code, seen.response.encoded_body_bytes) == (200, 0)
    assert ("content-length", str(len(OBJECTS["1m.bin"]))) in seen.response.fields


@pytest.mark.parametrize("server", SERVERS)
async def test_auto_takes_http_2(servers: Running, server: str) -> None:
    seen = await ask(servers, server, "/10k.bin", protocol="auto")
    assert seen.response is not None
    assert (seen.response.next_hop_protocol, seen.response.status_code) == ("h2", 200)


@pytest.mark.parametrize("server", SERVERS)
async def test_many_healthy_fetches(servers: Running, server: str) -> None:
    names = ["10k.bin", "1m.bin", "app.js"] * 40
    gate = asyncio.Semaphore(6)

    async def one(name: str) -> None:
        async with gate:
            seen = await ask(servers, server, f"/{name}")
        assert seen.failure is None, seen.failure
        assert seen.response is not None
        assert seen.response.digest == hashlib.sha256(OBJECTS[name]).hexdigest()

    await asyncio.gather(*(one(name) for name in names))


_HTTP_2_ALONE = (
    HAPROXY_AGREES_ON
    + """h2 proto h2
  http-request return status 200 content-type text/plain string well
"""
)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [("h1", ("inconclusive", "agent", "agent.protocol_unsupported")), ("auto", ("ok", None, None))],
)
async def test_haproxy_of_http_2_alone_just_leaves_and_is_not_accused(
    servers: Running, tmp_path: Path, protocol: str, expected: tuple[str, str | None, str | None]
) -> None:
    port, file, log = free_port(ADDRESS), tmp_path / "haproxy.conf", tmp_path / "haproxy.log"
    file.write_text(_HTTP_2_ALONE.format(address=ADDRESS, port=port, pem=servers.ca.parent / "both.pem"))
    with process([str(find("haproxy")), "-db", "-f", str(file)], log) as child:
        wait_for_tcp(ADDRESS, port, child, log)
        asked = [
            *COMMAND,
            "trace",
            "--insecure",
            "--json",
            "--protocol",
            protocol,
            f"https://{ADDRESS}:{port}/",
        ]
        made = await asyncio.to_thread(subprocess.run, asked, capture_output=True, text=True, timeout=120)
    row = json.loads(made.stdout)
    assert (row["outcome"], row["fault"], row["reason"]) == expected, made.stderr
