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
    ("customer", "domains:", "domain:", (3, 1), "unknown key 'domain': did you mean 'domains'?"),
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
    # What somebody else typed who had not written the rules.
    (
        "agent",
        "customers: customers/",
        "customers: customer/",
        (3, 12),
        "customers: there is neither a file nor a directory ",
    ),
    (
        "agent",
        "customers: customers/",
        "customers: [customers/, others/]",
        (3, 25),
        "customers: there is neither a file nor a directory ",
    ),
    (
        "agent",
        "vantage_points:",
        "vantage-points:",
        (4, 1),
        "unknown key 'vantage-points': did you mean 'vantage_points'?",
    ),
    (
        "agent",
        "  - name: local\n    region",
        "    name: local\n    region",
        (5, 5),
        "vantage_points: expected a list, found keys and values; an item of a list begins with '- '",
    ),
    (
        "agent",
        "asn: 4134",
        "asn: ４１３４",
        (8, 10),
        "asn: expected a whole number, found \"４１３４\"; '４' is U+FF14 fullwidth digit four: type '4'",
    ),
    (
        "agent",
        "carrier: China Telecom",
        "carrier: 'China Telecom",
        (7, 14),
        "the quote ' that opens here is not closed",
    ),
    (
        "agent",
        "carrier: China Telecom",
        'carrier: "China" Telecom',
        (7, 22),
        'nothing may follow the closing " here: within "double quotes" write \\"',
    ),
    (
        "agent",
        "carrier: China Telecom",
        "carrier: China: Telecom",
        (7, 19),
        "a second ': ' on one line: quote the value, or begin a line of its own",
    ),
    (
        "agent",
        "region: CN-BJ",
        "region: NO",
        (6, 13),
        'NO means a truth value to some YAML readers: write true or false, or quote it: "NO"',
    ),
    (
        "agent",
        "body: 64MiB",
        "body: 64M",
        (10, 34),
        'found "64M"',
    ),
    (
        "agent",
        "concurrency: 200",
        "concurrency: 1_000",
        (10, 23),
        "1_000 is read as different numbers by different YAML versions: quote it",
    ),
    (
        "agent",
        "concurrency: 200",
        'concurrency: "200"',
        (10, 23),
        'concurrency: expected a whole number, found "200"',
    ),
    (
        "agent",
        "concurrency: 200",
        "concurrency:200",
        (10, 10),
        "unknown key 'concurrency:200': after the key 'concurrency' a space is missing behind its ':'",
    ),
    (
        "agent",
        "agent: my-mon-01",
        "agent: my\x1bmon",
        (1, 10),
        'the character U+001B is not allowed here; in text write it as an escape in "quotes"',
    ),
    ("agent", "log_level: info", "log_level = info", (11, 1), "after the key 'log_level' stands ': ', not ="),
    ("agent", "log_level: info", "log_level: info\nedges: all", (12, 1), "unknown key 'edges'"),
    (
        "customer",
        "customer: acme",
        "%YAML 1.1\ncustomer: acme",
        (1, 1),
        "'%YAML 1.1' is a directive of YAML and not needed: delete this line",
    ),
    (
        "customer",
        "customer: acme",
        "сustomer: acme",
        (1, 1),
        "unknown key 'сustomer': 'с' is U+0441 cyrillic small letter es: type 'c'",
    ),
    ("customer", "customer: acme", "customer: acme\ninterval: 60s", (2, 1), "unknown key 'interval'"),
    (
        "customer",
        "interval: 60s",
        "interval: 1,5m",
        (2, 22),
        "interval: a duration needs its unit (us, ms, s, m, h, d), such as 500ms or 60s; found 1",
    ),
    (
        "customer",
        "interval: 60s",
        "interval: ６０s",
        (2, 22),
        "found \"６０s\"; '６' is U+FF16 fullwidth digit six: type '6'",
    ),
    (
        "customer",
        "interval: 60s",
        "interval: 0s",
        (2, 22),
        "interval: an interval is at least 100ms and at most 1d",
    ),
    (
        "customer",
        "interval: 60s",
        "interval 60s",
        (2, 12),
        "unknown key 'interval 60s': after the key 'interval' a ': ' is missing",
    ),
    (
        "customer",
        "interval: 60s, timeout",
        "interval: 60s,, timeout",
        (2, 26),
        "nothing stands before this ',': delete it, or write what is missing",
    ),
    ("customer", "[local]}", "[local]}}", (2, 65), "nothing may follow the closing } here"),
    (
        "customer",
        "vantage_points: [local]",
        "vantage_points: ［local］",
        (2, 57),
        "vantage_points: expected a list, found \"［local］\"; '［' is U+FF3B fullwidth left square bracket: type '['",
    ),
    ("customer", "  - domain: www", "  – domain: www", (4, 3), "'–' is U+2013 en dash: type '-'"),
    (
        "customer",
        "  - domain: www",
        "    domain: www",
        (4, 5),
        "domains: expected a list, found keys and values; an item of a list begins with '- '",
    ),
    (
        "customer",
        "domain: www.acme.example",
        "domain: www。acme。example",
        (4, 13),
        "domain: 'www。acme。example' is no domain name: '。' is U+3002 ideographic full stop: type '.'",
    ),
    (
        "customer",
        "domain: www.acme.example",
        "domain: www.acme\u200b.example",
        (4, 13),
        "a character that one does not see is in it, U+200B zero width space: type this text anew",
    ),
    (
        "customer",
        "domain: www.acme.example",
        "domain: 例子.测试",
        (4, 13),
        "domain: write '例子.测试' in its ASCII form (xn--...)",
    ),
    (
        "customer",
        "    scheme: https\n    cdn",
        "  \tscheme: https\n    cdn",
        (5, 3),
        "a tab indents this line: indent with spaces, not with tabs",
    ),
    (
        "customer",
        "scheme: https\n    cdn",
        "scheme: http\n    scheme: https\n    cdn",
        (6, 5),
        "the key 'scheme' is given twice; the first is at 5:5",
    ),
    (
        "customer",
        "{suffixes: [cdn.example.net]}",
        "cdn.example.net",
        (6, 10),
        'cdn: expected keys and values, found "cdn.example.net"; its keys are prefixes, suffixes',
    ),
    (
        "customer",
        "address: 198.51.100.10",
        "address: https://198.51.100.10",
        (7, 23),
        "address: 'https://198.51.100.10' is a URL: write its host alone, an IP address or a name",
    ),
    (
        "customer",
        "address: 198.51.100.10",
        "address: 198.51.100.10:8443",
        (7, 23),
        "address: '198.51.100.10:8443' has a port: write the host alone here, the port has a key of its own",
    ),
    (
        "customer",
        "edges: all",
        "edges: all# of them",
        (8, 12),
        "such as sample:3; found 'all# of them'; a comment needs a space before its #",
    ),
    ("customer", "edges: all", "edges: all\n    // of them", (9, 5), "a comment begins with #, not with //"),
    (
        "customer",
        "    edges: all",
        "<<<<<<< HEAD\n    edges: all\n=======\n    edges: one\n>>>>>>> other",
        (8, 1),
        "a merge was not finished: keep one of the two versions and delete the lines <<<<<<<, =======, >>>>>>>",
    ),
    (
        "customer",
        "    objects:\n      - path: /app.js\n",
        "    objects:\n      - /app.js\n      - path: /app.js\n",
        (10, 9),
        'objects: expected keys and values, found "/app.js"; write `path: ` before it',
    ),
    (
        "customer",
        "    objects:",
        "      objects:",
        (9, 14),
        "no key can stand here: check the indentation of this line and the value above it",
    ),
    (
        "customer",
        "        checks:",
        "      checks:",
        (11, 7),
        "a '- ' item was expected here, as deep as line 10",
    ),
    (
        "customer",
        "availability: {status: [200]}",
        "- availability: {status: [200]}",
        (13, 11),
        "a '- ' item was expected here, as deep as line 12",
    ),
    (
        "customer",
        "integrity: {mode: exact}",
        "integrity: *exact",
        (14, 22),
        "*exact refers to no anchor: &exact must stand before it",
    ),
    (
        "customer",
        "response_time: {",
        "response_time: & {",
        (13, 26),
        '& begins an anchor: quote the value, "&..."',
    ),
    (
        "customer",
        "mode: exact",
        "mode: !exact x",
        (14, 29),
        "the tag !exact is not allowed: a configuration holds plain values only",
    ),
    ("customer", "status: [200]", "status: [2xx]", (12, 35), 'status: expected a whole number, found "2xx"'),
    (
        "customer",
        "exclusions:",
        "---\nexclusions:",
        (15, 1),
        "a second document begins here: one file holds one document",
    ),
    ("customer", "exclusions:\n  - {", "    exclusions:\n      - {", (15, 5), "unknown key 'exclusions'"),
    (
        "customer",
        "exclusions:\n",
        "      - path: /app.js\nexclusions:\n",
        (15, 15),
        "object GET /app.js is given twice; the first is number 1",
    ),
    (
        "customer",
        "  - {from",
        "  {from",
        (16, 3),
        "exclusions: expected a list, found keys and values; an item of a list begins with '- '",
    ),
    (
        "customer",
        "T00:00:00+08:00, to",
        "T00：00：00+08:00, to",
        (16, 12),
        "found '2026-11-25T00：00：00+08:00'; '：' is U+FF1A fullwidth colon: type ':'",
    ),
    (
        "customer",
        "2026-11-25T00:00:00+08:00, to",
        "2026/11/25 00:00, to",
        (16, 12),
        "found '2026/11/25 00:00'",
    ),
    (
        "customer",
        ", source: notice",
        "",
        (16, 5),
        "'source' is missing here: Where it was declared, such as the notice and its date",
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


UTF_16 = "this is UTF-16 (some editors call it Unicode): save the file as UTF-8"


@pytest.mark.parametrize(
    ("encoding", "place", "answer"),
    [
        ("utf-16", (1, 1), UTF_16),
        ("utf-16-le", (1, 1), UTF_16),
        ("utf-16-be", (1, 1), UTF_16),
        ("gbk", (5, 11), "not UTF-8 text: the byte 0xB1 stands here; save the file as UTF-8"),
    ],
)
def test_another_encoding_is_named(
    encoding: str, place: tuple[int, int], answer: str, tmp_path: Path
) -> None:
    file = written(tmp_path)
    file.write_bytes(AGENT.replace("local", "北京", 1).encode(encoding))
    with pytest.raises(ConfigError) as caught:
        load_config(file, CHECKS)
    first = caught.value.problems[0]
    assert (first.line, first.column, first.message) == (*place, answer)


def test_a_byte_order_mark_and_ends_of_lines_of_another_system_change_nothing(tmp_path: Path) -> None:
    meant = load_config(written(tmp_path), CHECKS)
    for file in (tmp_path / "agent.yaml", tmp_path / "customers" / "acme.yaml"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    other = load_config(tmp_path / "agent.yaml", CHECKS)
    assert (other.agent, other.customers) == (meant.agent, meant.customers)


def test_a_file_in_the_wrong_place_is_called_what_it_is(tmp_path: Path) -> None:
    """One sentence each, and not one a key."""
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, agent=CUSTOMER, customer=AGENT), CHECKS)
    (only,) = caught.value.problems
    assert str(only) == (
        f"{tmp_path}/agent.yaml:1:1: this is a customer's file, not an agent's: it belongs where `customers` of"
        " agent.yaml leads"
    )
    (tmp_path / "agent.yaml").write_text(AGENT)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "agent.yaml", CHECKS)
    (only,) = caught.value.problems
    assert str(only) == (
        f"{tmp_path}/customers/acme.yaml:1:1: this is an agent's file, not a customer's: `customers` of agent.yaml"
        " leads to it by mistake"
    )


def test_a_token_that_was_typed_as_a_name_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, agent=AGENT.replace("my-mon-01", "cdnp_aB3dE")), CHECKS)
    assert "cdnp_aB3dE" not in str(caught.value)


def test_keys_that_begin_with_x_hold_what_the_file_itself_refers_to(tmp_path: Path) -> None:
    checks = "x-checks: &fast\n  response_time: {ttfb: 200ms}\n"
    customer = checks + CUSTOMER.replace("response_time: {ttfb: 500ms, total: 2s}", "<<: *fast")
    config = load_config(written(tmp_path, customer=customer), CHECKS)
    assert "response_time" in [check.kind for check in config.customers[0].objects[0].checks]
