"""What a file means after inheritance and defaults."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from probe.core.config.effective import MeasuredObject, default_checks
from probe.core.config.load import parse_agent, parse_customer
from probe.core.model.task import AnchorSpec, EdgePolicy, RedirectPolicy, ResolverSpec, SecretRef
from tests.support.kinds import AGENT, CUSTOMER, KINDS


def objects(text: str) -> tuple[MeasuredObject, ...]:
    return parse_customer(text, "customers/acme.yaml", kinds=KINDS, vantage_points=["bj-ct", "sh-cu"]).objects


def test_the_least_that_can_be_written() -> None:
    (item,) = objects(CUSTOMER)
    assert item.request.url == "https://www.acme.example/a.js"
    assert item.request.method == "GET"
    assert item.request.accept_encoding == "identity"
    assert item.interval_us == 60_000_000
    assert item.deadlines.total_us == 10_000_000
    assert item.ip_versions == (4,)
    assert item.vantage_points == ()
    assert item.edges == EdgePolicy(kind="all")
    assert item.redirects == RedirectPolicy()
    assert item.origin is None
    assert [check.kind for check in item.checks] == ["availability"]


INHERITANCE = """\
customer: acme
defaults:
  interval: 5m
  timeout: 2s
  edges: one
  vantage_points: [bj-ct]
  headers: {X-A: defaults, X-B: defaults, X-C: env:C}
  tls: {ca: ca.pem, verify: false}
  checks: {availability: {status: [200]}}
domains:
  - domain: www.acme.example
    scheme: http
    edges: sample:3
    headers: {x-b: domain}
    tls: {server_name: sni.acme.example, verify: true}
    origin: {address: 198.51.100.10, headers: {X-A: origin, X-Key: file:key}, tls: {minimum_version: TLSv1.3}}
    objects:
      - path: /near
        interval: 10s
        timeout: 30s
        edges: all
        headers: {X-A: object}
        redirects: {follow: 2, hosts: [login.acme.example]}
        checks: {response_time: {total: 2s}}
      - path: /far
        vantage_points: [sh-cu]
