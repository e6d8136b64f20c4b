"""Whole slots through a proxy: what is looked up, what is learned, who is accused, and what must be there to start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from probe.agent.parts import build as build_agent
from probe.checks import CHECKS
from probe.cli.main import cli
from probe.core.model.task import (
    AnchorSpec,
    OriginSpec,
    ProxySpec,
    RedirectPolicy,
    Request,
    Task,
    TlsPolicy,
    VantagePoint,
)
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.fetch.target import FetchTarget
from probe.measure.pipeline import HostProbe, Pipeline
from probe.settings.config_files import load_config
from probe.settings.secrets import SecretError
from tests.codes.provoking import provokes
from tests.measure.test_pipeline import DUE, Answer, Bench, MadeResolver, StillClock, reply
from tests.support import build
from tests.support.http_server import make_fetcher, response, serve, then_hang
from tests.support.proxy_server import PASSWORD, SECRETS, Proxy, proxy

BY_PROXY = ProxySpec(scheme="socks5", host="192.0.2.80", port=1080, resolve="proxy")
ANCHORS = (AnchorSpec(scheme="tcp", host="anchor.example", port=443),)
LINE = VantagePoint(name="bj-ct", proxy=BY_PROXY, anchors=ANCHORS)
NAME = "www.acme.example"


def by_proxy(**changes: Any) -> Task:
    return build.task(**{"vantage_point": LINE, "cdn_prefixes": ("192.0.2.0/24",), **changes})


def through(answer: Answer) -> Answer:
    """As the fetcher says it: over which proxy."""

    def made(target: FetchTarget, count: int) -> Observation:
        proxy = target.vantage.proxy
        return replace(answer(target, count), proxy=None if proxy is None else str(proxy))

    return made


async def test_a_name_that_the_proxy_looks_up_is_asked_by_name_and_nothing_is_learned() -> None:
    bench = Bench(through(lambda target, count: reply()))
    task = by_proxy()
    row = await bench.measure(task)
    assert (row.outcome, row.fault, [f.reason for f in row.findings]) == ("ok", None, ["alias.unverified"])
    assert bench.resolver.asked == []
    assert [(o.role, o.address) for o in row.observations] == [
        (Role.EDGE, NAME),
        (Role.ORIGIN, build.ORIGIN),
    ]
    resolution = row.resolution
    assert resolution is not None
    assert (resolution.qname, resolution.qtype, resolution.rcode) == (NAME, "A", None)
    assert (resolution.canonical_name, resolution.addresses, resolution.queries) == (NAME, (), ())
    assert (resolution.resolver, resolution.transport) == ("socks5://192.0.2.80:1080", None)
    assert (resolution.flags, resolution.failure) == (("resolved_by_proxy",), None)
    assert row.observations[0].timing.domain_lookup_start_us is None
    assert bench.pipeline.nodes.known(task, 1_795_428_000) == ()


async def test_a_literal_is_no_name_for_a_proxy() -> None:
    bench = Bench(through(lambda target, count: reply()))
    row = await bench.measure(by_proxy(domain=build.EDGE, cdn_suffixes=()))
    assert row.resolution is not None
    assert (row.resolution.flags, row.resolution.resolver) == ((), None)
    assert row.observations[0].address == build.EDGE


async def test_a_failing_name_is_asked_again_and_nodes_that_others_learned_are_not_swept() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        return build.refused() if target.address in (NAME, build.EDGE_2) else reply()

    bench = Bench(through(answer))
    await bench.measure(build.task())
    learned = build.task(cdn_prefixes=("192.0.2.0/24",))
    assert bench.pipeline.nodes.known(learned, 1_795_428_000), "another line learned nodes of this domain"
    before = len(bench.fetcher.targets)
    row = await bench.measure(by_proxy())
    asked = [(t.role, t.address) for t in bench.fetcher.targets[before:]]
    assert (Role.CONFIRM, NAME) in asked
    assert (Role.ANCHOR, "anchor.example") in asked
    assert not [role for role, _ in asked if role is Role.SWEEP]
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", "tcp.refused", True)


async def test_names_of_origins_anchors_and_hops_are_handed_over_too() -> None:
    moved = replace(
        reply(status=302, location="https://hop.acme.example/there"),
    )

    def answer(target: FetchTarget, count: int) -> Observation:
        return moved if target.role is Role.EDGE else reply()

    request = Request(scheme="https", host=NAME, port=443, path="/a.js")
    bench = Bench(through(answer))
    task = by_proxy(
        origin=OriginSpec(address="origin.acme.example", request=request),
        redirects=RedirectPolicy(limit=2, hosts=("hop.acme.example",)),
    )
    await bench.measure(task)
    asked = {(t.role, t.address) for t in bench.fetcher.targets}
    assert (Role.ORIGIN, "origin.acme.example") in asked
    assert (Role.REDIRECT, "hop.acme.example") in asked
    assert bench.resolver.asked == []


async def test_an_origin_that_is_the_domain_itself_is_no_origin() -> None:
    request = Request(scheme="https", host=NAME, port=443, path="/a.js")
    bench = Bench(through(lambda target, count: reply()))
    row = await bench.measure(by_proxy(origin=OriginSpec(address=NAME, request=request)))
    assert row.reference is not None
    assert row.reference.self_comparison is True


async def test_a_name_is_not_asked_for_over_a_line_that_cannot_be_given_it() -> None:
    wrong = reply(b"injected", etag=reply().response.fields[0][1])  # type: ignore[union-attr]

    def answer(target: FetchTarget, count: int) -> Observation:
        return reply() if target.role is Role.ORIGIN else wrong

    bench = Bench(through(answer))
    direct = VantagePoint(name="direct")
    here = VantagePoint(name="here", proxy=replace(BY_PROXY, resolve="here"))
    other = VantagePoint(name="other", proxy=BY_PROXY)
    bench.pipeline._lines = (direct, here, other)
    task = by_proxy()
    await bench.pipeline.references.look(task, 0)
    row = await bench.measure(task)
    asked = [t.vantage.name for t in bench.fetcher.targets if t.role is Role.ELSEWHERE]
    assert asked == ["other"]
    assert row.reason == "content.mismatch"


# --- with a proxy that is there -------------------------------------------------------------------


def local_task(made: Proxy, edge_port: int, origin_port: int, **changes: Any) -> Task:
    request = Request(scheme="http", host=NAME, port=edge_port, path="/a.js")
    return build.task(
        request=request,
        vantage_point=VantagePoint(name="bj-ct", proxy=made.spec(**changes)),
        origin=OriginSpec(address="127.0.0.1", request=replace(request, port=origin_port)),
        tls=TlsPolicy(),
        checks=build.checks(availability={}),
    )


async def measured(task: Task) -> SlotRecord:
    pipeline = Pipeline(
        kinds=CHECKS,
        resolver=MadeResolver(build.resolution("127.0.0.1")),  # type: ignore[arg-type]
        fetcher=make_fetcher(SECRETS),
        clock=StillClock(),
        host=HostProbe(
            agent="a",
            agent_version="0",
            config_digest=lambda: "c",
            worst_lag_us=lambda since, until: 0,
            clock_state=lambda: (True, 10),
        ),
    )
    return await pipeline.measure(task, DUE)


@provokes("vantage.proxy_unreachable")
@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_proxy_that_dies_within_a_transfer_accuses_nobody(scheme: str) -> None:
    """The origin answered through it, the edge was cut: without the second look that were the CDN's truncation."""
    origin_asked = asyncio.Event()

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await response(b"x" * 100)(reader, writer)
        origin_asked.set()

    async with serve(origin) as at_origin:
        context = proxy(scheme)
        made = await context.__aenter__()

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
            await writer.drain()
            await origin_asked.wait()
            await asyncio.sleep(0.1)
            made.hang_up()
            await context.__aexit__(None, None, None)

        async with serve(half) as edge:
            row = await measured(local_task(made, edge.port, at_origin.port))
    first = row.observations[0]
    assert first.failure is not None
    assert first.failure.type in ("body.truncated", "tcp.reset")
    assert any(o.role is Role.ORIGIN and o.failure is None for o in row.observations)
    assert (row.outcome, row.fault, row.reason) == ("inconclusive", "vantage", "vantage.proxy_unreachable")
    assert "proxy could not be spoken with" in (row.summary or "")


