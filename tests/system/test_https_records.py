"""HTTPS records (RFC 9460) of nsd through unbound, as the resolver records them: chain, port, TCP and absence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.core.dns.https_record import question_name
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.records.dns import HttpsRecord, Resolution
from probe.host.clock import SystemClock
from probe.resolver.resolver import Resolver
from tests.system.dns_programs import SOA, Unbound, nsd_files, unbound
from tests.system.programs import need

pytestmark = pytest.mark.system
CLOCK = SystemClock()
HINTS = ",".join(f"192.0.2.{number}" for number in range(1, 250))
ACME = f"""$ORIGIN acme.test.
$TTL 60
{SOA}www CNAME www.cdn.test.
plain A 192.0.2.1
_8443._https.plain HTTPS 1 . alpn="h2" no-default-alpn
alias A 192.0.2.1
alias HTTPS 0 www.cdn.test.
large A 192.0.2.1
large HTTPS 1 . alpn="h3" ipv4hint="{HINTS}"
large HTTPS 2 elsewhere.test. alpn="h2" ipv4hint="{HINTS}"
"""
CDN = f"""$ORIGIN cdn.test.
$TTL 60
{SOA}www A 192.0.2.7
www HTTPS 1 . alpn="h3,h2" port="8443" ipv4hint="192.0.2.7" key65400="x"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    need("unbound", "nsd")
    directory: Path = tmp_path_factory.mktemp("records")
    with nsd_files(directory / "nsd", {"acme.test": ACME, "cdn.test": CDN}) as port:
        stubs = dict.fromkeys(("acme.test", "cdn.test"), f"127.0.0.1@{port}")
        with unbound(directory / "unbound", stubs=stubs) as running:
            yield running


async def looked_up(server: Unbound, name: str, port: int = 443) -> Resolution:
    spec = ResolverSpec(transport="udp", address=server.address, port=server.port)
    resolver, line = Resolver(CLOCK, ("192.0.2.0/24",)), VantagePoint(name="v", resolvers=(spec,))
    started = CLOCK.monotonic_ns()
    found = await resolver.resolve(name, "A", line, slot_start_ns=started)
    assert found.failure is None, found
    asked = question_name(name, port)
    return await resolver.ask_https_records(found, asked, line, slot_start_ns=started, deadline_us=5_000_000)


async def test_the_records_of_the_name_that_an_alias_leads_to(server: Unbound) -> None:
    found = await looked_up(server, "www.acme.test")
    assert found.https_records == (
        HttpsRecord(
            owner="www.cdn.test",
            ttl_s=found.https_records[0].ttl_s,
            priority=1,
            target="",
            alpn=("h3", "h2"),
            port=8443,
            hints=("192.0.2.7",),
            keys=("alpn", "port", "ipv4hint", "key65400"),
        ),
    )
    assert {(q.qtype, q.purpose, q.rcode) for q in found.queries} == {
        ("A", "chain", "NOERROR"),
        ("HTTPS", "https", "NOERROR"),
    }
    assert [a.address for a in found.addresses] == ["192.0.2.7"], (
        "what they hint at is no address of the slot"
    )


async def test_at_another_port_another_name_is_asked(server: Unbound) -> None:
    (record,) = (await looked_up(server, "plain.acme.test", 8443)).https_records
    assert (record.owner, record.alpn, record.default_alpn) == (
        "_8443._https.plain.acme.test",
        ("h2",),
        False,
    )


async def test_an_alias_is_recorded_and_not_followed(server: Unbound) -> None:
    found = await looked_up(server, "alias.acme.test")
    (record,) = found.https_records
    assert (record.priority, record.target, record.alpn) == (0, "www.cdn.test", ())
    assert [q.qname for q in found.queries] == ["alias.acme.test"] * 2


async def test_no_records_are_no_failure(server: Unbound) -> None:
    found = await looked_up(server, "plain.acme.test")
    assert (found.https_records, found.failure) == ((), None)
    assert found.queries[-1].rcode == "NOERROR"


async def test_an_answer_that_udp_has_no_room_for_comes_over_tcp(server: Unbound) -> None:
    found = await looked_up(server, "large.acme.test")
    assert sorted((r.priority, len(r.hints)) for r in found.https_records) == [(1, 249), (2, 249)]
    assert [(q.transport, "TC" in q.flags) for q in found.queries[-2:]] == [("udp", True), ("tcp", False)]
