"""HTTP/3 from a server that no one here wrote, beside clients that no one here wrote, and the network as it may be."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("qh3")
pytest.importorskip("aioquic")

from probe.checks import CHECKS
from probe.core.model.task import AnchorSpec, Deadlines, EdgePolicy, Request, VantagePoint
from probe.core.records.rows import SlotRecord
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.measure.pipeline import HostProbe, Pipeline
from probe.net.netns import close_namespaces
from tests.codes.provoking import saw
from tests.healthy.http3 import ACCUSED, bulk
from tests.measure.test_http3_slots import Names, Triple, cdn, triple
from tests.support import build
from tests.support.http_server import HOST, Pki, make_fetcher, make_target
from tests.system.caddy import caddy
from tests.system.netns import add, assign, delete, inside, ip, link, need_root
from tests.system.programs import find, need

pytestmark = [pytest.mark.system, pytest.mark.long]

SIZES = {"/empty": 0, "/small": 10_000, "/large": 1 << 20}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


# --- oracles -------------------------------------------------------------------------------------------


def by_libcurl(ca: str, port: int, path: str) -> dict[str, Any]:
    """What libcurl with ngtcp2 makes of it: status, bytes, digest, fields, and its own phases in seconds."""
    pycurl = pytest.importorskip("pycurl")
    if not pycurl.version_info()[4] & pycurl.VERSION_HTTP3:
        pytest.skip("this libcurl speaks no HTTP/3")
    body, fields, handle = bytearray(), [], pycurl.Curl()
    handle.setopt(pycurl.URL, f"https://{HOST}:{port}{path}")
    handle.setopt(pycurl.RESOLVE, [f"{HOST}:{port}:127.0.0.1"])
    handle.setopt(pycurl.CAINFO, ca)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_3ONLY)
    handle.setopt(pycurl.WRITEFUNCTION, body.extend)
    handle.setopt(pycurl.HEADERFUNCTION, fields.append)
    handle.setopt(pycurl.TIMEOUT, 20)
    handle.perform()
    made = {
        "status": handle.getinfo(pycurl.RESPONSE_CODE),
        "digest": hashlib.sha256(body).hexdigest(),
        "fields": sorted(
            tuple(part.strip() for part in line.decode().lower().split(":", 1))
            for line in fields
            if b":" in line and not line.lower().startswith((b"date", b"http/"))
        ),
        "connected_s": handle.getinfo(pycurl.APPCONNECT_TIME),
        "first_s": handle.getinfo(pycurl.STARTTRANSFER_TIME),
        "whole_s": handle.getinfo(pycurl.TOTAL_TIME),
    }
    handle.close()
    return made


@pytest.mark.parametrize("path", [*SIZES, "/absent"])
async def test_what_caddy_serves_is_what_libcurl_gets(path: str, pki: Pki, tmp_path: Path) -> None:
    with caddy(tmp_path, pki) as server:
        for name, size in SIZES.items():
            (server.root / name[1:]).write_bytes(os.urandom(size))
        target = make_target(server.port, scheme="https", protocol="h3", tls=pki.policy(), path=path)
        seen = await make_fetcher().fetch(target)
        told = await asyncio.to_thread(by_libcurl, pki.ca, server.port, path)
        by_tcp = await make_fetcher().fetch(
            make_target(server.port, scheme="https", protocol="auto", tls=pki.policy(), path=path)
        )
    assert seen.failure is None
    response, timing = seen.response, seen.timing
    assert response is not None
    assert (response.status_code, response.digest) == (told["status"], told["digest"])
    assert sorted((n, v.lower()) for n, v in response.fields if n != "date") == told["fields"]
    assert by_tcp.response is not None
    assert by_tcp.response.digest == response.digest, "the same content over TCP and QUIC"
    assert timing.connect_start_us is not None
    assert timing.connect_end_us is not None
    assert timing.response_start_us is not None
    assert timing.response_end_us is not None
    assert (
        timing.connect_start_us < timing.connect_end_us < timing.response_start_us <= timing.response_end_us
    )
    assert 0 < told["connected_s"] <= told["first_s"] <= told["whole_s"], "the same phases in the same order"


@pytest.mark.parametrize("curve", ["x25519", "secp256r1", "secp384r1"])
async def test_an_edge_that_agrees_on_one_group_alone_is_served(curve: str, pki: Pki, tmp_path: Path) -> None:
    """The last one asks for another share first (HelloRetryRequest), as of browsers."""
    with caddy(tmp_path, pki, tls=f"curves {curve}") as server:
        (server.root / "small").write_bytes(os.urandom(10_000))
        for protocol in ("h1", "h3"):
            target = make_target(
                server.port, scheme="https", protocol=protocol, tls=pki.policy(), path="/small"
            )
            seen = await make_fetcher().fetch(target)
            assert seen.failure is None, (protocol, seen.failure)


def test_healthy_slots_in_bulk_accuse_nobody(tmp_path: Path) -> None:
    """The whole number by `python -m tests.healthy.http3`."""
    tally, odd = bulk(tmp_path, 1_000, 1, 4)
    assert not [key for key in tally if key[1] in ACCUSED], odd[:3]
    assert sum(tally.values()) == 1_000


# --- the network as it may be ---------------------------------------------------------------------------

OURS, EDGE, EDGE_2, ANCHOR = "10.93.0.2", "10.93.0.11", "10.93.0.12", "10.93.0.31"
QUICK = Deadlines(total_us=4_000_000, connect_us=1_600_000, tls_us=1_600_000, first_byte_us=1_600_000)


@dataclass(frozen=True, slots=True)
class Net:
    """`here`, the vantage point's namespace, and `far` behind it, with Caddy on three addresses at one port."""

    here: str
    far: str
    port: int
    ca: str

    def filter(self, *rules: str) -> None:
        """These rules for what comes to `far`, and no others."""
        nft = str(find("nft"))
        table = "".join(f"add rule inet t in {rule}\n" for rule in rules)
        made = f"flush ruleset\nadd table inet t\nadd chain inet t in {{ type filter hook input priority 0; }}\n{table}"
        subprocess.run([*inside(self.far), nft, "-f", "-"], input=made.encode(), check=True, timeout=30)

    async def slot(
        self, addresses: tuple[str, ...], *, anchor: bool = True, protocol: str = "h3"
    ) -> SlotRecord:
        """One slot; over TCP what Caddy advertises is tried beside it."""
        clock = SystemClock()
        fetcher = HttpFetcher(clock, str, ("10.93.0.0/16",))
        pipeline = Pipeline(
            kinds=CHECKS,
            resolver=Names(addresses),  # type: ignore[arg-type]
            fetcher=fetcher,
            clock=clock,
            host=HostProbe(
                agent="a",
                agent_version="0",
                config_digest=lambda: "c",
                worst_lag_us=lambda since, until: 0,
                clock_state=lambda: (True, 10),
            ),
        )
        anchors = [AnchorSpec(scheme="tcp", host=ANCHOR, port=self.port)]
        if anchor:
            anchors.append(AnchorSpec(scheme="quic", host=ANCHOR, port=self.port, path="/small"))
        task = build.task(
            request=Request(scheme="https", host=HOST, port=self.port, path="/small", protocol=protocol),
            tls=Pki.policy(self),  # type: ignore[arg-type]
            domain=HOST,
            vantage_point=VantagePoint(
                name="here", netns=self.here, source_v4=OURS, interface="uplink", anchors=tuple(anchors)
            ),
            deadlines=QUICK,
            edges=EdgePolicy(),
            checks=build.checks(availability={}, **({} if protocol == "h3" else {"advertised": {}})),
            origin=None,
        )
        try:
            return saw(await pipeline.measure(task, rfc3339(clock.time_ns())))
        finally:
            await fetcher.close()


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Net]:
    need_root()
    need("ip", "nft", "caddy")
    here, far = f"h3here{os.getpid()}", f"h3far{os.getpid()}"
    directory = tmp_path_factory.mktemp("caddy")
    with ExitStack() as stack:
        for name in (here, far):
            add(name)
            stack.callback(partial(delete, name))
        link(here, "uplink", far, "peer")
        assign(here, "uplink", f"{OURS}/24")
        assign(far, "peer", *(f"{address}/24" for address in (EDGE, EDGE_2, ANCHOR)))
        ip("link", "set", "uplink", "up", ns=here)
        ip("link", "set", "peer", "up", ns=far)
        prefix = tuple(inside(far))
        server = stack.enter_context(caddy(directory, pki, (EDGE, EDGE_2, ANCHOR), port=8443, prefix=prefix))
        (server.root / "small").write_bytes(b"x" * 10_000)
        stack.callback(close_namespaces)
        time.sleep(0.2)
        yield Net(here, far, server.port, pki.ca)