@provokes("vantage.no_witness")
@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_node_that_is_down_is_the_cdns_once_the_origin_answered_through_the_proxy(
    scheme: str,
) -> None:
    async with serve(response(b"x")) as origin, proxy(scheme) as made:
        async with serve(response(b"x")) as edge:
            down = edge.port
        row = await measured(local_task(made, down, origin.port))
        assert (row.outcome, row.fault) == ("failed", "cdn")
        assert row.reason == ("tcp.refused" if scheme == "socks5" else "tcp.failed")
        silent = local_task(made, down, down)
        assert (await measured(silent)).reason == "vantage.no_witness"


@provokes("vantage.proxy_refused")
async def test_a_record_of_a_proxied_slot_names_the_proxy_and_not_its_credentials() -> None:
    async with (
        serve(response(b"x")) as origin,
        serve(then_hang(b"")) as edge,
        proxy("http", user="probe", password="another") as made,
    ):
        row = await measured(local_task(made, edge.port, origin.port))
    assert (row.outcome, row.fault, row.reason) == ("inconclusive", "vantage", "vantage.proxy_refused")
    assert {o.proxy for o in row.observations} == {f"http://127.0.0.1:{made.port}"}
    assert PASSWORD[:6].encode() not in encode(row)


# --- to start with --------------------------------------------------------------------------------

AGENT = """
agent: a
results: r
customers: customers/
vantage_points:
  - {name: local}
  - {name: by-proxy, proxy: {url: "http://192.0.2.80:3128", user: probe, password: "env:PROBE_TEST_PROXY"}}
"""
CUSTOMER = """
customer: acme
defaults: {vantage_points: [local]}
domains: [{domain: www.acme.example, objects: [{path: /a}]}]
"""


def configured(directory: Path) -> Path:
    (directory / "customers").mkdir()
    (directory / "customers" / "acme.yaml").write_text(CUSTOMER)
    file = directory / "agent.yaml"
    file.write_text(AGENT)
    return file


def test_a_password_that_is_not_there_is_told_at_start(tmp_path: Path) -> None:
    file = configured(tmp_path)
    with pytest.raises(SecretError, match="env:PROBE_TEST_PROXY"):
        build_agent(load_config(file, CHECKS), CHECKS)
    result = CliRunner().invoke(cli, ["check-config", "-c", str(file)])
    assert result.exit_code == 1
    told = (
        "agent.yaml: vantage point by-proxy: proxy.password: env:PROBE_TEST_PROXY: the environment variable"
    )
    assert told in result.stderr


def test_a_password_that_is_there_is_no_problem_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_TEST_PROXY", PASSWORD)
    file = configured(tmp_path)
    parts = build_agent(load_config(file, CHECKS), CHECKS)
    result = CliRunner().invoke(cli, ["check-config", "-c", str(file)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert PASSWORD not in result.output + repr(parts.in_force)
