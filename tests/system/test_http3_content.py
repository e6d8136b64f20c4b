"""One edge, HTTP/3 beside HTTP/1.1 and HTTP/2, from Caddy: the same content by each, and other content by one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("qh3")

from probe.checks import CHECKS
from probe.core.model.task import EdgePolicy, OriginSpec, Request, VantagePoint
from probe.core.model.value import replace
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.measure.pipeline import HostProbe, Pipeline
from tests.codes.provoking import saw
from tests.measure.test_http3_slots import Names
from tests.support import build
from tests.support.http_server import HOST, Pki
from tests.system.caddy import caddy

pytestmark = [pytest.mark.system, pytest.mark.long]

EDGE, ORIGIN = "127.0.6.11", "127.0.6.21"
PATH, SIZE = "/app.bin", 40_000
DIFFER = "content.protocols_differ"
SPOKEN = {"h1": "HTTP/1.1", "h2": "HTTP/2.0", "h3": "HTTP/3.0"}


@dataclass(frozen=True, slots=True)
class Given:
    """`measured`, `beside`: HTTP versions. `differs`: the version by which `routes` apply."""

    measured: str
    beside: tuple[str, ...]
    differs: str = ""
    routes: str = ""
    served: str = "h1 h2 h3"


def only_over(version: str, line: str) -> str:
    return f'@that expression `{{http.request.proto}} == "{SPOKEN[version]}"`\n  {line.format(m="@that")}'


async def measured(given: Given, directory: Path) -> SlotRecord:
    """One slot with the check `integrity`, after the origin was seen."""
    pki = Pki(directory)
    content = os.urandom(SIZE // 2) + b"script" * (SIZE // 12)
    (origin_directory := directory / "origin").mkdir()
    other = directory / "other"
    other.mkdir()
    (other / PATH[1:]).write_bytes(os.urandom(SIZE))
    routes = only_over(given.differs, given.routes.replace("OTHER", str(other))) if given.differs else ""
    clock = SystemClock()
    fetcher = HttpFetcher(clock, str, ("127.0.0.0/8",))
    with (
        caddy(directory, pki, (EDGE,), routes=routes, protocols=given.served) as edge,
        caddy(origin_directory, pki, (ORIGIN,), protocols="h1") as origin,
    ):
        for server in (edge, origin):
            (server.root / PATH[1:]).write_bytes(content)
            os.utime(server.root / PATH[1:], (1_790_000_000, 1_790_000_000))
        pipeline = Pipeline(
            kinds=CHECKS,
            resolver=Names((EDGE,)),  # type: ignore[arg-type]
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
        request = Request(scheme="https", host=HOST, port=edge.port, path=PATH, protocol=given.measured)
        task = build.task(
            request=request,
            tls=pki.policy(),
            domain=HOST,
            vantage_point=VantagePoint(name="here"),
            edges=EdgePolicy(),
            checks=build.checks(availability={}, integrity={"protocols": list(given.beside)}),
            origin=OriginSpec(
                address=ORIGIN,
                interval_us=60_000_000,
                request=replace(request, port=origin.port, protocol="h1"),
                tls=pki.policy(),
            ),
        )
        try:
            await pipeline.references.look(task, clock.monotonic_ns())
            return saw(await pipeline.measure(task, rfc3339(clock.time_ns())))
        finally:
            await fetcher.close()


SAME = {
    "h1 beside h3": Given("h1", ("h3",)),
    "h3 beside h1 and h2": Given("h3", ("h1", "h2")),
    "by ALPN beside h3": Given("auto", ("h3",)),
    "coded over h3 alone": Given("h1", ("h3",), "h3", "encode {m} gzip"),
    "coded over h1 alone": Given("h3", ("h1",), "h1", "encode {m} gzip"),
}


@pytest.mark.parametrize("name", SAME)
async def test_the_same_content_by_each(name: str, tmp_path: Path) -> None:
    given = SAME[name]
    row = await measured(given, tmp_path)
    assert (row.outcome, row.findings) == ("ok", ()), row.summary
    by = {o.ask: o.response for o in row.observations if o.role is Role.CHECK}
    assert set(by) == {f"integrity.by:{version}" for version in given.beside}
    for ask, response in by.items():
        assert ask is not None
        assert response is not None, ask
        assert response.content_digest == row.observations[0].response.content_digest  # type: ignore[union-attr]


OTHER = {
    "h3 beside h1": (Given("h1", ("h3",), "h3", "root {m} OTHER"), "over HTTP/3; over http/1.1 the origin's"),
    "h1 beside h3": (Given("h3", ("h1",), "h1", "root {m} OTHER"), "over HTTP/1.1; over h3 the origin's"),
    "h2 beside h3": (Given("h3", ("h2",), "h2", "root {m} OTHER"), "over HTTP/2; over h3 the origin's"),
    "h3 is missing": (
        Given("h1", ("h3",), "h3", "respond {m} 404"),
        "status 200 over http/1.1, 404 over HTTP/3",
    ),
}


@pytest.mark.parametrize("name", OTHER)
async def test_other_content_by_one_is_the_cdn_s(name: str, tmp_path: Path) -> None:
    given, words = OTHER[name]
    row = await measured(given, tmp_path)
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", DIFFER, True), row.summary
    assert words in row.summary


async def test_other_content_over_the_version_that_is_measured_is_judged_by_itself(tmp_path: Path) -> None:
    row = await measured(Given("h3", ("h1",), "h3", "root {m} OTHER"), tmp_path)
    assert "integrity.version_unseen" in row.summary, (
        "in a first slot it may be one that the origin had before"
    )
    assert DIFFER not in {finding.reason for finding in row.findings}, row.findings


async def test_a_dead_listener_leaves_content_unverified(tmp_path: Path) -> None:
    """That HTTP/3 is down is for `protocol: h3` and the check `advertised`; content is not accused of it."""
    row = await measured(Given("h1", ("h3",), served="h1 h2"), tmp_path)
    assert row.fault != "cdn", row.summary
    assert DIFFER not in {finding.reason for finding in row.findings}, row.findings
