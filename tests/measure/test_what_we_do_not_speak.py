"""A server or a name that serves others by what this agent does not speak, or was not told to use, is not accused."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.http.head import HeadError, HeadScanner
from probe.core.model.task import Limits
from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import NodeFacts
from probe.core.results.rows import evidence_of
from probe.core.verdict.judge import judge
from tests.codes.provoking import provokes
from tests.support.dns_server import zone
from tests.support.http2 import healthy, plain, tls_of
from tests.support.http_server import HOST, Pki, Script, reply, response
from tests.support.slots import CANONICAL, GOOD, Setting, measure

SETTINGS = bytes.fromhex("000000040000000000")
GOAWAY = bytes.fromhex("0000080700000000000000000000000001")
UNSUPPORTED = ("inconclusive", "agent", "agent.protocol_unsupported")


def tls(pki: Pki) -> ssl.SSLContext:
    return pki.issued()


def verdict(row: SlotRecord) -> tuple[object, object, object]:
    return row.outcome, row.fault, row.reason


@pytest.mark.parametrize(
    ("edge", "https", "expected"),
    [
        (reply(SETTINGS + GOAWAY), True, UNSUPPORTED),
        (response(status="505 HTTP Version Not Supported"), True, UNSUPPORTED),
        (response(b"", "Upgrade: h2c, HTTP/2.0", status="426 Upgrade Required"), True, UNSUPPORTED),
        # Over plain HTTP browsers speak HTTP/1.1 as we do: they get nothing either.
        (reply(SETTINGS + GOAWAY), False, ("failed", "cdn", "http.protocol_violation")),
        (response(status="505 HTTP Version Not Supported"), False, ("failed", "cdn", "http.error")),
        (response(b"", "Upgrade: TLS/1.2", status="426 Upgrade Required"), True, ("failed", "cdn", "http.error")),
        (reply(b"\0\0\x04\x05 garbage"), True, ("failed", "cdn", "http.protocol_violation")),
    ],
)  # fmt: skip
async def test_a_server_of_http_2_alone(
    tmp_path: Path, edge: Script, https: bool, expected: tuple[str, str, str]
) -> None:
    _, row = await measure(Setting(edge=edge, tls=tls if https else None), tmp_path)
    assert verdict(row) == expected, row.summary


def leaving_http1(then: Script) -> Script:
    """As HAProxy with `proto h2`: whoever does not begin as HTTP/2 does is left without a byte."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            await then(reader, writer)

    return script


@pytest.mark.parametrize(
    ("protocols", "expected"),
    [
        (("h2",), UNSUPPORTED),
        # It agreed on HTTP/1.1 and does not speak it: users of that get nothing.
        (("h2", "http/1.1"), ("failed", "cdn", "tcp.closed")),
        # It knows no ALPN, so that browsers speak HTTP/1.1 with it too.
        ((), ("failed", "cdn", "tcp.closed")),
    ],
)
async def test_a_server_that_just_leaves_at_http_1_1(
    tmp_path: Path, protocols: tuple[str, ...], expected: tuple[str, str, str]
) -> None:
    edge = leaving_http1(healthy(plain(GOOD)))
    _, row = await measure(
        Setting(edge=edge, tls=lambda pki: tls_of(pki, *protocols) if protocols else tls(pki)), tmp_path
    )
    assert verdict(row) == expected, row.summary
    looks = [o for o in row.observations if o.role is Role.ELSEWHERE]
    assert [o.tls.alpn for o in looks if o.tls] == {("h2",): ["h2"], (): [None]}.get(protocols, [])
    if expected == UNSUPPORTED:
        assert row.summary is not None
        assert "`protocol: auto`" in row.summary


@pytest.mark.parametrize("size", range(1, len(SETTINGS) + 1))
def test_it_is_known_however_tcp_cut_the_bytes(size: int) -> None:
    def fed() -> None:
        scanner, data = HeadScanner(Limits()), SETTINGS + GOAWAY
        for at in range(0, len(data), size):
            scanner.feed(data[at : at + size])

    with pytest.raises(HeadError) as raised:
        fed()
    assert raised.value.type is FailureType.AGENT_PROTOCOL_UNSUPPORTED


IPV6_ONLY = zone({f"{HOST} CNAME": [CANONICAL], f"{CANONICAL} AAAA": ["2600::1"]})


@provokes("dns.only_ipv6")
async def test_a_name_with_ipv6_alone_is_told_and_accuses_nobody(tmp_path: Path) -> None:
    task, row = await measure(Setting(dns=IPV6_ONLY), tmp_path)
    assert verdict(row) == ("inconclusive", "unknown", "dns.only_ipv6")
    assert row.summary is not None
    assert "IPv6 alone" in row.summary
    assert row.resolution is not None
    asked = [(query.purpose, query.qtype) for query in row.resolution.queries]
    assert ("other_version", "AAAA") in asked
    # A name that had addresses of IPv4 lost them: that is found as before.
    lost = replace(evidence_of(row), nodes=NodeFacts(known=2, settled=True))
    found = judge(task, lost, CHECKS)
    assert (found.outcome, found.fault, found.reason) == ("failed", "cdn", "dns.dangling_alias")


async def test_a_name_without_any_address_is_found_as_before(tmp_path: Path) -> None:
    names = zone({f"{HOST} CNAME": [CANONICAL], f"{CANONICAL} TXT": ["x"]})
    _, row = await measure(Setting(dns=names), tmp_path)
    assert verdict(row) == ("failed", "cdn", "dns.dangling_alias")
