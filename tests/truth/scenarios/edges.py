"""The CDN's own faults, alone and beside what must not excuse them: each has to be found."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.scenario import Scenario
from tests.truth.setup import Setup

_SECURE = Setup(domain="secure.acme.example", scheme="https")
_TIMED = Setup(checks={"availability": {}, "integrity": {}, "response_time": {"ttfb": "700ms"}})

SCENARIOS = (
    Scenario(
        name="edge-refused", party="cdn", why="an edge does not run",
        parts=[parts.refused("varnish")], right=["failed cdn tcp.refused"],
    ),
    Scenario(
        name="edges-all-refused", party="cdn", why="no edge runs, the origin and the anchors answer",
        parts=[parts.refused(*parts.EVERY)], right=["failed cdn tcp.refused"],
    ),
    Scenario(
        name="edge-silent", party="cdn", why="an edge is gone, the others answer",
        parts=[parts.silent("nginx")], right=["failed cdn tcp.timed_out"],
    ),
    Scenario(
        name="edges-all-silent", party="cdn", why="all edges are gone, the origin and the anchors answer",
        parts=[parts.silent(*parts.EVERY)], right=["failed cdn tcp.timed_out"],
    ),
    Scenario(
        name="edge-frozen", party="cdn", why="an edge takes the connection and hangs",
        parts=[parts.frozen("haproxy")], right=["failed cdn http.response.timed_out", "failed cdn http.*"],
    ),
    Scenario(
        name="edge-frozen-https", party="cdn", why="an edge takes the connection and never shakes hands",
        parts=[parts.frozen("nginx")], right=["failed cdn tls.*"], setup=_SECURE,
    ),
    Scenario(
        name="edge-error", party="cdn", why="an edge has no server behind it (503), the origin is well",
        parts=[parts.behaving("error", "haproxy")], right=["failed cdn http.error"], quick=True,
    ),
    Scenario(
        name="edges-all-error", party="cdn", why="every edge answers 503 by itself, the origin is well",
        parts=[parts.behaving("error", *parts.EVERY)], right=["failed cdn http.error"], shows=["nodes.alike"],
    ),
    Scenario(
        name="edge-missing", party="cdn", why="an edge answers 404 for what the origin has",
        parts=[parts.behaving("missing", "nginx")], right=["failed cdn http.error"],
    ),
    Scenario(
        name="edge-other-content", party="cdn", why="an edge serves another file, as large",
        parts=[parts.behaving("other_content", "nginx")], right=["failed cdn content.mismatch"],
    ),
    Scenario(
        name="edges-all-other-content", party="cdn", why="every edge serves another file, as large",
        parts=[parts.behaving("other_content", *parts.EVERY)], right=["failed cdn content.mismatch"],
    ),
    Scenario(
        name="edge-slow", party="cdn", why="one edge alone is slow, whether it asks the origin or not",
        parts=[parts.behaving("slow", "varnish")], right=["slow cdn timing.over_limit"], setup=_TIMED,
    ),
    Scenario(
        name="edge-trickles", party="cdn", why="one edge alone sends its body too slowly to end",
        parts=[parts.behaving("trickles", "nginx")], right=["failed cdn body.timed_out"],
    ),
    Scenario(
        name="edge-large-packets", party="cdn", why="R3: large packets vanish at one edge only",
        parts=[parts.large_packets_lost_at("nginx")], right=["failed cdn http.*", "failed cdn body.*"],
    ),
    Scenario(
        name="edge-closes", party="cdn", why="an edge closes without a reply",
        parts=[parts.behaving("no_reply", "nginx")], right=["failed cdn tcp.closed", "failed cdn http.*"],
    ),
    Scenario(
        name="edge-redirects", party="cdn", why="R3: one edge's own redirect to elsewhere is no portal",
        parts=[parts.behaving("redirects", "nginx")], right=["failed cdn http.*"],
    ),
    Scenario(
        name="edge-certificate-expired", party="cdn", why="an edge's certificate ended; two hosts vouch for our clock",
        parts=[parts.certificate("expired", "nginx")], right=["failed cdn tls.cert.date_invalid"], setup=_SECURE,
    ),
    Scenario(
        name="edge-certificate-not-yet", party="cdn", why="an edge's certificate is of next month",
        parts=[parts.certificate("not_yet", "haproxy")], right=["failed cdn tls.cert.date_invalid"], setup=_SECURE,
    ),
    Scenario(
        name="edge-certificate-other-name", party="cdn", why="an edge presents another customer's certificate",
        parts=[parts.certificate("other_name", "haproxy")], right=["failed cdn tls.cert.name_invalid"], setup=_SECURE,
    ),
    Scenario(
        name="edge-certificate-unknown", party="cdn", why="one edge alone presents a stranger's certificate",
        parts=[parts.certificate("unknown_authority", "nginx")], setup=_SECURE,
        right=["failed cdn tls.cert.authority_invalid", "failed cdn tls.cert.self_signed"],
    ),
    # --- beside what must not excuse it ---
    Scenario(
        name="edge-refused-origin-firewalled", party="cdn", quick=True,
        why="R1: an origin that never answered us explains nothing",
        parts=[parts.refused("varnish"), parts.origin_firewalled], right=["failed cdn tcp.refused"],
    ),
    Scenario(
        name="edge-silent-origin-firewalled", party="cdn", why="R1: neither does it explain a dead edge",
        parts=[parts.silent("haproxy"), parts.origin_firewalled], right=["failed cdn tcp.timed_out"],
    ),
    Scenario(
        name="edge-refused-origin-stopped", party="cdn", why="R1: an origin never explains an edge's TCP",
        parts=[parts.refused("varnish"), parts.origin_stopped],
        setup=Setup(domain="www.acme.example"), right=["failed cdn tcp.refused", "failed * *"],
    ),
    Scenario(
        name="edge-frozen-https-origin-stopped", party="cdn", why="R1: an origin never explains an edge's TLS",
        parts=[parts.frozen("nginx"), parts.origin_frozen],
        setup=Setup(domain="single.acme.example", scheme="https"), right=["failed cdn tls.timed_out"],
    ),
    Scenario(
        name="edge-error-anchors-down", party="cdn", why="R1: vantage.offline may excuse silence, never a reply",
        parts=[parts.behaving("error", "varnish"), parts.anchors_stopped], right=["failed cdn http.error"],
    ),
    Scenario(
        name="edge-refused-two-lines", party="cdn", why="both lines see the same dead edge",
        parts=[parts.refused("nginx")], setup=Setup(lines=("one", "two")), right=["failed cdn tcp.refused"],
    ),
)  # fmt: skip