"""


def test_the_nearest_value_counts() -> None:
    near, far = objects(INHERITANCE)
    assert (near.interval_us, far.interval_us) == (10_000_000, 300_000_000)
    assert (near.edges, far.edges) == (EdgePolicy(kind="all"), EdgePolicy(kind="sample", count=3))
    assert (near.vantage_points, far.vantage_points) == (("bj-ct",), ("sh-cu",))
    assert near.redirects == RedirectPolicy(limit=2, hosts=("login.acme.example",))
    assert near.request.port == 80


def test_headers_are_merged_by_name_whatever_its_case() -> None:
    near, _ = objects(INHERITANCE)
    secret = SecretRef(scheme="env", name="C")
    assert near.request.fields == (("X-A", "object"), ("x-b", "domain"), ("X-C", secret))


def test_tls_is_merged_key_by_key() -> None:
    near, _ = objects(INHERITANCE)
    assert near.tls.ca == "customers/ca.pem"
    assert near.tls.verify is True
    assert near.tls.server_name == "sni.acme.example"


def test_the_origin_takes_over_what_it_does_not_say_itself() -> None:
    near, _ = objects(INHERITANCE)
    assert near.origin is not None
    request = near.origin.request
    assert (near.origin.address, request.url, near.origin.interval_us) == (
        "198.51.100.10",
        "http://www.acme.example/near",
        60_000_000,
    )
    assert dict(request.fields) == {
        "X-A": "origin",
        "x-b": "domain",
        "X-C": SecretRef(scheme="env", name="C"),
        "X-Key": SecretRef(scheme="file", name="customers/key"),
    }
    tls = near.origin.tls
    assert (tls.ca, tls.verify, tls.server_name, tls.minimum_version) == (
        "customers/ca.pem",
        True,
        None,
        "TLSv1.3",
    )


def test_the_origin_may_differ_in_everything() -> None:
    origin = "origin: {address: o.example, scheme: http, port: 8080, host: h.example, sni: s.example, interval: 5m}"
    (item,) = objects(CUSTOMER.replace("    objects:", f"    {origin}\n    objects:"))
    assert item.origin is not None
    assert item.origin.request.url == "http://h.example:8080/a.js"
    assert item.origin.address == "o.example"
    assert item.origin.tls.server_name == "s.example"
    assert item.origin.interval_us == 300_000_000


def test_no_phase_is_longer_than_the_whole() -> None:
    near, far = objects(INHERITANCE)
    assert (far.deadlines.total_us, far.deadlines.connect_us, far.deadlines.first_byte_us) == (2_000_000,) * 3
    assert (near.deadlines.connect_us, near.deadlines.first_byte_us) == (5_000_000, 10_000_000)


def test_the_nearest_checks_count_as_a_whole() -> None:
    near, far = objects(INHERITANCE)
    assert [check.kind for check in near.checks] == ["response_time", "integrity"]
    assert near.checks[0].params.total_us == 2_000_000
    assert [check.kind for check in far.checks] == ["availability", "integrity"]


@pytest.mark.parametrize(
    ("given", "situation", "expected"),
    [
        (None, (False, False, False), {"availability": {}}),
        (None, (True, True, False), {"availability": {}, "alias": {}, "integrity": {}}),
        ({"content": {}}, (True, False, False), {"content": {}, "alias": {}}),
        ({"integrity": {"mode": "none"}}, (False, True, False), {"integrity": {"mode": "none"}}),
        ({"redirect": {}}, (False, True, False), {"redirect": {}}),
        (None, (False, True, True), {"availability": {}}),
        ({}, (False, False, False), {}),
    ],
)
def test_checks_that_apply_unasked(
    given: dict[str, object] | None, situation: tuple[bool, bool, bool], expected: dict[str, object]
) -> None:
    cdn, origin, head = situation
    assert default_checks(given, KINDS, cdn=cdn, origin=origin, head=head) == expected


def test_a_check_that_the_agent_does_not_know_is_never_added() -> None:
    assert default_checks(None, {}, cdn=True, origin=True, head=False) == {}


def test_exclusions_are_kept_in_utc() -> None:
    line = "  - {from: 2026-11-25T00:00:00+08:00, to: 2026-11-24T18:00:00Z, reason: maintenance, source: notice}\n"
    customer = parse_customer(f"{CUSTOMER}exclusions:\n{line}", "a.yaml", kinds=KINDS, vantage_points=[])
    (exclusion,) = customer.exclusions
    assert (exclusion.start, exclusion.end) == ("2026-11-24T16:00:00.000000Z", "2026-11-24T18:00:00.000000Z")


def test_an_agent_with_everything() -> None:
    agent = parse_agent(
        AGENT
        + """\
  - name: full
    region: CN-BJ
    carrier: China Telecom
    asn: 4134
    source: [203.0.113.10, "2001:DB8::10"]
    interface: eth1
    resolvers: ["203.0.113.53", "tcp://[2001:db8::53]:5353", "tls://dns.example.net@192.0.2.1:8853",
                "tls://dns.example.net", "tls://192.0.2.1"]
    client_subnet: 203.0.113.0/24
    anchors: ["https://anchor.example.net/ok?a=b", "http://[2001:db8::7]", "tcp://192.0.2.7:443"]
allow_addresses: [127.0.0.0/8, "::1/128"]
limits: {concurrency: 5, body: 1MiB}
log_level: debug
""",
        "etc/agent.yaml",
    )
    point = agent.vantage_points[2].vantage_point()
    assert (point.source_v4, point.source_v6, point.interface) == ("203.0.113.10", "2001:db8::10", "eth1")
    assert point.resolvers == (
        ResolverSpec(transport="udp", address="203.0.113.53", port=53),
        ResolverSpec(transport="tcp", address="2001:db8::53", port=5353),
        ResolverSpec(transport="tls", address="192.0.2.1", port=8853, tls_name="dns.example.net"),
        ResolverSpec(transport="tls", address="dns.example.net", port=853, tls_name="dns.example.net"),
        ResolverSpec(transport="tls", address="192.0.2.1", port=853),
    )
    assert point.anchors == (
        AnchorSpec(scheme="https", host="anchor.example.net", port=443, path="/ok?a=b"),
        AnchorSpec(scheme="http", host="2001:db8::7", port=80),
        AnchorSpec(scheme="tcp", host="192.0.2.7", port=443),
    )
    assert agent.allow_addresses == ("127.0.0.0/8", "::1/128")
    assert (agent.limits.concurrency, agent.limits.limits().body_bytes) == (5, 1 << 20)
    assert (agent.results, agent.customers) == ("etc/../results", ("etc/customers",))
    assert (agent.log_level, agent.api) == ("debug", None)


def test_paths_are_relative_to_the_base_given() -> None:
    agent = parse_agent(AGENT, "agent.yaml", base=PurePath("/etc/cdn-probe"))
    assert agent.customers == ("/etc/cdn-probe/customers",)
