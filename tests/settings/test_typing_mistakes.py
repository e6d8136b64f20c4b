"""What people mistype, and what they are answered: the place, what was found there, what is meant.

Each row is one mistake in one of two good files. The answers were read by people: whoever changes one reads it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.syntax.problem import ConfigError
from probe.settings.config_files import load_config

AGENT = """\
agent: my-mon-01
results: results
customers: customers/
vantage_points:
  - name: local
    region: CN-BJ
    carrier: China Telecom
    asn: 4134
    resolvers: ["udp://203.0.113.53"]
limits: {concurrency: 200, body: 64MiB}
log_level: info
"""
CUSTOMER = """\
customer: acme
defaults: {interval: 60s, timeout: 10s, vantage_points: [local]}
domains:
  - domain: www.acme.example
    scheme: https
    cdn: {suffixes: [cdn.example.net]}
    origin: {address: 198.51.100.10, scheme: https}
    edges: all
    objects:
      - path: /app.js
        checks:
          availability: {status: [200]}
          response_time: {ttfb: 500ms, total: 2s}
          integrity: {mode: exact}
exclusions:
  - {from: 2026-11-25T00:00:00+08:00, to: 2026-11-25T02:00:00+08:00, reason: maintenance, source: notice}
"""
MISTAKES = (
    (
        "agent",
        "carrier: China",
        "carrier： China",
        (7, 12),
        "'：' is U+FF1A fullwidth colon: after a key type ':' and a space",
    ),
    (
        "agent",
        "asn: 4134",
        "asn:\xa04134",
        (8, 9),
        "this space is U+00A0 no-break space: type an ordinary space",
    ),
    (
        "agent",
        "asn: 4134",
        "asn:4134",
        (8, 5),
        "a key needs ': ' after it, a colon and a space: here the space is missing",
    ),
    ("agent", "asn: 4134", "asn: AS4134", (8, 10), 'asn: expected a whole number, found "AS4134"'),
    ("agent", "asn: 4134", "asn: 4134.5", (8, 10), "asn: expected a whole number, found 4134.5"),
    (
        "agent",
        "region: CN-BJ",
        "region: Beijing",
        (6, 13),
        "region: 'Beijing' is no region: write a country or its subdivision in capitals as in ISO 3166, CN or CN-BJ",
    ),
    (
        "agent",
        "region: CN-BJ",
        "region: cn-bj",
        (6, 13),
        "region: 'cn-bj' is no region: write a country or its subdivision in capitals as in ISO 3166, CN or CN-BJ",
    ),
    (
        "agent",
        "    region",
        "   region",
        (6, 4),
        "this line is indented by 3, the one before by 2, and their block by 2: align it",
    ),
    ("agent", "    region", "\tregion", (6, 1), "a tab indents this line: indent with spaces, not with tabs"),
    (
        "agent",
        "results: results",
        'results: "C:\\Users"',
        (2, 13),
        "within \"double quotes\" a backslash begins an escape: write \\\\, or use 'single quotes'",
    ),
    (
        "agent",
        "log_level: info",
        "log_level: loud",
        (11, 12),
        "log_level: expected one of 'debug', 'info', 'warning', 'error', found \"loud\"",
    ),
    (
        "agent",
        "limits: {concurrency: 200, body: 64MiB}",
        "limits: {concurrency: 200, body: 64MiB",
        (10, 9),
        "the { that opens here is not closed by line 11: a ',' or a '}' is missing",
    ),
    (
        "agent",
        "body: 64MiB",
        "body: 64",
        (10, 34),
        "body: a size needs its unit (B, kB, MB, GB, KiB, MiB, GiB), such as 64KiB or 10MB",
    ),
    (
        "agent",
        "body: 64MiB",
        "body: lots",
        (10, 34),
        "body: not a size: write a number and one of B, kB, MB, GB, KiB, MiB, GiB, such as 64KiB or 10MB",
    ),
    (
        "agent",
        "body: 64MiB",
        "body：64MiB",
        (10, 28),
        "'：' is U+FF1A fullwidth colon: after a key type ':' and a space",
    ),
    (
        "agent",
        "limits: {concurrency: 200, body: 64MiB}",
        "limits: {concurrency: 200，body: 64MiB}",
        (10, 26),
        "'，' is U+FF0C fullwidth comma: type ','",
    ),
    (
        "agent",
        "concurrency: 200",
        "concurency: 200",
        (10, 10),
        "unknown key 'concurency': did you mean 'concurrency'?",
    ),
    ("agent", "concurrency: 200", "concurrency: -1", (10, 23), "concurrency: at least 1, found -1"),
    (
        "agent",
        "concurrency: 200",
        "concurrency: yes",
        (10, 23),
        'yes means a truth value to some YAML readers: write true or false, or quote it: "yes"',
    ),
    (
        "agent",
        '["udp://203.0.113.53"]',
        '["udp://203.0.113.53]',
        (9, 17),
        'the quote " that opens here is not closed',
    ),
    (
        "agent",
        '["udp://203.0.113.53"]',
        '"udp://203.0.113.53"',
        (9, 16),
        'resolvers: expected a list, found "udp://203.0.113.53"',
    ),
    (
        "agent",
        '"udp://203.0.113.53"',
        "“udp://203.0.113.53”",
        (9, 17),
        "“ is U+201C left double quotation mark: quote with \" or '",
    ),
    (
        "agent",
        '"udp://203.0.113.53"',
        '"dns.example.net"',
        (9, 17),
        "resolvers: a udp:// resolver is given by its IP address, such as udp://192.0.2.53",
    ),
    (
        "agent",
        '"udp://203.0.113.53"',
        '"udp:/203.0.113.53"',
        (9, 17),
        "resolvers: '/203.0.113.53' is no port: write a number from 1 to 65535",
    ),
    (
        "agent",
        "agent: my-mon-01",
        "agent: my mon",
        (1, 8),
        "agent: a name is 1 to 63 characters of a-z, 0-9 and -, beginning with a letter or digit, such as acme-2",
    ),
    (
        "agent",
        "agent: my-mon-01\n",
        "",
        (1, 1),
        "'agent' is missing here: Name of this agent; every result carries it",
    ),
    (
        "agent",
        "agent: my-mon-01",
        "agent: my-mon-01\nagent: two",
        (2, 1),
        "the key 'agent' is given twice; the first is at 1:1",
    ),
    (
        "agent",
        "  - name: local",
        "  -name: local",
        (5, 3),
        "an item of a list begins with '- ', a hyphen and a space",
    ),
    (
        "agent",
        "  - name: local",
        "  name: local",
        (6, 11),
        "no key can stand here: check the indentation of this line and the value above it",
    ),
    (
        "agent",
        "log_level: info",
        "log_level: info\n  watch_files: true",
        (12, 14),
        "no key can stand here: check the indentation of this line and the value above it",
    ),
    (
        "agent",
        "log_level: info",
        "loglevel: info",
        (11, 1),
        "unknown key 'loglevel': did you mean 'log_level'?",
    ),
    (
        "agent",
        "log_level: info",
        "log_level: @info",
        (11, 12),
        'a value cannot begin with @: quote it, "@..."',
    ),
    (
        "agent",
        "log_level: info",
        "log_level: 'it's'",
        (11, 16),
        "nothing may follow the closing ' here: within 'single quotes' a ' is written twice",
    ),
    (
        "customer",
        "interval: 60s",
        "interval: 60",
        (2, 22),
        "interval: a duration needs its unit (us, ms, s, m, h, d), such as 500ms or 60s",
    ),
    (
        "customer",
        "interval: 60s",
        "interval: 60 sec",
        (2, 22),
        "interval: not a duration: write a number and one of us, ms, s, m, h, d, such as 500ms or 60s",
    ),
    (
        "customer",
        "interval: 60s",
        "interval: 1m30",
        (2, 22),
        "interval: not a duration: write a number and one of us, ms, s, m, h, d, such as 500ms or 60s",
    ),
    ("customer", "timeout: 10s", "timeout: 10000s", (2, 36), "timeout: too long: at most 10m"),
    (
        "customer",
        "vantage_points: [local]",
        "vantage_points: [locl]",
        (2, 58),
        "unknown vantage point 'locl': did you mean 'local'?",
    ),
    (
        "customer",
        "vantage_points: [local]",
        "vantage_points: local",
        (2, 57),
        'vantage_points: expected a list, found "local"',
    ),
    (
        "customer",
        "domain: www.acme.example",
        "domain: https://www.acme.example",
        (4, 13),
        "domain: 'https://www.acme.example' is no domain name, such as www.acme.example",
    ),
    (
        "customer",
        "domain: www.acme.example",
        "domain: www.acme.example/",
        (4, 13),
        "domain: 'www.acme.example/' is no domain name, such as www.acme.example",
    ),
    (
        "customer",
        "domain: www.acme.example",
        "domain: www acme example",
        (4, 13),
        "domain: 'www acme example' is no domain name, such as www.acme.example",
    ),
    (
        "customer",
        "domain: www.acme.example",
        "domain: www..example",
        (4, 13),
        "domain: 'www..example' is no domain name, such as www.acme.example",
    ),
    (
        "customer",
        "scheme: https\n",
        "scheme: htps\n",
        (5, 13),
        "scheme: expected one of 'http', 'https', found \"htps\"",
    ),
    (
        "customer",
        "scheme: https\n",
        "scheme: HTTPS\n",
        (5, 13),
        "scheme: expected one of 'http', 'https', found \"HTTPS\"",
    ),
    (
        "customer",
        "[cdn.example.net]",
        "[*.cdn.example.net]",
        (6, 22),
        '* begins an alias: quote the value, "*..."',
    ),
    (
        "customer",
        "address: 198.51.100.10",
        "address: 198.51.100.256",
        (7, 23),
        "address: '198.51.100.256' is no IP address, such as 203.0.113.10 or 2001:db8::10",
    ),
    (
        "customer",
        "edges: all",
        "edges: sample",
        (8, 12),
        "edges: edges is all, one, or sample:N with N from 1 to 999, such as sample:3",
    ),
    (
        "customer",
        "path: /app.js",
        "path: app.js",
        (10, 15),
        "path: a path begins with / (the domain and scheme have keys of their own)",
    ),
    (
        "customer",
        "path: /app.js",
        "path: /app.js#top",
        (10, 15),
        "path: a path has neither spaces, control characters nor #: write them percent-encoded",
    ),
    (
        "customer",
        "availability:",
        "availabilty:",
        (12, 11),
        "unknown check 'availabilty': did you mean 'availability'?",
    ),
    ("customer", "status: [200]", "status: [20]", (12, 35), "status: at least 100, found 20"),
    ("customer", "status: [200]", "status: 200", (12, 34), "status: expected a list, found 200"),
    (
        "customer",
        "ttfb: 500ms",
        "ttfb: 500",
        (13, 33),
        "ttfb: a duration needs its unit (us, ms, s, m, h, d), such as 500ms or 60s",
    ),
    (
        "customer",
        "ttfb: 500ms",
        "ttfb: 0.5",
        (13, 33),
        "ttfb: not a duration: write a number and one of us, ms, s, m, h, d, such as 500ms or 60s",
    ),
    (
        "customer",
        "mode: exact",
        "mode: same",
        (14, 29),
        "mode: expected one of 'exact', 'normalised', 'markers', 'headers', 'sampled', 'none', found \"same\"",
    ),
    (
        "customer",
        "to: 2026-11-25T02",
        "to: 2026-11-24T02",
        (16, 5),
        "exclusions: an exclusion ends after it begins: `to` must be later than `from`",
    ),
    (
        "customer",
        "+08:00, to",
        "+8, to",
        (16, 12),
        "from: a time is RFC 3339 with its offset, such as 2026-11-25T00:00:00+08:00 or 2026-11-24T16:00:00Z",
    ),
    (
        "customer",
        "from: 2026-11-25T00:00:00+08:00",
        "from: 2026-11-25",
        (16, 12),
        "from: a time is RFC 3339 with its offset, such as 2026-11-25T00:00:00+08:00 or 2026-11-24T16:00:00Z",
    ),
    (
        "customer",
        "from: 2026-11-25T00:00:00+08:00",
        "from: 2026-13-25T00:00:00+08:00",
        (16, 12),
        "from: there is no such time: month must be in 1..12",
    ),
    (
        "customer",
        "customer: acme",
        "customer: ACME Inc.",
        (1, 11),
        "customer: a name is 1 to 63 characters of a-z, 0-9 and -, beginning with a letter or digit, such as acme-2",
    ),
    (
        "customer",
        "customer: acme",
        "customer: &c acme\n<<: *d",
        (2, 5),
        "*d refers to no anchor: &d must stand before it",
    ),
    ("customer", "domains:", "domain:", (1, 1), "'domains' is missing here: Accelerated domains"),
    (
        "customer",
        "reason: maintenance",
        "reason: yes",
        (16, 78),
        'yes means a truth value to some YAML readers: write true or false, or quote it: "yes"',
    ),
    (
        "customer",
        "        checks:\n          availability",
        "        checks:\n        availability",
        (11, 16),
        "no value is given here: write one, {} for an empty mapping, or leave the key out",
    ),
    (
        "customer",
        "edges: all",
        "edges: all\n    port: https",
        (9, 11),
        'port: expected a whole number, found "https"',
    ),
    ("customer", "edges: all", "edges: all\n    port: 70000", (9, 11), "port: at most 65535, found 70000"),
    ("customer", "edges: all", "edges: all\n    ip: [5]", (9, 10), "ip: expected one of 4, 6, found 5"),
    ("customer", "edges: all", "edges: all\n    ip: 4", (9, 9), "ip: expected a list, found 4"),
    (
        "customer",
        "edges: all",
        "edges: all\n    headers: {X: 3}",
        (9, 18),
        'X: expected text; quote it: "..."',
    ),
    (
        "customer",
        "objects:",
        "objects",
        (9, 5),
        "a key needs ': ' and a value after it, an item of a list '- ' before it",
    ),
    (
        "customer",
        "edges: all",
        "edges: all\n    headers: {Authorization: env:NO TOKEN}",
        (9, 30),
        "Authorization: not a reference to a secret: write env:NAME, a name of letters, digits and _",
    ),
)


def written(directory: Path, agent: str = AGENT, customer: str = CUSTOMER) -> Path:
    (directory / "customers").mkdir()
    (directory / "customers" / "acme.yaml").write_text(customer)
    (directory / "agent.yaml").write_text(agent)
    return directory / "agent.yaml"


def test_without_a_mistake_both_are_good(tmp_path: Path) -> None:
    assert load_config(written(tmp_path), CHECKS).customers[0].customer == "acme"


@pytest.mark.parametrize(
    ("file", "meant", "typed", "place", "answer"), MISTAKES, ids=[m[2][:40] for m in MISTAKES]
)
def test_a_mistake_is_answered_with_its_place_and_what_is_meant(
    file: str, meant: str, typed: str, place: tuple[int, int], answer: str, tmp_path: Path
) -> None:
    good = {"agent": AGENT, "customer": CUSTOMER}
    assert good[file].count(meant) >= 1
    texts = {**good, file: good[file].replace(meant, typed, 1)}
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, **texts), CHECKS)
    first = caught.value.problems[0]
    assert Path(first.file).name == {"agent": "agent.yaml", "customer": "acme.yaml"}[file]
    assert (first.line, first.column) == place
    assert answer in first.message
    assert "Traceback" not in first.message


def test_keys_that_begin_with_x_hold_what_the_file_itself_refers_to(tmp_path: Path) -> None:
    checks = "x-checks: &fast\n  response_time: {ttfb: 200ms}\n"
    customer = checks + CUSTOMER.replace("response_time: {ttfb: 500ms, total: 2s}", "<<: *fast")
    config = load_config(written(tmp_path, customer=customer), CHECKS)
    assert "response_time" in [check.kind for check in config.customers[0].objects[0].checks]
