"""Through real proxies, each from an address of its own: what is measured, and who is accused of what."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe.core.model.task import Deadlines, Limits, ProxySpec, Request, SecretRef, TlsPolicy, VantagePoint
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.fetch.fetcher import FetchTarget, HttpFetcher
from probe.host.clock import SystemClock
from tests.system import http2_servers
from tests.system.agent import COMMAND, json_lines, write_config
from tests.system.conftest import DOMAIN, EDGES, OBJECTS, ORIGIN, SmallCdn
from tests.system.programs import free_port
from tests.system.proxy_programs import KINDS, LISTEN, PASSWORD, USER, RealProxy, microsocks, squid, tinyproxy

pytestmark = pytest.mark.system

F = FailureType
HOSTS = {DOMAIN: EDGES[0]}
SAID_OF = {  # by each program, of an address that its own host cannot reach and of a name that it cannot find
    "microsocks": ((Phase.HOST, F.VANTAGE_PROXY_REFUSED), (Phase.HOST, F.VANTAGE_PROXY_REFUSED)),
    "danted": ((Phase.HOST, F.VANTAGE_PROXY_REFUSED), (Phase.TCP, F.TCP_ADDRESS_UNREACHABLE)),
    "tinyproxy": ((Phase.TCP, F.TCP_FAILED), (Phase.TCP, F.TCP_FAILED)),
    "squid": (
        (Phase.TCP, F.TCP_FAILED),
        (Phase.TCP, F.TCP_TIMED_OUT),
    ),  # it waits for the DNS longer than we do
}
REFUSED = {"socks5": F.TCP_REFUSED, "http": F.TCP_FAILED}


@pytest.fixture(scope="module", params=list(KINDS))
def proxy(
    request: pytest.FixtureRequest, small_cdn: SmallCdn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealProxy]:
    with KINDS[request.param](open_directory(tmp_path_factory), HOSTS) as running:
        yield running


@pytest.fixture(scope="module")
def http2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[http2_servers.Running]:
    with http2_servers.running(tmp_path_factory.mktemp("h2"), ("haproxy",)) as started:
        yield started


def open_directory(factory: pytest.TempPathFactory) -> Path:
    """One that a program which gave its rights away can still reach."""
    directory = factory.mktemp("proxy")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    return directory


async def fetch(
    proxy: RealProxy,
    port: int,
    *,
    address: str = EDGES[0],
    resolve: str = "here",
    scheme: str = "http",
    path: str = "/app.js",
    ca: Path | None = None,
    password: str | None = None,
    total_us: int = 10_000_000,
    protocol: str = "h1",
) -> Observation:
    clock = SystemClock()
    secret = None if password is None else SecretRef(scheme="env", name="X")
    user = None if password is None else USER
    spec = ProxySpec(
        scheme=proxy.scheme, host=LISTEN, port=proxy.port, resolve=resolve, user=user, password=secret
    )
    fetcher = HttpFetcher(clock, lambda ref: password or "", ("0.0.0.0/0", "::/0"))
    target = FetchTarget(
        role=Role.EDGE,
        address=address,
        request=Request(scheme=scheme, host=DOMAIN, port=port, path=path, protocol=protocol),
        tls=TlsPolicy(ca=None if ca is None else str(ca)),
        deadlines=Deadlines(total_us=total_us, connect_us=total_us),
        limits=Limits(),
        vantage=VantagePoint(name="here", proxy=spec, source_v4="127.0.5.1"),
        slot_start_ns=clock.monotonic_ns(),
    )
    return await fetcher.fetch(target)


def failed(seen: Observation) -> tuple[Phase, FailureType]:
    assert seen.failure is not None, seen.response
    assert seen.failure.operation == "proxy connect"
    return seen.failure.phase, seen.failure.type


@pytest.mark.parametrize("resolve", ["here", "proxy"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_is_fetched_is_the_edges_and_came_by_the_proxy(
    proxy: RealProxy, small_cdn: SmallCdn, scheme: str, resolve: str
) -> None:
    port = small_cdn.edges.port if scheme == "http" else small_cdn.edges.tls_port
    address = EDGES[0] if resolve == "here" else DOMAIN
    for path in ("app.js", "1m.bin"):
        before = len(small_cdn.edges.requests())
        seen = await fetch(
            proxy,
            port,
            address=address,
            resolve=resolve,
            scheme=scheme,
            path=f"/{path}",
            ca=small_cdn.ca_file,
        )
        assert seen.failure is None, seen.failure
        assert seen.response is not None
        assert (seen.response.status_code, seen.response.encoded_body_bytes) == (200, len(OBJECTS[path]))
        assert seen.response.digest == hashlib.sha256(OBJECTS[path]).hexdigest()
        assert (seen.address, seen.proxy) == (address, proxy.url)
        assert seen.source is not None
        assert seen.source.startswith("127.0.5.1:")
        (logged,) = small_cdn.edges.requests()[before:]
        source, edge, method, asked, status, _, name, _ = logged.split()
        assert (source, edge) == (proxy.source, EDGES[0])
        assert (method, asked, status) == ("GET", f"/{path}", "200")
        assert name == (DOMAIN if scheme == "https" else "-"), "the SNI is the edge's, inside the tunnel"


@pytest.mark.parametrize("protocol", ["h2", "auto"])
async def test_http_2_through_it(proxy: RealProxy, http2: http2_servers.Running, protocol: str) -> None:
    # By HAProxy: nginx without keep-alive resets a connection on which frames of the client wait, and curl gets no more
    # of its body through a proxy than we do.
    name = "1m.bin"
    seen = await fetch(
        proxy,
        http2.ports["haproxy"],
        address=http2_servers.ADDRESS,
        scheme="https",
        path=f"/{name}",
        ca=http2.ca,
        protocol=protocol,
    )
    assert seen.failure is None, seen.failure
    assert seen.response is not None
    assert seen.proxy == proxy.url
    whole = hashlib.sha256(http2_servers.OBJECTS[name]).hexdigest()
    assert (seen.response.next_hop_protocol, seen.response.status_code, seen.response.digest) == (
        "h2",
        200,
        whole,
    )


async def test_a_target_that_refuses(proxy: RealProxy) -> None:
    seen = await fetch(proxy, free_port(EDGES[0]))
    assert failed(seen) == (Phase.TCP, REFUSED[proxy.scheme])
    assert seen.failure is not None
    assert (seen.failure.detail or "").startswith("the proxy says: ")


async def test_a_target_that_cannot_be_reached(proxy: RealProxy) -> None:
    seen = await fetch(proxy, 80, address="203.0.113.9")
    assert failed(seen) == SAID_OF[proxy.program][0]


async def test_a_name_that_the_proxy_does_not_find(proxy: RealProxy) -> None:
    seen = await fetch(proxy, 80, address="nowhere.invalid", resolve="proxy", total_us=3_000_000)
    assert failed(seen) == SAID_OF[proxy.program][1]


@pytest.mark.parametrize("kind", [microsocks, tinyproxy], ids=["microsocks", "tinyproxy"])
async def test_user_and_password(kind: Any, small_cdn: SmallCdn, tmp_path: Path) -> None:
    with kind(tmp_path / "p", HOSTS, password=True) as proxy:
        seen = await fetch(proxy, small_cdn.edges.port, password=PASSWORD)
        assert seen.failure is None
        for wrong in (None, "wrong"):
            seen = await fetch(proxy, small_cdn.edges.port, password=wrong)
            assert failed(seen) == (Phase.HOST, F.VANTAGE_PROXY_REFUSED)


# --- the command ----------------------------------------------------------------------------------


def configured(
    directory: Path, cdn: SmallCdn, proxy: RealProxy, scheme: str = "https", **keys: Any
) -> tuple[Path, dict[str, Any]]:
    """agent.yaml for the small CDN through the proxy, and the customer's file to change."""
    file = write_config(directory, cdn, scheme=scheme, paths=["/app.js", "/10k.bin"])
    agent = yaml.safe_load(file.read_text())
    agent["vantage_points"][0]["proxy"] = {"url": proxy.url, **keys}
    file.write_text(yaml.safe_dump(agent, sort_keys=False))
    return file, yaml.safe_load((directory / "customers" / "acme.yaml").read_text())