OK: Triple = ("ok", None, None)
NO_UDP = "udp dport 8443 drop"
UDP_BLOCKED = (
    pytest.param(
        (NO_UDP,), (EDGE,), True, ("inconclusive", "path", "quic.blocked"), id="udp blocked on our line"
    ),
    pytest.param(
        (NO_UDP,), (EDGE,), False, ("inconclusive", "unknown", "quic.blocked"), id="udp blocked, no anchor"
    ),
)


@pytest.mark.parametrize(
    ("rules", "addresses", "anchor", "expected"),
    [
        pytest.param((), (EDGE, EDGE_2), True, OK, id="all is well"),
        *UDP_BLOCKED,
        pytest.param(
            (f"ip daddr {EDGE} {NO_UDP}",),
            (EDGE, EDGE_2),
            True,
            cdn("quic.timed_out"),
            id="udp blocked at one edge",
        ),
        pytest.param(
            (f"ip daddr {EDGE} udp dport 8443 reject",),
            (EDGE,),
            True,
            cdn("quic.refused"),
            id="refused at one edge",
        ),
        pytest.param(
            ("udp dport 8443 reject",),
            (EDGE,),
            True,
            ("inconclusive", "path", "quic.blocked"),
            id="icmp for all",
        ),
        pytest.param(
            (f"ip daddr {EDGE} udp length > 1000 drop",),
            (EDGE,),
            True,
            cdn("quic.timed_out"),
            id="no long datagrams",
        ),
        pytest.param((f"ip daddr {EDGE} drop",), (EDGE,), True, cdn("quic.timed_out"), id="the edge is dead"),
        pytest.param(
            ("drop",), (EDGE,), True, ("inconclusive", "vantage", "vantage.offline"), id="the line is dead"
        ),
    ],
)
async def test_whose_fault_it_is(
    net: Net, rules: tuple[str, ...], addresses: tuple[str, ...], anchor: bool, expected: Triple
) -> None:
    net.filter(*rules)
    assert triple(await net.slot(addresses, anchor=anchor)) == expected


