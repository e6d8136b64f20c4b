"""Codes that no other test shows, each on the row of a slot that was measured against real servers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.x509 import ocsp

from probe.core.model.task import TlsPolicy
from probe.core.records.failure import FailureType, Phase
from probe.core.records.rows import SlotRecord
from probe.net import netns
from tests.codes.collecting import ROOT
from tests.codes.provoking import provokes, saw
from tests.codes.slots import SLOTS, Shown
from tests.replay.record import ALONE
from tests.support.http_server import HOST, Script, make_fetcher, make_target, serve
from tests.support.proxy_server import Proxy, proxy
from tests.support.slots import EDGE, Setting, measure
from tests.system.netns import need_root
from tests.system.programs import need
from tests.tls.test_offer_and_stapling import (
    Authority,
    Stapling,
    certificate,
    key,
    named,
    pem,
    response,
)


@pytest.mark.parametrize(
    "shown", [pytest.param(s, id=name, marks=provokes(*s.shows)) for name, s in SLOTS.items()]
)
async def test_the_row_shows_it(shown: Shown, tmp_path: Path) -> None:
    _, row = await measure(shown.setting, tmp_path)
    assert (row.outcome, row.fault, row.reason) == shown.expected, row.summary


async def measured_through(proxy_: Proxy, directory: Path) -> SlotRecord:
    line = {"proxy": proxy_.spec(resolve="proxy")}
    _, row = await measure(Setting(line=line, warm=False, anchor=False), directory)
    return row


@provokes("alias.unverified")
async def test_what_a_proxy_looks_up_shows_no_alias(tmp_path: Path) -> None:
    async with proxy("socks5", names={HOST: EDGE}) as made:
        row = await measured_through(made, tmp_path)
    assert "alias.unverified" in {finding.reason for finding in row.findings}
    assert (row.outcome, row.fault) == ("ok", None), row.summary


@provokes("tls.cert.revoked")
async def test_a_revoked_certificate_by_the_servers_own_staple(tmp_path: Path) -> None:
    authority, leaf_key = Authority(tmp_path), key()
    leaf = certificate(HOST, leaf_key, "Root", authority.key, named(HOST))
    said = response(leaf, authority.root, authority.key, ocsp.OCSPCertStatus.REVOKED)
    server = Stapling(tmp_path, pem(leaf, leaf_key), said)
    try:
        target = make_target(server.port, scheme="https", tls=TlsPolicy(ca=str(authority.file)))
        seen = saw(await make_fetcher().fetch(target))
    finally:
        server.close()
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.TLS, FailureType.TLS_CERT_REVOKED)


@provokes("agent.socket_late")
async def test_a_thread_of_our_own_that_makes_no_socket_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The namespace's thread is busy with something else; entering a namespace takes rights that a test may lack."""
    monkeypatch.setattr(netns, "_setns", lambda descriptor: 0)
    place, busy = "/proc/self/ns/net", threading.Event()
    other = asyncio.ensure_future(netns.in_namespace(place, busy.wait, lambda done: None))
    try:
        await asyncio.sleep(0)
        _, row = await measure(Setting(line={"netns": place}), tmp_path)
    finally:
        busy.set()
        await asyncio.gather(other, return_exceptions=True)
        netns.close_namespaces()
    assert (row.outcome, row.fault, row.reason) == ("inconclusive", "agent", "agent.socket_late"), row.summary


@pytest.mark.system
@pytest.mark.long
@provokes("vantage.lossy")
def test_a_line_that_loses_packets() -> None:
    need("nft", "ip", "unshare")
    need_root()
    made = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.codes.lossy"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    row = saw(json.loads(made.stdout))
    assert (row["outcome"], row["fault"], row["reason"]) == ("inconclusive", "vantage", "vantage.lossy")


def much(piece: bytes = b"x" * 65_536, pieces: int = 8_000) -> Script:
    """Half a gigabyte, as long as somebody reads it."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(piece) * pieces}\r\n\r\n".encode())
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()

    return script


@provokes("agent.memory_exhausted")
async def test_no_memory_is_left_for_a_body() -> None:
    async with serve(much()) as server:
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.codes.no_memory", str(server.port)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, errors = await made.communicate()
    assert made.returncode == 0, errors.decode()
    seen = saw(json.loads(out))
    assert (seen["failure"]["phase"], seen["failure"]["type"]) == ("host", "agent.memory_exhausted")