def once(file: Path, **environment: str) -> tuple[list[dict[str, Any]], str]:
    """The rows, and everything that was printed."""
    done = subprocess.run(
        [*COMMAND, "once", "-c", str(file), "--json"],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.stdout, done.stderr
    return json_lines(done.stdout), done.stdout + done.stderr


def verdict(row: dict[str, Any]) -> tuple[Any, Any, Any]:
    return row["outcome"], row["fault"], row["reason"]


def test_the_command_through_each_of_them(proxy: RealProxy, small_cdn: SmallCdn, tmp_path: Path) -> None:
    before = len(small_cdn.edges.requests()), len(small_cdn.origin.requests())
    file, _ = configured(tmp_path, small_cdn, proxy)
    rows, _ = once(file)
    assert [verdict(row) for row in rows] == [("ok", None, None)] * 2
    for row in rows:
        assert {o["proxy"] for o in row["observations"]} == {proxy.url}
        assert {o["address"] for o in row["observations"] if o["role"] == "edge"} == set(EDGES)
    logged = small_cdn.edges.requests()[before[0] :] + small_cdn.origin.requests()[before[1] :]
    assert {line.split()[0] for line in logged} == {proxy.source}, "the origin is asked through it too"


def test_the_command_with_names_looked_up_by_the_proxy(
    proxy: RealProxy, small_cdn: SmallCdn, tmp_path: Path
) -> None:
    file, _ = configured(tmp_path, small_cdn, proxy, resolve="proxy")
    agent = yaml.safe_load(file.read_text())
    agent["vantage_points"][0]["resolvers"] = [f"udp://127.0.0.1:{free_port()}"]  # nobody there, nobody asked
    file.write_text(yaml.safe_dump(agent, sort_keys=False))
    rows, _ = once(file)
    assert [verdict(row) for row in rows] == [("ok", None, None)] * 2
    for row in rows:
        assert row["resolution"]["flags"] == ["resolved_by_proxy"]
        assert row["resolution"]["resolver"] == proxy.url
        assert [o["address"] for o in row["observations"] if o["role"] == "edge"] == [DOMAIN]


def test_a_node_that_is_down_is_the_cdns_with_an_anchor_and_nobodys_without(
    proxy: RealProxy, small_cdn: SmallCdn, tmp_path: Path
) -> None:
    file, customer = configured(tmp_path, small_cdn, proxy)
    domain = customer["domains"][0]
    domain["port"] = free_port(*EDGES)
    del domain["origin"]
    (tmp_path / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    rows, _ = once(file)
    assert [verdict(row) for row in rows] == [("failed", "cdn", REFUSED[proxy.scheme].value)] * 2
    agent = yaml.safe_load(file.read_text())
    del agent["vantage_points"][0]["anchors"]
    file.write_text(yaml.safe_dump(agent, sort_keys=False))
    rows, _ = once(file)
    assert [verdict(row) for row in rows] == [("inconclusive", "unknown", "vantage.no_witness")] * 2


@pytest.mark.parametrize("kind", [microsocks, squid], ids=["microsocks", "squid"])
def test_a_proxy_that_was_killed_accuses_nobody(
    kind: Any, small_cdn: SmallCdn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = open_directory(tmp_path_factory)
    with kind(directory / "p", HOSTS) as proxy:
        file, _ = configured(directory, small_cdn, proxy)
        assert {verdict(row) for row in once(file)[0]} == {("ok", None, None)}
        proxy.kill()
        rows, _ = once(file)
    assert [verdict(row) for row in rows] == [("inconclusive", "vantage", "vantage.proxy_unreachable")] * 2


@pytest.mark.parametrize("kind", [microsocks, tinyproxy], ids=["microsocks", "tinyproxy"])
def test_a_password_is_used_and_appears_nowhere(kind: Any, small_cdn: SmallCdn, tmp_path: Path) -> None:
    keys = {"user": USER, "password": "env:PROBE_TEST_PROXY"}
    with kind(tmp_path / "p", HOSTS, password=True) as proxy:
        file, _ = configured(tmp_path, small_cdn, proxy, **keys)
        rows, printed = once(file, PROBE_TEST_PROXY=PASSWORD)
        assert {verdict(row) for row in rows} == {("ok", None, None)}
        assert PASSWORD not in printed
        rows, printed = once(file, PROBE_TEST_PROXY="not-the-password")
        assert {verdict(row) for row in rows} == {("inconclusive", "vantage", "vantage.proxy_refused")}
        assert "not-the-password" not in printed
        assert ORIGIN in {o["address"] for row in rows for o in row["observations"]}