UNSERVED = "http.advertised_unserved"


@pytest.mark.parametrize(
    ("rules", "addresses", "anchor", "expected"),
    [
        pytest.param((), (EDGE, EDGE_2), True, OK, id="what is advertised is served"),
        pytest.param((f"ip daddr {EDGE} {NO_UDP}",), (EDGE,), True, cdn(UNSERVED), id="dropped at one edge"),
        pytest.param(
            (f"ip daddr {EDGE} udp dport 8443 reject",),
            (EDGE, EDGE_2),
            False,
            cdn(UNSERVED),
            id="refused at one edge",
        ),
        *UDP_BLOCKED,
    ],
)
async def test_what_caddy_advertises_beside_http_2(
    net: Net, rules: tuple[str, ...], addresses: tuple[str, ...], anchor: bool, expected: Triple
) -> None:
    """Alt-Svc of a server that no one here wrote, at a port that is dead over UDP: nobody follows it."""
    net.filter(*rules)
    row = await net.slot(addresses, anchor=anchor, protocol="auto")
    assert triple(row) == expected, row.summary
    edge = row.observations[0]
    assert edge.response is not None
    assert edge.response.next_hop_protocol == "h2"
    assert {(each.protocol, each.port, each.by) for each in edge.advertised} == {("h3", net.port, "alt-svc")}
